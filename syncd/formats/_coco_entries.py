"""The annotation entries of a COCO file that one annotation of Label Studio gives.

An id is the annotation's times IDS_EACH plus the place of region and label in it, so that it stays as it is whatever
happens elsewhere, and is the same in every format of the family.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from syncd.errors import TaskRejected
from syncd.formats import Context
from syncd.formats._attributes import attributes
from syncd.formats._images import Page, has_pages, page_of
from syncd.formats._keypoints import DEFAULT_CATEGORY, Keypoints, box_around, keypoint_groups, place_keypoints
from syncd.formats._plain import PlainTask
from syncd.formats._regions import NOTHING_LEFT, OTHER_SHAPE, Region, Shape, is_shape_tag, regions
from syncd.formats._select import annotation_id, to_json
from syncd.geometry import to_pixels
from syncd.labelstudio.labelconfig import is_region_label, keypoint_names, object_for
from syncd.model import Json, LabelSchema, TaskJson

IDS_EACH = 10_000
"""Image ids per task that shows several images, and annotation ids per annotation of Label Studio."""

Entry: TypeAlias = dict[str, Json]


class Figure(NamedTuple):
    """What COCO says of one region, in pixels of its image."""

    segmentation: Json
    bbox: list[float]
    """Left, top, width, height."""
    area: float
    rotated_bbox: list[float] | None = None
    """Centre x and y, width, height, degrees clockwise, before clipping; of turned rectangles."""


Draw: TypeAlias = Callable[[Region, int, int, int], Figure | None]
"""Region, width, height and task → figure; None when nothing of it lies on the image. TaskRejected when broken."""


class Traits(NamedTuple):
    """What a schema means for its tasks."""

    has_pages: bool
    keypoints: Mapping[str, int]
    """Name → place in the categories' lists; empty in projects without keypoints."""
    has_questions: bool
    """There are controls that say something of a region besides its label."""


def traits_of(schema: LabelSchema, holds: frozenset[Shape]) -> Traits:
    """The traits of a schema for a format that holds these shapes."""
    names = keypoint_names(schema) if "keypoint" in holds else ()
    return Traits(
        has_pages=has_pages(schema),
        keypoints={name: at for at, name in enumerate(names)},
        has_questions=not all(is_shape_tag(tag) or is_region_label(tag) for tag in schema.controls.values()),
    )


class Sheet(NamedTuple):
    """One task about to be rendered, and a count of what is left out of it."""

    task: int
    context: Context
    traits: Traits
    holds: frozenset[Shape]
    category_base: int
    pages: Mapping[tuple[str, int], Page]
    sizes: Mapping[int, tuple[int, int]]
    """Page number → width and height, of the images whose size is known."""
    skipped: Counter[str]

    def image_id(self, page: Page) -> int:
        return self.task * IDS_EACH + page.number if self.traits.has_pages else self.task

    def category_id(self, label: str) -> int:
        return self.context.classes[label] + self.category_base

    def leave_out(self, reason: str, count: int = 1) -> None:
        self.skipped[reason] += count


def entries(annotation: TaskJson, sheet: Sheet, draw: Draw) -> list[Entry]:
    """The entries of one annotation in the order of its regions, one for each label; then keypoints of no region.

    `draw` is asked for regions of the shapes that the sheet's format holds. Raises TaskRejected as `draw` does,
    and when an annotation has more regions, or a region another page, than there are ids or pages for.
    """
    schema = sheet.context.schema
    found, left_out = regions(annotation, schema, task=sheet.task)
    for one in left_out:
        sheet.leave_out(one.reason, one.count)
    parts = keypoint_groups(found) if sheet.traits.keypoints else {}
    said = attributes(annotation, schema) if sheet.traits.has_questions else {}
    base = (annotation_id(annotation) or sheet.task) * IDS_EACH
    place = 0
    made: list[Entry] = []
    for region in found:
        if not region.place:
            if not sheet.traits.keypoints:
                sheet.leave_out(OTHER_SHAPE)
            continue
        place = region.place + len(region.labels) - 1
        entry = _entry(region, parts.get(region.id, ()), sheet, draw)
        if entry is None:
            continue
        if region.id in said:
            entry["attributes"] = said[region.id]
            to_json(said[region.id], task=sheet.task, region=region.id)
        for nth, label in enumerate(region.labels, region.place):
            made.append(entry | {"id": base + nth, "category_id": sheet.category_id(label)})
    for entry in _orphans(parts[None], sheet) if None in parts else ():
        place += 1
        made.append(entry | {"id": base + place, "category_id": sheet.category_id(DEFAULT_CATEGORY)})
    if place >= IDS_EACH:
        raise TaskRejected(f"{place:,} labels in one annotation; ids have room for {IDS_EACH - 1:,}", task=sheet.task)
    return made


