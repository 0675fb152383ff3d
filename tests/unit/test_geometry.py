"""Geometry: checked against complex arithmetic, numpy, sampling and filled pixels, which share nothing with it."""

import cmath
import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from syncd.geometry import (
    ELLIPSE_POINTS,
    Point,
    area,
    clip,
    convex_hull,
    corners,
    covered_area,
    ellipse,
    hull_box,
    minimum_rectangle,
    points_to_pixels,
    to_percent,
    to_pixels,
)
from syncd.masks import rasterise

PERCENT = st.floats(0, 100)
LENGTH = st.floats(0.01, 400)
PLACE = st.floats(-200, 400)
DEGREES = st.floats(-720, 720)
SIDE = st.integers(1, 10_000)
POINTS = st.lists(st.tuples(st.integers(-50, 50), st.integers(-50, 50)), min_size=1, max_size=12)


def close(found: object, expected: object) -> bool:
    return bool(np.allclose(np.asarray(found, float), np.asarray(expected, float), rtol=1e-9, atol=1e-7))


@given(st.tuples(PERCENT, PERCENT, PERCENT, PERCENT), SIDE, SIDE)
def test_percent_to_pixels_and_back_is_where_it_began(
    box: tuple[float, float, float, float], width: int, height: int
) -> None:
    pixels = to_pixels(*box, width, height)
    assert close(to_percent(*pixels, width, height), box)
    assert close(points_to_pixels([box[:2]], width, height)[0], pixels[:2])


def test_percent_are_of_the_images_own_width_and_height() -> None:
    assert to_pixels(10, 20, 30, 40, 200, 100) == (20, 20, 60, 40)
    assert to_percent(20, 20, 60, 40, 200, 100) == (10, 20, 30, 40)


@given(PLACE, PLACE, LENGTH, LENGTH, DEGREES)
def test_a_rectangle_turns_clockwise_about_its_top_left_corner(
    x: float, y: float, width: float, height: float, degrees: float
) -> None:
    # With y downwards, multiplying by e^(i·angle) turns clockwise as seen on the screen.
    turn = cmath.exp(1j * math.radians(degrees))
    offsets = (0, width, width + 1j * height, 1j * height)
    expected = [complex(x, y) + turn * offset for offset in offsets]
    assert close(corners(x, y, width, height, degrees), [(z.real, z.imag) for z in expected])


def test_a_quarter_turn_hangs_the_box_to_the_left_of_its_corner() -> None:
    assert close(corners(100, 50, 40, 20, 90), [(100, 50), (100, 90), (80, 90), (80, 50)])


@given(PLACE, PLACE, LENGTH, LENGTH, DEGREES, st.booleans(), st.booleans())
def test_a_negative_size_covers_what_the_same_box_drawn_from_the_other_side_covers(
    x: float, y: float, width: float, height: float, degrees: float, wide: bool, high: bool
) -> None:
    turn = cmath.exp(1j * math.radians(degrees))
    start = complex(x, y) + turn * complex(width if wide else 0, height if high else 0)
    found = corners(start.real, start.imag, -width if wide else width, -height if high else height, degrees)
    assert close(found, corners(x, y, width, height, degrees))


@given(PLACE, PLACE, LENGTH, LENGTH, DEGREES)
def test_turning_keeps_the_area_and_the_hull_holds_every_corner(
    x: float, y: float, width: float, height: float, degrees: float
) -> None:
    turned = corners(x, y, width, height, degrees)
    assert math.isclose(area(turned), width * height, rel_tol=1e-6)
    array = np.array(turned)
    assert hull_box(turned) == (*array.min(axis=0), *array.max(axis=0))


@given(PLACE, PLACE, LENGTH, LENGTH, DEGREES)
def test_every_point_of_an_ellipse_fulfils_its_equation(
    x: float, y: float, radius_x: float, radius_y: float, degrees: float
) -> None:
    outline = ellipse(x, y, radius_x, radius_y, degrees)
    assert len(outline) == ELLIPSE_POINTS >= 32
    back = cmath.exp(-1j * math.radians(degrees))
    for px, py in outline:
        place = (complex(px, py) - complex(x, y)) * back
        assert math.isclose((place.real / radius_x) ** 2 + (place.imag / radius_y) ** 2, 1.0, abs_tol=1e-5)
    assert math.isclose(area(outline), math.pi * radius_x * radius_y, rel_tol=0.01)


