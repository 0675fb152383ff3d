"""Publishes one mirror's shared files: each is replaced whole, and only where its bytes are others than readers have.

Small files are put. Large ones are spliced: runs that are as published stay in the store. When the store's object is not the one
that was published, every run is sent once more.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby

from syncd.errors import Unavailable
from syncd.faults import fault_point
from syncd.formats import Section
from syncd.ledger.mirrors import ROWS, Kept, MirrorLedger, Segment
from syncd.ledger.settle import Line
from syncd.mirrors.mirror import PART, Mirror, folder_of, sections
from syncd.mirrors.segments import Pieces, Run, body_of, runs_of
from syncd.mirrors.tasks import content_type_of
from syncd.targets import Deleted, Object, Outcome, Refused, Target, Written

SPLICED = 16 * 1024 * 1024
"""Bytes from which a file is spliced; a smaller one is sent in one request."""


@dataclass(frozen=True, slots=True)
class Published:
    """What one publish came to. `etag` is that of the first shared file, when it was written."""

    written: int
    etag: str | None


def publish(mirror: Mirror, target: Target, rows: MirrorLedger) -> Published:
    """Make the shared files true. Raises Unavailable; then what is not sure is published again."""
    files = [*(_parts(mirror, rows) if mirror.format.parts else _files(mirror, rows)), *_extras(mirror)]
    known = rows.shared_files(mirror.kept.id)
    etags = [_make_true(mirror, file, known, target, rows) for file in files]
    wanted = {file.path for file in files}
    unpublish(mirror.kept, target, rows, [path for path in known if path not in wanted])
    return Published(sum(etag is not None for etag in etags), next(iter(etags), None) or None)


def publish_extras(mirror: Mirror, target: Target, rows: MirrorLedger) -> None:
    """Make the small files true that tell what class numbers mean, before anything uses a new one. Raises Unavailable."""
    known = rows.shared_files(mirror.kept.id)
    for file in _extras(mirror):
        _make_true(mirror, file, known, target, rows)


def _make_true(
    mirror: Mirror, file: "_File", known: Mapping[str, bytes | None], target: Target, rows: MirrorLedger
) -> str | None:
    """The etag of the file if it had to be written ("" where the store has none), else None."""
    key = mirror.kept.id
    if known.get(file.path) == file.digest:
        if file.is_redrawn:
            rows.redraw(key, file.pieces())
        return None
    rows.publish_begins(key, file.path)
    fault_point("shared file in flight")
    stored, digest = _store(mirror, file, target, rows)
    fault_point("shared file put")
    line = Line("put", "mirror", mirror.folder + file.path, mirror.kept.project, digest=digest, etag=stored.etag)
    rows.published(key, file.path, file.digest, line, file.pieces())
    return stored.etag or ""


def unpublish(kept: Kept, target: Target, rows: MirrorLedger, paths: Sequence[str]) -> None:
    """Remove shared files that are no more. Raises Unavailable when the store keeps one."""
    of_key = {folder_of(kept) + path: path for path in paths}
    for path in paths:
        rows.publish_begins(kept.id, path)
    for outcome in target.delete_many(list(of_key)) if of_key else ():
        if not isinstance(outcome, Deleted):
            raise Unavailable(f"{outcome.key} cannot be deleted from {target.where}: {outcome}")
        line = Line("delete", "mirror", outcome.key, kept.project)
        rows.published(kept.id, of_key[outcome.key], None, line, {})


@dataclass(frozen=True, slots=True)
class _File:
    """A file to be. `digest` tells its content without its bytes: a hash over the runs'."""

    path: str
    digest: bytes
    runs: Sequence[Run] = ()
    body: bytes | None = None
    is_part: bool = False

    @property
    def size(self) -> int:
        return sum(run.segment.length for run in self.runs)

    @property
    def is_redrawn(self) -> bool:
        """Whether its borders moved, or what was thought to differ does not."""
        return any(not run.is_clean for run in self.runs)

    def pieces(self) -> dict[tuple[int, int], list[Segment]]:
        """By section and kind, as the ledger keeps them."""
        if self.is_part:
            return {}
        found = groupby(self.runs, key=lambda run: (run.section, run.kind))
        return {place: [run.segment for run in runs] for place, runs in found}


def _files(mirror: Mirror, rows: MirrorLedger) -> Iterator[_File]:
    for path, numbered in sections(mirror, rows.newest(mirror.kept.id)):
        runs = [run for n, section in numbered for run in runs_of(rows, mirror.kept.id, n, section)]
        yield _File(path, _content(runs), runs)


def _parts(mirror: Mirror, rows: MirrorLedger) -> list[_File]:
    """One file per run; its name is that of its first task, so that a file keeps it while others come and go."""
    runs = list(runs_of(rows, mirror.kept.id, 0, Section(PART)))
    rows.redraw(mirror.kept.id, {(0, ROWS): [run.segment for run in runs]})
    held = [run for run in runs if run.segment.length] or runs[:1]
    suffix, version = mirror.format.part_suffix, mirror.kept.version.encode()
    return [
        _File(
            f"part-{max(run.segment.first, 0):020}{suffix}",
            sha256(version + run.segment.digest.encode()).digest(),
            [run],
            is_part=True,
        )
        for run in held
    ]


def _extras(mirror: Mirror) -> Iterator[_File]:
    for path, body in mirror.format.extras(mirror.context).items():
        yield _File(path, sha256(body).digest(), body=body)


def _content(runs: Sequence[Run]) -> bytes:
    return sha256(" ".join(run.segment.digest for run in runs if run.segment.length).encode()).digest()


def _store(mirror: Mirror, file: _File, target: Target, rows: MirrorLedger) -> tuple[Written, bytes | None]:
    """The object is there; its digest, unless nobody has seen all of its bytes."""
    key = mirror.folder + file.path
    if file.body is None and not file.is_part and file.size >= SPLICED and target.capabilities.splice:
        return _written(_splice(key, file, mirror, target, rows), key, target), None
    body = file.body if file.body is not None else _whole(mirror, file, rows)
    digest = sha256(body).digest()
    stored = Object(key, body, f"sha256:{digest.hex()}", content_type_of(key))
    return _written(next(iter(target.put_many([stored]))), key, target), digest


def _splice(key: str, file: _File, mirror: Mirror, target: Target, rows: MirrorLedger) -> Outcome:
    runs = [run for run in file.runs if run.segment.length]
    pieces = Pieces(runs, rows, mirror.kept.id, whole=all(not run.is_clean for run in runs))
    answer = target.splice(key, pieces, content_type=content_type_of(key))
    if isinstance(answer, Refused):
        answer = target.splice(key, Pieces(runs, rows, mirror.kept.id, whole=True), content_type=content_type_of(key))
    return answer


def _whole(mirror: Mirror, file: _File, rows: MirrorLedger) -> bytes:
    if file.is_part:
        (run,) = file.runs
        return mirror.format.part(rows.fragments(mirror.kept.id, 0, run.segment.first, run.end), mirror.context)
    return b"".join(body_of(run, rows, mirror.kept.id) for run in file.runs)


def _written(answer: Outcome, key: str, target: Target) -> Written:
    if not isinstance(answer, Written):
        raise Unavailable(f"{key} cannot be stored in {target.where}: {answer}")
    return answer
