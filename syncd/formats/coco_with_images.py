"""COCO_WITH_IMAGES: COCO, and the images in `images/` beside it, each named as its `file_name` says."""

from collections.abc import Iterator

from syncd.formats import Context
from syncd.formats._coco_entries import Entry, Sheet
from syncd.formats._images import Page, has_pages, pages
from syncd.formats._names import item_name
from syncd.formats._select import annotations
from syncd.formats._with_images import WithImages, image_path
from syncd.formats.coco import Coco
from syncd.model import TaskJson


class CocoWithImages(Coco, WithImages):
    """`result.json` and `images/`."""

    name = "COCO_WITH_IMAGES"
    summary = "COCO with the images themselves in images/"

    def image(self, page: Page, sheet: Sheet) -> Entry:
        path = _path(page, sheet.task, sheet.traits.has_pages)
        return super().image(page, sheet) | {"file_name": path.removeprefix("images/")}

    def images(self, task: TaskJson, context: Context) -> Iterator[tuple[str, str]]:
        if not annotations(task, context.policy, all_tasks=context.all_tasks):
            return
        several = has_pages(context.schema)
        for page in pages(task, context.schema).values():
            if page.address is not None:
                yield _path(page, task["id"], several), page.address


def _path(page: Page, task: int, several: bool) -> str:
    return image_path(item_name(page.address, task, page.number if several else None), page.address)


FORMAT = CocoWithImages
