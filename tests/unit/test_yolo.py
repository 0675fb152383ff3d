"""YOLO and YOLO_OBB: what trainers read, and right where Label Studio's converter is wrong (its issues by number)."""

import hashlib
import json
import math
import random
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from syncd.formats import Context, MediaFact, find
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

GOLDEN = Path(__file__).parents[1] / "golden" / "images"

CAR, AIRPLANE = 1, 0
"""Class numbers in BOXES: without `category`, sorted by name."""


def lines(folder: Folder, id_: int = 1) -> list[list[float]]:
    (path,) = [path for path in folder.files if path.endswith(f"__t{id_}.txt")]
    return folder.numbers(path)


def label_files(folder: Folder) -> dict[str, bytes]:
    return {path: body for path, body in folder.files.items() if path.startswith("labels/")}


# --- equal to Label Studio's ----------------------------------------------------------------------


def one_annotation(project: str, name: str) -> list[tuple[dict[str, Any], list[str]]]:
    """Tasks with one submitted annotation, and the lines of the file that Label Studio's converter wrote for each."""
    files = json.loads((GOLDEN / project / f"{name}.json").read_text())
    pairs = []
    for one in json.loads((GOLDEN / project / "export.json").read_text()):
        address = one["data"]["image"]
        stem = address.partition("?")[0].rpartition("/")[2].rpartition(".")[0]
        hashed = f"{hashlib.md5(address.encode()).hexdigest()[:8]}__{stem}"
        theirs = files.get(hashed, files.get(stem))
        submitted = [made for made in one["annotations"] if not made["was_cancelled"]]
        if len(submitted) == 1 and theirs is not None and theirs.count("\n") + 1 >= len(submitted[0]["result"]):
            pairs.append((one, theirs.splitlines()))
    return pairs


def test_upright_boxes_equal_label_studios_digit_for_digit() -> None:
    config = (GOLDEN / "boxes" / "label_config.xml").read_text()
    compared = 0
    for one, theirs in one_annotation("boxes", "yolo"):
        ours = written("YOLO", config, [one])
        (path,) = label_files(ours)
        results = next(made for made in one["annotations"] if not made["was_cancelled"])["result"]
        for result, our_line, their_line in zip(results, ours.text(path).splitlines(), theirs, strict=True):
            if result["value"]["rotation"] == 0:
                assert our_line == their_line
                compared += 1
    assert compared > 15


def test_oriented_boxes_equal_label_studios_but_stay_on_the_image() -> None:
    config = (GOLDEN / "boxes" / "label_config.xml").read_text()
    compared = 0
    for one, theirs in one_annotation("boxes", "yolo_obb"):
        ours = written("YOLO_OBB", config, [one])
        (path,) = label_files(ours)
        for our_line, their_line in zip(ours.numbers(path), theirs, strict=True):
            number, *corners = map(float, their_line.split())
            assert our_line[0] == number
            assert our_line[1:] == pytest.approx([min(max(part, 0), 1) for part in corners], abs=2e-6)
            compared += 1
    assert compared > 40


# --- readers --------------------------------------------------------------------------------------


def on_disk(folder: Folder, path: Path, tasks: list[dict[str, Any]]) -> None:
    for name, body in folder.files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(body)
    (path / "images").mkdir()
    for one in tasks:
        Image.new("RGB", (WIDTH, HEIGHT)).save(path / "images" / f"street__t{one['id']}.jpg")


def read_by_supervision(path: Path, *, is_obb: bool) -> list[tuple[str, Any]]:
    """Image stem and what supervision's own YOLO reader finds on it."""
    with warnings.catch_warnings(action="ignore"):  # that it would rather have OpenCV
        import supervision
    dataset = supervision.DetectionDataset.from_yolo(
        images_directory_path=str(path / "images"),
        annotations_directory_path=str(path / "labels"),
        data_yaml_path=str(path / "data.yaml"),
        is_obb=is_obb,
    )
    assert dataset.classes == (path / "classes.txt").read_text().splitlines()
    return [(Path(name).stem, found) for name, _, found in dataset]


