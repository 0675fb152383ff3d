"""What the COCO family writes, byte for byte."""

import json
import os
from typing import Any

import pytest

from tests.unit.coco_reading import FAMILY, GOLDEN
from tests.unit.labelled import written

HERE = GOLDEN / "coco"

CASES: dict[str, tuple[str, dict[str, Any]]] = {name.lower(): (name, {}) for name in FAMILY} | {
    "coco_all": ("COCO", {"policy": "all", "category_base": 1}),
}


@pytest.mark.parametrize("case", CASES)
def test_the_file_is_the_golden_one(case: str) -> None:
    name, keywords = CASES[case]
    folder = written(
        name, (HERE / "label_config.xml").read_text(), json.loads((HERE / "tasks.json").read_text()), **keywords
    )
    assert not folder.set_aside
    ((path, body),) = folder.files.items()
    golden = HERE / case / path
    if os.environ.get("SYNCD_WRITE_GOLDEN"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_bytes(body)
    assert body == golden.read_bytes(), f"{golden} differs; see {HERE / 'README.md'}"
