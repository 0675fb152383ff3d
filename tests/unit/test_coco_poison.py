"""What the COCO family does with broken and with odd tasks, and that the same input gives the same bytes."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncd.formats import find
from syncd.labelstudio.labelconfig import parse_label_config
from tests.unit.coco_reading import FAMILY, GOLDEN, PYCOCOTOOLS_IS_OLD, Json, coco, read
from tests.unit.labelled import (
    BOXES,
    HEIGHT,
    SHAPES,
    WIDTH,
    annotation,
    box,
    brush,
    ellipse,
    painted,
    polygon,
    region,
    task,
    written,
)

pytestmark = PYCOCOTOOLS_IS_OLD


# --- poison, and what is only odd --------------------------------------------------------------


def broken(**value: Any) -> Json:
    region_ = box(10, 20, 30, 40, id_="bad")
    region_["value"] |= value
    return region_


def without(key: str) -> Json:
    region_ = broken()
    del region_["value"][key]
    return region_


def without_points() -> Json:
    region_ = polygon([], id_="bad")
    del region_["value"]["points"]
    return region_


POISON = {
    "not a number": (broken(x=float("nan")), "x is nan"),
    "infinite": (broken(width=float("inf")), "width is inf"),
    "integer over 2^63": (broken(y=2**70), "y is 11805916"),
    "a text": (broken(x="10"), "x is 10"),
    "true": (broken(x=True), "x is True"),
    "nothing": (broken(height=None), "height is None"),
    "no height": (without("height"), "height is None"),
    "no x": (without("x"), "x is None"),
    "a polygon without points": (without_points(), "points are no list"),
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
    bad = brush(painted(20, 20, 60, 60), id_="bad")
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


@pytest.mark.parametrize("data", [None, [], "a.jpg", {"image": ["a.jpg"]}, {"image": {"url": "a.jpg"}}])
def test_a_task_without_a_sound_address_keeps_its_labels(data: Any) -> None:
    one = task(5, annotation(box(10, 20, 30, 40))) | {"data": data}
    assert coco(one)["images"] == [{"width": WIDTH, "height": HEIGHT, "id": 5, "file_name": "t5"}]


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


# --- sameness ----------------------------------------------------------------------------------


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


@settings(deadline=None)
@given(st.lists(st.tuples(SIDES, SIDES, st.integers(1, 20).map(float), st.integers(1, 20).map(float)), max_size=5))
def test_plain_boxes_and_the_general_way_give_the_same_bytes(boxes: list[tuple[float, float, float, float]]) -> None:
    """Whole numbers are not plain to the short way, so they take the long one."""
    plain = [box(*sides, id_=str(n)) for n, sides in enumerate(boxes)]
    general = [box(int(x), int(y), int(w), int(h), id_=str(n)) for n, (x, y, w, h) in enumerate(boxes)]
    assert written("COCO", BOXES, [task(1, annotation(*plain))]).files == (
        written("COCO", BOXES, [task(1, annotation(*general))]).files
    )
