"""Masks: what Label Studio stored comes back, what we write is what COCO's own tools and PNG readers read."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as coco_masks

from syncd.masks import bounds, coco_rle, rasterise
from syncd.outlines import outlines
from syncd.png import grey_png, indexed_png
from syncd.rle_pack import decode_rle, encode_rle

SHAPES = st.tuples(st.integers(1, 24), st.integers(1, 24))
ALPHAS = SHAPES.flatmap(lambda shape: npst.arrays(np.uint8, shape, elements=st.sampled_from([0, 1, 200, 255])))
MASKS = SHAPES.flatmap(lambda shape: npst.arrays(bool, shape))

TOP_LEFT_200 = [0, 0, 0, 192, 57, 27, 253, 188, 140, 38, 1, 111, 35, 9, 128, 91, 200, 206, 96, 0]
"""Label Studio's own RLE of 8 × 6 pixels whose top-left 3 × 3 have alpha 200."""


def top_left() -> NDArray[np.uint8]:
    alpha = np.zeros((6, 8), np.uint8)
    alpha[:3, :3] = 200
    return alpha


def test_label_studios_rle_is_read_and_written_byte_for_byte() -> None:
    assert np.array_equal(decode_rle(TOP_LEFT_200, 8, 6), top_left())
    assert encode_rle(top_left()) == TOP_LEFT_200


@given(ALPHAS)
def test_any_alpha_channel_survives_the_rle(alpha: NDArray[np.uint8]) -> None:
    height, width = alpha.shape
    assert np.array_equal(decode_rle(encode_rle(alpha), width, height), alpha)


def test_runs_longer_than_the_longest_packet_survive() -> None:
    alpha = np.full((300, 400), 255, np.uint8)
    alpha[150] = 0
    assert np.array_equal(decode_rle(encode_rle(alpha), 400, 300), alpha)


def test_streams_longer_than_any_block_survive() -> None:
    for seed in range(40):  # each meets the borders between blocks at other bits
        alpha = np.random.default_rng(seed).integers(0, 3, (300, 200), np.uint8).repeat(3, axis=1) * 100
        rle = encode_rle(alpha)
        assert len(rle) > 65536
        assert np.array_equal(decode_rle(rle, 600, 300), alpha)


class Bits:
    """Writes rle-pack bit by bit, to make streams that our encoder never does."""

    def __init__(self, count: int, value_bits: int = 8) -> None:
        self.text = f"{count:032b}{value_bits - 1:05b}" + "".join(f"{width - 1:04b}" for width in (3, 4, 8, 16))

    def run(self, length: int, value: int) -> "Bits":
        self.text += f"1{2:02b}{length - 1:08b}{value:08b}"
        return self

    def literal(self, *values: int) -> "Bits":
        self.text += f"0{1:02b}{len(values) - 1:04b}" + "".join(f"{value:08b}" for value in values)
        return self

    def rle(self) -> list[int]:
        padded = self.text + "0" * (-len(self.text) % 8)
        return [int(padded[at : at + 8], 2) for at in range(0, len(padded), 8)]


def test_only_the_fourth_value_of_a_pixel_counts() -> None:
    stream = Bits(16).literal(9, 9, 9, 1, 9, 9, 9, 2, 9, 9).run(4, 7).literal(9, 3)
    assert decode_rle(stream.rle(), 4, 1).tolist() == [[1, 2, 7, 3]]


