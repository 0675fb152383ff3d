"""MASK_PNG: one indexed PNG per image for semantic segmentation; a pixel is its class's number + 1, 0 is background.

Brush masks, polygons, ellipses and boxes are drawn in region order, later over earlier. `palette.json` says which
index is which class. A PNG's own palette colours the classes it shows and no others, so that it stays the same
when the project grows.
"""

import colorsys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
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
        colours = _colours(context)
        files = dict(_files(task, context, colours, skipped))
        return Rendering(files=files, items=len(files), skipped=counted(skipped))

    def extras(self, context: Context) -> Mapping[str, bytes]:
        colours = _colours(context)
        palette = {
            str(number + 1): {"name": name, "color": "#{:02x}{:02x}{:02x}".format(*colours[name])}
            for name, number in sorted(context.classes.items(), key=lambda item: item[1])
            if number < MOST_CLASSES
        }
        return {"palette.json": orjson.dumps(palette, option=orjson.OPT_INDENT_2)}
