"""Which tasks the rows that a transaction touched belong to. A deleted annotation names only itself: then memory has to know."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from syncd.labelstudio import tables
from syncd.sources import Memory, Owner, OwnerKind
from syncd.sources._postgres_database import Database
from syncd.sources._postgres_log import Touched

KINDS: Mapping[str, OwnerKind] = {
    tables.ANNOTATION.name: "annotation",
    tables.PREDICTION.name: "prediction",
    tables.DRAFT.name: "draft",
}
"""Table → what its rows are. Authors of comments are not remembered: Label Studio never changes one."""


@dataclass(slots=True)
class Concerned:
    """What has to be looked at again, and what has to be remembered."""

    tasks: set[int] = field(default_factory=set)
    uploads: set[int] = field(default_factory=set)
    shared: set[str] = field(default_factory=set)
    """Tables that many documents draw from, and that were touched."""
    everything: bool = False
    """A row's task is not known: it could be any."""
    owned: dict[tuple[OwnerKind, int], int | None] = field(default_factory=dict)

    def owners(self) -> list[Owner]:
        return [(kind, row, task) for (kind, row), task in self.owned.items()]


def concerned(touched: Iterable[Touched], memory: Memory) -> Concerned:
    """Follows the rows in their order; an owner is remembered as the last one left it."""
    rows = list(touched)
    found, known = Concerned(), _remembered(rows, memory)
    for row in rows:
        kind = KINDS.get(row.table)
        if row.table == tables.TASK.name:
            found.tasks.add(row.row)
        elif row.table == tables.UPLOAD.name:
            found.uploads.add(row.row)
        elif kind is None and row.table != tables.COMMENT_AUTHOR.name:
            found.shared.add(row.table)
        else:
            before = row.before if kind is None else known.get((kind, row.row), row.before)
            found.tasks.update(task for task in (row.task, before, row.before) if task is not None)
            found.everything |= before is None and row.deed != "insert"
            if kind is not None:
                found.owned[kind, row.row] = known[kind, row.row] = row.task
    return found


def tasks_of_uploads(database: Database, uploads: Collection[int]) -> set[int]:
    """The tasks whose documents name one of these files."""
    if not uploads or "file_upload_id" not in database.schema()[tables.TASK.name]:
        return set()
    condition, parameters = database.among(uploads)
    return {row[0] for row in database.rows(f"SELECT id FROM task WHERE file_upload_id {condition}", parameters)}


def owners_between(database: Database, memory: Memory, first: int, last: int) -> tuple[list[Owner], set[int]]:
    """The owners of the rows of a range of tasks that memory does not know so, and the tasks it took for them."""
    owners: list[Owner] = []
    mistaken: set[int] = set()
    for table in (tables.ANNOTATION, tables.PREDICTION, tables.DRAFT):
        if not database.columns(table):
            continue
        kind = KINDS[table.name]
        sql = f"SELECT id, task_id FROM {table.name} WHERE task_id BETWEEN ? AND ?"
        there = dict(database.rows(sql, (first, last)))
        known = memory.owners(kind, there)
        owners += [(kind, row, task) for row, task in there.items() if known.get(row) != task]
        mistaken.update(task for row, task in known.items() if there[row] != task)
    return owners, mistaken


def _remembered(rows: Iterable[Touched], memory: Memory) -> dict[tuple[OwnerKind, int], int | None]:
    asked: defaultdict[OwnerKind, set[int]] = defaultdict(set)
    for row in rows:
        if row.table in KINDS:
            asked[KINDS[row.table]].add(row.row)
    return {(kind, row): task for kind, ids in asked.items() for row, task in memory.owners(kind, ids).items()}