def test_supervision_reads_boxes_and_class_names(tmp_path: Path) -> None:
    tasks = [task(1, annotation(box(10, 20, 30, 40), box(50, 50, 50, 50, "Airplane"))), task(2, annotation())]
    on_disk(written("YOLO", BOXES, tasks), tmp_path, tasks)
    found = dict(read_by_supervision(tmp_path, is_obb=False))
    assert found["street__t1"].class_id.tolist() == [CAR, AIRPLANE]
    assert found["street__t1"].xyxy == pytest.approx(np.array([[20, 20, 80, 60], [100, 50, 200, 100]]))
    assert len(found["street__t2"]) == 0


def test_supervision_reads_turned_boxes(tmp_path: Path) -> None:
    tasks = [task(1, annotation(box(50, 50, 20, 20, rotation=90)))]
    on_disk(written("YOLO_OBB", BOXES, tasks), tmp_path, tasks)
    ((_, detections),) = read_by_supervision(tmp_path, is_obb=True)
    assert detections.data["xyxyxyxy"][0] == pytest.approx(np.array([[100, 50], [100, 90], [80, 90], [80, 50]]))


def test_supervision_reads_every_shape_as_polygons(tmp_path: Path) -> None:
    shapes = [box(0, 0, 10, 10), polygon([[50, 0], [100, 0], [100, 100]]), brush(painted(20, 30, 60, 50))]
    tasks = [task(1, annotation(*shapes))]
    on_disk(written("YOLO", SHAPES, tasks), tmp_path, tasks)
    ((_, detections),) = read_by_supervision(tmp_path, is_obb=False)
    assert detections.xyxy == pytest.approx(np.array([[0, 0, 20, 10], [100, 0, 200, 100], [20, 30, 60, 50]]), abs=1.01)
    assert detections.mask is not None


def obeys_ultralytics(folder: Folder) -> None:
    """The rules of Ultralytics' dataset guide: columns, class numbers below `nc`, everything from 0 to 1, no line twice."""
    data = yaml.safe_load(folder.text("data.yaml"))
    assert data["nc"] == len(data["names"])
    assert list(data["names"]) == list(range(data["nc"]))
    pose_columns = 5 + math.prod(data.get("kpt_shape", [0]))
    for path in label_files(folder):
        for line in folder.numbers(path):
            assert len(line) == pose_columns or (len(line) >= 7 and len(line) % 2 == 1)
            assert line[0] in data["names"]
            visible = line[7::3] if "kpt_shape" in data else []
            coordinates = [part for part in line[1:] if part != 2] if visible else line[1:]
            assert all(0 <= part <= 1 for part in coordinates)


# --- data.yaml, classes.txt, notes.json -----------------------------------------------------------

NUMBERED = """<View><Image name="image" value="$image"/><RectangleLabels name="label" toName="image">
<Label value="zebra"/><Label value="ant" category="5"/><Label value="Moth" alias="moth_a"/><Label value="leaf"/>
</RectangleLabels></View>"""


def test_line_n_of_classes_txt_is_class_n_and_gaps_are_held_open_ls_6416() -> None:
    folder = written("YOLO", NUMBERED, [task(1, annotation(box(1, 1, 5, 5, "ant"), box(1, 1, 5, 5, "moth_a")))])
    names = folder.text("classes.txt").splitlines()
    assert names == ["leaf", "moth_a", "zebra", "__unused_3", "__unused_4", "ant"]
    assert yaml.safe_load(folder.text("data.yaml"))["names"] == dict(enumerate(names))
    assert [names[int(line[0])] for line in lines(folder)] == ["ant", "moth_a"]


def test_a_class_called_as_a_placeholder_stays_apart_from_it() -> None:
    config = BOXES.replace('value="Car"', 'value="__unused_0" category="1"').replace(
        'value="Airplane"', 'value="B" category="3"'
    )
    folder = written("YOLO", config, [])
    assert folder.text("classes.txt").splitlines() == ["__unused_0_", "__unused_0", "__unused_2", "B"]


def test_choices_are_no_classes_ls_3556() -> None:
    config = BOXES.replace("</View>", '<Choices name="c" toName="image"><Choice value="blurred"/></Choices></View>')
    choice = region("choices", "c", {"choices": ["blurred"]})
    folder = written("YOLO", config, [task(1, annotation(box(1, 1, 5, 5), choice))])
    assert folder.text("classes.txt") == "Airplane\nCar\n"


