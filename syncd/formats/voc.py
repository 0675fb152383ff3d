"""VOC: one PASCAL VOC xml per image, as its development kit reads it (http://host.robots.ox.ac.uk/pascal/VOC).

Boxes are whole pixels, rounded once, inside the image and at least one pixel wide; they count from 0, as Label
Studio's do. Any shape gives its box; a turned rectangle gives its hull, and itself as `robndbox`, which roLabelImg
reads (centre, size, radians clockwise).
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar
from xml.sax.saxutils import escape

from syncd.formats import AnnotationPolicy, AnyOptions, Context, Format, Names, Rendering
from syncd.formats._drawn import MASKED, OUTLINED, Size, mask, outline
from syncd.formats._images import UNKNOWN_SIZE, unsized
from syncd.formats._memo import OfLastSchema, OfLastTask
from syncd.formats._names import item_name
from syncd.formats._per_image import ImageItem, per_image
from syncd.formats._plain import PlainTask, plain_schema, plain_task
from syncd.formats._regions import NOTHING_LEFT, OTHER_SHAPE, Region, class_names, image_shapes, numbers
from syncd.formats._select import annotation_id, annotations
from syncd.formats._tables import counted
from syncd.formats._with_images import image_path
from syncd.geometry import Box, clip, hull_box, to_pixels
from syncd.masks import bounds
from syncd.model import Json, LabelSchema, TaskJson

_NOT_IN_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


class Voc(Format):
    """Boxes for VOC readers."""

    name: ClassVar[str] = "VOC"
    summary: ClassVar[str] = "one PASCAL VOC xml per image: boxes in whole pixels"
    own_files: ClassVar[str] = "Annotations/*.xml"

    def __init__(self, options: AnyOptions) -> None:
        super().__init__(options)
        self._plain = OfLastSchema(plain_schema)
        self._plain_task = OfLastTask(plain_task)

    def accepts(self, schema: LabelSchema) -> str | None:
        if image_shapes(schema) & (OUTLINED | MASKED):
            return None
        return "VOC holds the boxes of labelled shapes on images, and the label configuration draws none"

    def names(self, task: TaskJson, schema: LabelSchema, policy: AnnotationPolicy) -> Names:
        if self._plain_task(task, self._plain(schema), policy) is not None:
            return Names()
        return Names(classes=class_names(annotations(task, policy), schema, task=task["id"]))

    def media(self, task: TaskJson, schema: LabelSchema) -> Iterable[str]:
        return unsized(task, schema)

    def render(self, task: TaskJson, context: Context) -> Rendering:
        skipped: Counter[str] = Counter()
        plain = self._plain_task(task, self._plain(context.schema), context.policy)
        size = None if plain is None else _first_size(plain)
        if plain is None or size is None:
            files = dict(_files(task, context, skipped))
        else:
            name = item_name(plain.address, task["id"])
            body = _document(name, plain.address, plain.annotation, size, _plain_objects(plain, size))
            files = {f"Annotations/{name}.xml": body}
        return Rendering(files=files, items=len(files), skipped=counted(skipped))


def _first_size(plain: PlainTask) -> Size | None:
    """What the first region says of its image's size, when it simply does."""
    first: TaskJson = next(iter(plain.annotation["result"]), {})
    width, height = first.get("original_width"), first.get("original_height")
    if type(width) is type(height) is int and 1 <= width < 2**31 and 1 <= height < 2**31:
        return width, height
    return None


def _plain_objects(plain: PlainTask, size: Size) -> Iterator[str]:
    for label, left, top, wide, high in plain.boxes:
        x, y, width, height = to_pixels(left, top, wide, high, *size)
        yield _object(label, (x, y, x + width, y + height), size)


def _files(task: TaskJson, context: Context, skipped: Counter[str]) -> Iterator[tuple[str, bytes]]:
    for item in per_image(task, context, skipped):
        size = item.size(context)
        if size is None:
            skipped[UNKNOWN_SIZE] += 1
            continue
        objects = list(_objects(item, size, skipped))
        segmented = any(region.shape in MASKED for region in item.regions)
        body = _document(item.name, item.page.address, item.annotation, size, objects, segmented=segmented)
        yield f"Annotations/{item.name}.xml", body


