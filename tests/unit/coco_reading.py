"""Reads what the COCO family writes, as its users do: as JSON, and with pycocotools."""

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import pytest
from pycocotools import coco as pycoco

from tests.unit.labelled import BOXES, Folder, annotation, task, written

GOLDEN = Path(__file__).parents[1] / "golden"

PYCOCOTOOLS_IS_OLD = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
)
"""It was compiled against an older numpy."""

FAMILY = ["COCO", "COCO_RLE", "COCO_WITH_IMAGES", "BRUSH_TO_COCO"]

Json = dict[str, Any]


def read(folder: Folder) -> Json:
    (body,) = folder.files.values()
    found: Json = json.loads(body)
    return found


def coco(*tasks: Json, config: str = BOXES, name: str = "COCO", **keywords: Any) -> Json:
    return read(written(name, config, tasks, **keywords))


def only(config: str, *regions: Json, name: str = "COCO") -> Json:
    """The only annotation of one task with these regions."""
    (entry,) = coco(task(1, annotation(*regions)), config=config, name=name)["annotations"]
    return dict(entry)


def names_by_id(dataset: Json) -> dict[int, str]:
    return {category["id"]: category["name"] for category in dataset["categories"]}


def with_pycocotools(dataset: Json, tmp_path: Path) -> pycoco.COCO:
    path = tmp_path / "result.json"
    path.write_text(json.dumps(dataset))
    with contextlib.redirect_stdout(io.StringIO()):
        return pycoco.COCO(str(path))