def test_a_label_met_only_in_data_takes_a_number_of_its_own() -> None:
    config = BOXES.replace('value="Car"', 'value="Car" category="1"')
    folder = written("YOLO", config, [task(1, annotation(box(1, 1, 5, 5, "Bus"), box(1, 1, 5, 5)))])
    assert folder.text("classes.txt").splitlines() == ["Airplane", "Car", "Bus"]
    assert [line[0] for line in lines(folder)] == [2, 1]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), unique=True, min_size=1, max_size=5))
def test_any_class_name_keeps_its_line_and_its_yaml_key(names: list[str]) -> None:
    kind = find("YOLO")
    classes = {name: number for number, name in enumerate(names)}
    files = kind(kind.Options()).extras(Context(parse_label_config(BOXES), classes))
    assert files["classes.txt"].count(b"\n") == len(names)
    read = yaml.safe_load(files["data.yaml"].decode())["names"]
    assert list(read) == list(range(len(names)))
    for name, number in classes.items():
        if len(name.splitlines()) == 1 and name.isprintable():
            assert read[number] == name
    assert {one["name"]: one["id"] for one in json.loads(files["notes.json"])["categories"]} == classes


def test_a_config_whose_numbers_would_fill_a_disk_is_refused_with_the_reason() -> None:
    kind = find("YOLO")
    config = BOXES.replace('value="Car"', 'value="Car" category="2000000000"')
    reason = kind(kind.Options()).accepts(parse_label_config(config))
    assert reason is not None
    assert "2,000,000,000" in reason


@pytest.mark.parametrize("name", ["YOLO", "YOLO_OBB", "VOC", "MASK_PNG", "BRUSH_TO_PNG", "BRUSH_TO_NUMPY"])
@pytest.mark.parametrize(
    "config",
    [
        '<View><Text name="t" value="$t"/><Labels name="l" toName="t"><Label value="A"/></Labels></View>',
        '<View><Video name="v" value="$v"/><VideoRectangle name="b" toName="v"/>'
        '<Labels name="l" toName="v"><Label value="A"/></Labels></View>',
        '<View><Image name="i" value="$i"/><Choices name="c" toName="i"><Choice value="A"/></Choices></View>',
        '<View><Image name="i" value="$i"/><KeyPointLabels name="k" toName="i"><Label value="A"/></KeyPointLabels></View>',
    ],
)
def test_a_config_without_drawn_labels_is_refused_instead_of_giving_empty_files_ls_7306(name: str, config: str) -> None:
    kind = find(name)
    assert kind(kind.Options()).accepts(parse_label_config(config)) is not None


# --- which annotation, which file -----------------------------------------------------------------


def test_the_newest_annotation_is_exported_not_the_oldest_ls_5421() -> None:
    old = annotation(box(0, 0, 10, 10), id_=1, updated_at="2026-01-01T00:00:00Z")
    new = annotation(box(50, 50, 10, 10), id_=2, updated_at="2026-01-02T00:00:00Z")
    assert lines(written("YOLO", BOXES, [task(1, old, new)])) == [[CAR, 0.55, 0.55, 0.1, 0.1]]


def test_ground_truth_goes_before_newer_work() -> None:
    truth = annotation(box(0, 0, 10, 10), id_=1, ground_truth=True)
    new = annotation(box(50, 50, 10, 10), id_=2, updated_at="2026-01-02T00:00:00Z")
    assert lines(written("YOLO", BOXES, [task(1, truth, new)])) == [[CAR, 0.05, 0.05, 0.1, 0.1]]


def test_images_of_the_same_name_keep_their_own_labels_ls_7096() -> None:
    tasks = [task(n, annotation(box(n, n, 10, 10)), image=f"s3://bucket/{n}/photo.jpg") for n in (1, 2)]
    assert sorted(label_files(written("YOLO", BOXES, tasks))) == ["labels/photo__t1.txt", "labels/photo__t2.txt"]


