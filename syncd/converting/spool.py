"""Writes tasks that come in any order into one file of lines in task order. Memory stays flat: the order is kept on disk."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

from syncd.converting.report import SetAside, Tally
from syncd.taskfiles.elements import Elements, lines_of

_FIRST = "INSERT INTO place VALUES (?, ?, ?, 1) ON CONFLICT (task) DO UPDATE SET times = times + 1"


def spooled(tasks: Iterable[tuple[int, bytes]], scratch: Path, tally: Tally) -> Elements:
    """The tasks, given as id and JSON, in a file of their own in `scratch`, ordered by id.

    A task that came twice is set aside: which of the two is right cannot be known.
    """
    given, places = scratch / "tasks.given", scratch / "order.sqlite3"
    places.unlink(missing_ok=True)
    with closing(sqlite3.connect(places, isolation_level=None)) as order:
        order.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -16000;")
        order.execute("CREATE TABLE place (task INTEGER PRIMARY KEY, at INTEGER, length INTEGER, times INTEGER)")
        order.execute("BEGIN")
        is_ordered = _write(tasks, given, order)
        doubled = order.execute("SELECT task, times FROM place WHERE times > 1 ORDER BY task")
        for task, times in doubled:
            is_ordered = False
            tally.set_aside(SetAside(task, None, f"it is there {times} times; keep the right one and convert again"))
        if is_ordered:
            return lines_of(given)
        ordered = scratch / "tasks.ordered"
        _copy(order.execute("SELECT at, length FROM place WHERE times = 1 ORDER BY task"), given, ordered)
    given.unlink()
    return lines_of(ordered)


def _write(tasks: Iterable[tuple[int, bytes]], given: Path, order: sqlite3.Connection) -> bool:
    """One line per task. True when they came in order."""
    is_ordered, last, at = True, -1, 0
    with given.open("wb") as file:
        for task, body in tasks:
            # Line feeds inside JSON are white space between tokens: strings hold them escaped.
            line = body.replace(b"\n", b" ") + b"\n"
            file.write(line)
            order.execute(_FIRST, (task, at, len(line)))
            is_ordered = is_ordered and task > last
            last = task
            at += len(line)
    return is_ordered


def _copy(places: Iterator[tuple[int, int]], given: Path, ordered: Path) -> None:
    with given.open("rb") as file, ordered.open("wb") as out:
        for at, length in places:
            file.seek(at)
            out.write(file.read(length))
