"""Peak memory of `syncd convert` for every format, over an input that is written task by task.

    python benchmarks/memory.py [--tasks 100000] [--folder /dev/shm] [FORMATS...]

Peaks are of the whole process, in MB of resident memory, import of everything included. SPACY and PARQUET stand beside what
importing their library alone takes. Tasks are small: 1,000,000 of them take 0.5 to 1.1 GB of `--folder`, and formats that write
a file per task as many files beside it.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from formats import BOXES, NER

sys.path.insert(0, str(Path(__file__).parents[1]))  # the tests' measuring of peaks is not installed
from syncd.formats import available
from syncd.png import grey_png
from syncd.rle_pack import encode_rle
from tests.peaks import peak_kb_of

SYNCD = Path(sys.executable).with_name("syncd")
LIBRARIES = {"SPACY": "spacy", "PARQUET": "pyarrow, pyarrow.parquet"}
NUMBER = 7_000_000
"""What the template's ids are; tasks count from here, so that all of them are as long."""
BRUSH = """<View><Image name="image" value="$image"/><BrushLabels name="label" toName="image">
<Label value="Car"/><Label value="Dog"/></BrushLabels></View>"""
SPEECH = """<View><Audio name="audio" value="$audio"/><TextArea name="text" toName="audio"/></View>"""
PAGE = f"Ann{NUMBER} met Bob in Berlin and paid order-{NUMBER} for $ 9.50 ."
"""Words that no other text has, so that whoever keeps every word is seen."""


class Kind(NamedTuple):
    """Tasks of one kind: their labelling configuration, data and regions."""

    config: str
    data: dict[str, Any]
    result: list[dict[str, Any]]


def region(shape: str, **value: Any) -> dict[str, Any]:
    about = {"id": f"{shape}-{NUMBER}", "type": shape, "from_name": "label", "to_name": "image"}
    return about | {"original_width": 32, "original_height": 24, "image_rotation": 0, "value": value}


def span(start: int, end: int, label: str) -> dict[str, Any]:
    value = {"start": start, "end": end, "labels": [label]}
    return {"id": f"span-{start}", "type": "labels", "from_name": "ner", "to_name": "text", "value": value}


def dab(left: int) -> list[int]:
    alpha = np.zeros((24, 32), np.uint8)
    alpha[4:12, left : left + 9] = 255
    return encode_rle(alpha)


IMAGE = {"image": "/data/local-files/?d=one.png"}
BOX = {"x": 12.5, "y": 6.25, "width": 25, "height": 40, "rotation": 0}
KINDS = {
    "boxes": Kind(
        BOXES, IMAGE, [region("rectanglelabels", **BOX, rectanglelabels=[label]) for label in ("Car", "Dog")]
    ),
    "brush": Kind(
        BRUSH,
        IMAGE,
        [
            region("brushlabels", format="rle", rle=dab(left), brushlabels=[label])
            for left, label in ((2, "Car"), (15, "Dog"))
        ],
    ),
    "spans": Kind(NER, {"text": PAGE}, [span(0, 10, "PER"), span(15, 18, "PER"), span(22, 28, "LOC")]),
    "speech": Kind(
        SPEECH,
        {"audio": f"https://audio.example/{NUMBER}.wav"},
        [
            {
                "id": "t",
                "type": "textarea",
                "from_name": "text",
                "to_name": "audio",
                "original_length": 2.5,
                "value": {"text": [PAGE]},
            }
        ],
    ),
}
KIND_OF = {"CONLL2003": "spans", "SPACY": "spans", "ASR_MANIFEST": "speech"} | dict.fromkeys(
    ("BRUSH_TO_COCO", "BRUSH_TO_NUMPY", "BRUSH_TO_PNG", "COCO_RLE", "MASK_PNG"), "brush"
)
"""Format → kind of tasks; all others take boxes."""


def tasks_of(kind: Kind, count: int) -> Iterator[bytes]:
    """An export of so many tasks, as Label Studio writes one, in pieces."""
    times = {"created_at": "2026-01-01T00:00:00.000001Z", "updated_at": "2026-01-02T00:00:00.000001Z"}
    annotation = {"id": NUMBER, "completed_by": 1, "result": kind.result, "was_cancelled": False} | times
    task = {"id": NUMBER, "annotations": [annotation], "predictions": [], "data": kind.data, "project": 1} | times
    text = json.dumps(task, separators=(",", ":")).encode()
    for number in range(NUMBER, NUMBER + count):
        yield (b"[" if number == NUMBER else b",") + text.replace(b"%d" % NUMBER, b"%d" % number)
    yield b"]"


def peak_of(name: str, given: Path, config: Path, into: Path) -> float:
    """MB at the most, of a conversion that writes everything."""
    command = [SYNCD, "convert", given, "-f", name, "--label-config", config, "--path", into]
    command += ["--document-root", given.parent] if name.endswith("_WITH_IMAGES") else []
    return peak_kb_of(command) / 1000


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--tasks", type=int, default=100_000)
    asked.add_argument("--folder", help="where input and output stand; else $TMPDIR")
    asked.add_argument("formats", nargs="*", default=sorted(available()))
    chosen = asked.parse_args()
    print(f"{chosen.tasks:,} tasks; MB at the most, and seconds")
    print(f"{'':<23} {'peak':>6} {'library':>8} {'above':>6} {'seconds':>8}")
    with tempfile.TemporaryDirectory(dir=chosen.folder) as place:
        folder = Path(place)
        (folder / "one.png").write_bytes(grey_png(np.zeros((24, 32), np.uint8)))
        given, config, written = folder / "export.json", folder / "config.xml", ""
        for name in sorted(chosen.formats, key=lambda name: (KIND_OF.get(name, "boxes"), name)):
            kind = KIND_OF.get(name, "boxes")
            if kind != written:
                config.write_text(KINDS[kind].config, "utf-8")
                with given.open("wb") as file:
                    file.writelines(tasks_of(KINDS[kind], chosen.tasks))
                written = kind
            library = LIBRARIES.get(name)
            bare = peak_kb_of([sys.executable, "-c", f"import {library}"]) / 1000 if library else None
            began = time.perf_counter()
            peak = peak_of(name, given, config, folder / "out")
            beside = "       –" if bare is None else f"{bare:>8.0f}"
            seconds = time.perf_counter() - began
            print(f"{name:<23} {peak:>6.0f} {beside} {peak - (bare or 0):>6.0f} {seconds:>8.1f}", flush=True)
            shutil.rmtree(folder / "out")


if __name__ == "__main__":
    main()
