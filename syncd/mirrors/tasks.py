"""What a batch of documents changes in the mirrors: renders each task, and writes and removes its own files."""

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import NamedTuple

from syncd.documents import Document, document_from
from syncd.errors import TaskRejected
from syncd.faults import fault_point
from syncd.ledger.rendered import Change, Rendered
from syncd.ledger.settle import Line
from syncd.mirrors.mirror import Mirror
from syncd.rendering import rendering_of
from syncd.targets import Deleted, Failed, Object, Target, Written

TYPES = {
    "json": "application/json",
    "jsonl": "application/x-ndjson",
    "csv": "text/csv",
    "tsv": "text/tab-separated-values",
    "txt": "text/plain",
    "conll": "text/plain",
    "yaml": "application/yaml",
    "xml": "application/xml",
    "png": "image/png",
}


class Shown(NamedTuple):
    """A document that belongs in the bucket, with its digest."""

    task: int
    project: int
    body: bytes
    digest: bytes


class Parsed:
    """Documents parsed once for all mirrors."""

    def __init__(self) -> None:
        self._found: dict[int, Document | TaskRejected] = {}

    def __call__(self, shown: Shown) -> Document:
        """Raises TaskRejected."""
        found = self._found.get(shown.task)
        if found is None:
            try:
                found = document_from(shown.body)
            except TaskRejected as rejected:
                found = rejected
            self._found[shown.task] = found
        if isinstance(found, TaskRejected):
            raise found
        return found


def changed(mirror: Mirror, shown: Shown, before: Rendered | None, parsed: Parsed) -> Change:
    """The task as this mirror shows it from now on; one that cannot be rendered leaves it, with the reason."""
    generation = mirror.kept.generation
    bodies: dict[str, bytes] = {}
    try:
        made = rendering_of(mirror.format, parsed(shown), mirror.context)
        fragments = tuple(made.fragments.get(name) for name in mirror.section_names)
        known = before.files if before and before.generation >= mirror.kept.trusted else {}
        files = {path: _digest(body) for path, body in made.files.items()}
        bodies = {path: body for path, body in made.files.items() if known.get(path) != files[path]}
        after = Rendered(shown.task, generation, shown.digest, made.updated_at, files, None, fragments)
    except TaskRejected as rejected:
        where = f"region {rejected.region}: " if rejected.region else ""
        after = Rendered(shown.task, generation, shown.digest, reason=f"{where}{rejected}")
    return Change(mirror.kept.id, mirror.kept.project, mirror.folder, shown.task, before, after, bodies)


def write_own_files(
    changes: Sequence[Change], target: Target, mark: Callable[[Sequence[Change]], None]
) -> tuple[list[Change], list[Line]]:
    """Put and delete what the changes ask for; the changes as they came out, and the journal's lines.

    Raises Unavailable; then nothing is known of these files but their names, which `mark` has made durable before.
    """
    own = [c for c in changes if c.bodies or c.leftover]
    if not own:
        return list(changes), []
    mark(own)
    fault_point("mirror files in flight")
    lines: list[Line] = []
    failed = _put(own, target, lines)
    fault_point("mirror files put")
    done = [_set_aside(c, failed[c.mirror, c.task]) if (c.mirror, c.task) in failed else c for c in changes]
    stuck = _delete(done, target, lines)
    fault_point("mirror files deleted")
    return [_kept_back(c, stuck) for c in done], lines


def _put(own: Sequence[Change], target: Target, lines: list[Line]) -> dict[tuple[int, int], str]:
    """(mirror, task) → why one of its files cannot be stored."""
    of_key = {c.folder + path: (c, body) for c in own for path, body in c.bodies.items()}
    objects = [Object(key, body, _digest(body), content_type_of(key)) for key, (_, body) in of_key.items()]
    failed: dict[tuple[int, int], str] = {}
    for outcome in target.put_many(objects) if objects else ():
        change, body = of_key[outcome.key]
        if isinstance(outcome, Written):
            digest = sha256(body).digest()
            lines.append(Line("put", "mirror", outcome.key, change.project, change.task, digest, outcome.etag))
        elif isinstance(outcome, Failed):
            failed[change.mirror, change.task] = outcome.reason
    return failed


def _set_aside(change: Change, reason: str) -> Change:
    """The whole task leaves the mirror: half of its files would teach the wrong thing."""
    generation = change.after.generation if change.after else 0
    document = change.after.document if change.after else None
    files = {**(change.before.files if change.before else {}), **dict.fromkeys(change.bodies)}
    before = (change.before or Rendered(change.task, 0, None))._replace(files=files)
    return change._replace(before=before, after=Rendered(change.task, generation, document, reason=reason), bodies={})


def _delete(changes: Sequence[Change], target: Target, lines: list[Line]) -> Mapping[str, str]:
    """Key → why it cannot be deleted."""
    of_key = {c.folder + path: c for c in changes for path in c.leftover}
    stuck: dict[str, str] = {}
    for outcome in target.delete_many(list(of_key)) if of_key else ():
        change = of_key[outcome.key]
        if isinstance(outcome, Deleted):
            lines.append(Line("delete", "mirror", outcome.key, change.project, change.task))
        elif isinstance(outcome, Failed):
            stuck[outcome.key] = outcome.reason
    return stuck


def _kept_back(change: Change, stuck: Mapping[str, str]) -> Change:
    """A file that cannot be deleted is not forgotten: it is tried again when its task changes."""
    left = {path: stuck[change.folder + path] for path in change.leftover if change.folder + path in stuck}
    if not left:
        return change
    after = change.after or Rendered(change.task, 0, None)
    files = {**after.files, **dict.fromkeys(left)}
    return change._replace(after=after._replace(document=None, files=files, reason=next(iter(left.values()))))


def content_type_of(key: str) -> str:
    return TYPES.get(key.rpartition(".")[2], "application/octet-stream")


def _digest(body: bytes) -> str:
    return f"sha256:{sha256(body).hexdigest()}"
