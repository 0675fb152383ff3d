"""The COCO family, read as its users read it: with pycocotools, and beside Label Studio's own exports."""

import contextlib
import io
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import coco as pycoco

from syncd.formats import AnnotationPolicy, Context, MediaFact, find
from syncd.labelstudio.labelconfig import parse_label_config
from tests.unit.labelled import (
    BOXES,
    HEIGHT,
    POSES,
    SHAPES,
    WIDTH,
    Folder,
    annotation,
    box,
    brush,
    ellipse,
    keypoint,
    painted,
    polygon,
    region,
    task,
    written,
)

GOLDEN = Path(__file__).parents[1] / "golden"
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")
"""Of pycocotools, which was compiled against an older numpy."""

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


# --- readers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("project", ["boxes", "segments"])
@pytest.mark.parametrize("name", ["COCO", "COCO_RLE", "BRUSH_TO_COCO"])
def test_pycocotools_makes_a_mask_of_every_annotation(project: str, name: str, tmp_path: Path) -> None:
    tasks = json.loads((GOLDEN / "images" / project / "export.json").read_text())
    config = (GOLDEN / "images" / project / "label_config.xml").read_text()
    reader = with_pycocotools(coco(*tasks, config=config, name=name), tmp_path)
    assert len(reader.anns) > 40
    for entry in reader.anns.values():
        image, mask = reader.imgs[entry["image_id"]], reader.annToMask(entry)
        assert mask.shape == (image["height"], image["width"])
        assert entry["category_id"] in reader.cats
        x, y, width, height = entry["bbox"]
        if isinstance(entry["segmentation"], dict):
            assert entry["area"] == mask.sum()
            assert mask[int(y) : int(y + height), int(x) : int(x + width)].sum() == mask.sum()
        else:
            around = 2 * (width + height) + 4
            assert abs(mask.sum() - entry["area"]) <= around


def test_the_keys_stand_in_the_order_that_label_studio_writes_and_the_bytes_are_compact() -> None:
    folder = written("COCO", BOXES, [task(1, annotation(box(10, 20, 30, 40)))])
    body = folder.files["result.json"]
    assert body == json.dumps(json.loads(body), separators=(",", ":"), ensure_ascii=False).encode()
    assert list(json.loads(body)) == ["images", "annotations", "categories", "info"]


def test_a_project_without_a_task_is_still_a_sound_file() -> None:
    empty = coco()
    assert (empty["images"], empty["annotations"]) == ([], [])
    assert empty["categories"] == [{"id": 0, "name": "Airplane"}, {"id": 1, "name": "Car"}]


# --- beside Label Studio's own exports ----------------------------------------------------------


def only_submitted(one: Json) -> Json | None:
    submitted = [made for made in one["annotations"] if not made["was_cancelled"]]
    return submitted[0] if len(submitted) == 1 else None


def lies_inside(value: Json) -> bool:
    right, bottom = value["x"] + value["width"], value["y"] + value["height"]
    return bool(value["rotation"] == 0 <= min(value["x"], value["y"]) and max(right, bottom) <= 100)


def test_upright_boxes_equal_label_studios() -> None:
    tasks = json.loads((GOLDEN / "images" / "boxes" / "export.json").read_text())
    ours = coco(*tasks, config=(GOLDEN / "images" / "boxes" / "label_config.xml").read_text())
    theirs = json.loads((GOLDEN / "coco" / "boxes_coco.json").read_text())
    their_names, our_names = names_by_id(theirs), names_by_id(ours)
    assert their_names == our_names
    their_boxes = [(entry["category_id"], entry["area"], *entry["bbox"]) for entry in theirs["annotations"]]
    found = {entry["id"]: entry for entry in ours["annotations"]}
    compared = 0
    for one in tasks:
        made = only_submitted(one) or {"result": []}
        for place, result in enumerate(made["result"], 1):
            if lies_inside(result["value"]):
                entry = found[made["id"] * 10_000 + place]
                ours_flat = (entry["category_id"], entry["area"], *entry["bbox"])
                assert any(flat == pytest.approx(ours_flat, rel=1e-12) for flat in their_boxes)
                compared += 1
    assert compared > 20


def test_brush_boxes_equal_label_studios_where_a_region_is_one_blob() -> None:
    tasks = json.loads((GOLDEN / "images" / "segments" / "export.json").read_text())
    config = (GOLDEN / "images" / "segments" / "label_config.xml").read_text()
    ours = coco(*tasks, config=config, name="BRUSH_TO_COCO")
    theirs = json.loads((GOLDEN / "coco" / "segments_brush_to_coco.json").read_text())
    uris = {image["id"]: image["path"] for image in theirs["images"]}
    their_boxes = {(uris[entry["image_id"]], *entry["bbox"]) for entry in theirs["annotations"]}
    our_uris = {image["id"]: image["path"] for image in ours["images"]}
    masks = [entry for entry in ours["annotations"] if isinstance(entry["segmentation"], dict)]
    assert masks
    assert {(our_uris[entry["image_id"]], *entry["bbox"]) for entry in masks} <= their_boxes
    assert ours.keys() == theirs.keys()
    assert ours["images"][0].keys() == theirs["images"][0].keys()
    assert ours["categories"][0].keys() == theirs["categories"][0].keys()
    assert theirs["annotations"][0].keys() <= ours["annotations"][0].keys()


