"""Masks as the field writes them: Label Studio's brush RLE, COCO's RLE, and polygons filled to pixels.

Label Studio stores a brush region as the rle-pack (https://github.com/thi-ng/umbrella, packages/rle-pack)
of its RGBA pixels in row order; red, green and blue are copies of alpha. So only alpha is decoded: a mask is
where alpha > 0.

    32 bits     count of values: width × height × 4
     5 bits     bits of a value, less 1
     4 × 4 bits four widths of lengths, less 1
    packets     1 bit "is a run", 2 bits which width, length less 1, then one value (run) or `length` values
"""

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

Alpha = NDArray[np.uint8]
Mask = NDArray[np.bool_]

MOST_PIXELS = 2**28
"""No browser's canvas holds more, so no brush region can; a header that claims more is broken."""

_HEADER_BITS = 53
_LENGTH_BITS = (3, 4, 8, 16)
_LONGEST_RUN = 1 << _LENGTH_BITS[-1]


class CocoRle(TypedDict):
    """COCO's compressed RLE, as pycocotools reads it from JSON."""

    size: list[int]
    counts: str


def decode_rle(rle: Sequence[int], width: int, height: int) -> Alpha:
    """The alpha channel, height × width, of one brush region's `rle`.

    Raises ValueError with the reason when `rle` is not bytes, breaks off, or is of another size.
    """
    _refuse_impossible_size(width, height)
    try:
        data = bytes(rle)
    except (TypeError, ValueError) as error:
        raise ValueError(f"the RLE is not a list of bytes: {error}") from error
    count, length_bits = _read_header(data)
    if count != 4 * width * height:
        raise ValueError(f"the RLE holds {count:,} values, but {width} × {height} pixels have {4 * width * height:,}")
    alpha = np.zeros(width * height, np.uint8)
    _unpack(data, length_bits, count, alpha)
    return alpha.reshape(height, width)


def _refuse_impossible_size(width: int, height: int) -> None:
    if not 0 < width * height <= MOST_PIXELS or width < 0:
        raise ValueError(f"{width} × {height} is not the size of an image that a browser could show")


def _read_header(data: bytes) -> tuple[int, tuple[int, ...]]:
    if 8 * len(data) < _HEADER_BITS:
        raise ValueError(f"the RLE breaks off in its header: {len(data)} bytes")
    header = int.from_bytes(data[:7], "big") >> 3
    value_bits = (header >> 16 & 31) + 1
    if value_bits != 8:
        raise ValueError(f"the RLE has values of {value_bits} bits, and a brush's have 8")
    return header >> 21, tuple((header >> shift & 15) + 1 for shift in (12, 8, 4, 0))


def _unpack(data: bytes, length_bits: tuple[int, ...], count: int, alpha: Alpha) -> None:
    """Write the alpha of every packet. Every fourth value is one: before value n there are n // 4."""
    end_of_bits = 8 * len(data)
    position = _HEADER_BITS
    start = 0
    while start < count:
        byte = position >> 3
        window = int.from_bytes(data[byte : byte + 5].ljust(5, b"\0"), "big")
        head = 37 - (position & 7)
        bits = length_bits[window >> head & 3]
        length = (window >> head - bits & (1 << bits) - 1) + 1
        end = start + length
        is_run = window >> head + 2 & 1
        position += 3 + bits
        last_bit = position + (8 if is_run else 8 * length)
        if last_bit > end_of_bits:
            raise ValueError(f"the RLE breaks off after {start:,} of {count:,} values")
        if end > count:
            raise ValueError(f"the RLE runs on beyond its {count:,} values")
        if is_run:
            value = window >> head - bits - 8 & 255
            if value:
                alpha[start >> 2 : end >> 2] = value
        else:
            literal = _bit_slice(data, position, last_bit)
            alpha[start >> 2 : end >> 2] = np.frombuffer(literal, np.uint8)[3 - start & 3 :: 4]
        position = last_bit
        start = end


def _bit_slice(data: bytes, start: int, end: int) -> bytes:
    """Bits `start` to `end`, a whole number of bytes, moved to a byte border."""
    last = (end + 7) >> 3
    moved = int.from_bytes(data[start >> 3 : last], "big") >> 8 * last - end
    size = (end - start) >> 3
    return (moved & (1 << 8 * size) - 1).to_bytes(size, "big")


def encode_rle(alpha: Alpha) -> list[int]:
    """What Label Studio stores for this alpha channel (height × width): the inverse of `decode_rle`."""
    height, width = alpha.shape
    _refuse_impossible_size(width, height)
    starts, values = _runs(alpha.ravel())
    lengths = np.diff(starts, append=alpha.size) * 4
    pieces = -(-lengths // _LONGEST_RUN)
    values = np.repeat(values, pieces).astype(np.uint64)
    rest = np.repeat(lengths - (pieces - 1) * _LONGEST_RUN, pieces)
    is_last = np.zeros(len(rest), bool)
    is_last[np.cumsum(pieces) - 1] = True
    ahead = np.where(is_last, rest, _LONGEST_RUN) - 1
    kind = np.searchsorted([8, 16, 256], ahead, side="right")
    bits = np.array(_LENGTH_BITS)[kind]
    packets = (4 + kind) << bits + 8 | ahead << 8
    header = [4 * alpha.size, 7, *(bits - 1 for bits in _LENGTH_BITS)]
    return _pack(
        np.concatenate([np.array(header, np.uint64), packets.astype(np.uint64) | values]),
        np.concatenate([[32, 5, 4, 4, 4, 4], bits + 11]),
    )


def _runs(values: NDArray[np.generic]) -> tuple[NDArray[np.intp], NDArray[np.generic]]:
    """Where each run of equal values starts, and its value."""
    starts = np.concatenate([[0], np.flatnonzero(values[1:] != values[:-1]) + 1])
    return starts, values[starts]


def _pack(fields: NDArray[np.uint64], bits: NDArray[np.intp]) -> list[int]:
    """Fields of differing widths, one after the other, most significant bit first, as bytes."""
    total = int(bits.sum())
    shifts = np.repeat(np.cumsum(bits), bits) - 1 - np.arange(total)
    stream = np.repeat(fields, bits) >> shifts.astype(np.uint64) & np.uint64(1)
    packed: list[int] = np.packbits(stream.astype(np.uint8)).tolist()
    return packed


def coco_rle(mask: Mask) -> CocoRle:
    """The mask (height × width) as COCO's compressed RLE: runs down the columns, starting with background.

    The text is pycocotools': each run less the one two before it (from the fourth on), five bits a character.
    """
    height, width = mask.shape
    starts, values = _runs(mask.ravel(order="F"))
    runs = np.diff(starts, append=mask.size)
    if values[0]:
        runs = np.concatenate([[0], runs])
    runs[3:] -= runs[1:-2].copy()
    return {"size": [height, width], "counts": _characters(runs)}


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
