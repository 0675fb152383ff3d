"""Edits a real Label Studio SQLite file with the very statements that Label Studio 1.23 sends, in its order.

Label Studio runs in autocommit: one action is several commits. Each method here names what a person (or a bulk action) does and
leaves alone what Label Studio leaves alone: many actions move no `updated_at` and let counters go stale.
"""

import gzip
import json
import sqlite3
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

SHIPPED = Path(__file__).parent.parent / "config" / "quickstart.sqlite3.gz"
"""Twelve projects and 253 tasks as a real Label Studio 1.23.2 left them."""

BUSY_SECONDS = 60


def unpack(path: Path) -> "LabelStudioDatabase":
    """A fresh copy of the shipped database."""
    path.write_bytes(gzip.decompress(SHIPPED.read_bytes()))
    return LabelStudioDatabase(path)


class LabelStudioDatabase:
    """One database file. Every method commits before it returns; `committed` is called after every single commit."""

    def __init__(self, path: Path, committed: Callable[[], None] = lambda: None) -> None:
        self.path = path
        self.committed = committed

    @property
    def source(self) -> dict[str, Any]:
        """How a configuration names it."""
        return {"type": "sqlite", "path": str(self.path)}

    # --- annotations ---------------------------------------------------------------------------------------------

    def annotate(self, task: int, text: str = "", *, cancelled: bool = False, at: datetime | None = None) -> int:
        """Submit an annotation, or skip the task. `at`: an older moment, as a transaction has that commits late."""
        annotation = self.insert_annotation(task, text, cancelled=cancelled, at=at)
        self.run("UPDATE task SET total_annotations = total_annotations + 1, is_labeled = TRUE WHERE id = ?", task)
        self.touch(task, at=at)
        return annotation

    def insert_annotation(self, task: int, text: str, *, cancelled: bool = False, at: datetime | None = None) -> int:
        """The first of a submission's commits; `propagate` and imports stop here: the task's time does not move."""
        moment = _stamp(at)
        columns = {
            "id": self.next_id("task_completion"),  # the importer picks the largest id plus one, deleted ones included
            "result": result_saying(text),
            "was_cancelled": cancelled,
            "created_at": moment,
            "updated_at": moment,
            "task_id": task,
            "lead_time": 1.5,
            "result_count": 1,
            "completed_by_id": 1,
            "ground_truth": False,
            "project_id": self.value("SELECT project_id FROM task WHERE id = ?", task),
            "unique_id": uuid.uuid4().hex,
        }
        return self.insert("task_completion", columns)

    def edit(self, annotation: int, text: str) -> None:
        """Update a submitted annotation."""
        sql = "UPDATE task_completion SET result = ?, updated_at = ? WHERE id = ?"
        self.run(sql, result_saying(text), _stamp(), annotation)
        self.touch(self.value("SELECT task_id FROM task_completion WHERE id = ?", annotation))

    def skip(self, annotation: int) -> None:
        self.run("UPDATE task_completion SET was_cancelled = TRUE, updated_at = ? WHERE id = ?", _stamp(), annotation)

    def delete_annotation(self, annotation: int) -> None:
        """Through the API: the task's time moves."""
        task = self.value("SELECT task_id FROM task_completion WHERE id = ?", annotation)
        self.run("DELETE FROM task_completion WHERE id = ?", annotation)
        self.touch(task)

    def delete_annotations_quietly(self, task: int) -> None:
        """`QuerySet.delete()`: no time moves, counters go stale."""
        self.run("DELETE FROM task_completion WHERE task_id = ?", task)

    def set_ground_truth(self, annotation: int, truth: bool) -> None:
        """As Label Studio clears it on siblings: no time moves."""
        self.run("UPDATE task_completion SET ground_truth = ? WHERE id = ?", truth, annotation)

    def move_annotations(self, task: int, to: int) -> None:
        """Remove duplicates: annotations move to the surviving task, no time moves."""
        self.run("UPDATE task_completion SET task_id = ? WHERE task_id = ?", to, task)

    def rename_label(self, project: int, old: str, new: str) -> None:
        """Bulk label rename: results are rewritten, no time moves."""
        sql = "UPDATE task_completion SET result = replace(result, ?, ?) WHERE project_id = ?"
        self.run(sql, json.dumps(old), json.dumps(new), project)

    # --- drafts, predictions, people -----------------------------------------------------------------------------

    def draft(self, task: int, text: str) -> int:
        """Save a draft: no time of the task moves."""
        values = {"result": result_saying(text), "task_id": task, "user_id": 1, "was_postponed": False}
        return self.insert("tasks_annotationdraft", values | {"created_at": _stamp(), "updated_at": _stamp()})

    def predict(self, task: int, text: str) -> int:
        """Bulk import of predictions: no time of the task moves."""
        values = {
            "result": result_saying(text),
            "task_id": task,
            "model_version": "m1",
            "score": 0.5,
            "mislabeling": 0.0,
        }
        return self.insert("prediction", values | {"created_at": _stamp(), "updated_at": _stamp()})

    def copy_result(self, annotation: int, onto: int) -> None:
        """Update an annotation so that it says what another one says."""
        sql = "UPDATE task_completion SET result = (SELECT result FROM task_completion WHERE id = ?), updated_at = ? WHERE id = ?"
        self.run(sql, annotation, _stamp(), onto)
        self.touch(self.value("SELECT task_id FROM task_completion WHERE id = ?", onto))

    def rename_user(self, first_name: str) -> None:
        self.run("UPDATE htx_user SET first_name = ? WHERE id = 1", first_name)

    # --- tasks and projects --------------------------------------------------------------------------------------

    def add_task(self, project: int, text: str = "") -> int:
        """Import one task: the importer gives it the largest id plus one, so a deleted task's id comes back."""
        moment = _stamp()
        columns: dict[str, Any] = {
            "id": self.next_id("task"),
            "data": json.dumps({"text": text}),
            "meta": "{}",
            "created_at": moment,
            "updated_at": moment,
            "is_labeled": False,
            "project_id": project,
            "overlap": 1,
            "total_annotations": 0,
            "cancelled_annotations": 0,
            "total_predictions": 0,
            "comment_count": 0,
            "unresolved_comment_count": 0,
        }
        return self.insert("task", columns)

    def add_labelled_tasks(self, project: int, count: int) -> list[int]:
        """Copies of a labelled task of the project with one annotation each, in one transaction; their ids."""
        model, first, annotation = self.labelled(project)[0], self.next_id("task"), self.next_id("task_completion")
        owned = self.value("SELECT max(id) FROM task_completion WHERE task_id = ?", model)
        fresh = {"task_id": f"{first} + n", "unique_id": "lower(hex(randomblob(16)))"}
        numbers = f"WITH RECURSIVE n(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n + 1 < {count})"
        with self.transaction() as c:
            for table, row, id_ in (("task", model, first), ("task_completion", owned, annotation)):
                columns = [found[1] for found in c.execute(f"PRAGMA table_info({table})")]
                values = ", ".join({**fresh, "id": f"{id_} + n"}.get(column, column) for column in columns)
                c.execute(f"INSERT INTO {table} {numbers} SELECT {values} FROM {table}, n WHERE {table}.id = {row}")
        return list(range(first, first + count))

    def delete_tasks(self, tasks: Sequence[int]) -> None:
        """The Data Manager's way: first out of the project, then row by row, children first."""
        for task in tasks:
            self.run("UPDATE task SET project_id = NULL WHERE id = ?", task)
        for task in tasks:
            for table in ("task_comment_authors", "tasks_annotationdraft", "prediction", "task_completion"):
                self.run(f"DELETE FROM {table} WHERE task_id = ?", task)
            self.run("DELETE FROM task WHERE id = ?", task)

    def give_out_again(self, task: int) -> None:
        """Let the next task get the id of this one, which is deleted and was the last: SQLite does so by itself."""

    def leave_project(self, task: int) -> None:
        """The first half of a deletion, as a crashed Label Studio leaves it."""
        self.run("UPDATE task SET project_id = NULL WHERE id = ?", task)

    def bulk_update_data(self, project: int, column: str) -> None:
        """Add a data column to every task of a project: no time moves."""
        self.run("UPDATE task SET data = json_set(data, ?, 'x') WHERE project_id = ?", f'$."{column}"', project)

    def bulk_touch(self, project: int) -> None:
        """Every time moves and nothing else."""
        self.run("UPDATE task SET updated_at = ? WHERE project_id = ?", _stamp(), project)

    def bulk_rewrite(self, project: int) -> None:
        """Every row of a project is written as it was: nothing moves at all."""
        self.run("UPDATE task SET overlap = overlap + 1 WHERE project_id = ?", project)

    def soft_delete(self, project: int) -> None:
        self.run("UPDATE project SET deleted_at = ? WHERE id = ?", _stamp(), project)

    def restore(self, project: int) -> None:
        self.run("UPDATE project SET deleted_at = NULL WHERE id = ?", project)

    def rename_project(self, project: int, title: str) -> None:
        self.run("UPDATE project SET title = ?, updated_at = ? WHERE id = ?", title, _stamp(), project)

    def configure(self, project: int, label_config: str) -> None:
        """Save another labelling configuration."""
        sql = "UPDATE project SET label_config = ?, updated_at = ? WHERE id = ?"
        self.run(sql, label_config, _stamp(), project)

    def touch(self, task: int, *, at: datetime | None = None) -> None:
        self.run("UPDATE task SET updated_at = ? WHERE id = ?", _stamp(at), task)

    # --- looking -------------------------------------------------------------------------------------------------

    def ids(self, sql: str, *parameters: object) -> list[int]:
        """The first column of every row."""
        with closing(self.connection()) as c:
            return [row[0] for row in c.execute(sql, parameters)]

    def value(self, sql: str, *parameters: object) -> Any:
        return next(iter(self.ids(sql, *parameters)), None)

    def labelled(self, project: int) -> list[int]:
        """The tasks of a project that have an annotation, in order."""
        sql = "SELECT id FROM task WHERE project_id = ? AND id IN (SELECT task_id FROM task_completion) ORDER BY id"
        return self.ids(sql, project)

    def next_id(self, table: str) -> int:
        return int(self.value(f"SELECT coalesce(max(id), 0) + 1 FROM {table}"))

    def is_free(self) -> bool:
        """Whether nobody reads or writes it at this moment. For SQLite only."""
        with closing(sqlite3.connect(self.path, timeout=0.2, isolation_level=None)) as c:
            try:
                c.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError:
                return False
            return True

    # --- SQL -----------------------------------------------------------------------------------------------------

    def run(self, sql: str, *parameters: object) -> None:
        """One statement, one commit."""
        with closing(self.connection()) as c:
            c.execute(sql, parameters)
        self.committed()

    def insert(self, table: str, values: dict[str, Any]) -> int:
        """One row, one commit; returns its id."""
        marks = ", ".join("?" for _ in values)
        with closing(self.connection()) as c:
            sql = f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks}) RETURNING id"
            found = int(c.execute(sql, tuple(values.values())).fetchone()[0])
        self.committed()
        return found

    def damage(self, sql: str, *parameters: object) -> None:
        """Write what Label Studio's own constraints forbid, as a failing disk or a careless script does."""
        with closing(self.connection()) as c:
            c.execute("PRAGMA ignore_check_constraints = ON")
            c.execute(sql, parameters)
        self.committed()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A transaction of the caller's; it holds the write lock until it ends."""
        with closing(self.connection()) as c:
            c.execute("BEGIN IMMEDIATE")
            yield c
            c.execute("COMMIT")
        self.committed()

    def connection(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)


def result_saying(text: str) -> str:
    """A choice's result as Label Studio stores it."""
    value = {"id": "r1", "from_name": "c", "to_name": "t", "type": "choices", "value": {"choices": [text]}}
    return json.dumps([value])


def long_ago(minutes: float) -> datetime:
    return datetime.now(UTC) - timedelta(minutes=minutes)


def _stamp(at: datetime | None = None) -> str:
    """A time as Django writes it to SQLite: UTC without a zone."""
    return (at or datetime.now(UTC)).strftime("%Y-%m-%d %H:%M:%S.%f")