# --- ids ----------------------------------------------------------------------------------------


def test_an_image_is_its_task_and_an_annotation_its_region_whatever_happens_to_other_tasks() -> None:
    """The converter counts from 0 (issue 6609), so that deleting a task renumbers all after it."""
    tasks = [task(n, annotation(box(10, 20, 30, 40), box(1, 2, 3, 4, id_="s"), id_=100 + n)) for n in (3, 5, 9)]
    whole = coco(*tasks)
    assert [image["id"] for image in whole["images"]] == [3, 5, 9]
    assert [entry["id"] for entry in whole["annotations"] if entry["image_id"] == 9] == [1_090_001, 1_090_002]
    without = coco(tasks[0], tasks[2])
    assert without["images"] == [image for image in whole["images"] if image["id"] != 5]
    assert without["annotations"] == [entry for entry in whole["annotations"] if entry["image_id"] != 5]


def test_two_annotations_of_a_task_share_one_image() -> None:
    """The converter writes the image twice (issue 1289)."""
    both = task(4, annotation(box(10, 20, 30, 40), id_=1), annotation(box(11, 21, 30, 40), id_=2))
    every = coco(both, policy="all")
    assert [image["id"] for image in every["images"]] == [4]
    assert [entry["id"] for entry in every["annotations"]] == [10_001, 20_001]
    assert [entry["id"] for entry in coco(both)["annotations"]] == [20_001]


