"""The formats that bring their images: every label finds its image by name, and every image is asked for once."""

import json
from typing import Any

import pytest

from syncd.formats import Context, find
from syncd.formats._with_images import WithImages
from syncd.labelstudio.labelconfig import parse_label_config
from tests.unit.labelled import BOXES, annotation, box, task, written

NAMES = ("COCO_WITH_IMAGES", "YOLO_WITH_IMAGES", "YOLO_OBB_WITH_IMAGES")


def images(name: str, one: dict[str, Any], config: str = BOXES) -> list[tuple[str, str]]:
    kind = find(name)
    made = kind(kind.Options())
    assert isinstance(made, WithImages)
    return list(made.images(one, Context(parse_label_config(config), {"Car": 0, "Airplane": 1})))


@pytest.mark.parametrize("name", NAMES)
def test_no_mirror_ever_copies_images(name: str) -> None:
    assert not find(name).mirrors


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("https://host/a/street.png?token=1", "images/street__t1.png"),
        ("/data/upload/3/ab12-f%C3%A9.JPG", "images/ab12-fé__t1.JPG"),
        ("s3://bucket/../../etc/passwd", "images/passwd__t1.jpg"),
        ("data:image/webp;base64,AAAA", "images/task__t1.webp"),
        ("data:image/jpeg;base64,AAAA", "images/task__t1.jpg"),
    ],
)
def test_an_image_is_named_after_its_address_and_task(name: str, address: str, path: str) -> None:
    assert images(name, task(1, annotation(box(1, 1, 5, 5)), image=address)) == [(path, address)]


@pytest.mark.parametrize("name", NAMES)
def test_unlabelled_and_missing_images_are_not_asked_for(name: str) -> None:
    assert images(name, task(1)) == []
    assert images(name, task(1, annotation(box(1, 1, 5, 5)), image=None)) == []


@pytest.mark.parametrize("name", NAMES)
def test_every_page_is_an_image(name: str) -> None:
    config = BOXES.replace('value="$image"', 'valueList="$image"')
    one = task(1, annotation(box(1, 1, 5, 5)), image=["s3://b/a.jpg", "s3://b/b.jpg"])
    assert images(name, one, config) == [
        ("images/a__t1_p0.jpg", "s3://b/a.jpg"),
        ("images/b__t1_p1.jpg", "s3://b/b.jpg"),
    ]


def test_labels_of_yolo_are_named_as_their_images() -> None:
    one = task(1, annotation(box(1, 1, 5, 5)))
    ((path, _),) = images("YOLO_WITH_IMAGES", one)
    assert path == "images/street__t1.jpg"
    assert "labels/street__t1.txt" in written("YOLO_WITH_IMAGES", BOXES, [one]).files


def test_file_name_of_coco_joined_with_the_images_folder_is_the_image() -> None:
    one = task(1, annotation(box(1, 1, 5, 5)))
    ((path, _),) = images("COCO_WITH_IMAGES", one)
    (entry,) = json.loads(written("COCO_WITH_IMAGES", BOXES, [one]).files["result.json"])["images"]
    assert f"images/{entry['file_name']}" == path
    assert entry["uri"] == "s3://bucket/street.jpg"
