"""Task rows of a Label Studio database, whichever it is: read whole, made documents, compared with what was signalled before.

The databases differ in how a connection is held, a list is passed and a column is written; that is the `Database` below.
Statements mark parameters with `?`.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from hashlib import blake2b
from operator import itemgetter
from types import MappingProxyType
from typing import Any, Protocol, TypeAlias

import orjson

from syncd.errors import Misconfigured, TaskRejected
from syncd.labelstudio import tables
from syncd.labelstudio.document import Row, Shared, TaskRows, User, document_of, token_of
from syncd.labelstudio.tables import Table
from syncd.model import DocumentShape, Project
from syncd.sources import Gone, Memory, ProjectChoice, Read, Signal

ProjectRow: TypeAlias = tuple[int, bytes, bytes, bytes, bytes, bytes | None]
"""`tables.PROJECT`: id, title, label_config, data_types, updated_at, deleted_at."""

READ = 256
"""Tasks per read: under 10 ms for documents of a few kilobytes."""

NEW = 4096
"""Tasks per batch of signals where nobody looks at them."""

PAGE = 20_000
"""Ids per page: about 2 ms each."""


class Database(Protocol):
    """A database with Label Studio's tables. Text, times, uuids and JSON come as UTF-8 bytes, as `document` wants them."""

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """All rows of one short statement."""

    def snapshot(self) -> AbstractContextManager[None]:
        """The statements inside see one state of the database, where it can show one without disturbing writers."""

    def columns(self, table: Table) -> frozenset[str]:
        """The columns there are; empty when there is no such table."""

    def select(self, table: Table, expressions: Mapping[str, str] = MappingProxyType({})) -> str:
        """The select list of a table that is there; `expressions` stand for columns of their name."""

    def among(self, ids: Collection[int]) -> tuple[str, tuple[object, ...]]:
        """The condition that a column is one of `ids`, and its parameters."""