@pytest.mark.parametrize(("policy", "expected"), [("best", 1), ("latest", 2), ("ground_truth", 1), ("all", None)])
def test_the_policy_says_whose_work_is_used(policy: AnnotationPolicy, expected: int | None) -> None:
    truth = annotation(box(10, 20, 30, 40), id_=1, ground_truth=True)
    later = annotation(box(1, 2, 3, 4), id_=2, updated_at="2026-02-01T00:00:00Z")
    skipped = annotation(box(5, 5, 5, 5), id_=3, updated_at="2026-03-01T00:00:00Z", was_cancelled=True)
    entries = coco(task(1, truth, later, skipped), policy=policy)["annotations"]
    assert [entry["id"] // 10_000 for entry in entries] == ([expected] if expected else [1, 2])


def test_an_annotation_without_times_stops_nobody() -> None:
    """The converter compares a missing time with a text and gives up on the whole export."""
    made = annotation(box(10, 20, 30, 40), id_=1), annotation(box(1, 2, 3, 4), id_=2)
    for one in made:
        del one["created_at"], one["updated_at"]
    assert [entry["id"] for entry in coco(task(1, *made))["annotations"]] == [20_001]


def test_a_region_with_several_labels_counts_once_for_each() -> None:
    both = box(10, 20, 30, 40)
    both["value"]["rectanglelabels"] = ["Car", "Airplane", "Car"]
    dataset = coco(task(1, annotation(both, box(1, 2, 3, 4, id_="s"))))
    assert [(entry["id"], entry["category_id"]) for entry in dataset["annotations"]] == [
        (10_001, 1),
        (10_002, 0),
        (10_003, 1),
    ]


def test_category_ids_can_start_at_one() -> None:
    dataset = coco(task(1, annotation(box(10, 20, 30, 40))), category_base=1)
    assert names_by_id(dataset) == {1: "Airplane", 2: "Car"}
    assert dataset["annotations"][0]["category_id"] == 2


def test_choices_are_no_categories() -> None:
    """The converter lists them (issue 3556)."""
    config = BOXES.replace("</View>", '<Choices name="c" toName="image"><Choice value="good"/></Choices></View>')
    assert set(names_by_id(coco(config=config)).values()) == {"Airplane", "Car"}


def test_a_label_that_only_data_knows_gets_a_category_of_its_own() -> None:
    """The converter may give it the id of another (an explicit `category` equal to the table's length)."""
    config = BOXES.replace('value="Car"', 'value="Car" category="2"')
    dataset = coco(task(1, annotation(box(10, 20, 30, 40, "Lorry"), box(1, 2, 3, 4, id_="s"))), config=config)
    assert names_by_id(dataset) == {0: "Airplane", 1: "Lorry", 2: "Car"}
    assert [entry["category_id"] for entry in dataset["annotations"]] == [1, 2]


# --- images -------------------------------------------------------------------------------------


def test_reviewed_and_empty_is_an_image_and_not_labelled_is_none() -> None:
    """In the converter's file the two cannot be told apart (issue 9774)."""
    facts = {"s3://bucket/street.jpg": MediaFact(64, 48)}
    dataset = coco(task(1, annotation()), task(2), media=facts)
    assert dataset["images"] == [
        {"width": 64, "height": 48, "id": 1, "file_name": "street.jpg", "uri": "s3://bucket/street.jpg"}
    ]


def test_tasks_that_nobody_labelled_are_images_when_all_tasks_are_asked_for() -> None:
    coco_class = find("COCO")
    facts = {"s3://bucket/street.jpg": MediaFact(64, 48)}
    context = Context(parse_label_config(BOXES), media=facts, all_tasks=True)
    assert coco_class(coco_class.Options()).render(task(2), context).items == 1


def test_an_image_has_the_size_that_the_annotator_saw() -> None:
    """The converter takes the file's, before its EXIF orientation (issue 6608)."""
    facts = {"s3://bucket/street.jpg": MediaFact(HEIGHT, WIDTH)}
    image = coco(task(1, annotation(box(10, 20, 30, 40))), media=facts)["images"][0]
    assert (image["width"], image["height"]) == (WIDTH, HEIGHT)


def test_the_size_can_come_from_another_annotation_of_the_task() -> None:
    earlier = annotation(box(10, 20, 30, 40), id_=1)
    empty = annotation(id_=2, updated_at="2026-02-01T00:00:00Z")
    image = coco(task(1, earlier, empty))["images"][0]
    assert (image["width"], image["height"]) == (WIDTH, HEIGHT)


def test_an_image_of_unknown_size_is_left_out_and_counted_never_null() -> None:
    """The converter writes null, or stops at a region without original_width."""
    sizeless = box(10, 20, 30, 40)
    del sizeless["original_width"]
    folder = written("COCO", BOXES, [task(1, annotation()), task(2, annotation(sizeless))])
    assert read(folder)["images"] == read(folder)["annotations"] == []
    assert folder.skipped == {"image of unknown size": 2}
    assert not folder.set_aside


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("/data/upload/3/ab-c.jpg", "3/ab-c.jpg"),
        ("/data/local-files/?d=cars/a%20b.jpg", "cars/a b.jpg"),
        ("https://example.com/p/f%C3%A9.png?X-Amz-Signature=1", "p/f\u00e9.png"),
        ("s3://bucket/k/im.v1.jpg", "k/im.v1.jpg"),
        ("../../etc/passwd", "etc/passwd"),
        ("..%2F..%2Fetc%2Fpasswd", "etc/passwd"),
        ("/tasks/12/resolve/?fileuri=czM6Ly9iL2svYS5wbmc=", "k/a.png"),
        ("cafe\u0301.jpg", "caf\u00e9.jpg"),
        ("data:image/png;base64,AAAA", "t1"),
        ("n" * 300 + ".jpg", "n" * 300 + ".jpg"),
    ],
)
def test_a_file_name_is_a_path_below_the_images_folder_and_the_address_is_kept(address: str, name: str) -> None:
    """The converter's leads out of the folder (issues 9366, 7294) and stays percent-encoded (1266)."""
    image = coco(task(1, annotation(box(10, 20, 30, 40)), image=address))["images"][0]
    assert (image["file_name"], image["uri"]) == (name, address)


def test_with_images_a_file_name_is_that_of_the_image_beside_the_file() -> None:
    one = task(7, annotation(box(10, 20, 30, 40)), image="https://example.com/p/caf%C3%A9.png?token=1")
    kind = find("COCO_WITH_IMAGES")
    made = kind(kind.Options())
    image = coco(one, name="COCO_WITH_IMAGES")["images"][0]
    assert image["file_name"] == "caf\u00e9__t7.png"
    context = Context(parse_label_config(BOXES))
    assert list(made.images(one, context)) == [("images/caf\u00e9__t7.png", one["data"]["image"])]  # type: ignore[attr-defined]
    assert list(made.images(task(8), context)) == []  # type: ignore[attr-defined]


PAGES = """<View><Image name="image" valueList="$image"/>
<RectangleLabels name="label" toName="image"><Label value="Car"/></RectangleLabels></View>"""


def test_the_pages_of_a_task_are_images_of_their_own() -> None:
    on_second = box(10, 20, 30, 40, item_index=1)
    one = task(3, annotation(box(1, 2, 3, 4, item_index=0), on_second), image=["s3://b/0.jpg", "s3://b/1.jpg"])
    dataset = coco(one, config=PAGES)
    assert [(image["id"], image["file_name"]) for image in dataset["images"]] == [(30_000, "0.jpg"), (30_001, "1.jpg")]
    assert [entry["image_id"] for entry in dataset["annotations"]] == [30_000, 30_001]


