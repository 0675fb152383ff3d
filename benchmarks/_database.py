"""A Label Studio database of any size for benchmarks: the tasks of one real project, cloned with fresh ids and times."""

import contextlib
import datetime as dt
import gzip
import random
import sqlite3
import uuid
from pathlib import Path
from typing import Any

from syncd.model import DocumentShape
from syncd.sources.sqlite import Settings, SqliteSource

QUICKSTART = Path(__file__).parents[1] / "config" / "quickstart.sqlite3.gz"


def grown(path: Path, tasks: int, *, project: str = "boxes", seed: int = 0) -> Path:
    """Write the shipped database to `path` with at least `tasks` labelled tasks in one project."""
    path.write_bytes(gzip.decompress(QUICKSTART.read_bytes()))
    chance = random.Random(seed)
    db = sqlite3.connect(path)
    db.execute("PRAGMA synchronous = OFF")
    db.execute("PRAGMA foreign_keys = OFF")
    (number,) = db.execute("SELECT id FROM project WHERE title = ?", (project,)).fetchone()
    task_columns, models = _rows(db, "task", f"project_id = {number} AND total_annotations > 0")
    columns, annotations = _rows(db, "task_completion", f"project_id = {number}")
    belonging: dict[int, list[dict[str, Any]]] = {}
    for row in annotations:
        belonging.setdefault(row["task_id"], []).append(row)
    (task,) = db.execute("SELECT max(id) FROM task").fetchone()
    (annotation,) = db.execute("SELECT max(id) FROM task_completion").fetchone()
    new_tasks, new_annotations = [], []
    for n in range(max(0, tasks - len(models))):
        model, task = models[n % len(models)], task + 1
        at = dt.datetime(2025, 1, 1) + dt.timedelta(seconds=n * 3.1, microseconds=chance.randrange(1, 10**6))
        when = f"{at:%Y-%m-%d %H:%M:%S.%f}"
        data = model["data"].replace("photo.jpg", f"photo_{task}.jpg")
        fresh = {
            "id": task,
            "inner_id": task,
            "data": data,
            "created_at": when,
            "updated_at": when,
            "file_upload_id": None,
        }
        new_tasks.append({**model, **fresh})
        for row in belonging[model["id"]]:
            annotation += 1
            fresh = {"id": annotation, "task_id": task, "created_at": when, "updated_at": when}
            fresh["unique_id"] = uuid.UUID(int=chance.getrandbits(128)).hex
            new_annotations.append({**row, **fresh})
        if len(new_tasks) >= 20_000:
            _insert(db, "task", task_columns, new_tasks)
            _insert(db, "task_completion", columns, new_annotations)
    _insert(db, "task", task_columns, new_tasks)
    _insert(db, "task_completion", columns, new_annotations)
    db.commit()
    db.close()
    return path


def documents_of(database: Path) -> list[bytes]:
    """Every document, as a pass reads it."""
    source = SqliteSource(Settings(type="sqlite", path=database))
    with contextlib.closing(source), contextlib.closing(sqlite3.connect(database)) as db:
        ids = [row[0] for row in db.execute("SELECT id FROM task ORDER BY id")]
        return [body for read in source.read(ids, DocumentShape()) if (body := getattr(read, "body", None))]


def _rows(db: sqlite3.Connection, table: str, where: str) -> tuple[list[str], list[dict[str, Any]]]:
    columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
    return columns, [dict(zip(columns, row, strict=True)) for row in db.execute(f"SELECT * FROM {table} WHERE {where}")]


def _insert(db: sqlite3.Connection, table: str, columns: list[str], rows: list[dict[str, Any]]) -> None:
    marks = ", ".join("?" * len(columns))
    db.executemany(f"INSERT INTO {table} VALUES ({marks})", [[row[c] for c in columns] for row in rows])
    rows.clear()