def _objects(item: ImageItem, size: Size, skipped: Counter[str]) -> Iterator[str]:
    for region in item.regions:
        if not region.place or region.shape not in OUTLINED | MASKED:
            skipped[OTHER_SHAPE] += 1
            continue
        box = _box(region, size, task=item.task["id"])
        if box is None:
            skipped[NOTHING_LEFT] += 1
            continue
        turned = _turned_box(region, size, task=item.task["id"])
        for label in region.labels:
            yield _object(label, box, size, turned)


def _box(region: Region, size: Size, *, task: int) -> Box | None:
    """What lies on the image, in pixels; None when nothing does."""
    if region.shape in MASKED:
        covered = bounds(mask(region, size, task=task))
        if covered is None:
            return None
        left, top, width, height = covered
        return left, top, left + width, top + height
    on_image = clip(outline(region, size, task=task), *size)
    return hull_box(on_image) if on_image else None


def _turned_box(region: Region, size: Size, *, task: int) -> str:
    """A turned rectangle as roLabelImg writes it, "" of anything else. Half a turn changes nothing."""
    if region.shape != "rectangle":
        return ""
    width, height, rotation = numbers(region, ("width", "height", "rotation"), task=task)
    if rotation % 360 == 0:
        return ""
    corners = outline(region, size, task=task)
    cx, cy = (round((a + b) / 2, 4) for a, b in zip(corners[0], corners[2], strict=True))
    wide, high = round(abs(width) / 100 * size[0], 4), round(abs(height) / 100 * size[1], 4)
    angle = round(math.radians(rotation % 180), 6)
    return (
        f"<robndbox>\n<cx>{cx}</cx>\n<cy>{cy}</cy>\n<w>{wide}</w>\n<h>{high}</h>\n<angle>{angle}</angle>\n</robndbox>\n"
    )


def _object(label: str, box: Box, size: Size, turned: str = "") -> str:
    xmin, xmax = _whole_pixels(box[0], box[2], size[0])
    ymin, ymax = _whole_pixels(box[1], box[3], size[1])
    return (
        f"<object>\n<name>{_text(label)}</name>\n<pose>Unspecified</pose>\n<truncated>0</truncated>\n"
        f"<difficult>0</difficult>\n<bndbox>\n<xmin>{xmin}</xmin>\n<ymin>{ymin}</ymin>\n<xmax>{xmax}</xmax>\n"
        f"<ymax>{ymax}</ymax>\n</bndbox>\n{turned}</object>\n"
    )


def _whole_pixels(start: float, end: float, size: int) -> tuple[int, int]:
    """Both ends rounded to the nearest pixel border, at least one pixel apart."""
    first = min(int(start + 0.5), size - 1)
    return first, max(min(int(end + 0.5), size), first + 1)


def _document(
    name: str,
    address: Json,
    annotation: TaskJson,
    size: Size,
    objects: Iterable[str],
    *,
    segmented: bool = False,
) -> bytes:
    file_name = image_path(name, address).removeprefix("images/")
    source = address if isinstance(address, str) and not address.startswith("data:") else file_name
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<annotation>\n<folder>images</folder>\n'
        f"<filename>{_text(file_name)}</filename>\n<source>\n<database>Label Studio</database>\n"
        f"<annotation>{annotation_id(annotation)}</annotation>\n<image>{_text(source)}</image>\n"
        f"<annotator>{_text(_annotator(annotation))}</annotator>\n</source>\n"
        f"<size>\n<width>{size[0]}</width>\n<height>{size[1]}</height>\n<depth>3</depth>\n</size>\n"
        f"<segmented>{int(segmented)}</segmented>\n{''.join(objects)}</annotation>\n"
    ).encode()


def _annotator(annotation: TaskJson) -> str:
    """The e-mail where the document has it, else the user's id."""
    who = annotation.get("completed_by")
    return str((who.get("email") or who.get("id") or "") if isinstance(who, Mapping) else who or "")


def _text(text: str) -> str:
    """Text as XML takes it; characters that XML 1.0 has no way to write become the replacement character."""
    return escape(_NOT_IN_XML.sub("\ufffd", text))


FORMAT = Voc
