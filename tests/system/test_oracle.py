"""Label Studio's exports of twelve projects beside ours: equal, once the differences of docs/formats.md are taken out by name.

`BY_DESIGN` says which differences each comparison takes out; what is not named there must be equal.
"""

import csv
import hashlib
import io
import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from xml.etree.ElementTree import Element

import pytest
from defusedxml.ElementTree import fromstring

from syncd import formats
from syncd.converting.conversion import Request, convert
from syncd.converting.gathering import GivenFile
from syncd.formats import AnnotationPolicy
from syncd.labelstudio.labelconfig import parse_label_config
from tests.system.converting import Json
from tests.unit.test_formats_page import DIFFERENCES

GOLDEN = Path(__file__).parents[1] / "golden"
PROJECTS = {
    path.name: path for part in ("labelstudio", "corpus") for path in (GOLDEN / part).iterdir() if path.is_dir()
}

BY_DESIGN = {
    "JSON": {"compact"},
    "JSONL": {"compact"},
    "JSON_MIN": {"compact", "relations", "rows-ascending"},
    "CSV": {"rows-ascending"},
    "TSV": {"rows-ascending", "tsv-name"},
    "CONLL2003": {"docstart", "rows-ascending", "overlaps", "han-split"},
    "COCO": {"stable-ids", "key-order", "portable-names", "box-segmentation", "rotation-in-pixels", "clipped"}
    | {"size-as-seen", "unlabelled-left-out", "one-annotation", "no-clock"},
    "BRUSH_TO_COCO": {"masks-by-region", "stable-ids", "ellipses", "key-order", "no-clock"},
    "YOLO": {"file-names", "one-annotation", "unlabelled-left-out", "hull-of-turned", "on-the-image", "no-year"},
    "YOLO_OBB": {"file-names", "one-annotation", "unlabelled-left-out", "on-the-image", "one-kind-of-line"}
    | {"masks-as-polygons", "class-lines"},
    "VOC": {"file-names", "one-annotation", "hull-of-turned", "voc-rounded-once", "reviewed-empty-file"},
    "ASR_MANIFEST": {"segments", "any-audio"},
}


def test_every_difference_that_is_taken_out_is_told_to_users() -> None:
    assert set().union(*BY_DESIGN.values()) <= DIFFERENCES


def tasks_of(project: str) -> list[Json]:
    tasks: list[Json] = json.loads((PROJECTS[project] / "export.json").read_text("utf-8"))
    return tasks


def ours(project: str, name: str, to: Path, policy: AnnotationPolicy | None = None, **options: Json) -> Path:
    """What we make of Label Studio's JSON export."""
    request = Request(
        given=GivenFile(PROJECTS[project] / "export.json"),
        path=to / name,
        format=name,
        options=formats.find(name).Options(**options),
        schema=parse_label_config((PROJECTS[project] / "label_config.xml").read_text("utf-8")),
        policy=policy,
    )
    report = convert(request, lambda _: None)
    assert report.is_whole, list(report.lines())
    return to / name


# --- whole tasks and tables -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("project", PROJECTS)
def test_json_and_jsonl(project: str, tmp_path: Path) -> None:
    theirs = tasks_of(project)

    assert json.loads((ours(project, "JSON", tmp_path) / "result.json").read_bytes()) == theirs
    lines = (ours(project, "JSONL", tmp_path) / "result.jsonl").read_text("utf-8").splitlines()
    assert list(map(json.loads, lines)) == theirs


@pytest.mark.parametrize("project", PROJECTS)
def test_json_min(project: str, tmp_path: Path) -> None:
    theirs = json.loads((PROJECTS[project] / "export_min.json").read_text("utf-8"))
    found = json.loads((ours(project, "JSON_MIN", tmp_path) / "result.json").read_bytes())

    assert {key: value for record in found for key, value in record.items() if key == "relations"}.keys() <= {
        "relations"
    }
    for record in found:
        record.pop("relations", None)
    assert found == sorted(theirs, key=lambda record: (record["id"], record["annotation_id"]))


@pytest.mark.parametrize("project", PROJECTS)
@pytest.mark.parametrize(("name", "delimiter"), [("CSV", ","), ("TSV", "\t")])
def test_tables(project: str, name: str, delimiter: str, tmp_path: Path) -> None:
    theirs = (PROJECTS[project] / f"export.{name.lower()}").read_bytes().decode()
    found = (ours(project, name, tmp_path) / f"result.{name.lower()}").read_bytes().decode()

    header, *rows = csv.reader(io.StringIO(theirs, newline=""), delimiter=delimiter)
    task, annotation = header.index("id"), header.index("annotation_id")
    rows.sort(key=lambda row: (int(row[task]), int(row[annotation])))
    assert list(csv.reader(io.StringIO(found, newline=""), delimiter=delimiter)) == [header, *rows]
    assert sorted(found.split("\r\n")) == sorted(theirs.split("\r\n"))


