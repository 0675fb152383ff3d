"""YOLO_OBB: a label file per image, four corners to a line, for boxes turned any way."""

from typing import ClassVar

from syncd.formats._drawn import MASKED, OUTLINED
from syncd.formats._regions import Region
from syncd.formats._yolo import Lines, YoloFormat
from syncd.formats._yolo_lines import depends_on_size, four_corners, oriented_boxes
from syncd.model import LabelSchema


class YoloObb(YoloFormat):
    """Rectangles by their corners, other shapes by the least rectangle around them."""

    name: ClassVar[str] = "YOLO_OBB"
    summary: ClassVar[str] = "a label file per image: four corners of boxes turned any way, with data.yaml"

    def lines(self, schema: LabelSchema) -> Lines:
        return Lines(OUTLINED | MASKED, four_corners, oriented_boxes, _needs_size)


def _needs_size(region: Region) -> bool:
    """The least rectangle depends on the image's proportions."""
    return depends_on_size(region) or region.shape != "rectangle"


FORMAT = YoloObb
