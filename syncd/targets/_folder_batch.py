"""Many files renamed into place, or removed, in one go: folder by folder, under the lock that conditions
need.
"""

import errno
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from syncd.targets import Deleted, Failed, Object, Outcome, Refused, Written
from syncd.targets._folder import etag_of, existing_folder, folder, regular
from syncd.targets._folder_faults import reason_for_one
from syncd.targets._folder_runs import CORNER, Run, Temporary
from syncd.targets._keys import BadKey, segments_of
from syncd.targets._layout import layout_key

Parents = tuple[str, ...]
_STAYS = frozenset({errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT, errno.EBUSY})


@dataclass(frozen=True, slots=True)
class Waiting:
    """An object whose bytes wait in a temporary file for the rename to `name` in the folder `parents`."""

    object: Object
    parents: Parents
    name: str
    file: Temporary


def place_of(key: str) -> tuple[Parents, str]:
    """The key's folder and file name. Raises BadKey for what no object may be called, as for temporary files'
    own folder.
    """
    *parents, name = segments_of(key)
    if (*parents, name)[: len(CORNER)] == CORNER:
        raise BadKey(f"{'/'.join(CORNER)} is kept for temporary files")
    return tuple(parents), name


def failed(key: str, error: BadKey | OSError) -> Failed:
    """The outcome of a fault that is this key's own. Raises the error when every object would meet it."""
    reason = str(error) if isinstance(error, BadKey) else reason_for_one(key, error)
    if reason is None:
        raise error
    return Failed(key, reason)


def rename_all(run: Run, waiting: Iterable[Waiting], *, sync_folders: bool) -> Iterator[Outcome]:
    """Put every file in its place if its condition holds, making folders. Raises OSError for everybody's
    faults.
    """
    folders: dict[Parents, list[Waiting]] = defaultdict(list)
    for one in waiting:
        folders[one.parents].append(one)
    with locks(run, folders):
        for parents, members in folders.items():
            yield from _rename_into(run, parents, members, sync_folders=sync_folders)


def delete_all(run: Run, keys: Sequence[str], *, sync_folders: bool) -> Iterator[Outcome]:
    """Remove every file, the memory of its pieces, and emptied folders. Raises OSError for everybody's
    faults.
    """
    folders: dict[Parents, dict[str, str | None]] = defaultdict(dict)
    for key in keys:
        try:
            parents, name = place_of(key)
        except BadKey as error:
            yield failed(key, error)
            continue
        folders[parents][name] = key
        beside, layout = place_of(layout_key(key))
        folders[beside].setdefault(layout)
    with locks(run, folders):
        for parents, names in folders.items():
            _unlink(run, parents, names, sync_folder=sync_folders)
            yield from (Deleted(key) for key in names.values() if key is not None)


def delete_version(run: Run, key: str, etag: str) -> Outcome:
    """Remove the file if it is still this version. Raises OSError for everybody's faults."""
    try:
        parents, name = place_of(key)
    except BadKey as error:
        return failed(key, error)
    with locks(run, [parents]), existing_folder(run.root, parents) as here:
        facts = regular(name, here) if here is not None else None
        if facts and etag_of(facts) != etag:
            return Refused(key)
        _unlink(run, parents, [name], sync_folder=True)
    return Deleted(key)


@contextmanager
def locks(run: Run, folders: Iterable[Parents]) -> Iterator[None]:
    """Alone with these folders. syncd's own objects have their own lock: a hanging daemon's lease can be
    taken over.
    """
    with ExitStack() as held:
        for name in sorted({"control" if parents[:1] == (CORNER[0],) else "data" for parents in folders}):
            held.enter_context(run.locked(name))
        yield


def _rename_into(run: Run, parents: Parents, members: Sequence[Waiting], *, sync_folders: bool) -> Iterator[Outcome]:
    made: set[Parents] = set()
    with ExitStack() as opened:
        try:
            here = opened.enter_context(folder(run.root, parents, made))
        except OSError as error:
            yield from (failed(one.object.key, error) for one in members)
            return
        for one in members:
            yield _rename(run, here, one)
        if sync_folders:
            os.fsync(here)
    for path in made if sync_folders else ():
        with folder(run.root, path[:-1]) as above:
            os.fsync(above)


def _rename(run: Run, here: int, one: Waiting) -> Outcome:
    condition = one.object.if_match
    if one.object.if_absent or condition is not None:
        facts = regular(one.name, here)
        if (etag_of(facts) if facts else None) != condition:
            return Refused(one.object.key)
    try:
        run.place(one.file, here, one.name)
    except OSError as error:
        return failed(one.object.key, error)
    return Written(one.object.key, one.file.etag)


def _unlink(run: Run, parents: Parents, names: Iterable[str], *, sync_folder: bool) -> None:
    with existing_folder(run.root, parents) as here:
        if here is None:
            return
        for name in names:
            if regular(name, here):
                os.unlink(name, dir_fd=here)
        if sync_folder:
            os.fsync(here)
    _prune(run, parents)


def _prune(run: Run, parents: Parents) -> None:
    for depth in range(len(parents), 0, -1):
        with existing_folder(run.root, parents[: depth - 1]) as above:
            if above is None:
                return
            try:
                os.rmdir(parents[depth - 1], dir_fd=above)
            except OSError as error:
                if error.errno not in _STAYS:
                    raise
                return