def test_conll(tmp_path: Path) -> None:
    def blocks(text: str) -> list[list[list[str]]]:
        return [[line.split(" ") for line in block.splitlines()] for block in text.strip().split("\n\n")]

    theirs = blocks((PROJECTS["ner"] / "export.conll").read_text("utf-8").partition("\n")[2])
    found = blocks((ours("ner", "CONLL2003", tmp_path, "all") / "result.conll").read_text("utf-8"))
    found = found[1:]  # docstart
    items = [(one["id"], made) for one in tasks_of("ner") for made in _newest_first(one)]
    assert len(theirs) == len(found) == len(items)
    by_item = {(task, made["id"]): block for (task, made), block in zip(items, theirs, strict=True)}
    exact = 0
    for (task, made), block in zip(sorted(items, key=lambda item: (item[0], item[1]["id"])), found, strict=True):
        their = by_item[task, made["id"]]
        their = [[part, *line[1:]] for line in their for part in (line[0] if line[0] == "東京" else [line[0]])]
        assert [line[0] for line in block] == [line[0] for line in their]
        if not _overlapping(made["result"]) and not any(line[0] in "東京" for line in block):
            assert block == their
            exact += 1
    assert exact > 5


def _newest_first(task: Json) -> list[Json]:
    """A task's items in the converter's order."""
    kept = [made for made in task["annotations"] if not made["was_cancelled"]]
    return sorted(kept, key=lambda made: made["created_at"], reverse=True)


def _overlapping(result: list[Json]) -> bool:
    spans = sorted((r["value"]["start"], r["value"]["end"]) for r in result if "start" in r.get("value", {}))
    # Spans that meet inside a word overlap as well once they are laid over tokens.
    return any(start <= end + 3 for (_, end), (start, _) in pairwise(spans))


# --- images -----------------------------------------------------------------------------------------------------------


def _regions(project: str) -> Iterator[tuple[Json, Json, int, Json]]:
    """Task, annotation, place and region in the converter's order."""
    for one in tasks_of(project):
        for made in _newest_first(one):
            for place, region in enumerate(made["result"], 1):
                yield one, made, place, region


def _is_plain(value: Json) -> bool:
    right, bottom = value["x"] + value["width"], value["y"] + value["height"]
    return bool(value["rotation"] == 0 and value["x"] >= 0 and value["y"] >= 0 and right <= 100 and bottom <= 100)


def test_coco(tmp_path: Path) -> None:
    theirs = json.loads((GOLDEN / "coco" / "boxes_coco.json").read_text("utf-8"))
    found = json.loads((ours("boxes", "COCO", tmp_path, "all") / "result.json").read_bytes())

    assert found["categories"] == sorted(theirs["categories"], key=lambda category: category["id"])
    assert set(found["info"]) == set(theirs["info"])
    our_images = {image["id"]: image for image in found["images"]}
    our_boxes = {entry["id"]: entry for entry in found["annotations"]}
    compared = 0
    for (one, made, place, region), their in zip(_regions("boxes"), theirs["annotations"], strict=True):
        image = our_images[one["id"]]
        assert (image["width"], image["height"]) == (region["original_width"], region["original_height"])
        assert image["uri"] == one["data"]["image"]
        if _is_plain(region["value"]):
            entry = our_boxes[made["id"] * 10_000 + place]
            assert entry["image_id"] == one["id"]
            assert entry["bbox"] == pytest.approx(their["bbox"])
            assert (entry["category_id"], entry["iscrowd"]) == (their["category_id"], their["iscrowd"])
            assert entry["area"] == pytest.approx(their["area"])
            compared += 1
    assert compared > 30


def test_brush_to_coco(tmp_path: Path) -> None:
    theirs = json.loads((GOLDEN / "coco" / "segments_brush_to_coco.json").read_text("utf-8"))
    found = json.loads((ours("segments", "BRUSH_TO_COCO", tmp_path, "all") / "result_coco.json").read_bytes())

    their_paths = {image["id"]: image["path"] for image in theirs["images"]}
    our_paths = {image["id"]: image["path"] for image in found["images"]}
    their_names = {category["id"]: category["name"] for category in theirs["categories"]}
    our_names = {category["id"]: category["name"] for category in found["categories"]}
    assert set(their_paths.values()) <= set(our_paths.values())
    masks = {
        (our_paths[e["image_id"]], our_names[e["category_id"]], *e["bbox"])
        for e in found["annotations"]
        if isinstance(e["segmentation"], dict)
    }
    blobs = {(their_paths[e["image_id"]], their_names[e["category_id"]], *e["bbox"]) for e in theirs["annotations"]}
    assert masks
    assert masks <= blobs


