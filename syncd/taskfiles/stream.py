"""Reads the values of a file one after the other, with exact parsing only: for files whose borders cannot be guessed."""

from codecs import getincrementaldecoder
from collections.abc import Iterator
from pathlib import Path

from syncd.documents import first_value
from syncd.errors import Misconfigured
from syncd.model import Json

BLOCK = 1024 * 1024
_BETWEEN = "\ufeff \t\r\n,"


def values_of(path: Path) -> Iterator[tuple[Json, bytes]]:
    """Every element of an array, or every value of a file that holds several, with its bytes. Raises as `placed_values_of`."""
    return ((value, body) for _, value, body in placed_values_of(path))


def placed_values_of(path: Path) -> Iterator[tuple[int, Json, bytes]]:
    """The same, each with the byte where it starts.

    Raises Misconfigured where the file stops being JSON. Memory holds one value and a block.
    """
    decoder = getincrementaldecoder("utf-8")("surrogateescape")
    with path.open("rb") as file:
        text = decoder.decode(file.read(BLOCK))
        at = _skip(text, 0)
        is_array = text.startswith("[", at)
        passed, is_last = _bytes(text[:at]), False
        if is_array:
            at, passed = at + 1, passed + 1
        while True:
            start = at
            at = _skip(text, at)
            passed += _bytes(text[start:at])
            if is_array and text.startswith("]", at):
                return
            if at < len(text):
                try:
                    value, end = first_value(text, at)
                except ValueError as error:
                    if is_last:
                        raise _not_json(path, str(error)) from error
                else:
                    body = text[at:end].encode("utf-8", "surrogateescape")
                    yield passed, value, body
                    at, passed = end, passed + len(body)
                    continue
            elif is_last:
                if is_array:
                    raise _not_json(path, "the closing ] is missing")
                return
            block = file.read(max(BLOCK, len(text)))
            is_last = not block
            text, at = text[at:] + decoder.decode(block, final=is_last), 0


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in _BETWEEN:
        at += 1
    return at


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogateescape"))


def _not_json(path: Path, reason: str) -> Misconfigured:
    return Misconfigured(f"{path} is cut off or no JSON ({reason}); export it again")