@given(st.lists(st.lists(st.integers(0, 255), min_size=1, max_size=16), min_size=1, max_size=12), st.data())
def test_literals_and_runs_at_any_offset_give_every_fourth_value(values: list[list[int]], data: st.DataObject) -> None:
    expected: list[int] = []
    packets = []
    for listed in values:
        is_run = data.draw(st.booleans())
        packets.append((is_run, listed))
        expected += [listed[0]] * len(listed) if is_run else listed
    padding = -len(expected) % 4
    stream = Bits(len(expected) + padding)
    for is_run, listed in packets:
        stream = stream.run(len(listed), listed[0]) if is_run else stream.literal(*listed)
    if padding:
        stream.run(padding, 5)
    expected += [5] * padding
    assert decode_rle(stream.rle(), len(expected) // 4, 1)[0].tolist() == expected[3::4]


@pytest.mark.parametrize(
    ("rle", "reason"),
    [
        (TOP_LEFT_200[:12], "breaks off"),
        (TOP_LEFT_200[:5], "breaks off in its header"),
        ([], "breaks off in its header"),
        ([*TOP_LEFT_200[:3], 200, *TOP_LEFT_200[4:]], "holds 200 values"),
        (Bits(192).run(190, 0).run(3, 0).rle(), "runs on"),
        (Bits(192, value_bits=4).run(192, 0).rle(), "4 bits"),
        ([0, 0, 0, 192, 300], "not a list of bytes"),
        ([0, 0, 0, 1.5], "not a list of bytes"),
        ("AAAA", "not a list of bytes"),
        (10**12, "not a list of bytes"),
        (None, "not a list of bytes"),
    ],
)
def test_a_broken_rle_says_what_is_wrong(rle: list[int], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        decode_rle(rle, 8, 6)


@pytest.mark.parametrize("size", [(0, 6), (8, -6), (-8, -6), (2**20, 2**20)])
def test_an_impossible_size_is_refused_before_memory_is_taken(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="not the size of an image"):
        decode_rle(TOP_LEFT_200, *size)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools 2.0.11 with numpy 2
@given(MASKS)
def test_cocos_own_tools_read_our_compressed_rle(mask: NDArray[np.bool_]) -> None:
    ours = coco_rle(mask)
    theirs = coco_masks.encode(np.asfortranarray(mask.astype(np.uint8)))
    assert ours == {"size": list(mask.shape), "counts": theirs["counts"].decode()}
    assert np.array_equal(coco_masks.decode(ours), mask)


def test_long_runs_take_several_characters() -> None:
    mask = np.zeros((3000, 2000), bool)
    mask[1:, 700:1400] = True
    assert coco_masks.area(coco_rle(mask)) == mask.sum()


@given(st.integers(-3, 12), st.integers(-3, 12), st.integers(1, 15), st.integers(1, 15))
def test_a_box_of_whole_pixels_fills_exactly_those_on_the_image(x: int, y: int, width: int, height: int) -> None:
    filled = rasterise([(x, y), (x + width, y), (x + width, y + height), (x, y + height)], 10, 8)
    expected = np.zeros((8, 10), bool)
    expected[max(y, 0) : max(y + height, 0), max(x, 0) : max(x + width, 0)] = True
    assert np.array_equal(filled, expected)


POINTS = st.lists(st.tuples(st.floats(-5, 25), st.floats(-5, 25)), min_size=3, max_size=8)


@given(POINTS)
def test_a_pixel_is_filled_when_the_outline_winds_round_its_centre(points: list[tuple[float, float]]) -> None:
    filled = rasterise(points, 20, 16)
    for row in range(16):
        for column in range(20):
            # An independent count: crossings to the right of the centre, with their direction.
            x, y = column + 0.5, row + 0.5
            winding = 0
            margins = []
            for (x0, y0), (x1, y1) in zip(points, [*points[1:], points[0]], strict=True):
                if (y0 < y) != (y1 < y):
                    crossing = x0 + (y - y0) * (x1 - x0) / (y1 - y0)
                    margins.append(abs(crossing - x))
                    winding += (1 if y1 > y0 else -1) * (crossing > x)
                margins += [abs(y0 - y)]
            if min(margins) > 1e-6:
                assert filled[row, column] == (winding != 0)


def test_neighbours_share_an_edge_but_no_pixel() -> None:
    a, b, c, d = (1.3, 0.7), (18.9, 3.1), (15.2, 13.7), (2.2, 11.9)
    one, other = rasterise([a, b, c], 20, 16), rasterise([a, c, d], 20, 16)
    assert not (one & other).any()
    assert np.array_equal(one | other, rasterise([a, b, c, d], 20, 16))


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_polygon_with_a_number_that_is_none_is_refused(number: float) -> None:
    with pytest.raises(ValueError, match="not a finite number"):
        rasterise([(0, 0), (5, number), (5, 5)], 10, 10)


def test_bounds_are_those_of_what_is_set() -> None:
    mask = np.zeros((6, 8), bool)
    assert bounds(mask) is None
    mask[2, 3] = mask[4, 5] = True
    assert bounds(mask) == (3, 2, 3, 3)


@settings(max_examples=300)
@given(MASKS)
def test_outlines_enclose_their_blobs_and_nothing_else(mask: NDArray[np.bool_]) -> None:
    height, width = mask.shape
    filled = [rasterise(outline.astype(float), width, height) for outline in outlines(mask)]
    together = np.zeros_like(mask)
    for one in filled:
        assert one.any()
        assert not (one & together).any()
        together |= one
    assert np.array_equal(together, mask)
    assert len(filled) == blobs(mask)


def blobs(mask: NDArray[np.bool_]) -> int:
    """How many groups of pixels touch at sides or corners, counted by filling one after the other."""
    left = set(zip(*map(np.ndarray.tolist, np.nonzero(mask)), strict=True))
    count = 0
    while left:
        count += 1
        waiting = [left.pop()]
        while waiting:
            y, x = waiting.pop()
            near = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & left
            left -= near
            waiting += near
    return count


def test_a_ring_stays_hollow() -> None:
    mask = np.zeros((5, 5), bool)
    mask[1:4, 1:4] = True
    mask[2, 2] = False
    (outline,) = outlines(mask)
    assert np.array_equal(rasterise(outline.astype(float), 5, 5), mask)


@given(npst.arrays(np.uint8, SHAPES))
def test_png_readers_see_the_pixels(pixels: NDArray[np.uint8]) -> None:
    picture = Image.open(io.BytesIO(grey_png(pixels)))
    assert picture.mode == "L"
    assert np.array_equal(np.asarray(picture), pixels)


def test_an_indexed_png_has_its_palette() -> None:
    pixels = np.array([[0, 1], [2, 0]], np.uint8)
    picture = Image.open(io.BytesIO(indexed_png(pixels, bytes([0, 0, 0, 255, 0, 0, 0, 0, 255]))))
    assert picture.mode == "P"
    assert np.array_equal(np.asarray(picture), pixels)
    assert picture.convert("RGB").getpixel((1, 0)) == (255, 0, 0)
