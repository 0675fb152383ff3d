"""A task's images and their sizes: one, or the pages of a `valueList`, a Repeater or several Image tags.

Pages are numbered from 0 in the configuration's order; regions name theirs by `to_name` and `item_index`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from syncd.errors import TaskRejected
from syncd.formats import Context
from syncd.formats._select import annotation_id, media_value
from syncd.model import ControlTag, Json, LabelSchema, ObjectTag, TaskJson

UNKNOWN_SIZE = "image of unknown size"
"""Reason of a Skipped item (FORMATS rule 8): no annotation tells the size, nor do media facts."""
MOST_PAGES = 10_000


@dataclass(frozen=True, slots=True)
class Page:
    """One image of a task. Regions name it by `object` (their `to_name`) and `index` (their `item_index`)."""

    number: int
    object: str
    index: int
    address: str | None


def image_tags(schema: LabelSchema) -> list[ObjectTag]:
    """The Image tags, in the order of the configuration."""
    return [tag for tag in schema.objects.values() if tag.type == "Image"]


def has_pages(schema: LabelSchema) -> bool:
    """True when a task can show several images: a `valueList`, a Repeater, or more than one Image tag."""
    tags = image_tags(schema)
    return len(tags) > 1 or any(tag.many or tag.index_flag for tag in tags)


def pages(task: TaskJson, schema: LabelSchema) -> dict[tuple[str, int], Page]:
    """A task's images by (object name, index in its list), in order; TaskRejected beyond MOST_PAGES."""
    shown = [place for tag in image_tags(schema) for place in _images(task, tag)]
    if len(shown) > MOST_PAGES:
        raise TaskRejected(f"{len(shown):,} images; {MOST_PAGES:,} fit into image ids", task=task["id"])
    return {
        (name, index): Page(number, name, index, address if isinstance(address, str) else None)
        for number, (name, index, address) in enumerate(shown)
    }


def _images(task: TaskJson, tag: ObjectTag) -> Iterator[tuple[str, int, Json]]:
    if tag.many:
        listed = media_value(task, tag)
        for index, address in enumerate(listed if isinstance(listed, list) else [listed]):
            yield tag.name, index, address
    elif tag.index_flag:
        data = task.get("data")
        listed = data.get(tag.data_key) if isinstance(data, dict) else None
        for index in range(len(listed) if isinstance(listed, list) else 0):
            yield tag.name.replace(tag.index_flag, str(index)), 0, media_value(task, tag, index)
    else:
        yield tag.name, 0, media_value(task, tag)


def page_of(region: TaskJson, control: ControlTag, shown: Mapping[tuple[str, int], Page]) -> Page | None:
    """The image a region lies on; None when the task shows no such image."""
    index = region.get("item_index") or 0
    if not isinstance(index, int):
        return None
    page = shown.get((str(region.get("to_name")), index))
    if page is None:
        page = next((shown[name, index] for name in control.to_name if (name, index) in shown), None)
    return page


def image_size(task: TaskJson, page: Page, annotation: TaskJson, context: Context) -> tuple[int, int] | None:
    """Width and height in pixels (FORMATS rule 8): of its regions, else other annotations', else facts."""
    only = not has_pages(context.schema)
    size = _size_in(annotation, page, only)
    if size is None:
        found = (_size_in(other, page, only) for other in sorted(task.get("annotations") or (), key=annotation_id))
        size = next(filter(None, found), None)
    if size is None and page.address is not None:
        fact = context.media.get(page.address)
        if fact is not None and fact.width and fact.height:
            size = fact.width, fact.height
    return size


def unsized(task: TaskJson, schema: LabelSchema) -> list[str]:
    """Addresses of a task's images whose size no annotation tells: what `Format.media` asks facts about."""
    nothing = Context(schema)
    return [
        page.address
        for page in pages(task, schema).values()
        if page.address is not None and image_size(task, page, {}, nothing) is None
    ]


def _size_in(annotation: TaskJson, page: Page, only: bool) -> tuple[int, int] | None:
    for region in annotation.get("result") or ():
        width, height = region.get("original_width"), region.get("original_height")
        if not (_is_length(width) and _is_length(height)):
            continue
        if only or (region.get("to_name") == page.object and (region.get("item_index") or 0) == page.index):
            return int(width), int(height)
    return None


def _is_length(number: Json) -> bool:
    return isinstance(number, int | float) and 1 <= number < 2**31
