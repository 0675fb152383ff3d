"""COCO: boxes, polygons and ellipses on images, and keypoints, as Common Objects in Context describes them.

Every segmentation is a polygon in pixels, clipped to the image; what a brush drew is held by COCO_RLE instead.
"""

from collections.abc import Callable, Sequence

from syncd.formats._coco import CocoFormat
from syncd.formats._coco_entries import Figure
from syncd.formats._regions import Region, numbers, points
from syncd.geometry import Point, area, clip, corners, covered_area, ellipse, hull_box, points_to_pixels, to_pixels

_BOX = ("x", "y", "width", "height", "rotation")
_ELLIPSE = ("x", "y", "radiusX", "radiusY", "rotation")


class Coco(CocoFormat):
    """One file, `result.json`."""

    name = "COCO"
    summary = "boxes, polygons, ellipses and keypoints in pixels, one result.json"
    holds = frozenset({"rectangle", "polygon", "ellipse", "keypoint"})

    def figure(self, region: Region, width: int, height: int, task: int) -> Figure | None:
        return outline_figure(region, width, height, task)


def outline_figure(region: Region, width: int, height: int, task: int) -> Figure | None:
    """The figure of a rectangle, polygon or ellipse, all polygons in pixels."""
    if region.shape == "rectangle":
        return box_figure(region, width, height, task)
    if region.shape == "polygon":
        outline = points_to_pixels(points(region, task=task), width, height)
        return _figure(clip(outline, float(width), float(height)), covered_area)
    x, y, radius_x, radius_y, rotation = numbers(region, _ELLIPSE, task=task)
    outline = ellipse(*to_pixels(x, y, radius_x, radius_y, width, height), rotation)
    return _figure(clip(outline, float(width), float(height)), area)


def box_figure(region: Region, width: int, height: int, task: int) -> Figure | None:
    """A rectangle's figure: its corners as segmentation, the box around what is left of it after clipping."""
    x, y, w, h, rotation = numbers(region, _BOX, task=task)
    x, y, w, h = to_pixels(x, y, w, h, width, height)
    right, bottom = x + w, y + h
    if not rotation and 0.0 <= x < right <= width and 0.0 <= y < bottom <= height:
        return Figure([[x, y, right, y, right, bottom, x, bottom]], [x, y, w, h], w * h)
    turned = corners(x, y, w, h, rotation)
    figure = _figure(clip(turned, float(width), float(height)), area)
    if figure is None or not rotation % 360:
        return figure
    (x0, y0), _, (x2, y2), _ = turned
    return figure._replace(rotated_bbox=[(x0 + x2) / 2, (y0 + y2) / 2, abs(w), abs(h), rotation])


def _figure(kept: Sequence[Point], area_of: Callable[[Sequence[Point]], float]) -> Figure | None:
    """The figure of what is left of a polygon; None when nothing is."""
    if not kept:
        return None
    left, top, right, bottom = hull_box(kept)
    flat = [number for point in kept for number in point]
    return Figure([flat], [left, top, right - left, bottom - top], area_of(kept))


FORMAT = Coco
