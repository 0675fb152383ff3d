"""One task of each kind of poison among a thousand good ones is set aside, with region and reason; the others are written."""

import csv
import io
import json
import subprocess
from pathlib import Path

import pytest

from syncd.formats import available
from tests.system.converting import SYNCD, Json, box, convert, exported, files_of, task

CONFIG = """<View>
  <Image name="image" value="$image"/>
  <RectangleLabels name="label" toName="image"><Label value="Car"/><Label value="Dog"/></RectangleLabels>
  <BrushLabels name="brush" toName="image"><Label value="Grass"/></BrushLabels>
  <Text name="text" value="$text"/>
  <Labels name="ner" toName="text"><Label value="PER"/></Labels>
</View>"""
GOOD = 1_000
SIZE = {"original_width": 200, "original_height": 100}


def span(start: Json, end: Json, **value: Json) -> Json:
    about = {"start": start, "end": end, "labels": ["PER"], **value}
    return {"id": "span", "from_name": "ner", "to_name": "text", "type": "labels", "value": about}


def brush(rle: list[Json]) -> Json:
    value = {"format": "rle", "rle": rle, "brushlabels": ["Grass"]}
    return {"id": "brush", "from_name": "brush", "to_name": "image", "type": "brushlabels", "value": value, **SIZE}


POISON = [
    task(2001, box(id_of_a_camera=2**63 + 5), text="Ann"),
    task(2002, box(), text="Ann \ud83d"),
    task(2003, box(x=float("nan")), text="Ann"),
    task(2004, brush([0, 0, 1, 0, 57, 27]), text="Ann"),
    task(2005, box(), span(2, 9_000), text="Ann"),
    task(2006, box(width="wide"), text="Ann"),
    task(2007, box(y=10**30), text="Ann"),
]
REGIONS = {2003: "Car-nan", 2004: "brush", 2005: "span", 2006: "Car-10.0", 2007: "Car-10.0"}

_NOT_IN_JSON = {2001, 2002, 2003, 2007}
_NO_BOX = {2003, 2006, 2007}
EXPECTED = {
    **dict.fromkeys(("JSON", "JSONL", "JSON_MIN", "CSV", "TSV", "PARQUET"), _NOT_IN_JSON),
    **dict.fromkeys(("COCO", "COCO_WITH_IMAGES"), _NO_BOX),
    **dict.fromkeys(("COCO_RLE", "BRUSH_TO_COCO", "MASK_PNG", "VOC", "YOLO", "YOLO_OBB"), _NO_BOX | {2004}),
    **dict.fromkeys(("YOLO_WITH_IMAGES", "YOLO_OBB_WITH_IMAGES"), _NO_BOX | {2004}),
    **dict.fromkeys(("BRUSH_TO_PNG", "BRUSH_TO_NUMPY"), frozenset({2004})),
    **dict.fromkeys(("CONLL2003", "SPACY"), frozenset({2002, 2005})),
}
"""What each format cannot hold; the other formats keep the task."""


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    good = [task(n, box(), span(0, 3), text="Ann met Bob") for n in range(1, GOOD + 1)]
    path = tmp_path_factory.mktemp("poison") / "export.json"
    path.write_text(json.dumps([*good, *POISON]), "utf-8")
    return path


@pytest.mark.parametrize("name", [name for name in EXPECTED if not name.endswith("WITH_IMAGES")])
def test_the_poisoned_are_set_aside_and_all_others_written(name: str, given: Path, tmp_path: Path) -> None:
    done = convert(given, name, tmp_path / "out", config=CONFIG)

    aside = {one["task"]: one for one in done.json["set_aside"]}
    assert done.code == 1
    assert set(aside) == EXPECTED[name]
    assert all(one["reason"] for one in aside.values())
    if EXPECTED[name] != _NOT_IN_JSON:
        assert all(one["region"] == REGIONS.get(number) for number, one in aside.items())
    assert name.startswith("BRUSH_TO_") or done.json["tasks"] == GOOD + len(POISON) - len(aside)
    paths = files_of(tmp_path / "out")
    assert not any(f"__t{number}" in path for number in aside for path in paths)


