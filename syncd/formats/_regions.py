"""A region's shape and labels, told by its value, never by the name of its key (FORMATS rule 5).

Label Studio writes one result per control: an OCR region is a shape, its labels and its text under one id.
Here they are one Region: the result that carries the labels, with the shape of whichever result has one.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Literal, NamedTuple

from syncd.errors import TaskRejected
from syncd.formats import Skipped
from syncd.labelstudio.labelconfig import control_for, is_region_label, object_for
from syncd.model import ControlTag, Json, LabelSchema, TaskJson

Shape = Literal["rectangle", "polygon", "ellipse", "brush", "bitmap", "keypoint", "vector", "video", "span"]

NO_LABEL = "region without a label"
UNKNOWN_CONTROL = "region of a control that the label configuration does not have"
OTHER_SHAPE = "region of a shape that this format does not hold"
NOTHING_LEFT = "region outside the image or without area"

MOST_PERCENT = 1e6
"""Coordinates beyond ten thousand images are broken, not outside."""
_NUMBERS = frozenset({float, int})
"""Not bool, which Python counts among the integers."""

_ONE_KEY_TELLS: tuple[tuple[str, Shape], ...] = (
    ("rle", "brush"),
    ("points", "polygon"),
    ("radiusX", "ellipse"),
    ("vertices", "vector"),
    ("imageDataURL", "bitmap"),
    ("sequence", "video"),
    ("ranges", "video"),
    ("start", "span"),
)
_SHAPE_OF_TAG: Mapping[str, Shape] = {
    "Rectangle": "rectangle",
    "Polygon": "polygon",
    "Ellipse": "ellipse",
    "Brush": "brush",
    "MagicWand": "brush",
    "Bitmask": "bitmap",
    "KeyPoint": "keypoint",
    "Vector": "vector",
}


class Region(NamedTuple):
    """A labelled region. A tuple rather than a dataclass: a large project has tens of millions."""

    id: str
    shape: Shape | None
    value: Mapping[str, Json]
    """The shape's numbers, percent of the image."""
    labels: tuple[str, ...]
    place: int
    """Of its first label among the labels of the annotation's regions, from 1; 0 for keypoints."""
    control: ControlTag
    result: TaskJson

    @property
    def parent(self) -> str | None:
        return self.result.get("parentID")


def is_shape_tag(control: ControlTag) -> bool:
    """True for tags that draw: Rectangle and RectangleLabels, Polygon and PolygonLabels …"""
    return control.type.removesuffix("Labels") in _SHAPE_OF_TAG


def image_shapes(schema: LabelSchema) -> frozenset[Shape]:
    """The labelled shapes that annotators can draw on images: by `RectangleLabels`, or `Labels` with `Rectangle`."""
    labelled: set[Shape] = set()
    bare: set[Shape] = set()
    has_labels = False
    for control in schema.controls.values():
        tag = object_for(schema, control)
        if tag is None or tag.type != "Image":
            continue
        has_labels |= control.type == "Labels"
        shape = _SHAPE_OF_TAG.get(control.type.removesuffix("Labels"))
        if shape is not None:
            (labelled if control.type.endswith("Labels") else bare).add(shape)
    return frozenset(labelled | bare if has_labels else labelled)


def shape_of(value: Mapping[str, Json]) -> Shape | None:
    """The shape that a result's value describes; None when it has none (choices, text)."""
    if "height" in value and "width" in value and "x" in value:
        return "rectangle"
    for key, shape in _ONE_KEY_TELLS:
        if key in value:
            return shape
    return "keypoint" if "x" in value and "y" in value else None


def labels_of(result: TaskJson, *, task: int) -> tuple[str, ...]:
    """A result's label names, each once, from whichever `…labels` key it has; TaskRejected unless texts."""
    value = result.get("value") or {}
    kind = result.get("type")
    found = value.get(kind) if isinstance(kind, str) and kind.endswith("labels") else None
    if found is None:
        found = next((value[key] for key in sorted(value) if key.endswith("labels")), None)
    if not found:
        return ()
    names = [found] if isinstance(found, str) else found
    if not isinstance(names, list) or not all(map(_is_text, names)):
        raise TaskRejected(f"its labels {str(found)[:80]!a} are no texts", task=task, region=result.get("id"))
    return (names[0],) if len(names) == 1 else tuple(dict.fromkeys(filter(None, names)))


def _is_text(name: Json) -> bool:
    return isinstance(name, str) and (name.isascii() or not any("\ud800" <= c <= "\udfff" for c in name))


class _Role(NamedTuple):
    """What the results of a control are. Shapes drawn by a tag without labels may carry labels all the same."""

    control: ControlTag
    draws: bool
    """Labelled regions, or shapes, rather than answers about them."""
    is_part: bool
    """Keypoints, which are parts of a region."""
    shape: Shape | None
    """What the tag draws; so a box without its height is a broken box, not a keypoint."""


