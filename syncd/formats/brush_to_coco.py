"""BRUSH_TO_COCO: what Label Studio's brush conversion writes, made right: one annotation per region, holes kept.

A brush's mask is compressed RLE instead of one outline per blob. Colours are the configuration's, else follow from the
name, so that two exports of the same data are the same.
"""

from hashlib import blake2b

from pydantic import Field

from syncd.formats._coco import CocoFormat, CocoOptions
from syncd.formats._coco_entries import Entry, Figure, Sheet
from syncd.formats._images import Page
from syncd.formats._regions import Region
from syncd.formats.coco import outline_figure
from syncd.formats.coco_rle import mask_figure
from syncd.labelstudio.labelconfig import region_classes
from syncd.model import Json, LabelSchema, TaskJson


class BrushToCocoOptions(CocoOptions):
    """Categories count from 1 here, as in the converter's file."""

    category_base: int = Field(default=1, ge=0, le=1000, description="category id of class number 0")


class BrushToCoco(CocoFormat):
    """One file, `result_coco.json`."""

    name = "BRUSH_TO_COCO"
    summary = "brush masks as compressed RLE beside polygons and boxes, one result_coco.json"
    Options = BrushToCocoOptions
    holds = frozenset({"rectangle", "polygon", "ellipse", "brush", "bitmap"})
    path = "result_coco.json"

    def figure(self, region: Region, width: int, height: int, task: int) -> Figure | None:
        if region.shape in {"brush", "bitmap"}:
            return mask_figure(region, width, height, task)
        return outline_figure(region, width, height, task)

    def image(self, page: Page, sheet: Sheet) -> Entry:
        entry = super().image(page, sheet)
        return {
            "id": entry["id"],
            "file_name": entry["file_name"],
            "path": page.address or "",
            "width": entry["width"],
            "height": entry["height"],
        }

    def complete(self, made: list[Entry], annotation: TaskJson) -> list[Entry]:
        annotator = _annotator(annotation.get("completed_by"))
        return [entry | {"annotator": annotator} for entry in made]

    def category(self, name: str, number: int, schema: LabelSchema) -> Entry:
        backgrounds = {label.name: label.background for label in region_classes(schema)}
        colour = backgrounds.get(name) or f"#{blake2b(name.encode(), digest_size=3).hexdigest()}"
        return super().category(name, number, schema) | {"supercategory": "", "color": colour, "metadata": {}}

    def info(self, newest: str) -> Entry:
        return {
            "year": int(newest[:4] or 0),
            "version": "1.0",
            "description": "Converted from Label Studio",
            "contributor": "Label Studio Converter",
            "date_created": newest,
        }


def _annotator(completed_by: Json) -> str:
    """An e-mail address where the export tells it, else the user's id; "" when nobody is named."""
    if isinstance(completed_by, dict):
        completed_by = completed_by.get("email") or completed_by.get("id")
    return "" if completed_by is None else str(completed_by)


FORMAT = BrushToCoco
