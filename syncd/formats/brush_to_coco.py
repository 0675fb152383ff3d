"""BRUSH_TO_COCO: what Label Studio's brush conversion writes, right: one annotation per region, holes kept.

Brush masks are compressed RLE instead of one outline per blob; colours come from the configuration, else the name.
"""

from collections.abc import Mapping
from hashlib import blake2b

from pydantic import Field

from syncd.formats._coco import CocoFormat, CocoOptions
from syncd.formats._coco_entries import Entry, Figure, Sheet
from syncd.formats._images import Page
from syncd.formats._regions import Region
from syncd.formats.coco import Coco
from syncd.formats.coco_rle import mask_figure
from syncd.labelstudio.labelconfig import region_classes
from syncd.model import LabelSchema, TaskJson


class BrushToCocoOptions(CocoOptions):
    """Categories count from 1 here, as the converter's do."""

    category_base: int = Field(default=1, ge=0, le=1000, description="category id of class number 0")


class BrushToCoco(CocoFormat):
    """One file, `result_coco.json`."""

    name = "BRUSH_TO_COCO"
    summary = "brush masks as compressed RLE beside polygons and boxes, one result_coco.json"
    Options = BrushToCocoOptions
    holds = frozenset({"rectangle", "polygon", "ellipse", "brush", "bitmap"})
    path = "result_coco.json"