def test_an_upright_ellipse_has_its_exact_box() -> None:
    assert close(hull_box(ellipse(50, 40, 30, 20)), (20, 20, 80, 60))


@given(POINTS, PLACE, PLACE)
def test_an_area_is_the_same_from_any_corner_either_way_round_and_anywhere(
    polygon: list[Point], dx: float, dy: float
) -> None:
    moved = [(x + dx, y + dy) for x, y in polygon]
    for same in (polygon[1:] + polygon[:1], polygon[::-1], moved):
        assert math.isclose(area(same), area(polygon), rel_tol=1e-9, abs_tol=1e-6)
    xs, ys = np.array(polygon, float).T
    shoelace = abs(np.dot(xs, np.roll(ys, -1)) - np.dot(ys, np.roll(xs, -1))) / 2
    assert math.isclose(area(polygon), shoelace, abs_tol=1e-6)


@given(PLACE, PLACE, LENGTH, LENGTH)
def test_an_upright_box_is_clipped_to_what_it_shares_with_the_image(
    x: float, y: float, width: float, height: float
) -> None:
    left, top, right, bottom = max(x, 0), max(y, 0), min(x + width, 200), min(y + height, 100)
    kept = clip(corners(x, y, width, height), 200, 100)
    if right - left > 1e-6 and bottom - top > 1e-6:
        assert close(hull_box(kept), (left, top, right, bottom))
        assert math.isclose(area(kept), (right - left) * (bottom - top), rel_tol=1e-6)
    elif right < left or bottom < top:
        assert kept == []


@settings(deadline=None)
@given(st.floats(-50, 250), st.floats(-50, 150), st.floats(20, 200), st.floats(20, 200), DEGREES)
def test_a_turned_box_keeps_the_share_of_its_area_that_lies_on_the_image(
    x: float, y: float, width: float, height: float, degrees: float
) -> None:
    turned = corners(x, y, width, height, degrees)
    kept = clip(turned, 200, 100)
    # A fine grid over the image, each point asked in the box's own coordinates.
    step = 0.5
    grid = np.arange(step / 2, 200, step)[None, :] + 1j * np.arange(step / 2, 100, step)[:, None]
    place = (grid - complex(x, y)) * cmath.exp(-1j * math.radians(degrees))
    inside = (place.real >= 0) & (place.real <= width) & (place.imag >= 0) & (place.imag <= height)
    assert math.isclose(area(kept), inside.sum() * step * step, abs_tol=step * 2 * (width + height + 300))
    for px, py in kept:
        assert -1e-9 <= px <= 200 + 1e-9
        assert -1e-9 <= py <= 100 + 1e-9


def test_what_lies_on_the_image_is_not_touched_by_clipping() -> None:
    polygon = [(0.0, 0.0), (200.0, 0.0), (150.5, 99.0)]
    assert clip(polygon, 200, 100) == polygon


@pytest.mark.parametrize(
    "polygon",
    [
        [(-5.0, 10.0), (-1.0, 10.0), (-1.0, 50.0)],
        [(10.0, 10.0), (90.0, 90.0), (50.0, 50.0)],
        [(10.0, 10.0), (20.0, 20.0)],
        [(5.0, 5.0)],
        [],
        [(-10.0, 5.0), (0.0, 5.0), (0.0, 50.0), (-10.0, 50.0)],
    ],
    ids=["outside", "a line", "two points", "a point", "nothing", "touching the border"],
)
def test_nothing_is_left_of_what_covers_nothing_of_the_image(polygon: list[Point]) -> None:
    assert clip(polygon, 100, 100) == []