def test_all_annotations_have_files_of_their_own_when_asked_for() -> None:
    one = task(1, annotation(box(0, 0, 10, 10), id_=5), annotation(box(5, 5, 10, 10), id_=6))
    folder = written("YOLO", BOXES, [one], policy="all")
    assert sorted(label_files(folder)) == ["labels/street__t1__a5.txt", "labels/street__t1__a6.txt"]


def test_a_reviewed_image_without_regions_has_an_empty_file_and_an_unlabelled_one_none_ls_9774() -> None:
    folder = written("YOLO", BOXES, [task(1, annotation()), task(2), task(3, annotation(was_cancelled=True))])
    assert label_files(folder) == {"labels/street__t1.txt": b""}


@pytest.mark.parametrize(
    ("address", "stem"),
    [
        ("/data/upload/3/ab12-f%C3%A9.png", "ab12-fé"),
        ("https://host/pe\u0301.jpg?token=abc", "pé"),
        ("x" * 300 + ".jpg", "x" * 120),
        ("s3://bucket/../../etc/passwd", "passwd"),
        ("..", "task"),
        ("data:image/png;base64,AAAA", "task"),
        (None, "task"),
    ],
)
def test_names_are_readable_and_never_leave_their_folder_ls_1266(address: str | None, stem: str) -> None:
    folder = written("YOLO", BOXES, [task(1, annotation(box(1, 1, 5, 5)), image=address)])
    assert list(label_files(folder)) == [f"labels/{stem}__t1.txt"]


def test_pages_of_a_task_have_files_of_their_own() -> None:
    config = BOXES.replace('value="$image"', 'valueList="$image"')
    first, second = box(0, 0, 10, 10), box(50, 50, 10, 10, id="s", item_index=1)
    folder = written("YOLO", config, [task(1, annotation(first, second), image=["s3://b/a.jpg", "s3://b/b.jpg"])])
    assert folder.numbers("labels/a__t1_p0.txt") == [[CAR, 0.05, 0.05, 0.1, 0.1]]
    assert folder.numbers("labels/b__t1_p1.txt") == [[CAR, 0.55, 0.55, 0.1, 0.1]]


# --- split ----------------------------------------------------------------------------------------


def test_the_split_is_about_as_asked_and_no_task_ever_changes_sides() -> None:
    tasks = [task(n, annotation(box(1, 1, 5, 5))) for n in range(1, 401)]
    folder = written("YOLO", BOXES, tasks, split=0.2)
    train, val = (set(folder.text(f"{side}.txt").splitlines()) for side in ("train", "val"))
    assert len(train) + len(val) == 400
    assert 50 < len(val) < 110
    fewer = written("YOLO", BOXES, tasks[::3], split=0.2)
    assert set(fewer.text("val.txt").splitlines()) <= val
    assert yaml.safe_load(folder.text("data.yaml"))["val"] == "val.txt"


def test_lists_of_the_split_name_images_as_their_label_files() -> None:
    folder = written(
        "YOLO", BOXES, [task(1, annotation(box(1, 1, 5, 5)), image="https://h/a%20b.png?v=1")], split=0.001
    )
    assert folder.text("train.txt") == "./images/a b__t1.png\n"
    assert list(label_files(folder)) == ["labels/a b__t1.txt"]


# --- geometry -------------------------------------------------------------------------------------


def test_a_turned_box_gives_its_hull_on_the_image_ls_2293() -> None:
    turned = written("YOLO", BOXES, [task(1, annotation(box(10, 20, 30, 40, rotation=45)))])
    upright = written("YOLO", BOXES, [task(1, annotation(box(10, 20, 30, 40)))])
    (line,) = lines(turned)
    # Corners in pixels (20, 20), (62.43, 62.43), (34.14, 90.71), (-8.28, 48.28); the last lies left of the image.
    assert line == pytest.approx([CAR, 0.156066, 0.553553, 0.312132, 0.707107], abs=2e-6)
    assert lines(upright) != lines(turned)


def test_a_turned_box_keeps_its_corners_in_obb_clamped_to_the_image() -> None:
    (line,) = lines(written("YOLO_OBB", BOXES, [task(1, annotation(box(10, 20, 30, 40, rotation=45)))]))
    assert line[1:] == pytest.approx([0.1, 0.2, 0.312132, 0.624264, 0.170711, 0.907107, 0, 0.482843], abs=2e-6)


