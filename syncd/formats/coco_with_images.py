"""COCO_WITH_IMAGES: COCO, and the images beside it; `file_name` is an image's path from result.json."""

from collections.abc import Iterator
from typing import ClassVar

from syncd.formats import Context
from syncd.formats._coco_entries import Entry, Sheet
from syncd.formats._images import Page, pages
from syncd.formats._per_image import page_name
from syncd.formats._select import annotations
from syncd.formats._with_images import WithImages, image_path
from syncd.formats.coco import Coco
from syncd.model import TaskJson


class CocoWithImages(WithImages, Coco):
    """The same file, and one file for each image, however many annotations it has."""

    name: ClassVar[str] = "COCO_WITH_IMAGES"
    summary: ClassVar[str] = "COCO with the images beside it"

    def image(self, page: Page, sheet: Sheet) -> Entry:
        name = page_name(page, sheet.task, sheet.context.schema)
        return super().image(page, sheet) | {"file_name": image_path(name, page.address)}

    def images(self, task: TaskJson, context: Context) -> Iterator[tuple[str, str]]:
        if annotations(task, context.policy, all_tasks=context.all_tasks):
            for page in pages(task, context.schema).values():
                if page.address is not None:
                    name = page_name(page, task["id"], context.schema)
                    yield image_path(name, page.address), page.address


FORMAT = CocoWithImages
