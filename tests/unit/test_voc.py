"""VOC: what the development kit's rules ask for, and right where Label Studio's converter is wrong (its issues by number)."""

import hashlib
import json
import math
import warnings
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, fromstring

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from syncd.formats import MediaFact, find
from syncd.labelstudio.labelconfig import parse_label_config
from tests.unit.labelled import (
    BOXES,
    HEIGHT,
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

GOLDEN = Path(__file__).parents[1] / "golden" / "images" / "boxes"


def only(folder: Folder) -> Element:
    (body,) = folder.files.values()
    return fromstring(body)


def text(element: Element, path: str) -> str:
    found = element.findtext(path)
    assert found is not None
    return found


def boxes(document: Element) -> list[tuple[str, int, int, int, int]]:
    """Name, xmin, ymin, xmax, ymax of each object."""
    return [
        (text(one, "name"), *(int(text(one, f"bndbox/{side}")) for side in ("xmin", "ymin", "xmax", "ymax")))  # type: ignore[misc]  # four sides
        for one in document.findall("object")
    ]


def obeys_the_kit(document: Element) -> None:
    """The fields that the VOC 2012 development kit reads, whole numbers, and boxes inside the image."""
    assert document.tag == "annotation"
    for field in ("folder", "filename", "source/database", "source/annotation", "source/image"):
        assert text(document, field)
    width, height, depth = (int(text(document, f"size/{side}")) for side in ("width", "height", "depth"))
    assert depth == 3
    assert text(document, "segmented") in "01"
    for one in document.findall("object"):
        assert text(one, "name")
        assert text(one, "pose") == "Unspecified"
        assert text(one, "truncated") == text(one, "difficult") == "0"
    for _, xmin, ymin, xmax, ymax in boxes(document):
        assert 0 <= xmin < xmax <= width
        assert 0 <= ymin < ymax <= height


def voc(*regions: dict[str, Any], config: str = SHAPES) -> Element:
    document = only(written("VOC", config, [task(1, annotation(*regions))]))
    obeys_the_kit(document)
    return document


def test_upright_boxes_are_label_studios_within_its_double_truncation() -> None:
    theirs = json.loads((GOLDEN / "voc.json").read_text())
    compared = 0
    for one in json.loads((GOLDEN / "export.json").read_text()):
        address = one["data"]["image"]
        stem = address.partition("?")[0].rpartition("/")[2].rpartition(".")[0]
        their_xml = theirs.get(f"{hashlib.md5(address.encode()).hexdigest()[:8]}__{stem}", theirs.get(stem))
        submitted = [made for made in one["annotations"] if not made["was_cancelled"] and made["result"]]
        if their_xml is None or len(submitted) != 1 or len(one["annotations"]) != 1:
            continue
        config = (GOLDEN / "label_config.xml").read_text()
        document = only(written("VOC", config, [one]))
        obeys_the_kit(document)
        their_boxes = boxes(fromstring(their_xml.encode()))
        for result, ours, their in zip(submitted[0]["result"], boxes(document), their_boxes, strict=True):
            if result["value"]["rotation"] == 0:
                assert ours[0] == their[0]
                assert np.abs(np.array(ours[1:]) - their[1:]).max() <= 2
                compared += 1
    assert compared > 10


def test_supervision_reads_our_boxes(tmp_path: Path) -> None:
    folder = written("VOC", BOXES, [task(1, annotation(box(10, 20, 30, 40), box(50, 50, 50, 50, "Airplane")))])
    for name, body in folder.files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(body)
    (tmp_path / "images").mkdir()
    Image.new("RGB", (WIDTH, HEIGHT)).save(tmp_path / "images" / "street__t1.jpg")
    with warnings.catch_warnings(action="ignore"):  # that it would rather have OpenCV
        import supervision
    dataset = supervision.DetectionDataset.from_pascal_voc(
        images_directory_path=str(tmp_path / "images"), annotations_directory_path=str(tmp_path / "Annotations")
    )
    ((_, _, found),) = dataset
    assert found.class_id is not None
    assert [dataset.classes[number] for number in found.class_id] == ["Car", "Airplane"]
    assert found.xyxy == pytest.approx(np.array([[20, 20, 80, 60], [100, 50, 200, 100]]), abs=1)


def test_a_box_is_rounded_once() -> None:
    # 66.6 to 133.2 and 33.3 to 66.6 pixels; truncating origin and size apart gives 66 to 132 and 33 to 66.
    assert boxes(voc(box(33.3, 33.3, 33.3, 33.3))) == [("Car", 67, 33, 133, 67)]


def test_the_image_is_described_as_the_annotator_saw_it() -> None:
    one = task(7, annotation(box(1, 1, 9, 9), id_=3), image="https://host/a/stra%C3%9Fe.png?token=1")
    folder = written("VOC", BOXES, [one])
    assert list(folder.files) == ["Annotations/straße__t7.xml"]
    document = only(folder)
    assert text(document, "filename") == "straße__t7.png"
    assert text(document, "source/image") == "https://host/a/stra%C3%9Fe.png?token=1"
    assert (text(document, "size/width"), text(document, "size/height")) == (str(WIDTH), str(HEIGHT))


def test_a_turned_box_gives_its_hull_and_itself_ls_5914() -> None:
    document = voc(box(50, 20, 20, 40, rotation=90))
    assert boxes(document) == [("Car", 60, 20, 100, 60)]
    turned = document.find("object/robndbox")
    assert turned is not None
    found = [float(text(turned, key)) for key in ("cx", "cy", "w", "h", "angle")]
    assert found == pytest.approx([80, 40, 40, 40, math.pi / 2], abs=1e-4)
    assert voc(box(50, 20, 20, 40, rotation=360)).find("object/robndbox") is None


def test_a_polygon_gives_its_box_conv_168() -> None:
    assert boxes(voc(polygon([[10, 10], [60, 10], [60, 50]]))) == [("Road", 20, 10, 120, 50)]


def test_a_polygon_under_labels_gives_its_box_instead_of_a_crash_conv_166() -> None:
    config = """<View><Image name="image" value="$image"/><Polygon name="outline" toName="image"/>
    <Labels name="label" toName="image"><Label value="Car"/></Labels></View>"""
    outline = {"points": [[10, 10], [60, 10], [60, 50]]}
    shape, label = (
        region("polygon", "outline", outline),
        region("labels", "label", {**outline, "labels": ["Car"]}),
    )
    assert boxes(voc(shape, label, config=config)) == [("Car", 20, 10, 120, 50)]


def test_an_ellipse_gives_its_box_ls_5901() -> None:
    assert boxes(voc(ellipse(50, 50, 10, 20))) == [("Wheel", 80, 30, 120, 70)]


def test_a_mask_gives_its_box_and_says_that_there_is_one() -> None:
    document = voc(brush(painted(20, 30, 60, 50)))
    assert boxes(document) == [("Grass", 20, 30, 60, 50)]
    assert text(document, "segmented") == "1"
    assert text(voc(box(1, 1, 5, 5)), "segmented") == "0"


@given(st.floats(-60, 110), st.floats(-60, 110), st.floats(-80, 80), st.floats(-80, 80), st.floats(-400, 400))
def test_whatever_was_drawn_the_box_is_inside_the_image(
    x: float, y: float, width: float, height: float, rotation: float
) -> None:
    corners = [[x, y], [x + width, y], [x + width, y + height]]
    voc(box(x, y, width, height, rotation=rotation), polygon(corners), ellipse(x, y, abs(width), abs(height)))


def test_a_box_under_a_pixel_is_one_pixel_wide() -> None:
    assert boxes(voc(box(99.95, 0.01, 0.01, 0.01))) == [("Car", 199, 0, 200, 1)]


def test_two_labels_are_two_objects() -> None:
    two = box(10, 20, 30, 40)
    two["value"]["rectanglelabels"] = ["Car", "Airplane"]
    assert [name for name, *_ in boxes(voc(two))] == ["Car", "Airplane"]


def test_a_reviewed_image_without_regions_has_a_file_without_objects_ls_9774() -> None:
    size = {"s3://bucket/street.jpg": MediaFact(640, 480)}
    folder = written("VOC", BOXES, [task(1, annotation()), task(2)], media=size)
    assert list(folder.files) == ["Annotations/street__t1.xml"]
    obeys_the_kit(only(folder))
    assert text(only(folder), "size/width") == "640"


def test_the_size_is_what_the_annotator_saw_not_the_files_before_exif_rotation_ls_6608() -> None:
    stored = {"s3://bucket/street.jpg": MediaFact(HEIGHT, WIDTH)}
    document = only(written("VOC", BOXES, [task(1, annotation(box(50, 50, 50, 50)))], media=stored))
    obeys_the_kit(document)
    assert boxes(document) == [("Car", 100, 50, 200, 100)]


def test_an_image_of_unknown_size_is_left_out_and_asked_for() -> None:
    one = task(1, annotation())
    folder = written("VOC", BOXES, [one])
    assert not folder.files
    assert folder.skipped == {"image of unknown size": 1}
    kind = find("VOC")
    assert list(kind(kind.Options()).media(one, parse_label_config(BOXES))) == ["s3://bucket/street.jpg"]


def test_the_newest_annotation_is_exported_not_the_oldest_ls_5421() -> None:
    old = annotation(box(0, 0, 10, 10), id_=1, updated_at="2026-01-01T00:00:00Z")
    new = annotation(box(50, 50, 10, 10), id_=2, updated_at="2026-01-02T00:00:00Z")
    assert boxes(only(written("VOC", BOXES, [task(1, old, new)]))) == [("Car", 100, 50, 120, 60)]


@pytest.mark.parametrize("label", ["A & B", "<object>", 'say "cheese"', "日本", "😀", "]]>"])
def test_any_label_is_written_so_that_xml_readers_find_it(label: str) -> None:
    ((name, *_),) = boxes(voc(box(1, 1, 5, 5, label)))
    assert name == label


def test_a_character_that_xml_cannot_hold_is_replaced() -> None:
    ((name, *_),) = boxes(voc(box(1, 1, 5, 5, "a\x07b")))
    assert name == "a\ufffdb"


def test_an_address_with_a_lone_surrogate_is_written_without_it() -> None:
    document = only(written("VOC", BOXES, [task(1, annotation(box(1, 1, 5, 5)), image="s3://b/a\ud800b.jpg")]))
    assert text(document, "filename") == "a_b__t1.jpg"
    assert text(document, "source/image") == "s3://b/a\ufffdb.jpg"


def test_a_long_name_is_cut_instead_of_aborting_the_export() -> None:
    (path,) = written("VOC", BOXES, [task(1, annotation(box(1, 1, 5, 5)), image="ü" * 300 + ".jpg")]).files
    assert len(path.rpartition("/")[2].encode()) < 200


def test_a_box_with_broken_coordinates_sets_its_task_aside_and_no_other() -> None:
    poison = box(10, 10, 10, 10, id_="poison")
    poison["value"]["height"] = "tall"
    folder = written("VOC", BOXES, [task(1, annotation(poison)), task(2, annotation(box(1, 1, 5, 5)))])
    assert list(folder.files) == ["Annotations/street__t2.xml"]
    assert [(error.task, error.region) for error in folder.set_aside] == [(1, "poison")]


def test_regions_that_voc_does_not_hold_are_skipped_and_counted() -> None:
    config = BOXES.replace(
        "</View>", '<KeyPointLabels name="part" toName="image"><Label value="nose"/></KeyPointLabels></View>'
    )
    one = task(1, annotation(box(1, 1, 5, 5), keypoint("nose", 3, 3, id_="k"), box(120, 1, 5, 5, id_="far")))
    folder = written("VOC", config, [one])
    assert len(boxes(only(folder))) == 1
    assert folder.skipped == {
        "region of a shape that this format does not hold": 1,
        "region outside the image or without area": 1,
    }