@given(st.floats(-60, 110), st.floats(-60, 110), st.floats(-80, 80), st.floats(-80, 80), st.floats(-720, 720))
def test_whatever_was_drawn_every_line_is_one_that_trainers_take(
    x: float, y: float, width: float, height: float, rotation: float
) -> None:
    shapes = annotation(
        box(x, y, width, height, rotation=rotation),
        polygon([[x, y], [x + width, y], [x + width, y + height]]),
        ellipse(x, y, abs(width), abs(height)),
        box(10, 10, 20, 20),
    )
    obeys_ultralytics(written("YOLO", SHAPES, [task(1, shapes)]))
    obeys_ultralytics(written("YOLO_OBB", SHAPES, [task(1, shapes)]))


def test_a_box_outside_the_image_is_skipped_and_counted() -> None:
    folder = written("YOLO", BOXES, [task(1, annotation(box(120, 10, 20, 20), box(10, 10, 0, 20)))])
    assert lines(folder) == []
    assert folder.skipped == {"region outside the image or without area": 2}


def test_a_box_drawn_from_its_far_corner_is_turned_round() -> None:
    (line,) = lines(written("YOLO", BOXES, [task(1, annotation(box(40, 60, -30, -40)))]))
    assert line == [CAR, 0.25, 0.4, 0.3, 0.4]


def test_with_other_shapes_in_the_config_every_line_is_a_polygon() -> None:
    folder = written("YOLO", SHAPES, [task(1, annotation(box(10, 20, 30, 40)))])
    assert lines(folder)[0][1:] == pytest.approx([0.1, 0.2, 0.4, 0.2, 0.4, 0.6, 0.1, 0.6])


def test_a_polygon_inside_the_image_keeps_its_digits() -> None:
    folder = written("YOLO", SHAPES, [task(1, annotation(polygon([[10.123456789012345, 0], [50, 0.5], [3, 99.9]])))])
    (line,) = lines(folder)
    assert line[1:] == [10.123456789012345 / 100, 0, 0.5, 0.005, 0.03, 99.9 / 100]


def test_an_ellipse_is_a_polygon_of_its_outline_ls_5901() -> None:
    (line,) = lines(written("YOLO", SHAPES, [task(1, annotation(ellipse(50, 50, 25, 40)))]))
    xs, ys = np.array(line[1::2]), np.array(line[2::2])
    assert len(xs) >= 32
    assert ((xs - 0.5) / 0.25) ** 2 + ((ys - 0.5) / 0.4) ** 2 == pytest.approx(1, abs=1e-4)


def test_a_mask_gives_a_line_per_blob_with_its_holes() -> None:
    mask = painted(20, 30, 60, 50) | painted(100, 10, 120, 20)
    mask[35:45, 30:40] = False
    folder = written("YOLO", SHAPES, [task(1, annotation(brush(mask)))])
    first, second = lines(folder)
    assert first[1:] == pytest.approx([0.5, 0.1, 0.6, 0.1, 0.6, 0.2, 0.5, 0.2])
    assert len(second) == 1 + 2 * (4 + 1 + 5)


def test_obb_puts_the_least_rectangle_around_other_shapes() -> None:
    diamond = polygon([[50, 10], [60, 30], [50, 50], [40, 30]])  # in pixels: a square standing on its corner
    (line,) = lines(written("YOLO_OBB", SHAPES, [task(1, annotation(diamond))]))
    corners = sorted(zip(line[1::2], line[2::2], strict=True))
    assert np.array(corners) == pytest.approx(np.array([(0.4, 0.3), (0.5, 0.1), (0.5, 0.5), (0.6, 0.3)]), abs=2e-6)


def test_obb_has_nine_numbers_in_every_line() -> None:
    shapes = annotation(polygon([[1, 1], [9, 1], [5, 8]]), ellipse(50, 50, 9, 9), brush(painted(3, 3, 9, 9)))
    assert [len(line) for line in lines(written("YOLO_OBB", SHAPES, [task(1, shapes)]))] == [9, 9, 9]


# --- labels ---------------------------------------------------------------------------------------