def test_a_region_on_a_page_that_the_task_does_not_show_sets_it_aside() -> None:
    one = task(3, annotation(box(1, 2, 3, 4, id_="lost", item_index=2)), image=["s3://b/0.jpg"])
    (rejected,) = written("COCO", PAGES, [one]).set_aside
    assert (rejected.task, rejected.region) == (3, "lost")
    assert "page 2" in str(rejected)


REPEATED = """<View><Repeater on="$image"><Image name="image_{{idx}}" value="$image[{{idx}}].url"/>
<RectangleLabels name="label_{{idx}}" toName="image_{{idx}}"><Label value="Car"/></RectangleLabels></Repeater></View>"""


def test_images_of_a_repeater_are_told_apart_by_their_names() -> None:
    second = box(10, 20, 30, 40) | {"from_name": "label_1", "to_name": "image_1"}
    one = task(3, annotation(second), image=[{"url": "s3://b/0.jpg"}, {"url": "s3://b/1.jpg"}])
    dataset = coco(one, config=REPEATED)
    assert [(image["id"], image["file_name"]) for image in dataset["images"]] == [(30_001, "1.jpg")]
    assert [entry["image_id"] for entry in dataset["annotations"]] == [30_001]


# --- shapes -------------------------------------------------------------------------------------


def test_a_box_has_its_corners_as_segmentation() -> None:
    """The converter writes none, which pycocotools' annToMask stops at."""
    entry = only(BOXES, box(10, 20, 30, 40))
    assert entry == {
        "id": 10_001,
        "image_id": 1,
        "category_id": 1,
        "segmentation": [[20.0, 20.0, 80.0, 20.0, 80.0, 60.0, 20.0, 60.0]],
        "bbox": [20.0, 20.0, 60.0, 40.0],
        "ignore": 0,
        "iscrowd": 0,
        "area": 2400.0,
    }


def test_a_box_is_turned_in_pixels() -> None:
    """The converter turns it in percent, right for square images only (issues 2293, 5223, 6850)."""
    entry = only(BOXES, box(50, 10, 30, 40, rotation=45))
    half = 60 / 2**0.5, 40 / 2**0.5
    assert entry["bbox"] == pytest.approx([100 - half[1], 10, sum(half), sum(half)])
    assert entry["area"] == pytest.approx(2400)
    assert entry["rotated_bbox"] == pytest.approx(
        [100 + (half[0] - half[1]) / 2, 10 + (half[0] + half[1]) / 2, 60, 40, 45]
    )
    assert entry["segmentation"][0][:4] == pytest.approx([100, 10, 100 + half[0], 10 + half[0]])


def test_what_juts_out_is_clipped_before_anything_is_measured() -> None:
    entry = only(BOXES, box(-10, 80, 30, 40))
    assert entry["bbox"] == [0.0, 80.0, 40.0, 20.0]
    assert entry["area"] == 800.0


def test_negative_sizes_are_turned_round() -> None:
    assert only(BOXES, box(40, 60, -30, -40))["bbox"] == pytest.approx([20, 20, 60, 40])


def test_a_box_outside_its_image_or_without_area_is_left_out_and_counted() -> None:
    regions = box(120, 10, 5, 5), box(10, 10, 0, 5, id_="s"), box(1, 1, 2, 2, id_="t")
    folder = written("COCO", BOXES, [task(1, annotation(*regions))])
    assert [entry["id"] for entry in read(folder)["annotations"]] == [10_003]
    assert folder.skipped == {"region outside the image or without area": 2}


def test_polygons_keep_their_points_and_true_area() -> None:
    entry = only(SHAPES, polygon([[10, 10], [60, 10], [60, 50]]))
    assert entry["segmentation"] == [[20.0, 10.0, 120.0, 10.0, 120.0, 50.0]]
    assert entry["bbox"] == [20.0, 10.0, 100.0, 40.0]
    assert entry["area"] == 2000.0


def test_an_ellipse_becomes_a_polygon() -> None:
    """The converter loses it everywhere but in JSON (issue 5901)."""
    entry = only(SHAPES, ellipse(50, 50, 10, 20))
    (outline,) = entry["segmentation"]
    assert len(outline) >= 2 * 32
    assert entry["bbox"] == pytest.approx([80, 30, 40, 40])
    assert entry["area"] == pytest.approx(np.pi * 20 * 20, rel=0.01)


LABELS_AND_SHAPES = """<View><Image name="image" value="$image"/>
<Labels name="label" toName="image"><Label value="Text"/></Labels><Polygon name="outline" toName="image"/>
<Rectangle name="box" toName="image"/><TextArea name="read" toName="image" perRegion="true"/></View>"""


def test_shapes_under_a_labels_tag_count_by_their_shape() -> None:
    """The converter drops them (issue 3325), or stops."""
    outline = region("labels", "label", {"points": [[10, 10], [60, 10], [60, 50]], "labels": ["Text"]})
    assert only(LABELS_AND_SHAPES, outline)["segmentation"] == [[20.0, 10.0, 120.0, 10.0, 120.0, 50.0]]


