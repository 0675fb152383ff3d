"""Brush masks as files: what was painted comes back, one readable file per image and label."""

import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from syncd.formats import Context, MediaFact, find
from syncd.labelstudio.labelconfig import parse_label_config
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

GOLDEN = Path(__file__).parents[1] / "golden" / "images" / "segments"

SQUARE = painted(20, 30, 60, 50)
STRIPE = painted(50, 40, 120, 60)


def pixels(body: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(body)))


def test_masks_are_label_studios_pixel_for_pixel() -> None:
    config = (GOLDEN / "label_config.xml").read_text()
    tasks = json.loads((GOLDEN / "export.json").read_text())
    folder = written("BRUSH_TO_PNG", config, tasks, policy="all", per="region")
    theirs = sorted((GOLDEN / "brush_to_png").glob("*.png"))
    assert theirs
    for path in theirs:
        named = re.fullmatch(r"task-(\d+)-annotation-(\d+)-by-.*-brush-(\w+)-(\d+)", path.stem)
        assert named is not None
        number, annotation_id, label, n = named.groups()
        (ours,) = [
            body
            for name, body in folder.files.items()
            if re.search(rf"__t{number}(__a{annotation_id})?__{label}__{n}\.png$", name)
        ]
        assert np.array_equal(pixels(ours) > 0, np.asarray(Image.open(path)) > 0)


def test_the_regions_of_a_label_are_one_mask_named_after_its_image_ls_3892() -> None:
    one = task(1, annotation(brush(SQUARE), brush(STRIPE), brush(STRIPE, "Dirt")))
    folder = written("BRUSH_TO_PNG", SHAPES, [one])
    assert list(folder.files) == ["street__t1__Grass.png", "street__t1__Dirt.png"]
    assert np.array_equal(pixels(folder.files["street__t1__Grass.png"]), np.where(SQUARE | STRIPE, 255, 0))
    assert np.array_equal(pixels(folder.files["street__t1__Dirt.png"]), np.where(STRIPE, 255, 0))


def test_numpy_masks_are_of_ones_and_zeros() -> None:
    folder = written("BRUSH_TO_NUMPY", SHAPES, [task(1, annotation(brush(SQUARE)))])
    mask = np.load(io.BytesIO(folder.files["street__t1__Grass.npy"]))
    assert (mask.dtype, mask.shape) == (np.uint8, (HEIGHT, WIDTH))
    assert np.array_equal(mask, SQUARE)


def test_half_transparent_strokes_count_as_painted() -> None:
    soft = brush(SQUARE)
    soft["value"]["rle"] = [0, 0, 0, 192, 57, 27, 253, 188, 140, 38, 1, 111, 35, 9, 128, 91, 200, 206, 96, 0]
    soft |= {"original_width": 8, "original_height": 6}
    folder = written("BRUSH_TO_PNG", SHAPES, [task(1, annotation(soft))])
    assert np.unique(pixels(folder.files["street__t1__Grass.png"])).tolist() == [0, 255]


def test_a_file_for_each_region_when_asked_for() -> None:
    one = task(1, annotation(brush(SQUARE), brush(STRIPE), brush(STRIPE, "Dirt")))
    folder = written("BRUSH_TO_PNG", SHAPES, [one], per="region")
    assert list(folder.files) == [
        "street__t1__Grass__0.png",
        "street__t1__Grass__1.png",
        "street__t1__Dirt__0.png",
    ]
    assert np.array_equal(pixels(folder.files["street__t1__Grass__1.png"]), np.where(STRIPE, 255, 0))


def test_a_region_with_two_labels_is_in_the_masks_of_both() -> None:
    both = brush(SQUARE)
    both["value"]["brushlabels"] = ["Grass", "Dirt"]
    folder = written("BRUSH_TO_PNG", SHAPES, [task(1, annotation(both))])
    assert folder.files["street__t1__Grass.png"] == folder.files["street__t1__Dirt.png"]
    assert len(folder.files) == 2


