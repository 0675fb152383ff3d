"""Label Studio's brush RLE, both ways.

A brush region's `rle` is the rle-pack (https://github.com/thi-ng/umbrella, packages/rle-pack) of its RGBA pixels
in row order; red, green and blue are copies of alpha. So only alpha is decoded: a mask is where alpha > 0.

    32 bits     count of values: width × height × 4
     5 bits     bits of a value, less 1
     4 × 4 bits four widths of lengths, less 1
    packets     1 bit "is a run", 2 bits which width, length less 1, then one value (run) or `length` values
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from syncd.masks import Alpha, runs

MOST_PIXELS = 2**28
"""No browser's canvas holds more, so no brush region can; a header that claims more is broken."""

_Indices = NDArray[np.intp]

_HEADER_BITS = 53
_LENGTH_BITS = (3, 4, 8, 16)
_LONGEST_RUN = 1 << _LENGTH_BITS[-1]
_BLOCK = 65536
"""Bytes whose packets are found at once."""


def decode_rle(rle: Sequence[int], width: int, height: int) -> Alpha:
    """The alpha channel, height × width, of one brush region's `rle`.

    Raises ValueError with the reason when `rle` is not bytes, breaks off, or is of another size.
    """
    _refuse_impossible_size(width, height)
    try:
        data = bytes(list(rle))
    except (TypeError, ValueError) as error:
        raise ValueError(f"the RLE is not a list of bytes: {error}") from error
    count, length_bits = _read_header(data)
    if count != 4 * width * height:
        raise ValueError(f"the RLE holds {count:,} values, but {width} × {height} pixels have {4 * width * height:,}")
    packets = _read_packets(data, length_bits, count)
    return _alpha(data, packets, width * height).reshape(height, width)


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


class _Packets(NamedTuple):
    """The packets up to the last value: where each ends in the values, and where its first value is in the bits."""

    is_run: NDArray[np.bool_]
    ends: _Indices
    positions: _Indices
    first_values: _Indices


def _read_packets(data: bytes, length_bits: tuple[int, ...], count: int) -> _Packets:
    """All packets at once: only finding where each begins goes from one to the next."""
    begins = np.array(_packet_positions(data, length_bits), np.intp)
    byte = np.frombuffer(data + bytes(5), np.uint8).astype(np.int64)
    at = begins >> 3
    window = byte[at] << 32 | byte[at + 1] << 24 | byte[at + 2] << 16 | byte[at + 3] << 8 | byte[at + 4]
    below_head = 37 - (begins & 7)
    head = window >> below_head
    bits = np.array(length_bits)[head & 3]
    lengths = (window >> below_head - bits & (1 << bits) - 1) + 1
    ends = np.cumsum(lengths)
    used = int(np.searchsorted(ends, count)) + 1
    is_run = (head >> 2 & 1).astype(bool)
    positions = begins + 3 + bits
    if used > len(ends) or positions[used - 1] + np.where(is_run, 8, 8 * lengths)[used - 1] > 8 * len(data):
        raise ValueError(f"the RLE breaks off before its {count:,} values")
    if ends[used - 1] > count:
        raise ValueError(f"the RLE runs on beyond its {count:,} values")
    values = window >> below_head - bits - 8 & 255
    return _Packets(is_run[:used], ends[:used], positions[:used], values[:used])


def _packet_positions(data: bytes, length_bits: tuple[int, ...]) -> list[int]:
    """The bit at which each packet begins. What follows the last value looks like packets too."""
    run_bits = np.array([0, 0, 0, 0, *(11 + bits for bits in length_bits)], np.uint8)
    positions: list[int] = []
    padded = data + b"\0"
    position = _HEADER_BITS
    while position < 8 * len(data):
        begin = position >> 3
        block = np.frombuffer(padded[begin : begin + _BLOCK + 1], np.uint8).astype(np.uint16)
        pairs = block[:-1] << 8 | block[1:]
        heads = pairs[:, None] >> np.arange(13, 5, -1, dtype=np.uint16) & 7
        # As bytes, because Python reads those fastest: how far the next packet is, 0 for literals, from every bit.
        steps = run_bits[heads].tobytes()
        offset, size = 8 * begin, len(steps)
        here = position - offset
        while here < size:
            positions.append(here + offset)
            step = steps[here]
            here += step or _literal_bits(data, here + offset, length_bits)
        position = here + offset
    return positions


def _literal_bits(data: bytes, position: int, length_bits: tuple[int, ...]) -> int:
    window = int.from_bytes(data[position >> 3 : (position >> 3) + 5].ljust(5, b"\0"), "big")
    head = 37 - (position & 7)
    bits = length_bits[window >> head & 3]
    return 3 + bits + 8 * ((window >> head - bits & (1 << bits) - 1) + 1)


def _alpha(data: bytes, packets: _Packets, pixels: int) -> Alpha:
    """Every fourth value is an alpha: before value n there are n // 4."""
    alpha = np.zeros(pixels, np.uint8)
    ends = packets.ends >> 2
    starts = np.concatenate([[0], ends[:-1]])
    shown = packets.is_run & (packets.first_values > 0) & (ends > starts)
    is_single = shown & (ends == starts + 1)
    alpha[starts[is_single]] = packets.first_values[is_single]
    wide = shown & ~is_single
    for start, end, value in zip(
        starts[wide].tolist(), ends[wide].tolist(), packets.first_values[wide].tolist(), strict=True
    ):
        alpha[start:end] = value
    for literal in np.flatnonzero(~packets.is_run).tolist():
        end = int(packets.ends[literal])
        start = int(packets.ends[literal - 1]) if literal else 0
        values = _bit_slice(data, int(packets.positions[literal]), end - start)
        alpha[start >> 2 : end >> 2] = np.frombuffer(values, np.uint8)[3 - start & 3 :: 4]
    return alpha


def _bit_slice(data: bytes, start: int, size: int) -> bytes:
    """`size` bytes that begin at bit `start`."""
    end = start + 8 * size
    last = (end + 7) >> 3
    moved = int.from_bytes(data[start >> 3 : last], "big") >> 8 * last - end
    return (moved & (1 << 8 * size) - 1).to_bytes(size, "big")


def encode_rle(alpha: Alpha) -> list[int]:
    """What Label Studio stores for this alpha channel (height × width): the inverse of `decode_rle`."""
    height, width = alpha.shape
    _refuse_impossible_size(width, height)
    starts, values = runs(alpha.ravel())
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


def _pack(fields: NDArray[np.uint64], bits: NDArray[np.intp]) -> list[int]:
    """Fields of differing widths, one after the other, most significant bit first, as bytes."""
    total = int(bits.sum())
    shifts = np.repeat(np.cumsum(bits), bits) - 1 - np.arange(total)
    stream = np.repeat(fields, bits) >> shifts.astype(np.uint64) & np.uint64(1)
    packed: list[int] = np.packbits(stream.astype(np.uint8)).tolist()
    return packed
