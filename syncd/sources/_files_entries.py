"""What one file says of tasks: where each stands in it, streamed, so that a file of gigabytes takes no memory.

A file is a task, an array of tasks, or lines. A value may also be a change: `{"op": "put", "task": {…}}` or
`{"op": "delete", "task": 7}`.
Only a file that parses to its end is whole; what parses and is no task is told and passed over.
"""

from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO, NamedTuple

import orjson

from syncd.documents import parsed
from syncd.errors import Misconfigured
from syncd.model import Json
from syncd.taskfiles.elements import WrongBorder, elements_of
from syncd.taskfiles.stream import placed_values_of

LINES = (".jsonl", ".ndjson")
_READ_AT_ONCE = 256 * 1024
"""Bytes up to which a file is first taken for a single task."""
_TAIL = 4096


class NotWhole(Exception):
    """The file is cut off, or broken, or being written."""


class GuessedWrong(Exception):
    """What was said so far of the file does not hold; `entries_exactly` says it all."""


class Entry(NamedTuple):
    """Task `task` stands in the `length` bytes from byte `at`. `project` None: the file says that it is deleted."""

    task: int
    project: int | None
    at: int
    length: int
    token: bytes


class Odd(NamedTuple):
    """What stands at byte `at` is JSON and no task."""

    at: int
    reason: str


def token_of(body: bytes) -> bytes:
    """Eight bytes that differ when the task's bytes in the file do."""
    return blake2b(body, digest_size=8).digest()


def entries(path: Path, size: int) -> Iterator[Entry | Odd]:
    """Everything that a file says, in its order. Raises NotWhole, GuessedWrong, OSError."""
    if size <= _READ_AT_ONCE:
        body = path.read_bytes()
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError:
            pass  # several values, none, or one that needs exact parsing
        else:
            if isinstance(value, dict):
                yield _entry(0, body, value)
                return
    try:
        elements = elements_of(path)
        for unit in elements.units():
            for piece in unit.pieces():
                yield _entry(piece.at, piece.body, piece.value)
    except WrongBorder:
        raise GuessedWrong from None
    except Misconfigured as error:
        raise NotWhole(str(error)) from error


def entries_exactly(path: Path) -> Iterator[Entry | Odd]:
    """The same by exact parsing, slower, whatever the file looks like. Raises NotWhole, OSError."""
    try:
        for at, value, body in placed_values_of(path):
            yield _entry(at, body, value)
    except Misconfigured as error:
        raise NotWhole(str(error)) from error


def is_feed(path: Path) -> bool:
    """Whether the file is a list of changes that grows at its end, by its name and first line."""
    if path.suffix not in LINES:
        return False
    with path.open("rb") as file:
        try:
            first = orjson.loads(file.readline())
        except orjson.JSONDecodeError:
            return False
    return isinstance(first, dict) and "op" in first


def feed(path: Path, first: int) -> Iterator[Entry | Odd]:
    """What a feed says from byte `first` on. A last line without its end counts when it is JSON: its beginning is none."""
    with path.open("rb") as file:
        file.seek(first)
        at = first
        for line in file:
            if line.strip():
                try:
                    yield _entry(at, line, parsed(line, is_exact=False)[0])
                except ValueError as error:
                    if line.endswith(b"\n"):
                        yield Odd(at, f"no JSON ({error})")
            at += len(line)


def tail_of(path: Path, upto: int) -> tuple[int, bytes]:
    """Where the last complete line before byte `upto` ends, and a fingerprint of the bytes just before."""
    with path.open("rb") as file:
        end = _last_line_end(file, upto)
        file.seek(max(0, end - _TAIL))
        return end, token_of(file.read(min(end, _TAIL)))


def _last_line_end(file: BinaryIO, upto: int) -> int:
    at = upto
    while at > 0:
        start = max(0, at - _READ_AT_ONCE)
        file.seek(start)
        found = file.read(at - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        at = start
    return 0


def task_in(value: Json) -> Json:
    """The task that a value is, or that a change puts."""
    return value.get("task") if isinstance(value, dict) and "op" in value else value


def _entry(at: int, body: bytes, value: Json) -> Entry | Odd:
    if isinstance(value, dict) and value.get("op") == "delete":
        named = value.get("task")
        task = named.get("id") if isinstance(named, dict) else named
        return (
            Entry(task, None, at, 0, b"")
            if isinstance(task, int) and _is_id(task)
            else Odd(at, "a deletion that names no task")
        )
    if isinstance(value, dict) and "op" in value and value["op"] != "put":
        return Odd(at, f"an unknown `op`: {ascii(value['op'])[:40]}; there are put and delete")
    found = task_in(value)
    if not isinstance(found, dict) or not _is_id(found.get("id")):
        return Odd(at, f"no task with a whole number as `id`: {ascii(found)[:60]}")
    if not _is_id(found.get("project")):
        return Odd(at, f"task {found['id']} names no `project`")
    return Entry(found["id"], found["project"], at, len(body), token_of(body))


def _is_id(value: Json) -> bool:
    return type(value) is int and 0 < value < 2**63
