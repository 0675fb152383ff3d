"""What a batch of tasks changes in the mirrors: names into the registry first, then every task rendered once per mirror."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from syncd.errors import TaskRejected
from syncd.ledger.rendered import Change, Rendered
from syncd.mirrors.current import CurrentMirrors
from syncd.mirrors.mirror import Mirror
from syncd.mirrors.tasks import Parsed, Shown, changed
from syncd.rendering import has_names, names_of


class _Due(NamedTuple):
    """A task that a mirror does not show as it is now."""

    mirror: Mirror
    shown: Shown
    before: Rendered | None


def changes(current: CurrentMirrors, shown: Sequence[Shown], leaving: Collection[tuple[int, int]]) -> list[Change]:
    """What documents as they are now, and tasks that leave a project (task, project), change. Writes registries only."""
    due = [one for project in sorted({s.project for s in shown}) for one in _due(current, project, shown)]
    parsed = Parsed()
    _register(current, due, parsed)
    newest = {mirror.kept.id: mirror for one in due for mirror in current.of(one.shown.project)}
    found = [changed(newest[one.mirror.kept.id], one.shown, one.before, parsed) for one in due]
    for project in sorted({project for _, project in leaving}):
        found += _departures(current, project, [task for task, from_ in leaving if from_ == project])
    return found


def _due(current: CurrentMirrors, project: int, shown: Sequence[Shown]) -> list[_Due]:
    of_project = [one for one in shown if one.project == project]
    found = []
    for mirror in current.of(project):
        before = current.rows.rendered(mirror.kept.id, [one.task for one in of_project])
        found += [
            _Due(mirror, one, before.get(one.task))
            for one in of_project
            if not _is_shown(mirror, one, before.get(one.task))
        ]
    return found


def _is_shown(mirror: Mirror, one: Shown, before: Rendered | None) -> bool:
    return before is not None and (before.document, before.generation) == (one.digest, mirror.kept.generation)


def _departures(current: CurrentMirrors, project: int, tasks: Collection[int]) -> list[Change]:
    return [
        Change(mirror.kept.id, project, mirror.folder, task, before, None)
        for mirror in current.of(project)
        for task, before in current.rows.rendered(mirror.kept.id, tasks).items()
    ]


def _register(current: CurrentMirrors, due: Sequence[_Due], parsed: Parsed) -> None:
    """Whatever names these documents need, all at once and sorted, so that their order does not matter."""
    classes: dict[int, set[str]] = {}
    columns: dict[int, dict[str, set[str]]] = {}
    for mirror, shown, _ in due:
        if not has_names(mirror.format):
            continue
        try:
            names = names_of(mirror.format, parsed(shown), mirror.context)
        except TaskRejected:
            continue  # it is set aside when it is rendered
        if not names.classes <= mirror.context.classes.keys():
            classes.setdefault(shown.project, set()).update(names.classes)
        if not names.columns <= set(mirror.context.columns):
            of_project = columns.setdefault(shown.project, {})
            of_project.setdefault(mirror.settings.rendition, set()).update(names.columns)
    for project in sorted(classes.keys() | columns.keys()):
        current.register(project, classes.get(project, ()), columns.get(project, {}))
