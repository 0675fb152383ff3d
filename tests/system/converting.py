"""Runs the real `syncd` on files, and makes the exports that tests speak of."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SYNCD = Path(sys.executable).with_name("syncd")
GOLDEN = Path(__file__).parents[1] / "golden" / "labelstudio"
BOXES = """<View><Image name="image" value="$image"/><RectangleLabels name="label" toName="image">
<Label value="Car"/><Label value="Dog"/></RectangleLabels></View>"""

Json = Any


@dataclass(frozen=True)
class Ended:
    """A command that came to its end."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Json:
        return json.loads(self.out)


def syncd(*arguments: object, timeout: float = 120, **environment: str) -> Ended:
    """Runs a command to its end."""
    done = subprocess.run(
        [SYNCD, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout,
        env=os.environ | environment,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def convert(given: Path, name: str, to: Path, *arguments: object, config: str = BOXES) -> Ended:
    """`syncd convert … --json` with a labelling configuration."""
    written = to.parent / "label_config.xml"
    written.write_text(config)
    return syncd("convert", given, "--format", name, "--path", to, "--label-config", written, "--json", *arguments)


def box(label: str = "Car", x: float = 10.0, **value: Json) -> Json:
    """A region of 30 × 40 percent on an image of 200 × 100."""
    return {
        "id": f"{label}-{x}",
        "from_name": "label",
        "to_name": "image",
        "type": "rectanglelabels",
        "original_width": 200,
        "original_height": 100,
        "value": {"x": x, "y": 20.0, "width": 30.0, "height": 40.0, "rotation": 0, "rectanglelabels": [label], **value},
    }


def task(number: int, *regions: Json, **data: Json) -> Json:
    """A task with one annotation."""
    annotation = {
        "id": number * 10,
        "completed_by": 1,
        "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-02T00:00:00Z",
        "result": list(regions),
    }
    return {
        "id": number,
        "data": {"image": f"https://images.example/{number}.jpg", **data},
        "annotations": [annotation],
    }


def exported(path: Path, tasks: Iterable[Json]) -> Path:
    """A JSON export as Label Studio writes it."""
    path.write_text(json.dumps(list(tasks)), "utf-8")
    return path


def files_of(folder: Path) -> dict[str, bytes]:
    """Everything in a folder, by relative name."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