BARE = """<View><Image name="image" value="$image"/><Labels name="label" toName="image"><Label value="Car"/></Labels>
<Rectangle name="box" toName="image"/><Polygon name="outline" toName="image"/></View>"""


def test_a_polygon_under_labels_is_written_conv_226() -> None:
    outline = {"points": [[10, 10], [20, 10], [20, 30]]}
    regions = (
        region("polygon", "outline", outline),
        region("labels", "label", {**outline, "labels": ["Car"]}),
    )
    (line,) = lines(written("YOLO", BARE, [task(1, annotation(*regions))]))
    assert line == [0, 0.1, 0.1, 0.2, 0.1, 0.2, 0.3]


def test_a_region_with_two_labels_has_a_line_for_each() -> None:
    two = box(10, 20, 30, 40)
    two["value"]["rectanglelabels"] = ["Car", "Airplane"]
    assert [line[0] for line in lines(written("YOLO", BOXES, [task(1, annotation(two))]))] == [CAR, AIRPLANE]


def test_regions_without_label_or_control_are_skipped_and_counted() -> None:
    bare = box(1, 1, 5, 5, id_="bare")
    bare["value"]["rectanglelabels"] = []
    gone = box(1, 1, 5, 5) | {"from_name": "gone"}
    folder = written("YOLO", BOXES, [task(1, annotation(bare, gone, box(1, 1, 5, 5)))])
    assert len(lines(folder)) == 1
    assert folder.skipped.total() == 2


# --- poses ----------------------------------------------------------------------------------------


def pose(*keypoints: dict[str, Any], config: str = POSES) -> Folder:
    folder = written("YOLO", config, [task(1, annotation(box(10, 20, 30, 40, "Cat", id_="cat"), *keypoints))])
    obeys_ultralytics(folder)
    return folder


def test_a_pose_has_the_keypoints_of_its_own_box_ls_6754() -> None:
    other = box(60, 20, 30, 40, "Cat", id_="other")
    nose, eye = keypoint("nose", 15.2, 30, parentID="cat"), keypoint("eye", 70, 25, parentID="other")
    first, second = lines(pose(other, nose, eye))
    assert first == [0, 0.25, 0.4, 0.3, 0.4, 0.152, 0.3, 2, 0, 0, 0, 0, 0, 0]
    assert second == [0, 0.75, 0.4, 0.3, 0.4, 0, 0, 0, 0.7, 0.25, 2, 0, 0, 0]


def test_data_yaml_tells_trainers_the_keypoints() -> None:
    data = yaml.safe_load(pose().text("data.yaml"))
    assert data["kpt_shape"] == [3, 3]
    assert data["kpt_names"] == {0: ["nose", "eye", "tail"]}
    assert data["names"] == {0: "Cat"}


def test_keypoints_stand_where_model_index_puts_them() -> None:
    config = POSES
    for index, name in enumerate(("eye", "nose", "tail")):
        config = config.replace(f'value="{name}"', f'value="{name}" model_index="{index}"')
    folder = pose(keypoint("nose", 15, 30, parentID="cat"), config=config)
    assert yaml.safe_load(folder.text("data.yaml"))["kpt_names"] == {0: ["eye", "nose", "tail"]}
    assert lines(folder)[0][5:] == [0, 0, 0, 0.15, 0.3, 2, 0, 0, 0]


def test_keypoints_of_no_box_outside_or_doubled_are_counted() -> None:
    folder = pose(
        keypoint("nose", 15, 30),
        keypoint("eye", 115, 30, parentID="cat"),
        keypoint("tail", 15, 30, parentID="cat"),
        keypoint("tail", 16, 30, parentID="cat"),
    )
    assert lines(folder)[0][5:] == [0, 0, 0, 0, 0, 0, 0.15, 0.3, 2]
    assert folder.skipped.total() == 3