def _role(control: ControlTag) -> _Role:
    draws = is_region_label(control) or is_shape_tag(control)
    shape = _SHAPE_OF_TAG.get(control.type.removesuffix("Labels"))
    return _Role(control, draws, is_part=control.type == "KeyPointLabels", shape=shape)


def _roles(schema: LabelSchema) -> Callable[[TaskJson], _Role | None]:
    """The role of the control that gave a result, None when the schema has no such control; each looked up once."""
    known: dict[str, _Role | None] = {}

    def role_of(result: TaskJson) -> _Role | None:
        from_name = str(result.get("from_name", ""))
        if from_name not in known:
            control = control_for(schema, from_name)
            known[from_name] = None if control is None else _role(control)
        return known[from_name]

    return role_of


def regions(annotation: TaskJson, schema: LabelSchema, *, task: int) -> tuple[list[Region], list[Skipped]]:
    """The labelled regions of an annotation in the order of its results, and what was left out.

    Keypoints are among them. Raises TaskRejected when a label is no text.
    """
    found: list[Region] = []
    unlabelled: dict[str, Mapping[str, Json]] = {}
    skipped: list[Skipped] = []
    role_of = _roles(schema)
    place = 1
    for result in annotation.get("result") or ():
        role = role_of(result)
        if role is None:
            if "from_name" in result:  # relations come from no control
                skipped.append(Skipped(UNKNOWN_CONTROL))
        elif role.draws:
            id_ = str(result.get("id") or "")
            value = result.get("value") or {}
            labels = labels_of(result, task=task)
            if labels:
                shape = shape_of(value)
                if role.shape is not None and shape in {None, "keypoint"}:
                    shape = role.shape
                at = 0 if role.is_part else place
                found.append(Region(id_, shape, value, labels, at, role.control, result))
                place += 0 if role.is_part else len(labels)
            else:
                unlabelled[id_ or f"the {len(unlabelled)}th"] = value
    if unlabelled:
        found, unjoined = _joined(found, unlabelled)
        skipped += [Skipped(NO_LABEL)] * unjoined
    return found, skipped


def _joined(found: list[Region], shapes: dict[str, Mapping[str, Json]]) -> tuple[list[Region], int]:
    """Regions with the shapes that other results of the same id have, and how many shapes nobody labelled."""
    labelled = {region.id for region in found}
    joined = [
        region._replace(shape=shape_of(shapes[region.id]), value=shapes[region.id])
        if region.shape is None and region.id in shapes
        else region
        for region in found
    ]
    return joined, sum(1 for id_ in shapes if id_ not in labelled)


def class_names(used: Iterable[TaskJson], schema: LabelSchema, *, task: int) -> frozenset[str]:
    """The class labels that annotations use (FORMATS rule 6): of regions, not the names of keypoints."""
    role_of = _roles(schema)
    found: set[str] = set()
    for annotation in used:
        for result in annotation.get("result") or ():
            role = role_of(result)
            if role is not None and role.draws and not role.is_part:
                found.update(labels_of(result, task=task))
    return frozenset(found)


# --- numbers ------------------------------------------------------------------------------------


def numbers(region: Region, keys: tuple[str, ...], *, task: int) -> list[float]:
    """The region's values under `keys`, in percent or degrees; a `rotation`, which stands last, is 0 when absent.

    Raises TaskRejected for what is missing, no number, not finite, or beyond MOST_PERCENT.
    """
    value = region.value
    found: list[Json] = [value.get(key) for key in keys]
    if found[-1] is None and keys[-1] == "rotation":
        found[-1] = 0.0
    for number in found:
        if type(number) not in _NUMBERS or not -MOST_PERCENT <= number <= MOST_PERCENT:
            broken = keys[found.index(number)]
            raise TaskRejected(f"broken coordinates: {broken} is {str(number)[:40]}", task=task, region=region.id)
    return found


def points(region: Region, *, task: int) -> list[tuple[float, float]]:
    """A polygon's points in percent. Raises TaskRejected for anything but pairs of coordinates."""
    listed = region.value.get("points")
    if not isinstance(listed, list):
        raise TaskRejected("broken coordinates: points are no list", task=task, region=region.id)
    found = []
    for point in listed:
        if not (isinstance(point, list | tuple) and len(point) == 2 and all(map(_is_coordinate, point))):
            raise TaskRejected(f"broken coordinates: point {str(point)[:40]}", task=task, region=region.id)
        found.append((point[0], point[1]))
    return found


def _is_coordinate(number: Json) -> bool:
    return type(number) in _NUMBERS and -MOST_PERCENT <= number <= MOST_PERCENT
