"""What a task gives to formats that write files per image: its images, each with the regions that lie on it.

One image with one annotation gives one item, whose files are named as its image. Several pages give one each
(`…_p{page}`), and so do several annotations (`…__a{annotation}`), where the policy lets several through.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from syncd.formats import Context
from syncd.formats._images import Page, has_pages, image_size, page_of, pages
from syncd.formats._names import item_name
from syncd.formats._regions import OTHER_SHAPE, Region, regions
from syncd.formats._select import annotation_id, annotations
from syncd.model import LabelSchema, TaskJson


class ImageItem(NamedTuple):
    """One image of a task as one annotation has it."""

    task: TaskJson
    annotation: TaskJson
    page: Page
    regions: list[Region]
    name: str
    """The stem of every file it gives."""

    def size(self, context: Context) -> tuple[int, int] | None:
        """Width and height in pixels, or None when nobody knows (FORMATS rule 8)."""
        return image_size(self.task, self.page, self.annotation, context)


def per_image(task: TaskJson, context: Context, skipped: Counter[str]) -> Iterator[ImageItem]:
    """The items of a task, in the order of annotations and pages; regions on none of its images are `skipped`.

    Raises TaskRejected when a label is not a text.
    """
    shown = pages(task, context.schema)
    used = annotations(task, context.policy, all_tasks=context.all_tasks)
    for annotation in used:
        on_page = _by_page(task, annotation, context, shown, skipped)
        suffix = f"__a{annotation_id(annotation)}" if len(used) > 1 else ""
        for page in shown.values():
            name = page_name(page, task["id"], context.schema) + suffix
            yield ImageItem(task, annotation, page, on_page[page.number], name)


def page_name(page: Page, task: int, schema: LabelSchema) -> str:
    """The stem of an image's files: its page number is part of it where tasks can show several."""
    return item_name(page.address, task, page.number if has_pages(schema) else None)


def _by_page(
    task: TaskJson,
    annotation: TaskJson,
    context: Context,
    shown: Mapping[tuple[str, int], Page],
    skipped: Counter[str],
) -> dict[int, list[Region]]:
    found, left_out = regions(annotation, context.schema, task=task["id"])
    for one in left_out:
        skipped[one.reason] += one.count
    on_page: dict[int, list[Region]] = {page.number: [] for page in shown.values()}
    for region in found:
        page = page_of(region.result, region.control, shown)
        if page is None:
            skipped[OTHER_SHAPE] += 1
        else:
            on_page[page.number].append(region)
    return on_page