class Rows:
    """The tables of one database, as task rows. Only tasks of the projects chosen count when it compares."""

    def __init__(self, database: Database, choice: ProjectChoice) -> None:
        self._database = database
        self._choice = choice

    def identity(self, where: str) -> str:
        """A name from the organisation and its creation, which a restored backup keeps."""
        born: list[tuple[object, ...]] = []
        if self._database.columns(tables.ORGANIZATION):
            columns = self._database.select(tables.ORGANIZATION)
            born = self._database.rows(f"SELECT {columns} FROM organization ORDER BY id LIMIT 1")
        if not born:
            raise Misconfigured(
                f"{where} has no organization to tell it from other ones; give it a name with `instance:`"
            )
        return "ls-" + blake2b(repr(born[0]).encode(), digest_size=6).hexdigest()

    # --- whole tasks ---------------------------------------------------------------------------------------------

    def documents(self, tasks: Sequence[int], shape: DocumentShape) -> Iterator[Read]:
        """Each task whole, a read at a time; those outside the projects chosen are gone."""
        for at in range(0, len(tasks), READ):
            asked = tasks[at : at + READ]
            with self._database.snapshot():
                found, shared, live = self.of_tasks(asked), self.shared(), self.live()
            for task in asked:
                rows = found.get(task)
                if rows is None or rows.task[1] not in live:
                    yield Gone(task)
                    continue
                try:
                    yield document_of(rows, shared, shape)
                except TaskRejected as rejected:
                    rejected.token = token_of(rows, shared)
                    yield rejected

    def of_tasks(self, tasks: Collection[int]) -> dict[int, TaskRows]:
        """The rows of the tasks that are there."""
        return self._gather(*self._database.among(tasks))

    def of_range(self, first: int, last: int) -> dict[int, TaskRows]:
        return self._gather("BETWEEN ? AND ?", (first, last))

    def tasks_of_project(self, project: int) -> Iterator[int]:
        """The ids of a project's tasks in ascending order, read a page at a time."""
        after = 0
        sql = "SELECT id FROM task WHERE project_id = ? AND id > ? ORDER BY id LIMIT ?"
        while page := self._database.rows(sql, (project, after, PAGE)):
            yield from (row[0] for row in page)
            after = page[-1][0]

    def _gather(self, condition: str, parameters: Sequence[object]) -> dict[int, TaskRows]:
        tasks = self._database.rows(f"SELECT {self._task_columns()} FROM task WHERE id {condition}", parameters)
        if not tasks:
            return {}
        belonging = [self._belonging(table, condition, parameters) for table in tables.OF_A_TASK]
        return {row[0]: TaskRows(row, *(rows.get(row[0], ()) for rows in belonging)) for row in tasks}

    def _belonging(self, table: Table, condition: str, parameters: Sequence[object]) -> dict[int, list[Row]]:
        if not self._database.columns(table):
            return {}
        columns = self._database.select(table)
        sql = f"SELECT {columns} FROM {table.name} WHERE task_id {condition} ORDER BY task_id, id"
        task_id: Callable[[Row], int] = itemgetter(table.columns.index("task_id"))
        grouped: dict[int, list[Row]] = {}
        for row in self._database.rows(sql, parameters):
            grouped.setdefault(task_id(row), []).append(row)
        return grouped

    def _task_columns(self) -> str:
        present = self._database.columns(tables.TASK)
        if "file_upload_id" not in present or not self._database.columns(tables.UPLOAD):
            return self._database.select(tables.TASK)
        upload = "(SELECT file FROM data_import_fileupload AS upload WHERE upload.id = task.file_upload_id)"
        return self._database.select(tables.TASK, {"file_upload": upload})

    # --- comparing -----------------------------------------------------------------------------------------------

    def compare(self, first: int, last: int, memory: Memory) -> list[Signal]:
        """Signals for the tasks of an id range whose state is not the remembered one.

        What is not remembered, as on the first load, nobody looks at: whoever reads the tasks does.
        """
        remembered = memory.tokens(first, last)
        if len(remembered) >= READ:
            return self._compare(lambda: self.of_range(first, last), remembered)
        new = self._new(first, last, remembered)
        return new + self._compare(lambda: self.of_tasks(remembered.keys()), remembered) if remembered else new

    def _new(self, first: int, last: int, remembered: Mapping[int, bytes | None]) -> list[Signal]:
        live = self.live()
        rows = self._database.rows(
            "SELECT id, project_id FROM task WHERE id BETWEEN ? AND ? ORDER BY id", (first, last)
        )
        return [Signal(task, project) for task, project in rows if project in live and task not in remembered]

    def compare_tasks(self, tasks: Collection[int], memory: Memory) -> list[Signal]:
        """The same for given tasks."""
        if not tasks:
            return []
        remembered = {t: token for task in tasks for t, token in memory.tokens(task, task).items()}
        return self._compare(lambda: self.of_tasks(tasks), remembered)

    def _compare(self, look: Callable[[], dict[int, TaskRows]], remembered: Mapping[int, bytes | None]) -> list[Signal]:
        with self._database.snapshot():
            # What documents share is read after the tasks, so that neither is older than they are.
            found, shared, live = look(), self.shared(), self.live()
        tokens = {task: token_of(rows, shared) for task, rows in found.items() if rows.task[1] in live}
        changed = [
            Signal(task, found[task].task[1], token)
            for task, token in tokens.items()
            if task not in remembered or remembered[task] != token
        ]
        return changed + [Signal(task, None) for task in remembered if task not in tokens]

    def spans(self, memory: Memory, size: int) -> Iterator[tuple[int, int]]:
        """Id ranges, in order, that together cover every task here and in memory: of `size` tasks, of NEW beyond memory."""
        first, known = 0, memory.last_task()
        while True:
            room = size if first <= known else NEW
            found = self._database.rows(
                "SELECT id FROM task WHERE id >= ? ORDER BY id LIMIT 1 OFFSET ?", (first, room - 1)
            )
            if not found:
                break
            yield first, found[0][0]
            first = found[0][0] + 1
        top = self._database.rows("SELECT max(id) FROM task")[0][0] or 0
        yield first, max(top, memory.last_task(), first)

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
        users = {row[0]: User(row[0], *(_text(name) for name in row[1:])) for row in self._all(tables.USER)}
        return Shared(users, {row[0]: key for row in self._project_rows() if (key := _first_key(row[3]))})

    def shared_version(self) -> bytes:
        """Differs when every document may have changed: users, data keys, or which projects there are."""
        projects = [(row[0], _first_key(row[3]), row[5]) for row in self._project_rows()]
        return blake2b(repr((self._all(tables.USER), projects)).encode(), digest_size=16).digest()

    def _chosen(self) -> Iterator[ProjectRow]:
        for row in self._project_rows():
            if row[5] is None and (self._choice == "all" or row[0] in self._choice or _text(row[1]) in self._choice):
                yield row

    def _project_rows(self) -> list[ProjectRow]:
        return self._all(tables.PROJECT)

    def _all(self, table: Table) -> list[tuple]:  # type: ignore[type-arg]  # the shape is the table's
        return self._database.rows(f"SELECT {self._database.select(table)} FROM {table.name} ORDER BY id")


def _text(value: bytes | None) -> str:
    return (value or b"").decode("utf-8", "replace")


def _first_key(data_types: bytes | None) -> str | None:
    try:
        return next(iter(orjson.loads(data_types or b"{}")), None)
    except orjson.JSONDecodeError:
        return None
