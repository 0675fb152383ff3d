"""YOLO: a label file per image, in the one kind of line that the configuration calls for.

    only rectangles            class cx cy w h                     turned ones by their hull
    any other shape            class x1 y1 x2 y2 …                 boxes by their corners, masks one line per blob
    keypoints and rectangles   class cx cy w h x1 y1 v1 …          a pose per box; other shapes are skipped

Readers take one kind per dataset, so lines are never mixed.
"""

from typing import ClassVar

from syncd.formats._drawn import MASKED, OUTLINED
from syncd.formats._regions import image_shapes
from syncd.formats._yolo import Lines, YoloFormat
from syncd.formats._yolo_lines import boxes, centre_box, depends_on_size, four_corners, segments
from syncd.model import Label, LabelSchema


class Yolo(YoloFormat):
    """Boxes, polygons or poses, by the configuration."""

    name: ClassVar[str] = "YOLO"
    summary: ClassVar[str] = "a label file per image: boxes, polygons or poses, with data.yaml"

    def lines(self, schema: LabelSchema) -> Lines:
        drawn = image_shapes(schema)
        order = {name: place for place, name in enumerate(_keypoint_order(schema))}
        if order and "rectangle" in drawn:
            return Lines(frozenset({"rectangle"}), centre_box, boxes, depends_on_size, order)
        if drawn & (OUTLINED | MASKED) == {"rectangle"}:
            return Lines(OUTLINED | MASKED, centre_box, boxes, depends_on_size)
        return Lines(OUTLINED | MASKED, four_corners, segments, depends_on_size)


def _keypoint_order(schema: LabelSchema) -> list[str]:
    """By `model_index`, where the configuration numbers every keypoint for its model; else as they stand there."""
    tags = [control for control in schema.controls.values() if control.type == "KeyPointLabels"]
    labels: dict[str, Label] = {label.name: label for control in tags for label in control.labels}
    indexes = {name: label.model_index for name, label in labels.items() if label.model_index is not None}
    return sorted(labels, key=indexes.__getitem__) if len(indexes) == len(labels) else list(labels)


FORMAT = Yolo