def test_an_ocr_region_is_one_annotation_with_its_text() -> None:
    shape = {"x": 10, "y": 20, "width": 30, "height": 40, "rotation": 0}
    triple = (
        region("rectangle", "box", shape),
        region("labels", "label", {**shape, "labels": ["Text"]}),
        region("textarea", "read", {**shape, "text": ["Hello"]}),
    )
    folder = written("COCO", LABELS_AND_SHAPES, [task(1, annotation(*triple))])
    (entry,) = read(folder)["annotations"]
    assert entry["bbox"] == [20.0, 20.0, 60.0, 40.0]
    assert entry["attributes"] == {"read": "Hello"}
    assert not folder.skipped


def test_labels_that_a_bare_shape_carries_count() -> None:
    labelled = region("rectangle", "box", {"x": 10, "y": 20, "width": 30, "height": 40, "rectanglelabels": ["Stamp"]})
    dataset = coco(task(1, annotation(labelled)), config=LABELS_AND_SHAPES)
    assert names_by_id(dataset) == {0: "Text", 1: "Stamp"}
    assert dataset["annotations"][0]["category_id"] == 1


def test_labels_without_a_shape_of_their_own_take_the_shape_of_their_region() -> None:
    shape = region("rectangle", "box", {"x": 10, "y": 20, "width": 30, "height": 40})
    assert only(LABELS_AND_SHAPES, shape, region("labels", "label", {"labels": ["Text"]}))["area"] == 2400.0


def test_what_was_said_of_a_region_is_in_its_attributes() -> None:
    """The converter loses it (issue 2441)."""
    config = BOXES.replace(
        "</View>",
        '<Choices name="state" toName="image" perRegion="true"><Choice value="new"/></Choices>'
        '<Rating name="stars" toName="image" perRegion="true"/>'
        '<Choices name="scene" toName="image"><Choice value="day"/></Choices></View>',
    )
    said = (
        region("choices", "state", {"choices": ["new"]}),
        region("rating", "stars", {"rating": 4}),
        region("choices", "scene", {"choices": ["day"]}, id_="of the whole image"),
    )
    entry = only(config, box(10, 20, 30, 40), *said)
    assert entry["attributes"] == {"state": "new", "stars": 4}


# --- masks --------------------------------------------------------------------------------------


def ring() -> np.ndarray[Any, np.dtype[np.bool_]]:
    return painted(20, 20, 60, 60) & ~painted(30, 30, 50, 50) | painted(100, 5, 103, 8)


@pytest.mark.parametrize("name", ["COCO_RLE", "BRUSH_TO_COCO"])
def test_a_brush_region_is_one_annotation_with_its_holes_and_islands(name: str, tmp_path: Path) -> None:
    """The converter writes one per blob, fills holes and measures between pixel centres (SDK pull request 478)."""
    dataset = coco(task(1, annotation(brush(ring()))), config=SHAPES, name=name)
    reader = with_pycocotools(dataset, tmp_path)
    (entry,) = reader.anns.values()
    assert np.array_equal(reader.annToMask(entry), ring())
    assert entry["area"] == ring().sum()
    assert entry["bbox"] == [20, 5, 83, 55]


def test_a_mask_stored_under_another_shapes_tag_is_still_a_mask() -> None:
    """The converter stops at it: KeyError 'points' (issue 4399)."""
    odd = brush(ring()) | {"type": "polygonlabels", "from_name": "polygon"}
    odd["value"] = {"format": "rle", "rle": odd["value"]["rle"], "polygonlabels": ["Road"]}
    assert only(SHAPES, odd, name="COCO_RLE")["area"] == ring().sum()


def test_coco_leaves_masks_to_the_formats_that_hold_them() -> None:
    folder = written("COCO", SHAPES, [task(1, annotation(brush(ring()), box(10, 20, 30, 40, id_="s")))])
    assert [entry["id"] for entry in read(folder)["annotations"]] == [10_002]
    assert folder.skipped == {"region of a shape that this format does not hold": 1}


def test_polygons_and_ellipses_are_masks_in_coco_rle_and_boxes_are_not(tmp_path: Path) -> None:
    regions = polygon([[10, 10], [60, 10], [60, 50]]), ellipse(50, 50, 10, 20, id_="e"), box(1, 2, 3, 4, id_="b")
    reader = with_pycocotools(coco(task(1, annotation(*regions)), config=SHAPES, name="COCO_RLE"), tmp_path)
    outline, oval, upright = reader.anns.values()
    assert (type(outline["segmentation"]), type(oval["segmentation"])) == (dict, dict)
    assert type(upright["segmentation"]) is list
    assert reader.annToMask(outline).sum() == outline["area"] == pytest.approx(2000, rel=0.05)
    assert reader.annToMask(oval).sum() == oval["area"] == pytest.approx(np.pi * 400, rel=0.05)


