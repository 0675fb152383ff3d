"""What BRUSH_TO_PNG and BRUSH_TO_NUMPY share: one mask per image and label, named after both.

Label Studio's converter writes one file per region and names it after no image. Here the regions of a label are
merged, unless `per: region` is asked for, and every value is either background or mask.
"""

from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import ClassVar, Literal

from pydantic import Field

from syncd.formats import AnnotationPolicy, AnyOptions, Context, Format, Names, Rendering
from syncd.formats._drawn import MASKED, mask
from syncd.formats._images import UNKNOWN_SIZE, unsized
from syncd.formats._names import safe
from syncd.formats._per_image import ImageItem, per_image
from syncd.formats._regions import OTHER_SHAPE, class_names, image_shapes
from syncd.formats._select import annotations
from syncd.formats._tables import counted
from syncd.masks import Mask
from syncd.model import LabelSchema, TaskJson


class BrushOptions(AnyOptions):
    """Options of the brush formats."""

    per: Literal["label", "region"] = Field(
        default="label", description="one file for each label of an image, or for each region"
    )


class BrushFormat(Format):
    """One file per mask. Members say what a file holds."""

    Options = BrushOptions
    options: BrushOptions
    suffix: ClassVar[str]

    @abstractmethod
    def body(self, covered: Mask) -> bytes:
        """The file of one mask (height × width)."""

    def accepts(self, schema: LabelSchema) -> str | None:
        if image_shapes(schema) & MASKED:
            return None
        return f"{self.name} holds brush masks on images, and the label configuration has no BrushLabels"

    def names(self, task: TaskJson, schema: LabelSchema, policy: AnnotationPolicy) -> Names:
        return Names(classes=class_names(annotations(task, policy), schema, task=task["id"]))

    def media(self, task: TaskJson, schema: LabelSchema) -> Iterable[str]:
        return unsized(task, schema)

    def render(self, task: TaskJson, context: Context) -> Rendering:
        skipped: Counter[str] = Counter()
        files = {
            f"{item.name}__{name}{self.suffix}": self.body(covered)
            for item in per_image(task, context, skipped)
            for name, covered in self._masks(item, context, skipped)
        }
        return Rendering(files=files, items=len(files), skipped=counted(skipped))

    def _masks(self, item: ImageItem, context: Context, skipped: Counter[str]) -> Iterator[tuple[str, Mask]]:
        held = [region for region in item.regions if region.place and region.shape in MASKED]
        if len(held) < len(item.regions):
            skipped[OTHER_SHAPE] += len(item.regions) - len(held)
        if not held:
            return
        size = item.size(context)
        if size is None:
            skipped[UNKNOWN_SIZE] += 1
            return
        masks = ((label, mask(region, size, task=item.task["id"])) for region in held for label in region.labels)
        yield from _numbered(masks) if self.options.per == "region" else _merged(masks)


def _merged(masks: Iterable[tuple[str, Mask]]) -> Iterator[tuple[str, Mask]]:
    found: dict[str, Mask] = {}
    for label, covered in masks:
        if label in found:
            found[label] |= covered
        else:
            found[label] = covered
    for label, covered in found.items():
        yield _file_part(label), covered


def _numbered(masks: Iterable[tuple[str, Mask]]) -> Iterator[tuple[str, Mask]]:
    seen: Counter[str] = Counter()
    for label, covered in masks:
        yield f"{_file_part(label)}__{seen[label]}", covered
        seen[label] += 1


def _file_part(label: str) -> str:
    """The label as part of a file name; one that had to be changed says so by a hash, so that none meet."""
    readable = safe(label)
    if readable == label:
        return label
    return f"{readable}-{blake2b(label.encode(), digest_size=4).hexdigest()}"