def upright_entries(plain: PlainTask, sheet: Sheet) -> list[Entry]:
    """What `entries` gives of a plain task: boxes inside the only image, without more to say of them."""
    ((width, height),) = sheet.sizes.values()
    base = (annotation_id(plain.annotation) or sheet.task) * IDS_EACH
    made: list[Entry] = []
    for id_, (label, left, top, wide, high) in enumerate(plain.boxes, base + 1):
        x, y, w, h = to_pixels(left, top, wide, high, width, height)
        right, bottom = x + w, y + h
        made.append(
            {
                "id": id_,
                "image_id": sheet.task,
                "category_id": sheet.category_id(label),
                "segmentation": [[x, y, right, y, right, bottom, x, bottom]],
                "bbox": [x, y, w, h],
                "ignore": 0,
                "iscrowd": 0,
                "area": w * h,
            }
        )
    return made


def _entry(region: Region, parts: Sequence[Region], sheet: Sheet, draw: Draw) -> Entry | None:
    """A region's entry, still without id and category; None when it is left out."""
    page = page_of(region.result, region.control, sheet.pages)
    is_held = region.shape in sheet.holds and region.shape != "keypoint"  # which have no outline to draw
    if page is None:
        _refuse_missing_page(region, sheet, is_held)
        sheet.leave_out(OTHER_SHAPE)
        return None
    size = sheet.sizes.get(page.number)
    if size is None:  # the image is what is counted as left out
        return None
    figure = draw(region, *size, sheet.task) if is_held else None
    keypoints = _keypoints(parts, size, sheet) if sheet.traits.keypoints else None
    if figure is None:
        if keypoints is None or not keypoints.num_keypoints:
            sheet.leave_out(NOTHING_LEFT if is_held else OTHER_SHAPE)
            return None
        figure = _around(keypoints)
    return _fields(figure, keypoints, sheet.image_id(page))


def _refuse_missing_page(region: Region, sheet: Sheet, is_held: bool) -> None:
    tag = object_for(sheet.context.schema, region.control)
    if is_held and tag is not None and tag.type == "Image":
        index = region.result.get("item_index")
        where = region.result.get("to_name", tag.name) if index is None else f"page {index} of {tag.name}"
        raise TaskRejected(f"it lies on {where}, which the task does not show", task=sheet.task, region=region.id)


def _orphans(parts: Sequence[Region], sheet: Sheet) -> list[Entry]:
    """An entry, still without id and category, for each image that has keypoints of no region."""
    on_page: dict[int, list[Region]] = {}
    for region in parts:
        page = page_of(region.result, region.control, sheet.pages)
        if page is None:
            _refuse_missing_page(region, sheet, is_held=True)
        elif page.number in sheet.sizes:
            on_page.setdefault(page.number, []).append(region)
    made = []
    for page in sheet.pages.values():
        keypoints = _keypoints(on_page.get(page.number, ()), sheet.sizes.get(page.number, (1, 1)), sheet)
        if keypoints.num_keypoints:
            made.append(_fields(_around(keypoints), keypoints, sheet.image_id(page)))
    return made


def _keypoints(parts: Sequence[Region], size: tuple[int, int], sheet: Sheet) -> Keypoints:
    keypoints, left_out = place_keypoints(parts, sheet.traits.keypoints, *size, task=sheet.task)
    for one in left_out:
        sheet.leave_out(one.reason, one.count)
    return keypoints


def _around(keypoints: Keypoints) -> Figure:
    """The box around keypoints that have no shape of their own."""
    left, top, width, height = box = box_around(keypoints)
    right, bottom = left + width, top + height
    return Figure([[left, top, right, top, right, bottom, left, bottom]], box, width * height)


def _fields(figure: Figure, keypoints: Keypoints | None, image_id: int) -> Entry:
    entry: Entry = {
        "id": 0,
        "image_id": image_id,
        "category_id": 0,
        "segmentation": figure.segmentation,
        "bbox": figure.bbox,
        "ignore": 0,
        "iscrowd": 0,
        "area": figure.area,
    }
    if figure.rotated_bbox is not None:
        entry["rotated_bbox"] = figure.rotated_bbox
    if keypoints is not None:
        entry |= keypoints._asdict()
    return entry
