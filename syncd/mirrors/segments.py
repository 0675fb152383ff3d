"""A shared file as pieces: heads, runs of fragments with borders that stay where they are, tails.

Borders are data in the ledger and never show in the file. A run grows until LARGEST bytes, then it is cut into runs of about
FULL; one that shrinks below SMALLEST takes its neighbour in. So a changed task costs its own run and what always changes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import overload

from syncd.formats import Section
from syncd.ledger.mirrors import FIRST_TASK, HEAD, ROWS, TAIL, MirrorLedger, Segment
from syncd.targets import Piece

SMALLEST, FULL, LARGEST = 2 * 1024 * 1024, 6 * 1024 * 1024, 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Run:
    """One piece: `segment` as it will be kept, `end` the first task after it. `is_clean`: its bytes are as published."""

    section: int
    kind: int
    segment: Segment
    is_clean: bool
    end: int | None = None
    separator: bytes = b""
    fixed: bytes = b""
    """The bytes of a head or tail."""

    @property
    def id(self) -> str:
        return f"{self.section:02}-{self.kind}-{max(self.segment.first, 0):020}"


class Pieces(Sequence[Piece]):
    """Runs as a target takes them: bodies are loaded one at a time, of clean runs only with `whole`."""

    def __init__(self, runs: Sequence[Run], rows: MirrorLedger, mirror: int, *, whole: bool) -> None:
        self._runs = runs
        self._rows = rows
        self._mirror = mirror
        self._whole = whole

    def __len__(self) -> int:
        return len(self._runs)

    @overload
    def __getitem__(self, at: int) -> Piece: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Piece]: ...
    def __getitem__(self, at: int | slice) -> Piece | Sequence[Piece]:
        if isinstance(at, slice):
            return [self._piece(run) for run in self._runs[at]]
        return self._piece(self._runs[at])

    def _piece(self, run: Run) -> Piece:
        body = None if run.is_clean and not self._whole else body_of(run, self._rows, self._mirror)
        return Piece(run.id, run.segment.length, run.segment.digest, body)


def runs_of(rows: MirrorLedger, mirror: int, number: int, section: Section) -> Iterator[Run]:
    """One section from front to back; runs without bytes are part of it, so that borders stay."""
    yield from _fixed(rows, mirror, number, HEAD, section.head)
    yield from _row_runs(rows, mirror, number, section.separator)
    yield from _fixed(rows, mirror, number, TAIL, section.tail)


def body_of(run: Run, rows: MirrorLedger, mirror: int) -> bytes:
    """The bytes of a run."""
    if run.kind != ROWS:
        return run.fixed
    body = run.separator.join(rows.bodies(mirror, run.section, run.segment.first, run.end))
    return run.separator + body if run.segment.leads and body else body


def _fixed(rows: MirrorLedger, mirror: int, number: int, kind: int, body: bytes) -> Iterator[Run]:
    if body:
        segment = Segment(0, len(body), _digest(body), leads=False)
        yield Run(number, kind, segment, segment in rows.segments(mirror, number, kind), fixed=body)


def _row_runs(rows: MirrorLedger, mirror: int, number: int, separator: bytes) -> Iterator[Run]:
    kept = rows.segments(mirror, number, ROWS) or [Segment(FIRST_TASK, 0, "", leads=False, dirty=True)]
    ends = [*(segment.first for segment in kept[1:]), None]
    leads = False
    at = 0
    while at < len(kept):
        segment, end = kept[at], ends[at]
        if not segment.dirty and (segment.leads == leads or not segment.length or not separator):
            made = [Run(number, ROWS, segment, is_clean=True, end=end, separator=separator)]
        else:
            size = rows.size(mirror, number, segment.first, end)
            while size < SMALLEST and end is not None:
                at += 1
                end = ends[at]
                size = rows.size(mirror, number, segment.first, end)
            borders = _borders(rows, mirror, number, segment.first, end) if size > LARGEST else [segment.first]
            made = list(_rerun(rows, mirror, number, separator, borders, end, kept, leads=leads))
        for run in made:
            leads = leads or run.segment.length > 0
            yield run
        at += 1


def _borders(rows: MirrorLedger, mirror: int, number: int, first: int, end: int | None) -> list[int]:
    """First tasks of runs of about FULL bytes each."""
    borders, size = [first], 0
    for task, length in rows.lengths(mirror, number, first, end):
        if size >= FULL:
            borders.append(task)
            size = 0
        size += length
    return borders


def _rerun(
    rows: MirrorLedger,
    mirror: int,
    number: int,
    separator: bytes,
    borders: Sequence[int],
    end: int | None,
    kept: Sequence[Segment],
    *,
    leads: bool,
) -> Iterator[Run]:
    """Looks at the bytes of runs that are dirty: those that are as published after all are clean."""
    published = {segment.first: replace(segment, dirty=False) for segment in kept}
    for first, following in zip(borders, [*borders[1:], end], strict=True):
        bare = Run(number, ROWS, Segment(first, 0, "", leads=leads), False, following, separator)
        body = body_of(bare, rows, mirror)
        segment = Segment(first, len(body), _digest(body), leads=leads)
        yield replace(bare, segment=segment, is_clean=published.get(first) == segment)
        leads = leads or bool(body)


def _digest(body: bytes) -> str:
    return f"sha256:{sha256(body).hexdigest()}"
