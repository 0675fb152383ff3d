"""Tasks per second of every common format beside Label Studio's converter: same file, same run, imports not counted.

    python benchmarks/formats.py [--tasks 20000] [--rounds 5] [FORMATS...]

Each round is a process of one worker, one of two (`x2`) and one of the converter (label-studio-sdk 2.1.2), in turn, so that what
else the machine does meets all three; the best of each counts. Seconds are from the first look at the input to the output in
its place, forking included. `peak` is the memory of the whole process, in MB. The converter gets an environment of its own under
`.cache/converter`, made when it is missing. Masks have a benchmark of their own (masks.py), and so has memory (memory.py).
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from _converter import the_converter

BOXES = """<View><Image name="image" value="$image"/><RectangleLabels name="label" toName="image">
<Label value="Car"/><Label value="Airplane"/><Label value="Person"/><Label value="Dog"/></RectangleLabels></View>"""
NER = """<View><Labels name="ner" toName="text"><Label value="PER"/><Label value="ORG"/><Label value="LOC"/></Labels>
<Text name="text" value="$text"/></View>"""
FORMATS = {"COCO": BOXES, "YOLO": BOXES, "VOC": BOXES, "CSV": BOXES, "JSON_MIN": BOXES, "CONLL2003": NER}
WORDS = (
    "Anna",
    "met",
    "Bob",
    "in",
    "Berlin",
    "Acme",
    "paid",
    "$",
    "9.50",
    "U.S.A.",
    "don't",
    "one.",
    "two,",
    "(three)",
    "Zürich",
)

OURS = """
import gc, resource, sys, time
from pathlib import Path
from syncd import cli, formats
from syncd.converting.conversion import Request, convert
from syncd.converting.gathering import GivenFile
from syncd.labelstudio.labelconfig import parse_label_config
config, source, target, name, workers = sys.argv[1:]
gc.set_threshold(*cli.COLLECTOR)  # as the command does
kind = formats.find(name)
schema = parse_label_config(Path(config).read_text())
request = Request(GivenFile(Path(source)), Path(target), name, kind.Options(), schema, workers=int(workers))
start = time.perf_counter()
report = convert(request, lambda count: None)
print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
THEIRS = """
import logging, resource, sys, time
logging.disable(logging.CRITICAL)
from label_studio_sdk.converter import Converter
config, source, target, name, _ = sys.argv[1:]
converter = Converter(open(config).read(), target, download_resources=False)
start = time.perf_counter()
converter.convert(source, target, name, is_dir=False)
print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


class Run(NamedTuple):
    """Seconds, and the largest memory in MB."""

    seconds: float
    peak: float


def boxes(number: int, chance: random.Random) -> tuple[dict[str, object], list[dict[str, object]]]:
    def region(place: int) -> dict[str, object]:
        x, y = chance.uniform(0, 60), chance.uniform(0, 60)
        value = {"x": x, "y": y, "width": chance.uniform(1, 39), "height": chance.uniform(1, 39), "rotation": 0}
        return {
            "id": f"r{number}-{place}",
            "type": "rectanglelabels",
            "from_name": "label",
            "to_name": "image",
            "origin": "manual",
            "image_rotation": 0,
            "original_width": 1024,
            "original_height": 768,
            "value": value | {"rectanglelabels": [chance.choice(("Car", "Airplane", "Person", "Dog"))]},
        }

    return {"image": f"https://images.example/{number}.jpg"}, [region(place) for place in range(5)]


def spans(number: int, chance: random.Random) -> tuple[dict[str, object], list[dict[str, object]]]:
    words = [chance.choice(WORDS) for _ in range(60)]
    starts = [sum(map(len, words[:n])) + n for n in range(60)]
    regions: list[dict[str, object]] = []
    for place in range(0, 60, 12):
        first, last = place, place + chance.randrange(1, 4)
        value = {
            "start": starts[first],
            "end": starts[last] + len(words[last]),
            "labels": [chance.choice(("PER", "ORG"))],
        }
        about = {"id": f"s{number}-{place}", "type": "labels", "from_name": "ner", "to_name": "text"}
        regions.append(about | {"value": value})
    return {"text": " ".join(words)}, regions


def export(path: Path, count: int, config: str) -> None:
    """A JSON export in Label Studio's shape and way of writing."""
    chance = random.Random(1)
    times = {"created_at": "2026-01-01T00:00:00.000001Z", "updated_at": "2026-01-02T00:00:00.000001Z"}
    with path.open("w", encoding="utf-8") as file:
        for number in range(1, count + 1):
            data, result = (boxes if config is BOXES else spans)(number, chance)
            annotation = {
                "id": number,
                "completed_by": 1,
                "result": result,
                "was_cancelled": False,
                "ground_truth": False,
            }
            annotation |= times | {"lead_time": 12.5, "prediction": {}, "result_count": len(result), "task": number}
            task = {
                "id": number,
                "annotations": [annotation],
                "drafts": [],
                "predictions": [],
                "data": data,
                "meta": {},
            }
            task |= times | {"inner_id": number, "total_annotations": 1, "project": 1, "comment_authors": []}
            file.write(("[" if number == 1 else ",") + json.dumps(task, separators=(",", ":"), ensure_ascii=False))
        file.write("]")


def timed(python: str | Path, code: str, arguments: list[str]) -> Run:
    """One process, writing to a fresh folder."""
    with tempfile.TemporaryDirectory() as target:
        config, source, name, workers = arguments
        command = [python, "-c", code, config, source, f"{target}/out", name, workers]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, kilobytes = done.stdout.split()
    return Run(float(seconds), float(kilobytes) / 1000)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--tasks", type=int, default=20_000)
    asked.add_argument("--rounds", type=int, default=5)
    asked.add_argument("formats", nargs="*", default=list(FORMATS))
    chosen = asked.parse_args()
    theirs = the_converter()
    print(f"{chosen.tasks:,} tasks, best of {chosen.rounds}; tasks/s")
    print(f"{'':<10} {'syncd':>9} {'converter':>10} {'ratio':>6} {'x2':>9} {'ratio':>6} {'peak':>6} {'conv.':>6}")
    with tempfile.TemporaryDirectory() as folder:
        for name in chosen.formats:
            config, source = Path(folder, "config.xml"), Path(folder, "export.json")
            config.write_text(FORMATS[name], "utf-8")
            export(source, chosen.tasks, FORMATS[name])
            given = [str(config), str(source), name]
            rounds = [
                (
                    timed(sys.executable, OURS, [*given, "1"]),
                    timed(sys.executable, OURS, [*given, "2"]),
                    timed(theirs, THEIRS, [*given, "1"]),
                )
                for _ in range(chosen.rounds)
            ]
            one, two, other = map(min, zip(*rounds, strict=True))
            print(
                f"{name:<10} {chosen.tasks / one.seconds:>9,.0f} {chosen.tasks / other.seconds:>10,.0f} "
                f"{other.seconds / one.seconds:>6.1f} {chosen.tasks / two.seconds:>9,.0f} "
                f"{one.seconds / two.seconds:>6.2f} {one.peak:>6.0f} {other.peak:>6.0f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
