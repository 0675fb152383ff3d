"""Takes away what a mirror shows no more: tasks of an older generation, whole mirrors, and files that nobody knows of."""

import re
from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatchcase
from itertools import islice

from syncd.errors import Unavailable
from syncd.ledger.mirrors import FIRST_TASK, Kept, MirrorLedger
from syncd.ledger.rendered import Change, Rendered
from syncd.ledger.settle import Line
from syncd.mirrors.mirror import Mirror, folder_of
from syncd.mirrors.publishing import unpublish
from syncd.mirrors.tasks import write_own_files
from syncd.targets import Deleted, Target

_TASK = re.compile(r"__t(\d+)")
PART_NAME = re.compile(r"part-\d+\..*")
LISTED = 1000


def clear_stale(kept: Kept, target: Target, rows: MirrorLedger) -> None:
    """Remove the tasks that this generation did not render: they are there no more."""
    after = FIRST_TASK
    while stale := rows.stale(kept, after):
        _remove(kept, stale, target, rows)
        after = stale[-1].task


def empty(kept: Kept, target: Target, rows: MirrorLedger) -> None:
    """Remove all files of a mirror, and forget it."""
    if kept.generation:
        clear_stale(replace(kept, generation=kept.generation + 1), target, rows)
        unpublish(kept, target, rows, list(rows.shared_files(kept.id)))
    rows.drop(kept.id)


def sweep_folder(mirror: Mirror, target: Target, rows: MirrorLedger) -> None:
    """Remove files that bear our names and that this ledger does not know: it was lost, or another writer was here.

    Anything else in the folder, images say, is somebody's.
    """
    unknown = _unknown(mirror, target, rows)
    while keys := list(islice(unknown, LISTED)):
        lines = []
        for outcome in target.delete_many(keys):
            if not isinstance(outcome, Deleted):
                raise Unavailable(f"{outcome.key} cannot be deleted from {target.where}: {outcome}")
            lines.append(Line("delete", "mirror", outcome.key, mirror.kept.project))
        rows.store([], lines)


def _unknown(mirror: Mirror, target: Target, rows: MirrorLedger) -> Iterator[str]:
    known_shared = rows.shared_files(mirror.kept.id)
    for listed in target.list(mirror.folder):
        path = listed.key.removeprefix(mirror.folder)
        if path in known_shared:
            continue
        task = task_of_file(path, mirror.format.own_files)
        if task is not None:
            row = rows.rendered(mirror.kept.id, [task]).get(task)
            if row is None or path not in row.files:
                yield listed.key
        elif mirror.format.parts and PART_NAME.fullmatch(path):
            yield listed.key


def task_of_file(path: str, own_files: str) -> int | None:
    """The task whose file this is, going by the last number that its name bears; None for any other file."""
    folder, _, name = path.rpartition("/")
    pattern_folder, _, pattern = own_files.rpartition("/")
    numbers = _TASK.findall(name)
    if not own_files or folder != pattern_folder or not fnmatchcase(name, pattern) or not numbers:
        return None
    return int(numbers[-1])


def _remove(kept: Kept, tasks: list[Rendered], target: Target, rows: MirrorLedger) -> None:
    """A file that the store does not let go of is not forgotten: it is listed with what is set aside."""
    changes = [Change(kept.id, kept.project, folder_of(kept), one.task, one, None) for one in tasks]
    done, lines = write_own_files(changes, target, rows.mark_in_flight)
    rows.store(done, lines)
