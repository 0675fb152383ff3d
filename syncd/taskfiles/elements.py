"""A file of tasks cut into units of about half a megabyte that can be read on their own, in any process.

Where one task ends and the next begins is guessed by how the first one begins, and proved by parsing: a JSON object is no
beginning of a longer one, so a piece that parses whole from a right start has a right end. A wrong guess is seen
(`WrongBorder`), never believed.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

from syncd.documents import Document, document_of, first_value, has_long_numbers, parsed, text_of
from syncd.errors import Misconfigured, TaskRejected
from syncd.model import Json

UNIT = 512 * 1024
"""Bytes of tasks per unit, about."""
WINDOW = 64 * 1024
"""Bytes looked at first when searching for a border or the end of a value."""

_SPACE = b" \t\r\n"
_LINES = rb"(\n)"


class WrongBorder(Exception):
    """The guess where tasks end does not hold for this file; nothing is known to be wrong with it."""


class Piece(NamedTuple):
    """One value of a file: where it stands, its own JSON, what it says, and whether it says that to every reader."""

    at: int
    body: bytes
    value: Json
    is_plain: bool


@dataclass(frozen=True, slots=True)
class Unit:
    """Whole tasks from byte `first` to byte `last` of a file, if the guess holds."""

    path: Path
    first: int
    last: int
    border: bytes
    """A regular expression whose first group is what stands between two tasks."""

    def documents(self) -> Iterator[Document | TaskRejected]:
        """Every task in the file's order. Raises WrongBorder when the unit does not end where a task does."""
        for piece in self.pieces():
            try:
                yield document_of(piece.value, piece.body, is_plain=piece.is_plain)
            except TaskRejected as rejected:
                yield rejected

    def pieces(self) -> Iterator[Piece]:
        """Every value, task or not, in the file's order. Raises WrongBorder as above."""
        with self.path.open("rb") as file:
            file.seek(self.first)
            body = file.read(self.last - self.first)
        is_exact = has_long_numbers(body)
        at = 0
        for end, following in self._borders(body):
            piece = body[at:end]
            try:
                value, is_plain = parsed(piece, is_exact=is_exact and has_long_numbers(piece))
            except ValueError:
                if piece.strip(_SPACE):
                    continue  # a border inside a task: the next one may be its end
            else:
                yield Piece(self.first + at, piece, value, is_plain)
            at = following
        if at < len(body):
            raise WrongBorder

    def _borders(self, body: bytes) -> Iterator[tuple[int, int]]:
        for found in re.finditer(self.border, body):
            yield found.span(1)
        yield len(body), len(body)


@dataclass(frozen=True, slots=True)
class Elements:
    """Where the tasks of a file stand, all of them, and the guess at what stands between."""

    path: Path
    first: int
    last: int
    border: bytes

    def units(self) -> Iterator[Unit]:
        """The file in units, in order."""
        with self.path.open("rb") as file:
            at = self.first
            while at < self.last:
                end, following = self._border_after(file, at + UNIT)
                yield Unit(self.path, at, end, self.border)
                at = following

    def _border_after(self, file: BinaryIO, at: int) -> tuple[int, int]:
        """Start and end of the first border from a byte on; the end of all tasks when there is none."""
        window = WINDOW
        while at < self.last:
            file.seek(at)
            found = re.search(self.border, file.read(min(window, self.last - at)))
            if found is not None:
                return at + found.start(1), at + found.end(1)
            if window >= self.last - at:
                break
            window *= 4
        return self.last, self.last


def lines_of(path: Path) -> Elements:
    """A file of one task per line."""
    return Elements(path, 0, path.stat().st_size, _LINES)


def elements_of(path: Path) -> Elements:
    """Looks at a file's beginning and end. Raises WrongBorder when nothing can be guessed, Misconfigured for no JSON."""
    with path.open("rb") as file:
        at, opening = _first_character(file, 0)
        if opening not in {b"[", b"{"}:
            raise Misconfigured(f"{path} holds no tasks: it starts with {opening!r}, neither with [ nor with {{")
        is_array = opening == b"["
        last = _end_of(file, path) if is_array else path.stat().st_size
        at, opening = _first_character(file, at + is_array)
        if at >= last:
            return Elements(path, last, last, _LINES)
        value, length = _first_element(file, at, path)
        file.seek(at)
        body = file.read(length)
    if is_array:
        return Elements(path, at, last, _array_border(value))
    if b"\n" in body:
        raise WrongBorder
    return Elements(path, at, last, _LINES)


def _array_border(value: object) -> bytes:
    """A comma between the end of one object and the beginning of one that starts with the same two keys."""
    keys = list(value) if isinstance(value, dict) else []
    if len(keys) < 2:
        raise WrongBorder
    first, second = (re.escape(f'"{key}"'.encode()) for key in keys[:2])
    return rb"\}(\s*,\s*)(?=\{\s*" + first + rb"\s*:\s*[^,\{\}\[\]]*,\s*" + second + rb"\s*:)"


def _first_character(file: BinaryIO, at: int) -> tuple[int, bytes]:
    """Where the first character that is no white space stands; b"" at the end of the file."""
    file.seek(at)
    if at == 0 and file.read(3) != b"\xef\xbb\xbf":
        file.seek(0)
    while (character := file.read(1)) and character in _SPACE:
        pass
    return file.tell() - len(character), character


def _end_of(file: BinaryIO, path: Path) -> int:
    """Where the tasks of an array end."""
    size = file.seek(0, 2)
    file.seek(max(0, size - WINDOW))
    tail = file.read().rstrip(_SPACE)
    if not tail.endswith(b"]"):
        raise Misconfigured(f"{path} is cut off: it begins with [ and does not end with ]. Export it again")
    return max(0, size - WINDOW) + len(tail[:-1].rstrip(_SPACE))


def _first_element(file: BinaryIO, at: int, path: Path) -> tuple[object, int]:
    """The value that begins at a byte, and its length in bytes."""
    window = WINDOW
    while True:
        file.seek(at)
        body = file.read(window)
        text = text_of(body)
        try:
            value, end = first_value(text, 0)
        except ValueError as error:
            if len(body) < window:
                raise Misconfigured(
                    f"{path} is not JSON: the value at byte {at} has no end, or is broken: {error}"
                ) from error
            window *= 4
        else:
            return value, len(text[:end].encode("utf-8", "surrogateescape"))
