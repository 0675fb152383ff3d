"""COCO_RLE: COCO whose masks, polygons and ellipses are compressed RLE, one annotation per region.

A brush's mask is where alpha > 0, with its holes and islands; area is the exact number of pixels.
"""

from syncd.formats._coco import CocoFormat
from syncd.formats._coco_entries import Figure
from syncd.formats._regions import Region
from syncd.formats.coco import box_figure


class CocoRle(CocoFormat):
    """One file, `result.json`; boxes are as in COCO."""

    name = "COCO_RLE"
    summary = "COCO with masks: brush, polygons and ellipses as compressed RLE, boxes as they are"
    holds = frozenset({"rectangle", "polygon", "ellipse", "brush", "bitmap", "keypoint"})

    def figure(self, region: Region, width: int, height: int, task: int) -> Figure | None:
        if region.shape == "rectangle":
            return box_figure(region, width, height, task)
        return mask_figure(region, width, height, task)


def mask_figure(region: Region, width: int, height: int, task: int) -> Figure | None:
    """The figure of a region's pixels, counted; None when there are none."""
    from syncd.formats._drawn import mask
    from syncd.masks import bounds, coco_rle

    pixels = mask(region, (width, height), task=task)
    box = bounds(pixels)
    if box is None:
        return None
    return Figure(coco_rle(pixels), [float(side) for side in box], float(pixels.sum()))


FORMAT = CocoRle
