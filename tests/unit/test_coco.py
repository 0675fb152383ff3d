"""COCO's file, ids and images: read with pycocotools, and beside Label Studio's own exports."""

import json
from pathlib import Path

import pytest

from syncd.formats import AnnotationPolicy, Context, MediaFact, find
from syncd.labelstudio.labelconfig import parse_label_config
from tests.unit.coco_reading import GOLDEN, PYCOCOTOOLS_IS_OLD, Json, coco, names_by_id, read, with_pycocotools
from tests.unit.labelled import BOXES, HEIGHT, WIDTH, annotation, box, task, written

pytestmark = PYCOCOTOOLS_IS_OLD


# --- readers -----------------------------------------------------------------------------------


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


# --- beside Label Studio's own exports ---------------------------------------------------------


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


# --- ids ---------------------------------------------------------------------------------------


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


# --- images ------------------------------------------------------------------------------------


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