def test_a_polygon_that_crosses_itself_is_kept() -> None:
    bow_tie = [(10.0, 10.0), (60.0, 60.0), (60.0, 10.0), (10.0, 60.0)]
    assert area(bow_tie) == 0.0
    assert clip(bow_tie, 100, 100) == bow_tie


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 16), st.integers(0, 16)), min_size=3, max_size=9))
def test_the_covered_area_is_what_a_canvas_fills(polygon: list[Point]) -> None:
    scale = 32
    filled = rasterise([(x * scale, y * scale) for x, y in polygon], 16 * scale, 16 * scale)
    edges = zip(polygon, polygon[1:] + polygon[:1], strict=True)
    around = sum(math.dist(a, b) for a, b in edges)
    assert math.isclose(covered_area(polygon), filled.sum() / scale**2, abs_tol=around / scale)


@given(PLACE, PLACE, LENGTH, LENGTH, DEGREES)
def test_a_shape_that_does_not_cross_itself_covers_its_area(
    x: float, y: float, width: float, height: float, degrees: float
) -> None:
    for outline in (corners(x, y, width, height, degrees), ellipse(x, y, width, height, degrees)):
        assert math.isclose(covered_area(outline), area(outline), rel_tol=1e-9)


@pytest.mark.parametrize(
    "bow_tie",
    [
        [(10, 10), (60, 60), (60, 10), (10, 60)],
        [(10, 10), (35, 35), (60, 60), (60, 10), (10, 60)],
        [(10, 10), (35, 35), (60, 60), (60, 10), (35, 35), (10, 60)],
    ],
    ids=["crossing between corners", "at a corner", "at two"],
)
def test_the_halves_of_a_bow_tie_count_together(bow_tie: list[Point]) -> None:
    assert covered_area(bow_tie) == pytest.approx(1250)


def test_what_is_walked_twice_counts_once() -> None:
    square = [(0.0, 0.0), (10.0, 0.0), (10.0, 10.0), (0.0, 10.0)]
    assert covered_area(square * 2) == pytest.approx(100)


@given(POINTS)
def test_a_convex_hull_turns_one_way_and_leaves_no_point_outside(points: list[Point]) -> None:
    hull = convex_hull(points)
    assert set(hull) <= set(points)
    assume(len(hull) >= 3)
    for (ax, ay), (bx, by) in zip(hull, hull[1:] + hull[:1], strict=True):
        for px, py in points:
            assert (bx - ax) * (py - ay) - (by - ay) * (px - ax) >= 0


@given(POINTS)
def test_the_minimum_rectangle_holds_every_point_and_no_turned_box_is_smaller(points: list[Point]) -> None:
    rectangle = minimum_rectangle(points)
    (a, b, c, d) = (complex(*corner) for corner in rectangle)
    assert close([(a + c).real, (a + c).imag], [(b + d).real, (b + d).imag])
    across, down = b - a, d - a
    assert abs((across * down.conjugate()).real) < 1e-6
    places = np.array(points, float) @ np.array([1, 1j])
    for axis in (across, down):
        if abs(axis) > 1e-9:
            along = ((places - a) * (axis / abs(axis)).conjugate()).real
            assert along.min() > -1e-7
            assert along.max() < abs(axis) + 1e-7
    smallest = min(
        np.ptp((places * turn).real) * np.ptp((places * turn).imag)
        for turn in (cmath.exp(1j * math.radians(degrees)) for degrees in range(90))
    )
    assert area(rectangle) <= smallest + 1e-6


def test_the_minimum_rectangle_of_a_turned_rectangle_is_itself() -> None:
    turned = corners(30, 20, 40, 10, 33)
    found = minimum_rectangle([*turned, (turned[0][0] + 1, turned[0][1] + 1)])
    assert any(close(found[n:] + found[:n], turned) for n in range(4))


def test_no_point_has_no_rectangle() -> None:
    with pytest.raises(ValueError, match="no point"):
        minimum_rectangle([])


def test_all_orders_of_the_points_give_the_same_rectangle() -> None:
    points = [(0.0, 0.0), (4.0, 1.0), (3.0, 3.0), (1.0, 2.0)]
    found = {tuple(minimum_rectangle(order)) for order in itertools.permutations(points)}
    assert len(found) == 1
