"""What the COCO family shares: one file of images, annotations, categories and info, in this order.

What changes with every task stands in the middle, what changes with all of them at the end. Image ids are task ids.
"""

from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable
from typing import ClassVar

import orjson
from pydantic import Field

from syncd.formats import (
    AnnotationPolicy,
    AnyOptions,
    Context,
    Format,
    Names,
    Options,
    Rendering,
    Section,
    SharedFile,
    Skipped,
)
from syncd.formats._coco_entries import IDS_EACH, Entry, Figure, Sheet, Traits, entries, traits_of, upright_entries
from syncd.formats._images import UNKNOWN_SIZE, Page, image_size, pages, unsized
from syncd.formats._keypoints import DEFAULT_CATEGORY, keypoint_groups
from syncd.formats._memo import OfLastSchema, OfLastTask
from syncd.formats._names import file_name
from syncd.formats._plain import PlainSchema, plain_schema, plain_task
from syncd.formats._regions import Region, Shape, class_names, image_shapes, regions
from syncd.formats._select import annotations, newest_update, to_json
from syncd.model import LabelSchema, TaskJson


class CocoOptions(Options):
    """Options of the COCO family."""

    category_base: int = Field(default=0, ge=0, le=1000, description="category id of class number 0")


class CocoFormat(Format):
    """A COCO-like file. Members say which shapes they hold, and how a shape becomes a segmentation."""

    Options = CocoOptions
    options: CocoOptions
    holds: ClassVar[frozenset[Shape]]
    path: ClassVar[str] = "result.json"

    def __init__(self, options: AnyOptions) -> None:
        super().__init__(options)
        self._traits = OfLastSchema(self._traits_of)
        self._plain = OfLastSchema(self._plain_schema)
        self._plain_task = OfLastTask(plain_task)

    @abstractmethod
    def figure(self, region: Region, width: int, height: int, task: int) -> Figure | None:
        """A region of a shape in `holds`; None when nothing of it lies on the image. TaskRejected when broken."""

    def accepts(self, schema: LabelSchema) -> str | None:
        if image_shapes(schema) & self.holds:
            return None
        return (
            f"no control of the label configuration draws labelled {', '.join(sorted(self.holds))} shapes on an Image"
        )

    def names(self, task: TaskJson, schema: LabelSchema, policy: AnnotationPolicy) -> Names:
        if self._plain_task(task, self._plain(schema), policy) is not None:
            return Names()
        used = annotations(task, policy)
        classes = class_names(used, schema, task=task["id"])
        if self._traits(schema).keypoints and any(
            None in keypoint_groups(regions(one, schema, task=task["id"])[0]) for one in used
        ):
            classes |= {DEFAULT_CATEGORY}
        return Names(classes=classes)

    def media(self, task: TaskJson, schema: LabelSchema) -> Iterable[str]:
        return unsized(task, schema)

    def render(self, task: TaskJson, context: Context) -> Rendering:
        plain = self._plain_task(task, self._plain(context.schema), context.policy)
        used = [plain.annotation] if plain else annotations(task, context.policy, all_tasks=context.all_tasks)
        if not used:
            return Rendering()
        sheet = self._sheet(task, used, context)
        images = [self.image(page, sheet) for page in sheet.pages.values() if page.number in sheet.sizes]
        if len(images) < len(sheet.pages):
            sheet.leave_out(UNKNOWN_SIZE, len(sheet.pages) - len(images))
        made: list[Entry] = []
        if plain is None or len(plain.boxes) >= IDS_EACH:
            for annotation in used:
                made += self.complete(entries(annotation, sheet, self.figure), annotation)
        elif images:
            made = self.complete(upright_entries(plain, sheet), plain.annotation)
        return Rendering(
            fragments={
                name: to_json(listed, task=sheet.task)[1:-1]
                for name, listed in (("images", images), ("annotations", made))
                if listed
            },
            items=len(images),
            updated_at=newest_update(used),
            skipped=tuple(Skipped(reason, count) for reason, count in sorted(sheet.skipped.items())),
        )

    def _sheet(self, task: TaskJson, used: list[TaskJson], context: Context) -> Sheet:
        shown = pages(task, context.schema)
        sizes = {}
        for page in shown.values():
            size = image_size(task, page, used[0], context)
            if size is not None:
                sizes[page.number] = size
        traits = self._traits(context.schema)
        return Sheet(task["id"], context, traits, self.holds, self.options.category_base, shown, sizes, Counter())

    def _traits_of(self, schema: LabelSchema) -> Traits:
        return traits_of(schema, self.holds)

    def _plain_schema(self, schema: LabelSchema) -> PlainSchema:
        """Where boxes can have keypoints, every entry says so, and the short way is closed."""
        return PlainSchema(None, frozenset(), frozenset()) if self._traits(schema).keypoints else plain_schema(schema)

    def image(self, page: Page, sheet: Sheet) -> Entry:
        """The entry of one image."""
        width, height = sheet.sizes[page.number]
        name = file_name(page.address, sheet.task)
        entry = {"width": width, "height": height, "id": sheet.image_id(page), "file_name": name}
        return entry if page.address is None else entry | {"uri": page.address}

    def complete(self, made: list[Entry], annotation: TaskJson) -> list[Entry]:
        """The entries of one annotation with what this format says besides."""
        return made

    def category(self, name: str, number: int, schema: LabelSchema) -> Entry:
        """The entry of one class; with keypoints in the project, any class can have them."""
        entry: Entry = {"id": number + self.options.category_base, "name": name}
        parts = self._traits(schema).keypoints
        return entry | {"supercategory": "", "keypoints": list(parts), "skeleton": []} if parts else entry

    def info(self, newest: str) -> Entry:
        """The file's own description. `newest` stands for the time of making, so that bytes depend on data only."""
        return {
            "year": int(newest[:4] or 0),
            "version": "1.0",
            "description": "",
            "contributor": "Label Studio",
            "url": "",
            "date_created": newest,
        }

    def shared_files(self, context: Context, *, newest: str = "") -> Iterable[SharedFile]:
        numbered = sorted(context.classes.items(), key=lambda item: item[1])
        categories = [self.category(name, number, context.schema) for name, number in numbered]
        end = orjson.dumps({"categories": categories, "info": self.info(newest)})
        images = Section("images", b'{"images":[', b",", b"],")
        annotated = Section("annotations", b'"annotations":[', b",", b"]," + end[1:])
        yield SharedFile(self.path, (images, annotated))