def _label_files(project: str, name: str) -> Iterator[tuple[Json, str]]:
    """Tasks of one submitted annotation, and what the converter wrote for their image."""
    place = GOLDEN / "images" / project / f"{name.lower()}.json"
    place = place if place.exists() else PROJECTS[project] / f"{name.lower()}.json"
    files = json.loads(place.read_text("utf-8"))
    for one in tasks_of(project):
        address = one["data"]["image"]
        stem = address.partition("?")[0].rpartition("/")[2].rpartition(".")[0]
        body = files.get(f"{hashlib.md5(address.encode()).hexdigest()[:8]}__{stem}", files.get(stem))
        if body is not None and len(_newest_first(one)) == 1 and len(one["annotations"]) == 1:
            yield one, body


def _our_file(folder: Path, task: int) -> Path:
    (found,) = folder.glob(f"*__t{task}.*")
    return found


def test_yolo(tmp_path: Path) -> None:
    folder = ours("boxes", "YOLO", tmp_path)
    compared = 0
    for one, theirs in _label_files("boxes", "YOLO"):
        lines = _our_file(folder / "labels", one["id"]).read_text().splitlines()
        result = one["annotations"][0]["result"]
        for region, our_line, their_line in zip(result, lines, theirs.splitlines(), strict=True):
            if _is_plain(region["value"]):
                assert our_line == their_line
                compared += 1
    assert compared > 15


@pytest.mark.parametrize("project", ["boxes", "segments"])
def test_yolo_obb(project: str, tmp_path: Path) -> None:
    folder = ours(project, "YOLO_OBB", tmp_path)
    names = (folder / "classes.txt").read_text("utf-8").splitlines()
    assert len(names) == len(set(names))
    compared = 0
    for one, theirs in _label_files(project, "YOLO_OBB"):
        boxes = [r for r in one["annotations"][0]["result"] if r["type"] == "rectanglelabels"]
        if not boxes:
            continue
        lines = _our_file(folder / "labels", one["id"]).read_text().splitlines()
        for our_line, their_line in zip(lines, theirs.splitlines(), strict=True):
            label, *corners = map(float, their_line.split())
            expected = [label, *(min(max(part, 0), 1) for part in corners)]
            assert list(map(float, our_line.split())) == pytest.approx(expected, abs=2e-6)
            compared += 1
    assert compared > 20 or project == "segments"


def test_voc(tmp_path: Path) -> None:
    def boxes(document: Element) -> list[list[str | int]]:
        sides = ("xmin", "ymin", "xmax", "ymax")
        return [
            [one.findtext("name") or "", *(int(one.findtext(f"bndbox/{side}") or "") for side in sides)]
            for one in document.findall("object")
        ]

    folder = ours("boxes", "VOC", tmp_path)
    compared = 0
    for one, theirs in _label_files("boxes", "VOC"):
        document, their = (
            fromstring(_our_file(folder / "Annotations", one["id"]).read_bytes()),
            fromstring(theirs.encode()),
        )
        for side in ("size/width", "size/height", "size/depth"):
            assert document.findtext(side) == their.findtext(side)
        result = one["annotations"][0]["result"]
        for region, our_box, their_box in zip(result, boxes(document), boxes(their), strict=True):
            if _is_plain(region["value"]):
                assert our_box[0] == their_box[0]
                assert our_box[1:] == pytest.approx(their_box[1:], abs=2)
                compared += 1
    assert compared > 15


# --- audio ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("project", ["asr", "speech"])
def test_asr_manifest(project: str, tmp_path: Path) -> None:
    """Label Studio wrote an empty manifest for both: every line of ours comes from its own task."""
    lines = (ours(project, "ASR_MANIFEST", tmp_path, "all") / "manifest.json").read_text("utf-8").splitlines()
    said = [
        (one["data"]["audio"], region["value"]["text"][0])
        for one, _, _, region in _regions(project)
        if region["from_name"] == "transcription"
    ]
    found = [(line["audio_filepath"], line["text"]) for line in map(json.loads, lines)]
    assert sorted(found) == (sorted(said) if project == "speech" else [])  # nobody can tell the length of the others