@pytest.mark.parametrize("label", ["../../etc/passwd", "a/b", "a:b", "..", "x" * 300, "\x07", "日本"])
def test_no_label_leaves_the_folder_or_meets_another(label: str) -> None:
    one = task(1, annotation(brush(SQUARE, label), brush(STRIPE, label.replace("/", "_") + "!"), brush(STRIPE, "a_b")))
    folder = written("BRUSH_TO_PNG", SHAPES, [one])
    assert len(folder.files) == 3
    for name in folder.files:
        assert "/" not in name
        assert len(name.encode()) < 255


def test_other_shapes_are_skipped_and_counted() -> None:
    folder = written("BRUSH_TO_PNG", SHAPES, [task(1, annotation(brush(SQUARE), box(1, 1, 5, 5, id_="b")))])
    assert list(folder.files) == ["street__t1__Grass.png"]
    assert folder.skipped == {"region of a shape that this format does not hold": 1}


def broken_masks() -> list[tuple[Any, str]]:
    sound = brush(SQUARE)["value"]["rle"]
    return [
        (sound[: len(sound) // 2], "breaks off"),
        (brush(np.ones((HEIGHT, WIDTH + 1), bool))["value"]["rle"], "holds"),
        ([1, 2, 3, 999], "not a list of bytes"),
        ("rle", "not a list of bytes"),
        (None, "not a list of bytes"),
    ]


@pytest.mark.parametrize(("rle", "reason"), broken_masks())
@pytest.mark.parametrize("name", ["BRUSH_TO_PNG", "BRUSH_TO_NUMPY", "MASK_PNG", "YOLO", "YOLO_OBB", "VOC"])
def test_a_broken_mask_sets_its_task_aside_and_no_other(name: str, rle: Any, reason: str) -> None:
    poison = brush(SQUARE, id_="poison")
    poison["value"]["rle"] = rle
    folder = written(name, SHAPES, [task(1, annotation(poison)), task(2, annotation(brush(STRIPE)))])
    (error,) = folder.set_aside
    assert (error.task, error.region) == (1, "poison")
    assert reason in str(error)
    assert [path for path in folder.files if "__t2" in path]
    assert not [path for path in folder.files if "__t1" in path]


def test_a_config_without_brush_is_refused_with_the_reason() -> None:
    kind = find("BRUSH_TO_PNG")
    reason = kind(kind.Options()).accepts(parse_label_config(BOXES))
    assert reason is not None
    assert "BrushLabels" in reason


# --- bitmasks -------------------------------------------------------------------------------------

BITMASK = """<View><Image name="image" value="$image"/>
<BitmaskLabels name="bits" toName="image"><Label value="Grass"/></BitmaskLabels></View>"""


def bitmask(address: Any) -> dict[str, Any]:
    return region("bitmasklabels", "bits", {"imageDataURL": address, "bitmasklabels": ["Grass"]}, "poison")


def data_url(picture: Image.Image) -> str:
    import base64

    file = io.BytesIO()
    picture.save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def test_bitmasks_are_masks_too_by_alpha_or_brightness() -> None:
    grey = Image.fromarray(np.where(SQUARE, 255, 0).astype(np.uint8))
    clear = Image.new("RGBA", (WIDTH, HEIGHT), (9, 9, 9, 0))
    clear.paste((1, 2, 3, 255), mask=grey)
    for picture in (grey, clear):
        folder = written("BRUSH_TO_PNG", BITMASK, [task(1, annotation(bitmask(data_url(picture))))])
        assert np.array_equal(pixels(folder.files["street__t1__Grass.png"]) > 0, SQUARE)


@pytest.mark.parametrize(
    "address",
    [
        None,
        "https://host/mask.png",
        "data:image/png;base64,!!!",
        "data:image/png;base64,AAAA",
        data_url(Image.new("L", (WIDTH, HEIGHT + 1))),
    ],
)
def test_a_bitmask_that_cannot_be_read_sets_its_task_aside(address: Any) -> None:
    folder = written("BRUSH_TO_PNG", BITMASK, [task(1, annotation(bitmask(address)))])
    assert [(error.task, error.region) for error in folder.set_aside] == [(1, "poison")]


# --- MASK_PNG -------------------------------------------------------------------------------------


def test_pixels_are_class_numbers_plus_one_and_later_regions_cover_earlier_ones_ls_3697() -> None:
    one = task(1, annotation(brush(SQUARE), box(25, 40, 35, 20, "Car"), polygon([[0, 0], [10, 0], [10, 10], [0, 10]])))
    folder = written("MASK_PNG", SHAPES, [one])
    palette = json.loads(folder.files["palette.json"])
    index = {entry["name"]: int(key) for key, entry in palette.items()}
    expected = np.zeros((HEIGHT, WIDTH), np.uint8)
    expected[SQUARE] = index["Grass"]
    expected[40:60, 50:120] = index["Car"]
    expected[0:10, 0:20] = index["Road"]
    assert np.array_equal(pixels(folder.files["street__t1.png"]), expected)
    assert sorted(index) == ["Airplane", "Car", "Dirt", "Grass", "Road", "Wheel"]
    assert sorted(index.values()) == [1, 2, 3, 4, 5, 6]


def test_an_ellipse_is_filled() -> None:
    mask = pixels(written("MASK_PNG", SHAPES, [task(1, annotation(ellipse(50, 50, 25, 40)))]).files["street__t1.png"])
    assert (mask > 0).sum() == pytest.approx(np.pi * 50 * 40, rel=0.01)


def test_colours_are_the_configurations_else_made_from_the_name() -> None:
    folder = written("MASK_PNG", SHAPES, [task(1, annotation(brush(SQUARE), brush(STRIPE, "Dirt")))])
    colours = {entry["name"]: entry["color"] for entry in json.loads(folder.files["palette.json"]).values()}
    assert colours["Grass"] == "#00ff00"
    assert len(set(colours.values())) == len(colours)
    picture = Image.open(io.BytesIO(folder.files["street__t1.png"]))
    assert picture.mode == "P"
    rgb = picture.convert("RGB")
    assert rgb.getpixel((20, 30)) == (0, 255, 0)
    assert "#{:02x}{:02x}{:02x}".format(*rgb.getpixel((119, 59))) == colours["Dirt"]  # type: ignore[misc]  # RGB
    assert rgb.getpixel((0, 0)) == (0, 0, 0)


def test_a_mask_stays_the_same_when_the_project_gets_more_classes() -> None:
    kind = find("MASK_PNG")
    schema = parse_label_config(SHAPES)
    one = task(1, annotation(brush(SQUARE)))
    few, many = ({"Grass": 0, "Dirt": 1}, {"Grass": 0, "Dirt": 1, "New": 2})
    rendered = [kind(kind.Options()).render(one, Context(schema, classes)).files for classes in (few, many)]
    assert rendered[0] == rendered[1]


def test_a_reviewed_image_without_regions_is_all_background() -> None:
    size = {"s3://bucket/street.jpg": MediaFact(WIDTH, HEIGHT)}
    folder = written("MASK_PNG", SHAPES, [task(1, annotation()), task(2)], media=size)
    assert "street__t2.png" not in folder.files
    assert not pixels(folder.files["street__t1.png"]).any()


def test_classes_beyond_a_byte_are_refused_or_set_aside() -> None:
    kind = find("MASK_PNG")
    config = SHAPES.replace('value="Dirt"', 'value="Dirt" category="255"')
    assert "255" in (kind(kind.Options()).accepts(parse_label_config(config)) or "")
    names = [f"n{number:03}" for number in range(260)]
    tasks = [task(n + 1, annotation(brush(SQUARE, name))) for n, name in enumerate(names)]
    folder = written("MASK_PNG", SHAPES, tasks)
    assert len(folder.set_aside) == 260 - 255 + 6
    assert len([name for name in folder.files if name.endswith(".png")]) == 255 - 6
