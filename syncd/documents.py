"""One task as it came in: parsed with exact numbers, its structure looked at, its bytes kept.

A task that JSON itself cannot carry (an integer over 64 bits, half of a surrogate pair, NaN) still becomes a value here:
formats decide whether they can hold it, and a task that cannot be set aside by its id would stop everybody.
"""

import json
from typing import NamedTuple

import orjson

from syncd.errors import TaskRejected
from syncd.model import Json, TaskJson

_LONG = 19
"""Digits from which an integer may exceed 64 bits; orjson reads such ones as floats."""
_DIGITS = bytes.maketrans(b"123456789", b"000000000")
_LONG_NUMBER = b"0" * _LONG
_EXACT = json.JSONDecoder()


class Document(NamedTuple):
    """A task and its own JSON. `is_plain` is False when `body` says something else to some readers than `task` does."""

    task: TaskJson
    body: bytes
    is_plain: bool

    @property
    def id(self) -> int:
        number: int = self.task["id"]
        return number


def has_long_numbers(body: bytes) -> bool:
    """True when `body` holds a run of digits that only exact parsing keeps; a scan of 1 ns a byte."""
    return _LONG_NUMBER in body.translate(_DIGITS)


def parsed(body: bytes, *, is_exact: bool) -> tuple[Json, bool]:
    """The value of one JSON text, and whether `body` says the same to every reader. Raises ValueError for no JSON."""
    if not is_exact:
        try:
            return orjson.loads(body), True
        except orjson.JSONDecodeError:
            pass
    return _EXACT.decode(text_of(body)), False


def text_of(body: bytes) -> str:
    """The characters of `body`; bytes that are no UTF-8 become lone surrogates, which formats set aside."""
    return body.decode("utf-8", "surrogateescape")


def first_value(text: str, at: int) -> tuple[Json, int]:
    """The JSON value that starts at a character, with exact numbers, and where it ends. Raises ValueError."""
    return _EXACT.raw_decode(text, at)


def document_of(value: Json, body: bytes, *, is_plain: bool) -> Document:
    """A parsed value as a task. Raises TaskRejected when it is none; what is inside its annotations, formats look at."""
    if not isinstance(value, dict) or type(value.get("id")) is not int:
        raise TaskRejected(f"no task: {_shown(value)} has no whole number as `id`", task=0)
    annotations = value.get("annotations")
    if annotations is None:
        annotations = value["annotations"] = value.pop("completions", None) or []
        is_plain = False
    task = value["id"]
    if not isinstance(value.get("data"), dict):
        raise TaskRejected(f"its `data` is no object: {_shown(value.get('data'))}", task=task)
    if not isinstance(annotations, list):
        raise TaskRejected(f"its `annotations` are no list: {_shown(annotations)}", task=task)
    return Document(value, body, is_plain)


def document_from(body: bytes) -> Document:
    """The task that one JSON text is. Raises TaskRejected, ValueError for no JSON."""
    value, is_plain = parsed(body, is_exact=has_long_numbers(body))
    return document_of(value, body, is_plain=is_plain)


def _shown(value: Json) -> str:
    return ascii(value)[:80]
