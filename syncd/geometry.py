"""Shapes on an image, in pixels from its top-left corner, y downwards; percent only in the two conversions.

Plain floats, no arrays: for the handful of points of a region that is several times faster than numpy.
"""

import math
from collections.abc import Iterable, Sequence
from itertools import islice, pairwise
from typing import TypeAlias

Point: TypeAlias = tuple[float, float]
Box: TypeAlias = tuple[float, float, float, float]
"""Left, top, right, bottom."""

ELLIPSE_POINTS = 32

_Falling: TypeAlias = tuple[Point, Point, int]
"""An edge from its upper to its lower end, and 1 where the polygon walks it so, -1 where it walks upwards."""


def to_pixels(
    x: float, y: float, width: float, height: float, original_width: float, original_height: float
) -> tuple[float, float, float, float]:
    """Label Studio's percent of an image as pixels (its guide, "Units of image annotations")."""
    return (
        x / 100.0 * original_width,
        y / 100.0 * original_height,
        width / 100.0 * original_width,
        height / 100.0 * original_height,
    )


def to_percent(
    x: float, y: float, width: float, height: float, original_width: float, original_height: float
) -> tuple[float, float, float, float]:
    """Pixels of an image as Label Studio's percent: the way back of `to_pixels`."""
    return (
        x / original_width * 100.0,
        y / original_height * 100.0,
        width / original_width * 100.0,
        height / original_height * 100.0,
    )


def points_to_pixels(points: Iterable[Point], original_width: float, original_height: float) -> list[Point]:
    """Points in percent of an image as pixels."""
    return [(x / 100.0 * original_width, y / 100.0 * original_height) for x, y in points]


def corners(x: float, y: float, width: float, height: float, rotation: float = 0.0) -> list[Point]:
    """A rectangle's corners: top left, top right, bottom right, bottom left before it is turned.

    Turned by `rotation` degrees clockwise about its top-left corner, as Label Studio draws it. A negative width
    or height is turned round first: it spans the same pixels from the other side.
    """
    turn = math.radians(rotation % 360.0)
    cos, sin = math.cos(turn), math.sin(turn)
    if width < 0:
        x, y, width = x + width * cos, y + width * sin, -width
    if height < 0:
        x, y, height = x - height * sin, y + height * cos, -height
    right = (width * cos, width * sin)
    down = (-height * sin, height * cos)
    return [
        (x, y),
        (x + right[0], y + right[1]),
        (x + right[0] + down[0], y + right[1] + down[1]),
        (x + down[0], y + down[1]),
    ]


def ellipse(
    x: float, y: float, radius_x: float, radius_y: float, rotation: float = 0.0, points: int = ELLIPSE_POINTS
) -> list[Point]:
    """Points on an ellipse about its centre, turned `rotation` degrees clockwise about it.

    The four ends of the axes are among them, so that without rotation the hull is exact.
    """
    turn = math.radians(rotation % 360.0)
    cos, sin = math.cos(turn), math.sin(turn)
    outline = []
    for step in range(points):
        angle = 2.0 * math.pi * step / points
        along, across = radius_x * math.cos(angle), radius_y * math.sin(angle)
        outline.append((x + along * cos - across * sin, y + along * sin + across * cos))
    return outline


def hull_box(points: Sequence[Point]) -> Box:
    """The smallest upright box around points (at least one)."""
    xs = [x for x, _ in points]
    ys = [y for _, y in points]
    return min(xs), min(ys), max(xs), max(ys)


def area(polygon: Sequence[Point]) -> float:
    """The area a simple polygon encloses, in square pixels, whichever way round (shoelace formula)."""
    if not polygon:
        return 0.0
    # From the first point, so that small shapes far from the corner lose no digits.
    x0, y0 = polygon[0]
    doubled = 0.0
    last_x, last_y = 0.0, 0.0
    for x, y in polygon[1:]:
        doubled += last_x * (y - y0) - (x - x0) * last_y
        last_x, last_y = x - x0, y - y0
    return abs(doubled) / 2.0


def covered_area(polygon: Sequence[Point]) -> float:
    """The area a polygon covers, in square pixels, also when it crosses itself: by the nonzero rule, as canvases fill.

    The shoelace formula counts the two halves of a bow tie against each other. Here the plane is cut at the height of
    every corner and crossing; between two cuts the edges keep their order.
    """
    crossings = _crossings(polygon)
    if not crossings:
        return area(polygon)
    falling = [(a, b, 1) if a[1] < b[1] else (b, a, -1) for a, b in pairwise([*polygon, polygon[0]])]
    waiting = sorted(falling, key=lambda edge: edge[0][1], reverse=True)
    met: list[_Falling] = []
    covered = 0.0
    for top, bottom in pairwise(sorted({y for _, y in polygon} | crossings)):
        while waiting and waiting[-1][0][1] <= top:
            met.append(waiting.pop())
        met = [edge for edge in met if edge[1][1] > top]
        covered += _covered_width(met, (top + bottom) / 2.0) * (bottom - top)
    return covered