# --- poison, size, determinism --------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        {"x": "10"},
        {"x": None},
        {"x": float("nan")},
        {"width": float("inf")},
        {"y": 2**70},
        {"rotation": "much"},
        {"x": True},
    ],
)
def test_a_box_with_broken_coordinates_sets_its_task_aside_and_no_other(value: dict[str, Any]) -> None:
    poison = box(10, 10, 10, 10, id_="poison")
    poison["value"] |= value
    folder = written(
        "YOLO", BOXES, [task(1, annotation(box(1, 1, 5, 5), poison)), task(2, annotation(box(1, 1, 5, 5)))]
    )
    assert list(label_files(folder)) == ["labels/street__t2.txt"]
    (error,) = folder.set_aside
    assert (error.task, error.region) == (1, "poison")
    assert "broken coordinates" in str(error)


def test_a_mask_of_the_wrong_size_sets_its_task_aside() -> None:
    wrong = brush(np.ones((HEIGHT, WIDTH + 1), bool), id_="poison")
    folder = written("YOLO", SHAPES, [task(1, annotation(wrong)), task(2, annotation(brush(painted(1, 1, 5, 5))))])
    assert list(label_files(folder)) == ["labels/street__t2.txt"]
    assert (folder.set_aside[0].task, folder.set_aside[0].region) == (1, "poison")


def unsized(shape: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in shape.items() if not key.startswith("original_")}


def test_upright_boxes_need_no_image_size() -> None:
    folder = written("YOLO", BOXES, [task(1, annotation(unsized(box(10, 20, 30, 40)), unsized(box(90, 90, 20, 20))))])
    assert lines(folder) == [[CAR, 0.25, 0.4, 0.3, 0.4], [CAR, 0.95, 0.95, 0.1, 0.1]]


def test_a_turned_box_on_an_image_of_unknown_size_leaves_the_image_out() -> None:
    one = task(1, annotation(unsized(box(10, 20, 30, 40, rotation=10))))
    folder = written("YOLO", BOXES, [one])
    assert label_files(folder) == {}
    assert folder.skipped == {"image of unknown size": 1}
    kind = find("YOLO")
    assert list(kind(kind.Options()).media(one, parse_label_config(BOXES))) == ["s3://bucket/street.jpg"]
    known = written("YOLO", BOXES, [one], media={"s3://bucket/street.jpg": MediaFact(WIDTH, HEIGHT)})
    assert len(lines(known)) == 1


PLACES = st.floats(0, 60) | st.integers(0, 60)
SIZES = st.floats(0.01, 50) | st.integers(1, 50)
PLAIN = st.builds(box, PLACES, PLACES, SIZES, SIZES, st.sampled_from(["Car", "Airplane"]))


@given(st.lists(PLAIN, max_size=4), st.sampled_from(["YOLO", "YOLO_OBB", "VOC", "COCO"]))
def test_the_short_way_for_plain_boxes_gives_the_same_bytes_as_the_general_one(shapes: list[Any], name: str) -> None:
    media = {"s3://bucket/street.jpg": MediaFact(WIDTH, HEIGHT)}
    bare = box(1, 1, 5, 5, id_="bare")  # a region without a label closes the short way, and gives nothing itself
    bare["value"]["rectanglelabels"] = []
    plain = written(name, BOXES, [task(1, annotation(*shapes))], media=media)
    general = written(name, BOXES, [task(1, annotation(*shapes, bare))], media=media)
    assert general.skipped == {"region without a label": 1}
    assert general.files == plain.files


@pytest.mark.parametrize("name", ["YOLO", "YOLO_OBB", "VOC", "MASK_PNG", "BRUSH_TO_PNG", "BRUSH_TO_NUMPY"])
def test_the_order_of_tasks_annotations_and_keys_changes_no_byte(name: str) -> None:
    shapes = [box(10, 20, 30, 40, rotation=30), polygon([[5, 5], [60, 5], [60, 70]]), ellipse(50, 50, 20, 20)]
    shapes += [brush(painted(5, 5, 50, 50)), brush(painted(40, 40, 90, 90), "Dirt")]
    tasks = [
        task(n, annotation(*shapes, id_=2), annotation(*shapes[:2], id_=1, updated_at="2025-01-01T00:00:00Z"))
        for n in range(1, 6)
    ]
    shuffled = json.loads(json.dumps(tasks, sort_keys=True))
    random.Random(3).shuffle(shuffled)
    for one in shuffled:
        one["annotations"].reverse()
    assert written(name, SHAPES, shuffled).files == written(name, SHAPES, tasks).files
