"""Masks as arrays: COCO's compressed RLE of them, polygons filled to pixels, and their bounds."""

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

Alpha = NDArray[np.uint8]
Mask = NDArray[np.bool_]


class CocoRle(TypedDict):
    """COCO's compressed RLE, as pycocotools reads it from JSON."""

    size: list[int]
    counts: str


def runs(values: NDArray[np.generic]) -> tuple[NDArray[np.intp], NDArray[np.generic]]:
    """Where each run of equal values starts, and its value."""
    starts = np.concatenate([[0], np.flatnonzero(values[1:] != values[:-1]) + 1])
    return starts, values[starts]


def coco_rle(mask: Mask) -> CocoRle:
    """The mask (height × width) as COCO's compressed RLE: runs down the columns, starting with background.

    The text is pycocotools': each run less the one two before it (from the fourth on), five bits a character.
    """
    height, width = mask.shape
    starts, values = runs(mask.ravel(order="F"))
    counts = np.diff(starts, append=mask.size)
    if values[0]:
        counts = np.concatenate([[0], counts])
    counts[3:] -= counts[1:-2].copy()
    return {"size": [height, width], "counts": _characters(counts)}


def _characters(numbers: NDArray[np.intp]) -> str:
    """Signed numbers, five bits a character from the lowest, bit 6 set where more follow, offset 48."""
    steps = 5 * np.arange(7)
    groups = numbers[:, None] >> steps & 31
    rest = numbers[:, None] >> steps + 5
    finished = rest == np.where(groups & 16, -1, 0)
    more = ~np.logical_or.accumulate(finished, axis=1)
    shown = np.concatenate([np.ones((len(numbers), 1), bool), more[:, :-1]], axis=1)
    characters: bytes = (groups + 48 + 32 * more)[shown].astype(np.uint8).tobytes()
    return characters.decode("ascii")


def rasterise(points: Sequence[tuple[float, float]] | NDArray[np.float64], width: int, height: int) -> Mask:
    """The polygon's pixels, height × width: those whose centre lies inside, by the canvas's nonzero rule.

    Points are pixels, not rounded; what juts out is cut off. Own code, because Pillow cuts coordinates to
    whole pixels and fills the outline's pixels too, so that neighbours overlap and areas grow. Raises
    ValueError for coordinates that are not finite.
    """
    corners = np.asarray(points, np.float64)
    if not np.isfinite(corners).all():
        raise ValueError("a polygon's coordinate is not a finite number")
    inside = np.zeros((height, width), bool)
    row, column, turn = _crossings(corners, width, height)
    if len(row):
        top, left = row.min(), column.min()
        winding = np.zeros((row.max() - top + 1, column.max() - left + 1), np.int16)
        np.add.at(winding, (row - top, column - left), turn)
        filled = np.cumsum(winding, axis=1, dtype=np.int16)[:, :-1] != 0
        inside[top : row.max() + 1, left : column.max()] = filled
    return inside


def _crossings(
    corners: NDArray[np.float64], width: int, height: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.int16]]:
    """Where the outline crosses a row's middle: the row, the pixel after it, and 1 (down) or -1 (up)."""
    ends = np.stack([corners, np.roll(corners, -1, axis=0)])
    is_down = ends[0, :, 1] < ends[1, :, 1]
    # From the upper end always: an edge that two polygons share, or one walks twice, crosses at one pixel.
    (x0, y0), (x1, y1) = np.where(is_down[:, None], ends, ends[::-1]).transpose(0, 2, 1)
    top = _first_centre(y0, height)
    rows = _first_centre(y1, height) - top
    edge = np.repeat(np.arange(len(corners)), rows)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(rows) - rows - top, rows)
    slope = (x1[edge] - x0[edge]) / (y1[edge] - y0[edge])
    column = _first_centre(x0[edge] + (row + 0.5 - y0[edge]) * slope, width)
    return row, column, np.where(is_down[edge], 1, -1).astype(np.int16)


def _first_centre(edges: NDArray[np.float64], size: int) -> NDArray[np.intp]:
    """The first pixel, 0 to `size`, whose centre is at or after each edge."""
    return np.ceil(np.clip(edges - 0.5, 0, size)).astype(np.intp)


def bounds(mask: Mask) -> tuple[int, int, int, int] | None:
    """x, y, width and height of what is set, in pixels; None when nothing is."""
    rows = np.flatnonzero(mask.any(axis=1))
    if not len(rows):
        return None
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    columns = np.flatnonzero(mask[top:bottom].any(axis=0))
    left, right = int(columns[0]), int(columns[-1]) + 1
    return left, top, right - left, bottom - top
