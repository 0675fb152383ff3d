"""Class numbers and table columns, one registry per project for all targets. Published, a number never changes its meaning.

A *rendition* is a format with its options and annotation policy: tables of the same rendition have the same columns.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from syncd.labelstudio.labelconfig import number_classes
from syncd.ledger import Ledger
from syncd.model import Label


@dataclass(frozen=True, slots=True)
class Registry:
    """One project's numbers and columns, columns by rendition. `surveyed`: the renditions that had their full pass.

    `edition` counts the rebuilds: whatever was rendered in an earlier one is rendered again.
    """

    classes: Mapping[str, int] = field(default_factory=dict)
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    surveyed: frozenset[str] = frozenset()
    edition: int = 0


def registry_of(ledger: Ledger, project: int) -> Registry:
    """The registry as it stands; empty before the project's first full pass."""
    read = ledger.reader().execute
    columns: dict[str, list[str]] = {}
    sql = "SELECT rendition, name FROM columns WHERE project = ? ORDER BY rendition, place"
    for rendition, name in read(sql, (project,)):
        columns.setdefault(rendition, []).append(name)
    classes = read("SELECT name, number FROM classes WHERE project = ? ORDER BY number", (project,)).fetchall()
    surveyed = read("SELECT rendition FROM surveyed WHERE project = ?", (project,)).fetchall()
    edition = read("SELECT total(number) FROM editions WHERE project = ?", (project,)).fetchone()[0]
    listed = {name: tuple(names) for name, names in columns.items()}
    return Registry(dict(classes), listed, frozenset(row[0] for row in surveyed), int(edition))


def grow(
    ledger: Ledger,
    project: int,
    *,
    labels: Sequence[Label],
    classes: Collection[str] = (),
    columns: Mapping[str, Collection[str]] | None = None,
    surveyed: Iterable[str] = (),
) -> Registry:
    """Add what is not there yet, by Label Studio's rule: what the configuration names first, then what only the data does.

    Columns are sorted among those that are added together. Nothing that is there moves.
    """
    with ledger.transaction() as t:
        before = t.total_changes
        known = dict(t.execute("SELECT name, number FROM classes WHERE project = ?", (project,)).fetchall())
        numbers = number_classes(labels, classes, known)
        new = [(project, number, name) for name, number in numbers.items() if name not in known]
        t.executemany("INSERT INTO classes VALUES (?, ?, ?)", new)
        for rendition, names in (columns or {}).items():
            sql = "SELECT name FROM columns WHERE project = ? AND rendition = ?"
            there = {row[0] for row in t.execute(sql, (project, rendition))}
            added = sorted(set(names) - there)
            rows = [(project, rendition, place, name) for place, name in enumerate(added, len(there))]
            t.executemany("INSERT INTO columns VALUES (?, ?, ?, ?)", rows)
        t.executemany("INSERT OR IGNORE INTO surveyed VALUES (?, ?)", [(project, name) for name in surveyed])
        if t.total_changes > before:
            ledger.registries_at[project] += 1
    return registry_of(ledger, project)


def adopt(ledger: Ledger, project: int, found: Registry) -> list[str]:
    """Add what a bucket's copy has beyond ours; returns where the two contradict each other, and then adds nothing."""
    with ledger.transaction() as t:  # from the first look on: lanes adopt side by side
        known = registry_of(ledger, project)
        conflicts = _contradictions(known, found)
        if not conflicts:
            classes = [(project, number, name) for name, number in found.classes.items() if name not in known.classes]
            columns = [
                (project, rendition, place, name)
                for rendition, theirs in found.columns.items()
                for place, name in enumerate(theirs)
                if place >= len(known.columns.get(rendition, ()))
            ]
            t.executemany("INSERT INTO classes VALUES (?, ?, ?)", classes)
            t.executemany("INSERT INTO columns VALUES (?, ?, ?, ?)", columns)
            ledger.registries_at[project] += bool(classes or columns)
    return conflicts


def _contradictions(known: Registry, found: Registry) -> list[str]:
    names = {number: name for name, number in known.classes.items()}
    said = [
        f"class {name!r} is number {number} there"
        for name, number in found.classes.items()
        if known.classes.get(name, number) != number or names.get(number, name) != name
    ]
    for rendition, theirs in found.columns.items():
        ours = known.columns.get(rendition, ())
        if any(here != there for here, there in zip(ours, theirs, strict=False)):
            said.append(f"the columns of {rendition} have another order there")
    return said


def begin_edition(ledger: Ledger, project: int, *, keep_numbers: bool) -> None:
    """All mirrors of a project are rendered and written again; but for `keep_numbers`, its registry is made anew before.

    What buckets say of the old registry no longer counts then.
    """
    with ledger.transaction() as t:
        t.execute(
            "INSERT INTO editions VALUES (?, 1) ON CONFLICT (project) DO UPDATE SET number = number + 1", (project,)
        )
        mirrors = "SELECT id FROM mirrors WHERE project = ?"
        t.execute("UPDATE mirrors SET trusted = generation + 1 WHERE project = ?", (project,))
        t.execute(f"UPDATE shared_files SET digest = NULL WHERE mirror IN ({mirrors})", (project,))
        if not keep_numbers:
            for table in ("classes", "columns", "surveyed"):
                t.execute(f"DELETE FROM {table} WHERE project = ?", (project,))
            for lane in ledger.lanes().values():
                t.execute(f"UPDATE published_{lane} SET conflict = NULL WHERE project = ?", (project,))
        ledger.registries_at[project] += 1
