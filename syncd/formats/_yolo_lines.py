"""What YOLO says of one region: numbers from 0 to 1, fractions of the image's width and height.

Upright boxes and polygons inside the image are divided by 100 and nothing else, so they equal Label Studio's digit
for digit, and need no image size. What we compute (turned, round, clipped, masks) has six decimals, a hundredth of
a pixel in an image of 10,000.
"""

from collections.abc import Iterable, Mapping, Sequence

import orjson

from syncd.formats._drawn import MASKED, Size, mask, outline
from syncd.formats._regions import Region, numbers
from syncd.geometry import Point, clip, hull_box, minimum_rectangle
from syncd.outlines import outlines

_UNIT = (1, 1)
_DECIMALS = 6
_VISIBLE = 2


def label_file(rows: list[list[float]]) -> bytes:
    """One line per row, numbers separated by spaces."""
    if not rows:
        return b""
    # orjson writes floats ten times as fast as Python's own, with the same digits.
    return orjson.dumps(rows)[2:-2].replace(b"],[", b"\n").replace(b",", b" ") + b"\n"


# --- upright boxes inside the image ---------------------------------------------------------------


def centre_box(x: float, y: float, width: float, height: float) -> list[float]:
    """cx cy w h of a box in percent."""
    return [(x + width / 2) / 100, (y + height / 2) / 100, width / 100, height / 100]


def four_corners(x: float, y: float, width: float, height: float) -> list[float]:
    """Top left, top right, bottom right, bottom left of a box in percent."""
    left, top, right, bottom = x / 100, y / 100, (x + width) / 100, (y + height) / 100
    return [left, top, right, top, right, bottom, left, bottom]


def _upright(region: Region, *, task: int) -> tuple[float, float, float, float] | None:
    if region.shape != "rectangle":
        return None
    x, y, width, height, rotation = numbers(region, ("x", "y", "width", "height", "rotation"), task=task)
    inside = x >= 0 < width and x + width <= 100 and y >= 0 < height and y + height <= 100
    return (x, y, width, height) if inside and rotation == 0 else None


# --- any shape ------------------------------------------------------------------------------------


def depends_on_size(region: Region) -> bool:
    """True when fractions of width and height cannot be had without knowing the image's size."""
    return region.shape in MASKED or region.value.get("rotation", 0) != 0


def boxes(region: Region, size: Size, *, task: int) -> list[list[float]]:
    """cx cy w h of what lies on the image; [] when nothing does."""
    upright = _upright(region, task=task)
    if upright is not None:
        return [centre_box(*upright)]
    points = [point for shape in _shapes(region, size, task=task) for point in shape]
    if not points:
        return []
    left, top, right, bottom = hull_box(points)
    return [_rounded([(left + right) / 2, (top + bottom) / 2, right - left, bottom - top])]


def segments(region: Region, size: Size, *, task: int) -> list[list[float]]:
    """x y of each corner of what lies on the image: one row, for masks one per blob, [] when nothing does."""
    upright = _upright(region, task=task)
    if upright is not None:
        return [four_corners(*upright)]
    return [[part for point in shape for part in point] for shape in _shapes(region, size, task=task)]


def oriented_boxes(region: Region, size: Size, *, task: int) -> list[list[float]]:
    """x y of four corners: a rectangle's own; of other shapes the least rectangle around what is on the image."""
    upright = _upright(region, task=task)
    if upright is not None:
        return [four_corners(*upright)]
    width, height = size
    on_image = [(x * width, y * height) for shape in _shapes(region, size, task=task) for x, y in shape]
    if not on_image:
        return []
    rectangle = region.shape == "rectangle"
    corners = outline(region, size, task=task) if rectangle else minimum_rectangle(on_image)
    return [_rounded([part for x, y in corners for part in (_clamped(x / width), _clamped(y / height))])]


def _shapes(region: Region, size: Size, *, task: int) -> list[list[Point]]:
    """The outlines of what lies on the image, in fractions."""
    if region.shape in MASKED:
        blobs = outlines(mask(region, size, task=task))
        return [[(x, y) for x, y in (blob / size).round(_DECIMALS).tolist()] for blob in blobs]
    width, height = size if depends_on_size(region) else _UNIT
    drawn = outline(region, (width, height), task=task)
    left = clip(drawn, width, height)
    if region.shape == "polygon" and left == drawn:
        return [left]
    return [[(round(x / width, _DECIMALS), round(y / height, _DECIMALS)) for x, y in left]] if left else []


def _rounded(row: Iterable[float]) -> list[float]:
    return [round(number, _DECIMALS) for number in row]


def _clamped(fraction: float) -> float:
    return min(max(fraction, 0.0), 1.0)


# --- keypoints ------------------------------------------------------------------------------------


def keypoints(group: Sequence[Region], order: Mapping[str, int], *, task: int) -> tuple[list[float], int]:
    """x y 2 of each keypoint in `order`, 0 0 0 where one is absent; and how many found no place.

    No place have those outside the image, of another name, and the second of a name.
    """
    row = [0.0, 0.0, 0] * len(order)
    lost = 0
    for region in group:
        x, y = numbers(region, ("x", "y"), task=task)
        is_inside = 0 <= x <= 100 and 0 <= y <= 100
        for label in region.labels:
            at = 3 * order.get(label, -1)
            if at < 0 or row[at + 2] or not is_inside:
                lost += 1
            else:
                row[at : at + 3] = x / 100, y / 100, _VISIBLE
    return row, lost