def test_an_annotation_keeps_its_id_in_every_format_of_the_family() -> None:
    regions = brush(ring()), polygon([[10, 10], [60, 10], [60, 50]], id_="p"), box(1, 2, 3, 4, id_="b")
    one = task(1, annotation(*regions))
    ids = {name: [entry["id"] for entry in coco(one, config=SHAPES, name=name)["annotations"]] for name in FAMILY}
    assert ids["COCO_RLE"] == ids["BRUSH_TO_COCO"] == [10_001, 10_002, 10_003]
    assert ids["COCO"] == ids["COCO_WITH_IMAGES"] == [10_002, 10_003]


def test_colours_are_the_configurations_or_follow_from_the_name() -> None:
    """The converter's are random."""
    categories = coco(config=SHAPES, name="BRUSH_TO_COCO")["categories"]
    colours = {category["name"]: category["color"] for category in categories}
    assert colours["Grass"] == "#00ff00"
    assert len(set(colours.values())) == len(colours)
    assert categories == coco(config=SHAPES, name="BRUSH_TO_COCO")["categories"]


def test_an_image_whose_address_has_a_query_is_not_lost() -> None:
    """The converter's BRUSH_TO_COCO skips the task."""
    one = task(1, annotation(brush(ring())), image="https://example.com/a.png?token=1")
    (image,) = coco(one, config=SHAPES, name="BRUSH_TO_COCO")["images"]
    assert (image["file_name"], image["path"]) == ("a.png", "https://example.com/a.png?token=1")


def test_the_annotator_is_named_in_the_brush_file() -> None:
    by_id = annotation(brush(ring()), id_=1)
    by_mail = annotation(brush(ring()), id_=2, completed_by={"id": 7, "email": "amy@example.com"})
    dataset = coco(task(1, by_id), task(2, by_mail), config=SHAPES, name="BRUSH_TO_COCO")
    assert [entry["annotator"] for entry in dataset["annotations"]] == ["7", "amy@example.com"]


# --- keypoints ----------------------------------------------------------------------------------


def cat(x: float, id_: str) -> Json:
    return box(x, 10, 30, 50, "Cat", id_=id_)


def test_keypoints_go_with_their_parent_in_the_order_of_the_configuration(tmp_path: Path) -> None:
    """The converter merges two animals into one and orders points by model_index (issues 6754, 2851)."""
    parts = (
        keypoint("eye", 20, 20, id_="k1", parentID="left", model_index=7),
        keypoint("nose", 15.3, 30, id_="k2", parentID="left"),
        keypoint("eye", 70, 20, id_="k3", parentID="right", model_index=0),
    )
    dataset = coco(task(1, annotation(cat(10, "left"), *parts, cat(60, "right"))), config=POSES)
    (category,) = dataset["categories"]
    assert category == {
        "id": 0,
        "name": "Cat",
        "supercategory": "",
        "keypoints": ["nose", "eye", "tail"],
        "skeleton": [],
    }
    left, right = dataset["annotations"]
    assert (left["keypoints"], left["num_keypoints"]) == ([30, 30, 2, 40, 20, 2, 0, 0, 0], 2)
    assert (right["keypoints"], right["num_keypoints"]) == ([0, 0, 0, 140, 20, 2, 0, 0, 0], 1)
    assert left["bbox"] == [20.0, 10.0, 60.0, 50.0]
    reader = with_pycocotools(dataset, tmp_path)
    assert [reader.annToMask(entry).any() for entry in reader.anns.values()] == [True, True]


def test_keypoints_of_no_region_are_one_annotation_of_the_image(tmp_path: Path) -> None:
    parts = keypoint("nose", 10, 10, id_="k1"), keypoint("tail", 60, 50, id_="k2", parentID="gone")
    dataset = coco(task(1, annotation(*parts)), config=POSES)
    assert names_by_id(dataset) == {0: "Cat", 1: "default"}
    (entry,) = dataset["annotations"]
    assert (entry["id"], entry["category_id"]) == (10_001, 1)
    assert entry["keypoints"] == [20, 10, 2, 0, 0, 0, 120, 50, 2]
    assert entry["bbox"] == [20, 10, 100, 40]
    reader = with_pycocotools(dataset, tmp_path)
    assert reader.annToMask(reader.anns[10_001]).shape == (HEIGHT, WIDTH)


def test_in_a_project_with_keypoints_every_annotation_has_the_array() -> None:
    """Readers that find it in the first entry expect it in all."""
    assert only(POSES, cat(10, "c"))["keypoints"] == [0] * 9


