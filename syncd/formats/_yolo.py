"""What the YOLO formats share: a label file per image, the dataset's files, and the split.

Members say what one region's line holds. Reviewed images without regions have an empty file; Ultralytics takes
them as background. A label file is named as its image: `labels/{stem}__t{task}.txt`, `images/{stem}__t{task}.jpg`.
"""

from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import blake2b
from typing import ClassVar, NamedTuple, TypeAlias

from pydantic import Field

from syncd.formats import AnnotationPolicy, AnyOptions, Context, Format, Names, Rendering, Section, SharedFile
from syncd.formats._drawn import MASKED, OUTLINED, Size
from syncd.formats._images import UNKNOWN_SIZE, unsized
from syncd.formats._keypoints import keypoint_groups
from syncd.formats._memo import OfLastSchema, OfLastTask
from syncd.formats._names import item_name
from syncd.formats._per_image import ImageItem, per_image
from syncd.formats._plain import PlainSchema, PlainTask, plain_schema, plain_task
from syncd.formats._regions import (
    NOTHING_LEFT,
    OTHER_SHAPE,
    Region,
    Shape,
    class_names,
    image_shapes,
    regions,
)
from syncd.formats._select import annotations
from syncd.formats._tables import counted
from syncd.formats._with_images import image_path
from syncd.formats._yolo_dataset import MOST_CLASSES, dataset_files
from syncd.formats._yolo_lines import keypoints, label_file
from syncd.labelstudio.labelconfig import region_classes
from syncd.model import Json, LabelSchema, TaskJson

Coordinates: TypeAlias = list[float]

_LOST_KEYPOINT = "keypoint without a box, outside the image, of an unknown name, or the second of its name"
_ANY_SIZE = (1, 1)
"""Fractions need no size unless something is turned or measured."""


class YoloOptions(AnyOptions):
    """Options of the YOLO family."""

    split: float | None = Field(
        default=None, gt=0, lt=1, description="part of the images in val.txt, the others in train.txt; by task id"
    )


class Lines(NamedTuple):
    """How regions become lines."""

    holds: frozenset[Shape]
    of_box: Callable[[float, float, float, float], Coordinates]
    """Of an upright box inside the image: x, y, width, height in percent."""
    of_region: Callable[..., list[Coordinates]]
    """Region, size of the image, `task=`: one for each line; [] when nothing lies on the image."""
    needs_size: Callable[[Region], bool]
    keypoints: Mapping[str, int] = {}
    """Name → place, for poses: every line ends with all keypoints of its region."""


class _LabelFile(NamedTuple):
    name: str
    address: Json
    body: bytes


class _Plan(NamedTuple):
    plain: PlainSchema
    lines: Lines


