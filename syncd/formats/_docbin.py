"""A spaCy DocBin that is written while its documents come: the bytes of `DocBin.to_bytes()` in a fraction of its memory.

spaCy gathers 24 bytes a token and then holds all of them five times over. Here a document's columns are deflated at once, and
inflated again block by block into the one deflated MessagePack map that a DocBin is.
"""

import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from spacy.tokens import Doc, Span

_BINARY = ("tokens", "spaces", "lengths")
_LISTS = ("cats", "flags", "span_groups", "user_data")
"""Columns with a value for each document."""
_SPAN = struct.Struct(">QQQllll")
_FAST = 1
_BLOCK = 16 * 1024
"""Deflated bytes that are inflated at a time, to a thousand times as many at the most."""


class DocBinWriter:
    """Takes documents one after the other; keeps deflated bytes of them, and every string once."""

    def __init__(self, attributes: Sequence[str]) -> None:
        from spacy.tokens import DocBin
        from srsly.msgpack import Packer

        self._taking = DocBin(attrs=attributes)
        self._columns = {name: _Column() for name in (*_BINARY, *_LISTS)}
        # One for all: spaCy makes one for every value, and looks through all its registries for it: 0.2 ms each time.
        self._packer = Packer(use_bin_type=True)

    def add(self, doc: "Doc", group: str, spans: "Sequence[Span]") -> None:
        """One document more, with its user data. `spans` become `doc.spans[group]`, which is empty so far."""
        taking, pack = self._taking, self._packer.pack
        taking.add(doc)
        taking.span_groups.pop()
        taking.strings.update(span.label_ for span in spans)
        tokens = taking.tokens.pop()
        values = {
            "tokens": tokens.tobytes(),
            "spaces": taking.spaces.pop().tobytes(),
            "lengths": np.int32(len(tokens)).tobytes(),
            "cats": pack(taking.cats.pop()),
            "flags": pack(taking.flags.pop()),
            "span_groups": pack(self._span_groups(group, spans)),
            "user_data": pack(pack(doc.user_data)),
        }
        for name, value in values.items():
            self._columns[name].add(value)

    def _span_groups(self, group: str, spans: "Sequence[Span]") -> bytes:
        """What `doc.spans.to_bytes()` gives."""
        held = [_SPAN.pack(s.id, s.kb_id, s.label, s.start, s.end, s.start_char, s.end_char) for s in spans]
        packed: bytes = self._packer.pack({self._packer.pack({"name": group, "attrs": {}, "spans": held}): [group]})
        return packed

    def to_bytes(self) -> bytes:
        """The DocBin. No document may follow."""
        deflating = zlib.compressobj()
        return b"".join([*map(deflating.compress, self._message()), deflating.flush()])

    def _message(self) -> Iterator[bytes]:
        """The map in MessagePack, with spaCy's order of keys."""
        taking, packer = self._taking, self._packer
        yield packer.pack_map_header(3 + len(self._columns))
        yield packer.pack("version") + packer.pack(taking.version)
        yield packer.pack("attrs") + packer.pack(taking.attrs)
        for name in _BINARY:
            yield packer.pack(name) + _binary_header(self._columns[name].size)
            yield from self._columns[name].blocks()
        yield packer.pack("strings") + packer.pack(sorted(taking.strings))
        for name in _LISTS:
            yield packer.pack(name) + packer.pack_array_header(self._columns[name].count)
            yield from self._columns[name].blocks()


class _Column:
    """Bytes that are added value by value and read once; deflated meanwhile."""

    def __init__(self) -> None:
        self.size = self.count = 0
        self._deflating = zlib.compressobj(_FAST)
        self._deflated = bytearray()

    def add(self, value: bytes) -> None:
        self.size += len(value)
        self.count += 1
        self._deflated += self._deflating.compress(value)

    def blocks(self) -> Iterator[bytes]:
        self._deflated += self._deflating.flush()
        inflating = zlib.decompressobj()
        for at in range(0, len(self._deflated), _BLOCK):
            yield inflating.decompress(self._deflated[at : at + _BLOCK])


def _binary_header(size: int) -> bytes:
    """MessagePack's mark of so many bytes."""
    if size >= 2**32:
        raise ValueError(f"a DocBin cannot hold {size} bytes of one column")
    width = next(width for width in (1, 2, 4) if size < 256**width)
    return {1: b"\xc4", 2: b"\xc5", 4: b"\xc6"}[width] + size.to_bytes(width, "big")
