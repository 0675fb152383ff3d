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
    """Every element of an array, or every value of a file that holds several, with its bytes.

    Raises Misconfigured where the file stops being JSON. Memory holds one value and a block.
    """
    decoder = getincrementaldecoder("utf-8")("surrogateescape")
    with path.open("rb") as file:
        text = decoder.decode(file.read(BLOCK)).lstrip(_BETWEEN)
        is_array = text.startswith("[")
        at, is_last = int(is_array), False
        while True:
            at = _skip(text, at)
            if is_array and text.startswith("]", at):
                return
            if at < len(text):
                try:
                    value, end = first_value(text, at)
                except ValueError as error:
                    if is_last:
                        raise _not_json(path, str(error)) from error
                else:
                    yield value, text[at:end].encode("utf-8", "surrogateescape")
                    at = end
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


def _not_json(path: Path, reason: str) -> Misconfigured:
    return Misconfigured(f"{path} is cut off or no JSON ({reason}); export it again")
