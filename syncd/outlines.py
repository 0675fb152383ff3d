"""Outlines of a mask's blobs as polygons, for formats that hold polygons only.

An outline runs along the borders of pixels, so that it encloses the blob's pixels exactly. Pixels that touch
at a corner are one blob. Holes stay open: each is joined to its blob's outline by a cut of no width, there and
back.

All corners are found at once. In each row of corners, an edge joins the first and second, another the third
and fourth, and so on; the same in each column. So following an outline needs no search: along a row, along a
column, along a row … until it closes.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from syncd.masks import Mask

Outline = NDArray[np.intp]
"""Corners (x, y) in pixels, n × 2, in order; the last is joined to the first."""

_Indices = NDArray[np.intp]


class _Corners(NamedTuple):
    """Every corner in row order, a corner of two outlines twice; `by_column` lists them down the columns."""

    x: _Indices
    y: _Indices
    by_column: _Indices
    column_keys: _Indices
    """Ascending: a corner's place when columns are read one after the other."""


def outlines(mask: Mask) -> list[Outline]:
    """One outline for each blob of the mask (height × width), ordered by their topmost, leftmost pixels."""
    corners = _corners(mask)
    loops, loop_of = _follow(corners)
    starts = np.array([loop[0] for loop in loops], np.intp)
    is_hole = ~mask[corners.y[starts], corners.x[starts]]
    shapes = {number: loops[number] for number in np.flatnonzero(~is_hole).tolist()}
    for hole, owner in _holes(mask, corners, loop_of, starts, np.flatnonzero(is_hole)):
        first, *others = loops[hole]
        shapes[owner] += [shapes[owner][0], first, *reversed(others), first]
    return [np.stack([corners.x[shape], corners.y[shape]], axis=1) for shape in shapes.values()]


def _corners(mask: Mask) -> _Corners:
    """Where the four pixels around a point are neither all alike nor two halves."""
    height, width = mask.shape
    padded = np.pad(mask, 1)
    above_left, above_right = padded[:-1, :-1], padded[:-1, 1:]
    below_left, below_right = padded[1:, :-1], padded[1:, 1:]
    crossing = (above_left == below_right) & (above_right == below_left) & (above_left != above_right)
    turning = above_left ^ above_right ^ below_left ^ below_right
    point = np.flatnonzero(turning | crossing)
    twice = crossing.ravel()[point]
    falling = above_left.ravel()[point] & twice
    point, falling = np.repeat(point, twice + 1), np.repeat(falling, twice + 1)
    y, x = np.divmod(point, width + 1)
    # At a crossing, the first corner has the edge to the left, the second the one to the right. The edge up is
    # the first's, or the second's where the blob's pixels are above left and below right: those stay joined.
    is_second = np.diff(point, prepend=-1) == 0
    column_keys = x * (height + 1) + y
    by_column = np.lexsort((is_second ^ falling, column_keys))
    return _Corners(x, y, by_column, column_keys[by_column])


def _follow(corners: _Corners) -> tuple[list[list[int]], _Indices]:
    """The closed outlines, clockwise from their topmost, leftmost corner; and the outline of every corner."""
    across = np.empty(len(corners.x), np.intp)
    across[corners.by_column[0::2]] = corners.by_column[1::2]
    across[corners.by_column[1::2]] = corners.by_column[0::2]
    partners: list[int] = across.tolist()
    loop_of = [-1] * len(partners)
    loops: list[list[int]] = []
    for start in range(len(partners)):
        if loop_of[start] >= 0:
            continue
        loop = []
        corner = start
        while loop_of[corner] < 0:
            along = corner ^ 1
            loop_of[corner] = loop_of[along] = len(loops)
            loop += [corner, along]
            corner = partners[along]
        loops.append(loop)
    return loops, np.array(loop_of, np.intp)


def _holes(
    mask: Mask, corners: _Corners, loop_of: _Indices, starts: _Indices, holes: _Indices
) -> Iterator[tuple[int, int]]:
    """Each hole's outline with its blob's: the one that owns the border left of the pixel above the hole."""
    height, width = mask.shape
    left_borders = np.flatnonzero(mask & ~np.pad(mask, ((0, 0), (1, 0)))[:, :-1])
    above = (corners.y[starts[holes]] - 1) * width + corners.x[starts[holes]]
    y, x = np.divmod(left_borders[np.searchsorted(left_borders, above, side="right") - 1], width)
    upper_ends = np.searchsorted(corners.column_keys, x * (height + 1) + y, side="right") - 1
    borders = loop_of[corners.by_column[upper_ends]]
    owners: dict[int, int] = {}
    for hole, border in zip(holes.tolist(), borders.tolist(), strict=True):
        owners[hole] = owners.get(border, border)  # another hole's border: it began higher up, so is known
        yield hole, owners[hole]
