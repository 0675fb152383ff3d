"""Reads whole tasks from Label Studio's SQLite tables and compares them with what was signalled before."""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from hashlib import blake2b
from operator import itemgetter
from typing import TypeAlias

import orjson

from syncd.labelstudio import tables
from syncd.labelstudio.document import Row, Shared, TaskRows, User, token_of
from syncd.labelstudio.tables import Table
from syncd.model import Project
from syncd.sources import Memory, ProjectChoice, Signal
from syncd.sources._sqlite_database import Database

ProjectRow: TypeAlias = tuple[int, bytes, bytes, bytes, bytes, bytes | None]
"""`tables.PROJECT`: id, title, label_config, data_types, updated_at, deleted_at."""

IN_LIST = "IN (SELECT value FROM json_each(?))"
TIMES = 20_000
"""Task ids per look for new timestamps: about 2 ms each."""


class Rows:
    """The tables of one database, as task rows. Only tasks of the projects chosen count when it compares."""

    def __init__(self, database: Database, choice: ProjectChoice) -> None:
        self._database = database
        self._choice = choice

    # --- whole tasks ---------------------------------------------------------------------------------------------

    def of_tasks(self, tasks: Collection[int]) -> dict[int, TaskRows]:
        """The rows of the tasks that are there."""
        return self._gather(IN_LIST, (orjson.dumps(list(tasks)).decode(),))

    def of_range(self, first: int, last: int) -> dict[int, TaskRows]:
        return self._gather("BETWEEN ? AND ?", (first, last))

    def tasks_of_project(self, project: int) -> Iterator[int]:
        """The ids of a project's tasks in ascending order, read a page at a time."""
        after = 0
        sql = "SELECT id FROM task WHERE project_id = ? AND id > ? ORDER BY id LIMIT ?"
        while page := self._database.rows(sql, (project, after, TIMES)):
            yield from (row[0] for row in page)
            after = page[-1][0]

    def _gather(self, condition: str, parameters: Sequence[object]) -> dict[int, TaskRows]:
        tasks = self._database.rows(f"SELECT {self._task_columns()} FROM task WHERE id {condition}", parameters)
        if not tasks:
            return {}
        belonging = [self._belonging(table, condition, parameters) for table in tables.OF_A_TASK]
        return {row[0]: TaskRows(row, *(rows.get(row[0], ()) for rows in belonging)) for row in tasks}

    def _belonging(self, table: Table, condition: str, parameters: Sequence[object]) -> dict[int, list[Row]]:
        present = self._database.columns(table)
        if not present:
            return {}
        sql = f"SELECT {table.select(present)} FROM {table.name} WHERE task_id {condition} ORDER BY task_id, id"
        task_id: Callable[[Row], int] = itemgetter(table.columns.index("task_id"))
        grouped: dict[int, list[Row]] = {}
        for row in self._database.rows(sql, parameters):
            grouped.setdefault(task_id(row), []).append(row)
        return grouped

    def _task_columns(self) -> str:
        present = self._database.columns(tables.TASK)
        if not {"file_upload_id"} <= present or not self._database.columns(tables.UPLOAD):
            return tables.TASK.select(present)
        upload = (
            "(SELECT file FROM data_import_fileupload AS upload WHERE upload.id = task.file_upload_id) AS file_upload"
        )
        return tables.TASK.select(present | {"file_upload"}).replace("file_upload", upload, 1)

    # --- comparing -----------------------------------------------------------------------------------------------

    def compare(self, first: int, last: int, memory: Memory) -> list[Signal]:
        """Signals for the tasks of an id range whose state is not the remembered one."""
        return self._compare(self.of_range(first, last), memory.tokens(first, last))

    def compare_tasks(self, tasks: Collection[int], memory: Memory) -> list[Signal]:
        """The same for given tasks."""
        if not tasks:
            return []
        remembered = {t: token for task in tasks for t, token in memory.tokens(task, task).items()}
        return self._compare(self.of_tasks(tasks), remembered)

    def _compare(self, found: dict[int, TaskRows], remembered: Mapping[int, bytes | None]) -> list[Signal]:
        # Read after the tasks, so that neither is older than they are.
        shared, live = self.shared(), self.live()
        tokens = {task: token_of(rows, shared) for task, rows in found.items() if rows.task[1] in live}
        changed = [
            Signal(task, found[task].task[1], token)
            for task, token in tokens.items()
            if task not in remembered or remembered[task] != token
        ]
        return changed + [Signal(task, None) for task in remembered if task not in tokens]

    def spans(self, memory: Memory, size: int) -> Iterator[tuple[int, int]]:
        """Id ranges, in order, of at most `size` tasks each, that together cover every task here and in memory."""
        first = 0
        while True:
            found = self._database.rows(
                "SELECT id FROM task WHERE id >= ? ORDER BY id LIMIT 1 OFFSET ?", (first, size - 1)
            )
            if not found:
                break
            yield first, found[0][0]
            first = found[0][0] + 1
        top = self._database.rows("SELECT max(id) FROM task")[0][0] or 0
        yield first, max(top, memory.last_task(), first)

    # --- quick look ----------------------------------------------------------------------------------------------

    def newest(self) -> tuple[bytes, int]:
        """The newest task timestamp and annotation id there are."""
        return (
            self._database.value("SELECT max(updated_at) FROM task") or b"",
            self._database.value("SELECT max(id) FROM task_completion") or 0,
        )

    def since(self, newest: tuple[bytes, int]) -> tuple[tuple[bytes, int], set[int]]:
        """Tasks with a newer timestamp or a newer annotation, and the new high marks. A hint: late commits may escape it."""
        when, annotation = newest
        # NOT INDEXED: without it SQLite walks an index on id and looks every row up, five times slower.
        sql = "SELECT id, updated_at FROM task NOT INDEXED WHERE id BETWEEN ? AND ? AND updated_at > ?"
        top = self._database.value("SELECT max(id) FROM task") or 0
        touched = [
            row
            for at in range(0, top + 1, TIMES)
            for row in self._database.rows(sql, (at, at + TIMES - 1, when.decode()))
        ]
        added = self._database.rows("SELECT task_id, id FROM task_completion WHERE id > ?", (annotation,))
        tasks = {row[0] for row in touched} | {row[0] for row in added if row[0] is not None}
        high = (max([when, *(row[1] for row in touched)]), max([annotation, *(row[1] for row in added)]))
        return high, tasks

    # --- what many documents draw from ---------------------------------------------------------------------------

    def projects(self) -> list[Project]:
        """The projects chosen, soft-deleted ones left out, in id order."""
        found = []
        for id_, title, config, _, updated, _ in self._chosen():
            shown = (_text(title), _text(config), _text(updated).replace(" ", "T") + "Z")
            version = blake2b(repr((id_, *shown[:2])).encode(), digest_size=8).hexdigest()
            found.append(Project(id_, shown[0], shown[1], version, shown[2]))
        return found

    def live(self) -> frozenset[int]:
        """Their ids alone, three times as fast."""
        return frozenset(row[0] for row in self._chosen())

    def shared(self) -> Shared:
        users = {row[0]: User(row[0], *(_text(name) for name in row[1:])) for row in self._user_rows()}
        return Shared(users, {row[0]: key for row in self._project_rows() if (key := _first_key(row[3]))})

    def shared_version(self) -> bytes:
        """Differs when every document may have changed: users, data keys, or which projects there are."""
        projects = [(row[0], _first_key(row[3]), row[5]) for row in self._project_rows()]
        return blake2b(repr((self._user_rows(), projects)).encode(), digest_size=16).digest()

    def _chosen(self) -> Iterator[ProjectRow]:
        for row in self._project_rows():
            if row[5] is None and (self._choice == "all" or row[0] in self._choice or _text(row[1]) in self._choice):
                yield row

    def _project_rows(self) -> list[ProjectRow]:
        return self._all(tables.PROJECT)

    def _user_rows(self) -> list[tuple[int, bytes, bytes, bytes]]:
        return self._all(tables.USER)

    def _all(self, table: Table) -> list[tuple]:  # type: ignore[type-arg]  # the shape is the table's
        return self._database.rows(
            f"SELECT {table.select(self._database.columns(table))} FROM {table.name} ORDER BY id"
        )


class QuickLook:
    """Remembers the high marks of the last look, so that what people just did is found at once."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._newest = rows.newest()
        self._version: object = None
        self._again_at = 0.0

    def look(self, version: object) -> set[int]:
        """Tasks that moved since the last look; looks only when the database did, and ten times a second at most."""
        if version == self._version or time.monotonic() < self._again_at:
            return set()
        self._version, self._again_at = version, time.monotonic() + 0.1
        self._newest, tasks = self._rows.since(self._newest)
        return tasks


def _text(value: bytes | None) -> str:
    return (value or b"").decode("utf-8", "replace")


def _first_key(data_types: bytes | None) -> str | None:
    try:
        return next(iter(orjson.loads(data_types or b"{}")), None)
    except orjson.JSONDecodeError:
        return None