def test_every_format_has_its_poison() -> None:
    assert set(EXPECTED) | {"ASR_MANIFEST"} == set(available())


def test_the_report_for_people_names_task_region_and_reason(given: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.xml"
    config.write_text(CONFIG)

    command = [SYNCD, "convert", given, "-f", "COCO", "--path", tmp_path / "out", "--label-config", config]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "task 2006, region Car-10.0: broken coordinates: width is wide" in done.stdout
    assert "Traceback" not in done.stderr


# --- odd but sound ----------------------------------------------------------------------------------------------------

ODD = """<View><Image name="image" value="$image"/>
  <Labels name="label" toName="image"><Label value="Road"/><Label value="=SUM(A1)"/></Labels>
  <Polygon name="poly" toName="image"/><Rectangle name="rect" toName="image"/>
  <KeyPointLabels name="kp" toName="image"><Label value="Nose"/></KeyPointLabels>
  <RectangleLabels name="boxes" toName="image"><Label value="Car"/></RectangleLabels></View>"""


def odd(kind: str, **value: Json) -> Json:
    names = {"polygon": "label", "keypointlabels": "kp", "rectanglelabels": "boxes", "gone": "no_such_control"}
    return {"id": kind, "from_name": names[kind], "to_name": "image", "type": kind, "value": value, **SIZE}


CORNERS = [[10, 10], [60, 10], [60, 50]]
SOUND = [
    odd("polygon", points=CORNERS, closed=True, labels=["Road"]),
    odd("keypointlabels", x=20, y=20, width=1, keypointlabels=["Nose"]),
    odd("rectanglelabels", x=1, y=1, width=5, height=5, rotation=0),
    odd("gone", x=1, y=1, width=5, height=5, rotation=0, rectanglelabels=["Car"]),
]
NAMES = [
    "../../../etc/passwd",
    "x" * 300 + ".jpg",
    "a/../../b.png",
    "=cmd|' /C calc'!A0",
    "C:\\boot.ini",
    "naïve 東京.jpg",
    "..",
    "",
]


@pytest.mark.parametrize("name", ["COCO", "COCO_RLE", "YOLO", "YOLO_OBB", "VOC", "MASK_PNG", "CSV", "JSON_MIN", "JSON"])
def test_odd_but_sound_things_are_written_and_nothing_leaves_the_folder(name: str, tmp_path: Path) -> None:
    some = [task(n, *SOUND) | {"data": {"image": address}} for n, address in enumerate(NAMES, 1)]
    place = tmp_path / "a" / "b"
    place.mkdir(parents=True)

    done = convert(exported(place / "export.json", some), name, place / "out", config=ODD)

    assert done.code == 0, done.out
    assert done.json["tasks"] == len(NAMES)
    outside = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file() and "out" not in path.parts}
    assert outside == {Path("a/b/export.json"), Path("a/b/label_config.xml")}
    assert all(len(path.name.encode()) < 200 for path in (place / "out").rglob("*"))
    if name == "COCO":
        result = json.loads((place / "out/result.json").read_bytes())
        assert all(".." not in image["file_name"].split("/") for image in result["images"])
        assert len([e for e in result["annotations"] if e["segmentation"]]) >= len(NAMES)


def test_formulas_are_kept_or_escaped_as_asked(tmp_path: Path) -> None:
    given = exported(tmp_path / "export.json", [task(1, box(), note="=1+1")])

    def note(*arguments: str) -> str:
        assert convert(given, "CSV", tmp_path / "out", *arguments).code == 0
        table = (tmp_path / "out/result.csv").read_bytes().decode()
        return next(csv.DictReader(io.StringIO(table, newline="")))["note"]

    assert note() == "=1+1"
    assert note("--option", "formulas=escape") == "'=1+1"