def test_keypoints_that_cannot_be_placed_are_counted() -> None:
    parts = (
        keypoint("wing", 10, 10, id_="k1", parentID="c"),
        keypoint("nose", 110, 10, id_="k2", parentID="c"),
        keypoint("eye", 10, 10, id_="k3", parentID="c"),
        keypoint("eye", 20, 20, id_="k4", parentID="c"),
    )
    folder = written("COCO", POSES, [task(1, annotation(cat(10, "c"), *parts))])
    assert read(folder)["annotations"][0]["keypoints"] == [0, 0, 0, 20, 10, 2, 0, 0, 0]
    assert sorted(folder.skipped) == [
        "keypoint outside the image",
        "keypoint whose name the label configuration does not have",
        "second keypoint of the same name on one region",
    ]


def test_a_configuration_with_keypoints_alone_is_accepted() -> None:
    config = POSES.replace("RectangleLabels", "Choices")
    assert find("COCO")(find("COCO").Options()).accepts(parse_label_config(config)) is None


# --- poison, and what is only odd ---------------------------------------------------------------


def broken(**value: Any) -> Json:
    region_ = box(10, 20, 30, 40, id_="bad")
    region_["value"] |= value
    return region_


def without(key: str) -> Json:
    region_ = broken()
    del region_["value"][key]
    return region_


