"""What the COCO family makes of shapes, masks and keypoints."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from syncd.formats import find
from syncd.labelstudio.labelconfig import parse_label_config
from tests.unit.coco_reading import FAMILY, PYCOCOTOOLS_IS_OLD, Json, coco, names_by_id, only, read, with_pycocotools
from tests.unit.labelled import (
    BOXES,
    HEIGHT,
    POSES,
    SHAPES,
    WIDTH,
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

pytestmark = PYCOCOTOOLS_IS_OLD


# --- shapes ------------------------------------------------------------------------------------


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


def test_a_polygon_that_crosses_itself_has_the_area_it_covers() -> None:
    """The converter counts the halves of a bow tie against each other: 0."""
    entry = only(SHAPES, polygon([[5, 10], [30, 60], [30, 10], [5, 60]]))
    assert entry["area"] == pytest.approx(1250)


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


# --- masks -------------------------------------------------------------------------------------


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


# --- keypoints ---------------------------------------------------------------------------------


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
