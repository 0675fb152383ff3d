"""MASK_PNG: one indexed PNG per image for semantic segmentation; a pixel is its class's number + 1, 0 is background.

Brush masks, polygons, ellipses and boxes are drawn in region order, later over earlier. `palette.json` says which
index is which class. A PNG's own palette colours the classes it shows and no others, so that it stays the same
when the project grows.
"""

import colorsys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from operator import itemgetter
from typing import ClassVar

import numpy as np
import orjson
from PIL import ImageColor

from syncd.errors import TaskRejected
from syncd.formats import AnnotationPolicy, Context, Format, Names, Rendering
from syncd.formats._drawn import MASKED, OUTLINED, Size, mask
from syncd.formats._images import UNKNOWN_SIZE, unsized
from syncd.formats._per_image import ImageItem, per_image
from syncd.formats._regions import NOTHING_LEFT, OTHER_SHAPE, class_names, image_shapes
from syncd.formats._select import annotations
from syncd.formats._tables import counted
from syncd.labelstudio.labelconfig import number_classes, region_classes
from syncd.masks import Alpha
from syncd.model import LabelSchema, TaskJson
from syncd.png import indexed_png

MOST_CLASSES = 255
"""An index is one byte, and 0 is background."""

_Colour = tuple[int, int, int]


class MaskPng(Format):
    """`{stem}__t{task}.png` and `palette.json`."""

    name: ClassVar[str] = "MASK_PNG"
    summary: ClassVar[str] = "one indexed PNG per image (class number + 1), with palette.json"
    own_files: ClassVar[str] = "*.png"

    def accepts(self, schema: LabelSchema) -> str | None:
        if not image_shapes(schema) & (OUTLINED | MASKED):
            return "MASK_PNG draws labelled shapes on images, and the label configuration has none"
        largest = max(number_classes(region_classes(schema)).values(), default=0)
        if largest >= MOST_CLASSES:
            return f"MASK_PNG has room for class numbers below {MOST_CLASSES}, and a label has {largest:,}"
        return None

    def names(self, task: TaskJson, schema: LabelSchema, policy: AnnotationPolicy) -> Names:
        return Names(classes=class_names(annotations(task, policy), schema, task=task["id"]))

    def media(self, task: TaskJson, schema: LabelSchema) -> Iterable[str]:
        return unsized(task, schema)

    def render(self, task: TaskJson, context: Context) -> Rendering:
        skipped: Counter[str] = Counter()
        files = dict(_files(task, context, skipped))
        return Rendering(files=files, items=len(files), skipped=counted(skipped))

    def extras(self, context: Context) -> Mapping[str, bytes]:
        chosen = _chosen_colours(context.schema)
        palette = {
            str(number + 1): {"name": name, "color": "#" + bytes(_colour(name, chosen)).hex()}
            for name, number in sorted(context.classes.items(), key=itemgetter(1))
            if number < MOST_CLASSES
        }
        return {"palette.json": orjson.dumps(palette, option=orjson.OPT_INDENT_2)}


def _files(task: TaskJson, context: Context, skipped: Counter[str]) -> Iterator[tuple[str, bytes]]:
    for item in per_image(task, context, skipped):
        size = item.size(context)
        if size is None:
            skipped[UNKNOWN_SIZE] += 1
            continue
        pixels, drawn = _draw(item, size, context.classes, skipped)
        yield f"{item.name}.png", indexed_png(pixels, _palette(drawn, context.schema))


def _draw(
    item: ImageItem, size: Size, classes: Mapping[str, int], skipped: Counter[str]
) -> tuple[Alpha, dict[int, str]]:
    """The image's pixels (height × width), and the name of each index that was drawn."""
    width, height = size
    pixels = np.zeros((height, width), np.uint8)
    drawn: dict[int, str] = {}
    for region in item.regions:
        if not region.place or region.shape not in OUTLINED | MASKED:
            skipped[OTHER_SHAPE] += 1
            continue
        covered = mask(region, size, task=item.task["id"])
        if not covered.any():
            skipped[NOTHING_LEFT] += 1
            continue
        for label in region.labels:
            index = classes[label] + 1
            if index > MOST_CLASSES:
                message = f"the class {label!r} has the number {classes[label]}, and pixels go up to {MOST_CLASSES - 1}"
                raise TaskRejected(message, task=item.task["id"], region=region.id)
            pixels[covered] = index
            drawn[index] = label
    return pixels, drawn


def _palette(drawn: Mapping[int, str], schema: LabelSchema) -> bytes:
    """Red, green and blue of every index up to the largest drawn; black where nothing was drawn."""
    chosen = _chosen_colours(schema)
    palette = bytearray(3 * (max(drawn, default=0) + 1))
    for index, label in drawn.items():
        palette[3 * index : 3 * index + 3] = bytes(_colour(label, chosen))
    return bytes(palette)


def _chosen_colours(schema: LabelSchema) -> dict[str, str]:
    return {label.name: label.background for label in region_classes(schema) if label.background}


def _colour(name: str, chosen: Mapping[str, str]) -> _Colour:
    """The configuration's `background` where Pillow can read it, else a bright colour made from the name."""
    try:
        return ImageColor.getrgb(chosen[name])[:3]
    except (KeyError, ValueError):
        hue = int.from_bytes(blake2b(name.encode(), digest_size=2).digest()) / 65536
        red, green, blue = colorsys.hsv_to_rgb(hue, 0.7, 0.95)
        return round(red * 255), round(green * 255), round(blue * 255)


FORMAT = MaskPng
