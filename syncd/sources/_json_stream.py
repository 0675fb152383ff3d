"""Takes an array of JSON apart while it arrives: an export of gigabytes is never whole in memory.

Numbers stay what they are: integers of any length, floats that print as they came.
"""

import json
from codecs import getincrementaldecoder
from collections.abc import Iterable, Iterator

from syncd.model import Json

_BETWEEN = " \t\r\n,"


class NotANumber:
    """`NaN` or `Infinity`, which Label Studio writes and JSON does not know: no document can hold it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return f"{self._name} is no JSON number"


_DECODER = json.JSONDecoder(parse_constant=NotANumber)


class CutShort(Exception):
    """The array ended before its closing bracket, or is no array."""


def elements(blocks: Iterable[bytes]) -> Iterator[Json]:
    """The elements of the array that the blocks make up. Memory holds one element and a block. Raises CutShort."""
    decode = getincrementaldecoder("utf-8")(errors="replace").decode
    text, wanted, is_open = "", 0, False
    for block in blocks:
        text += decode(block)
        if len(text) < wanted:
            continue
        if not is_open:
            text = text.lstrip()
            is_open = text.startswith("[")
            if not is_open:
                if text:
                    raise CutShort(f"it begins with {text[:40]!r}, not with a list")
                continue
            text = text[1:]
        at = 0
        while (at := _skip(text, at)) < len(text) and text[at] != "]":
            try:
                element, end = _DECODER.raw_decode(text, at)
            except json.JSONDecodeError:
                break
            yield element
            at = end
        text = text[at:]
        # An element that is longer than a block is tried again at twice the length, not with every block.
        wanted = 2 * len(text)
    if not is_open or text.strip() != "]":
        yield from _rest(text, is_open)


def _rest(text: str, is_open: bool) -> Iterator[Json]:
    """What was left waiting for more when the blocks ended."""
    at = 0
    while is_open and (at := _skip(text, at)) < len(text):
        if text[at] == "]":
            return
        try:
            element, at = _DECODER.raw_decode(text, at)
        except json.JSONDecodeError as error:
            raise CutShort(str(error)) from error
        yield element
    raise CutShort("its closing ] is missing")


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in _BETWEEN:
        at += 1
    return at