POISON = {
    "not a number": (broken(x=float("nan")), "x is nan"),
    "infinite": (broken(width=float("inf")), "width is inf"),
    "integer over 2^63": (broken(y=2**70), "y is 11805916"),
    "a text": (broken(x="10"), "x is 10"),
    "true": (broken(x=True), "x is True"),
    "nothing": (broken(height=None), "height is None"),
    "rotation": (broken(rotation="left"), "rotation is left"),
    "lone surrogate": (broken(rectanglelabels=["a\ud800"]), "are no texts"),
    "labels that are numbers": (broken(rectanglelabels=[5]), "are no texts"),
    "polygon of words": (polygon([["a", "b"]], id_="bad"), "point ['a', 'b']"),
    "polygon of three coordinates": (polygon([[1, 2, 3]], id_="bad"), "point [1, 2, 3]"),
    "polygon that is a text": (polygon("1,2", id_="bad"), "points are no list"),  # type: ignore[arg-type]
    "a radius missing": (ellipse(50, 50, 10, None, id_="bad"), "radiusY is None"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize(("poison", "reason"), POISON.values(), ids=POISON)
def test_a_broken_region_sets_its_task_aside_and_no_other(poison: Json, reason: str) -> None:
    good = [task(n, annotation(box(10, 20, 30, 40), id_=n)) for n in (1, 3)]
    bad = task(2, annotation(box(10, 20, 30, 40), poison, id_=2))
    folder = written("COCO", SHAPES, [*good, bad])
    (rejected,) = folder.set_aside
    assert (rejected.task, rejected.region) == (2, "bad")
    assert reason in str(rejected)
    assert [image["id"] for image in read(folder)["images"]] == [1, 3]


@pytest.mark.parametrize("stars", [float("nan"), 2**70, ["a\ud800"]], ids=["nan", "over 64 bits", "lone surrogate"])
def test_an_attribute_that_json_cannot_carry_sets_its_task_aside(stars: Any) -> None:
    config = BOXES.replace("</View>", '<Rating name="stars" toName="image" perRegion="true"/></View>')
    regions = box(10, 20, 30, 40, id_="bad"), region("rating", "stars", {"rating": stars}, id_="bad")
    (rejected,) = written("COCO", config, [task(1, annotation(*regions))]).set_aside
    assert (rejected.task, rejected.region) == (1, "bad")


@pytest.mark.parametrize(
    "rle", [[0, 0, 0, 4], [], ["a"], None, "AAAA"], ids=["short", "empty", "text", "null", "base64"]
)
def test_a_broken_mask_sets_its_task_aside_where_masks_are_held(rle: Any) -> None:
    bad = brush(ring(), id_="bad")
    bad["value"]["rle"] = rle
    one = task(1, annotation(bad, box(10, 20, 30, 40, id_="s")))
    (rejected,) = written("COCO_RLE", SHAPES, [one]).set_aside
    assert (rejected.task, rejected.region) == (1, "bad")
    assert len(coco(one, config=SHAPES)["annotations"]) == 1


def test_a_mask_of_another_size_than_its_image_sets_its_task_aside() -> None:
    bad = brush(np.ones((HEIGHT, WIDTH - 1), bool), id_="bad")
    (rejected,) = written("COCO_RLE", SHAPES, [task(1, annotation(bad))]).set_aside
    assert (rejected.task, rejected.region) == (1, "bad")


@pytest.mark.parametrize(
    "result", ["a text", 7, ["no object"], [None], [{"id": "a", "from_name": "label", "value": [1]}]]
)
def test_results_that_are_no_objects_set_their_task_aside(result: Any) -> None:
    (rejected,) = written("COCO", BOXES, [task(5, annotation() | {"result": result})]).set_aside
    assert rejected.task == 5


def test_an_address_that_json_cannot_carry_sets_its_task_aside() -> None:
    (rejected,) = written("COCO", BOXES, [task(1, annotation(box(1, 2, 3, 4)), image="a\ud800.jpg")]).set_aside
    assert rejected.task == 1
    assert "lone surrogate" in str(rejected)


def test_more_regions_than_there_are_ids_set_their_task_aside() -> None:
    many = [box(1, 2, 3, 4, id_=str(n)) for n in range(10_000)]
    (rejected,) = written("COCO", BOXES, [task(1, annotation(*many))]).set_aside
    assert rejected.task == 1
    assert len(coco(task(1, annotation(*many[1:])))["annotations"]) == 9_999


def test_odd_but_sound_regions_are_left_out_by_reason_and_the_others_stay() -> None:
    unlabelled = box(10, 20, 30, 40, id_="u")
    unlabelled["value"]["rectanglelabels"] = []
    odd = (
        box(1, 2, 3, 4, id_="old") | {"from_name": "renamed"},
        unlabelled,
        region("vectorlabels", "label", {"vertices": [], "closed": False, "vectorlabels": ["Car"]}, id_="v"),
        {"type": "relation", "from_id": "u", "to_id": "v", "direction": "right"},
    )
    folder = written("COCO", BOXES, [task(1, annotation(*odd, box(10, 20, 30, 40)))])
    assert len(read(folder)["annotations"]) == 1
    assert folder.skipped == {
        "region of a control that the label configuration does not have": 1,
        "region without a label": 1,
        "region of a shape that this format does not hold": 1,
    }
    assert not folder.set_aside


@pytest.mark.parametrize(
    ("config", "name"),
    [
        ('<View><Text name="t" value="$t"/><Labels name="l" toName="t"><Label value="a"/></Labels></View>', "COCO"),
        ('<View><Image name="i" value="$i"/><Choices name="c" toName="i"><Choice value="a"/></Choices></View>', "COCO"),
        ('<View><Image name="i" value="$i"/><Rectangle name="r" toName="i"/></View>', "COCO"),
        (
            '<View><Image name="i" value="$i"/><BrushLabels name="b" toName="i"><Label value="a"/></BrushLabels></View>',
            "COCO",
        ),
        ('<View><Video name="v" value="$v"/><VideoRectangle name="r" toName="v"/></View>', "COCO_RLE"),
    ],
)
def test_a_project_that_draws_nothing_of_it_is_refused_with_the_reason(config: str, name: str) -> None:
    kind = find(name)
    reason = kind(kind.Options()).accepts(parse_label_config(config))
    assert reason is not None
    assert "rectangle" in reason


# --- sameness -----------------------------------------------------------------------------------


def test_the_order_of_tasks_annotations_and_keys_changes_no_byte() -> None:
    tasks = json.loads((GOLDEN / "images" / "segments" / "export.json").read_text())
    config = (GOLDEN / "images" / "segments" / "label_config.xml").read_text()
    expected = {name: written(name, config, tasks, policy="all").files for name in FAMILY}
    for one in tasks:
        random.Random(one["id"]).shuffle(one["annotations"])
        for made in one["annotations"]:
            made["result"] = [dict(reversed(result.items())) for result in made["result"]]
    random.Random(0).shuffle(tasks)
    assert {name: written(name, config, tasks, policy="all").files for name in FAMILY} == expected


PRINT_BYTES = f"""
import json, sys
from pathlib import Path
from tests.unit.labelled import written
golden = Path({str(GOLDEN / "images" / "segments")!r})
tasks = json.loads((golden / "export.json").read_text())
for name in {FAMILY}:
    sys.stdout.buffer.write(b"".join(written(name, (golden / "label_config.xml").read_text(), tasks).files.values()))
"""


def test_another_hash_seed_changes_no_byte() -> None:
    outputs = {
        subprocess.run(
            [sys.executable, "-c", PRINT_BYTES],
            env=os.environ | {"PYTHONHASHSEED": seed},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1
    assert len(outputs.pop()) > 10_000


SIDES = st.integers(0, 20).map(float)


@given(st.lists(st.tuples(SIDES, SIDES, st.integers(1, 20).map(float), st.integers(1, 20).map(float)), max_size=5))
def test_plain_boxes_and_the_general_way_give_the_same_bytes(boxes: list[tuple[float, float, float, float]]) -> None:
    """Whole numbers are not plain to the short way, so they take the long one."""
    plain = [box(*sides, id_=str(n)) for n, sides in enumerate(boxes)]
    general = [box(int(x), int(y), int(w), int(h), id_=str(n)) for n, (x, y, w, h) in enumerate(boxes)]
    assert written("COCO", BOXES, [task(1, annotation(*plain))]).files == (
        written("COCO", BOXES, [task(1, annotation(*general))]).files
    )