class YoloFormat(Format):
    """A YOLO-like dataset. Members choose the lines."""

    Options = YoloOptions
    options: YoloOptions
    own_files: ClassVar[str] = "labels/*.txt"

    def __init__(self, options: AnyOptions) -> None:
        super().__init__(options)
        self._plan = OfLastSchema(lambda schema: _Plan(plain_schema(schema), self.lines(schema)))
        self._plain_task = OfLastTask(plain_task)

    @abstractmethod
    def lines(self, schema: LabelSchema) -> Lines:
        """How a project of this configuration is written."""

    def accepts(self, schema: LabelSchema) -> str | None:
        if not image_shapes(schema) & (OUTLINED | MASKED):
            return (
                f"{self.name} holds labelled boxes, polygons, ellipses and masks on images, "
                "and the label configuration draws none"
            )
        largest = max((label.category or 0 for label in region_classes(schema)), default=0)
        if largest >= MOST_CLASSES:
            return f"{self.name} lists every class up to the largest number, and a label has category {largest:,}"
        return None

    def names(self, task: TaskJson, schema: LabelSchema, policy: AnnotationPolicy) -> Names:
        if self._plain_task(task, self._plan(schema).plain, policy) is not None:
            return Names()
        return Names(classes=class_names(annotations(task, policy), schema, task=task["id"]))

    def media(self, task: TaskJson, schema: LabelSchema) -> Iterable[str]:
        lines = self._plan(schema).lines
        found = (regions(one, schema, task=task["id"])[0] for one in annotations(task, "all"))
        needs_size = any(lines.needs_size(region) for one in found for region in one)
        return unsized(task, schema) if needs_size else ()

    def render(self, task: TaskJson, context: Context) -> Rendering:
        plan = self._plan(context.schema)
        skipped: Counter[str] = Counter()
        plain = self._plain_task(task, plan.plain, context.policy)
        if plain is None:
            made = list(_label_files(task, context, plan.lines, skipped))
        else:
            made = [_plain_label_file(task, plain, plan.lines, context.classes)]
        return Rendering(
            files={f"labels/{one.name}.txt": one.body for one in made},
            fragments=self._listed(task["id"], made),
            items=len(made),
            skipped=counted(skipped),
        )

    def _listed(self, task: int, made: list[_LabelFile]) -> dict[str, bytes]:
        """The task's images in its side of the split, as Ultralytics reads lists of images."""
        if self.options.split is None or not made:
            return {}
        side = "val" if _share(task) < self.options.split else "train"
        return {side: "".join(f"./{image_path(one.name, one.address)}\n" for one in made).encode()}

    def shared_files(self, context: Context, *, newest: str = "") -> Iterable[SharedFile]:
        if self.options.split is None:
            return ()
        return tuple(SharedFile(f"{side}.txt", (Section(side),)) for side in ("train", "val"))

    def extras(self, context: Context) -> Mapping[str, bytes]:
        parts = tuple(self._plan(context.schema).lines.keypoints)
        return dataset_files(context.classes, keypoints=parts, is_split=self.options.split is not None)


def _share(task: int) -> float:
    """0 to 1, evenly spread, the same for a task for ever: other tasks come and go without moving it."""
    return int.from_bytes(blake2b(str(task).encode(), digest_size=8).digest()) / 2**64


def _plain_label_file(task: TaskJson, plain: PlainTask, lines: Lines, classes: Mapping[str, int]) -> _LabelFile:
    no_keypoints = [0.0, 0.0, 0] * len(lines.keypoints)
    rows = [[classes[label], *lines.of_box(*box), *no_keypoints] for label, *box in plain.boxes]
    return _LabelFile(item_name(plain.address, task["id"]), plain.address, label_file(rows))


def _label_files(task: TaskJson, context: Context, lines: Lines, skipped: Counter[str]) -> Iterator[_LabelFile]:
    for item in per_image(task, context, skipped):
        size: Size | None = _ANY_SIZE
        if any(map(lines.needs_size, item.regions)):
            size = item.size(context)
        if size is None:
            skipped[UNKNOWN_SIZE] += 1
            continue
        rows = _rows(item, size, lines, context.classes, skipped)
        yield _LabelFile(item.name, item.page.address, label_file(rows))


def _rows(
    item: ImageItem, size: Size, lines: Lines, classes: Mapping[str, int], skipped: Counter[str]
) -> list[list[float]]:
    task = item.task["id"]
    parts = keypoint_groups(item.regions)
    rows: list[list[float]] = []
    for region in item.regions:
        if not region.place:
            continue
        held = region.shape in lines.holds
        coordinates = lines.of_region(region, size, task=task) if held else []
        if not coordinates:
            skipped[NOTHING_LEFT if held else OTHER_SHAPE] += 1
            continue
        found, lost = keypoints(parts.pop(region.id, ()), lines.keypoints, task=task)
        if lost:
            skipped[_LOST_KEYPOINT] += lost
        rows += [[classes[label], *one, *found] for label in region.labels for one in coordinates]
    orphans = sum(map(len, parts.values()))
    if orphans:
        skipped[_LOST_KEYPOINT if lines.keypoints else OTHER_SHAPE] += orphans
    return rows
