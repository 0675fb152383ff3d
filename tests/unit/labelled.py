"""Labelled tasks to write tests with, and a format run over them as `convert` does: names, render, shared files."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from syncd.errors import TaskRejected
from syncd.formats import AnnotationPolicy, Context, MediaFact, find
from syncd.labelstudio.labelconfig import number_classes, parse_label_config, region_classes
from syncd.rle_pack import encode_rle

WIDTH, HEIGHT = 200, 100

BOXES = """<View><Image name="image" value="$image"/>
<RectangleLabels name="label" toName="image"><Label value="Car"/><Label value="Airplane"/></RectangleLabels></View>"""

SHAPES = """<View><Image name="image" value="$image"/>
<RectangleLabels name="label" toName="image"><Label value="Car"/><Label value="Airplane"/></RectangleLabels>
<PolygonLabels name="polygon" toName="image"><Label value="Road"/></PolygonLabels>
<EllipseLabels name="ellipse" toName="image"><Label value="Wheel"/></EllipseLabels>
<BrushLabels name="brush" toName="image"><Label value="Grass" background="#00ff00"/><Label value="Dirt"/></BrushLabels>
</View>"""

POSES = """<View><Image name="image" value="$image"/>
<RectangleLabels name="label" toName="image"><Label value="Cat"/></RectangleLabels>
<KeyPointLabels name="part" toName="image"><Label value="nose"/><Label value="eye"/><Label value="tail"/></KeyPointLabels>
</View>"""


def region(kind: str, from_name: str, value: dict[str, Any], id_: str = "r", **more: Any) -> dict[str, Any]:
    """One result as Label Studio writes it; `kind` is its type, `value` lacks nothing."""
    size = {"original_width": WIDTH, "original_height": HEIGHT, "image_rotation": 0}
    return {"id": id_, "type": kind, "from_name": from_name, "to_name": "image", "value": value, **size, **more}


def box(x: float, y: float, width: float, height: float, label: str = "Car", **more: Any) -> dict[str, Any]:
    value = {"x": x, "y": y, "width": width, "height": height, "rotation": more.pop("rotation", 0)}
    return region("rectanglelabels", "label", {**value, "rectanglelabels": [label]}, **more)


def polygon(points: list[Any], label: str = "Road", **more: Any) -> dict[str, Any]:
    return region("polygonlabels", "polygon", {"points": points, "polygonlabels": [label]}, **more)


def ellipse(x: float, y: float, radius_x: float, radius_y: float, **more: Any) -> dict[str, Any]:
    value = {"x": x, "y": y, "radiusX": radius_x, "radiusY": radius_y, "rotation": 0}
    return region("ellipselabels", "ellipse", {**value, "ellipselabels": ["Wheel"]}, **more)


def brush(mask: NDArray[np.bool_], label: str = "Grass", **more: Any) -> dict[str, Any]:
    rle = encode_rle(np.where(mask, 255, 0).astype(np.uint8))
    return region("brushlabels", "brush", {"format": "rle", "rle": rle, "brushlabels": [label]}, **more)


def keypoint(name: str, x: float, y: float, **more: Any) -> dict[str, Any]:
    return region("keypointlabels", "part", {"x": x, "y": y, "width": 1, "keypointlabels": [name]}, **more)


def painted(left: int, top: int, right: int, bottom: int) -> NDArray[np.bool_]:
    """A mask of the image's size, set in one box of pixels."""
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[top:bottom, left:right] = True
    return mask


def annotation(*regions: dict[str, Any], id_: int = 1, **more: Any) -> dict[str, Any]:
    times = {"created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z"}
    return {"id": id_, "was_cancelled": False, "completed_by": 7, "result": list(regions), **times, **more}


def task(id_: int, *annotations: dict[str, Any], image: Any = "s3://bucket/street.jpg") -> dict[str, Any]:
    return {"id": id_, "data": {"image": image}, "annotations": list(annotations)}


@dataclass
class Folder:
    """What came out: files by path, what was skipped by reason, tasks set aside."""

    files: dict[str, bytes] = field(default_factory=dict)
    skipped: Counter[str] = field(default_factory=Counter)
    set_aside: list[TaskRejected] = field(default_factory=list)

    def text(self, path: str) -> str:
        return self.files[path].decode()

    def numbers(self, path: str) -> list[list[float]]:
        return [[float(word) for word in line.split()] for line in self.text(path).splitlines()]


def written(
    name: str,
    config: str,
    tasks: Iterable[dict[str, Any]],
    *,
    policy: AnnotationPolicy | None = None,
    media: dict[str, MediaFact] | None = None,
    **options: Any,
) -> Folder:
    """The whole output of a format, task by task in id order."""
    kind = find(name)
    made = kind(kind.Options(**options))
    schema = parse_label_config(config)
    policy = policy or kind.default_policy
    folder = Folder()
    ordered = sorted(tasks, key=lambda one: one["id"])
    found: set[str] = set()
    for one in ordered:
        try:
            found |= made.names(one, schema, policy).classes
        except TaskRejected as error:
            folder.set_aside.append(error)
    context = Context(schema, number_classes(region_classes(schema), found), policy=policy, media=media or {})
    fragments: dict[str, list[bytes]] = {}
    broken = {error.task for error in folder.set_aside}
    for one in ordered:
        if one["id"] in broken:
            continue
        try:
            rendering = made.render(one, context)
        except TaskRejected as error:
            folder.set_aside.append(error)
            continue
        assert not folder.files.keys() & rendering.files.keys(), "two tasks share a file"
        folder.files |= rendering.files
        for left_out in rendering.skipped:
            folder.skipped[left_out.reason] += left_out.count
        for section, fragment in rendering.fragments.items():
            fragments.setdefault(section, []).append(fragment)
    for shared in made.shared_files(context):
        folder.files[shared.path] = b"".join(
            part.head + part.separator.join(fragments.get(part.name, [])) + part.tail for part in shared.sections
        )
    folder.files |= made.extras(context)
    return folder