def _crossings(polygon: Sequence[Point]) -> set[float]:
    """The heights at which edges that are no neighbours meet."""
    closed = enumerate(pairwise([*polygon, *polygon[:1]]))
    edges = sorted((min(a, b), max(a, b), number) for number, (a, b) in closed)
    neighbours = {0, 1, len(edges) - 1}
    heights = set()
    for at, (a, b, number) in enumerate(edges):
        for c, d, other in islice(edges, at + 1, None):
            if c[0] > b[0]:
                break
            if abs(number - other) in neighbours:
                continue
            before, after = _turn(a, b, c), _turn(a, b, d)
            if before * after <= 0.0 >= _turn(c, d, a) * _turn(c, d, b):
                share = before / (before - after) if before != after else 0.0
                heights.add(c[1] + share * (d[1] - c[1]))
    return heights


def _covered_width(edges: Iterable[_Falling], y: float) -> float:
    """How much of the line at height y, which all these edges meet, lies inside."""
    met = sorted((a[0] + (y - a[1]) / (b[1] - a[1]) * (b[0] - a[0]), turn) for a, b, turn in edges)
    width, winding = 0.0, 0
    for (x, turn), (next_x, _) in pairwise(met):
        winding += turn
        width += next_x - x if winding else 0.0
    return width


def clip(polygon: Sequence[Point], width: float, height: float) -> list[Point]:
    """What of a polygon lies on an image of this size; [] when it lies outside or encloses nothing.

    After Sutherland and Hodgman (1974), one border after the other. A concave polygon cut in two stays one
    polygon, its parts joined along the border, where they enclose nothing: area and hull are those of the parts.
    """
    left, top, right, bottom = hull_box(polygon) if polygon else (0.0, 0.0, 0.0, 0.0)
    kept = list(polygon)
    if left < 0.0:
        kept = _beyond(kept, 0, 0.0, 1.0)
    if right > width:
        kept = _beyond(kept, 0, width, -1.0)
    if top < 0.0:
        kept = _beyond(kept, 1, 0.0, 1.0)
    if bottom > height:
        kept = _beyond(kept, 1, height, -1.0)
    # The area of a polygon that crosses itself can cancel out, so nought alone does not say that it is a line.
    return kept if area(kept) > 0.0 or len(convex_hull(kept)) >= 3 else []


def _beyond(polygon: list[Point], axis: int, border: float, side: float) -> list[Point]:
    """The part of a polygon on one side of a border: larger coordinates on `axis` for side 1, smaller for -1."""
    kept: list[Point] = []
    for before, after in zip([*polygon[-1:], *polygon[:-1]], polygon, strict=True):
        was_in = (before[axis] - border) * side >= 0.0
        is_in = (after[axis] - border) * side >= 0.0
        if was_in != is_in:
            share = (border - before[axis]) / (after[axis] - before[axis])
            other = before[1 - axis] + share * (after[1 - axis] - before[1 - axis])
            kept.append((border, other) if axis == 0 else (other, border))
        if is_in:
            kept.append(after)
    return kept


def convex_hull(points: Iterable[Point]) -> list[Point]:
    """The corners of the convex hull, clockwise as drawn from the leftmost (Andrew's monotone chain, 1979)."""
    ordered = sorted(set(points))
    if len(ordered) < 3:
        return ordered
    upper, lower = _chain(ordered), _chain(ordered[::-1])
    return upper[:-1] + lower[:-1]


def _chain(ordered: Iterable[Point]) -> list[Point]:
    chain: list[Point] = []
    for point in ordered:
        while len(chain) >= 2 and _turn(chain[-2], chain[-1], point) <= 0.0:
            chain.pop()
        chain.append(point)
    return chain


def _turn(a: Point, b: Point, c: Point) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def minimum_rectangle(points: Iterable[Point]) -> list[Point]:
    """The four corners of the rectangle of least area around points, turned any way, clockwise as drawn.

    One side of it lies on a side of the convex hull (Freeman and Shapira, 1975). Points on one line give a
    rectangle without area, one point four times itself; no point raises ValueError.
    """
    hull = convex_hull(points)
    if not hull:
        raise ValueError("no point to put a rectangle around")
    smallest, best = math.inf, hull * 4
    for (x0, y0), (x1, y1) in pairwise([*hull, hull[0]] if len(hull) > 1 else hull):
        length = math.hypot(x1 - x0, y1 - y0)
        cos, sin = (x1 - x0) / length, (y1 - y0) / length
        turned = [(x * cos + y * sin, y * cos - x * sin) for x, y in hull]
        left, top, right, bottom = hull_box(turned)
        size = (right - left) * (bottom - top)
        if size < smallest:
            upright = [(left, top), (right, top), (right, bottom), (left, bottom)]
            smallest, best = size, [(u * cos - v * sin, u * sin + v * cos) for u, v in upright]
    return best
