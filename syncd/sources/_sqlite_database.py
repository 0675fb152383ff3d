"""Label Studio's SQLite file, opened so that Label Studio never notices: read-only, short reads, no checkpoint, no lock kept.

Every statement is its own transaction (autocommit), so no lock outlives one call of `rows`. In rollback-journal mode a reader
delays a commit: callers keep each statement under 10 ms. `immutable` is never used, it reads stale pages.
"""

import sqlite3
import threading
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import MappingProxyType
from typing import Any

import orjson

from syncd.errors import Misconfigured, Unavailable
from syncd.labelstudio import tables
from syncd.labelstudio.tables import Table

BUSY_SECONDS = 2.0


class Database:
    """One database file, however often it is replaced underneath: a new inode means new connections."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()
        self._lock = threading.Lock()
        self._opened: dict[threading.Thread, sqlite3.Connection] = {}
        self._columns: dict[str, frozenset[str]] = {}
        self._schema_of: tuple[object, ...] = ()

    def file_id(self) -> tuple[int, int]:
        """Device and inode; raises Unavailable when the file is not there."""
        try:
            found = self.path.stat()
        except OSError as error:
            raise Unavailable(
                f"the Label Studio database {self.path} cannot be found ({error.strerror}). "
                "Nothing is deleted while it is away; check `source.path` and that the volume is mounted"
            ) from error
        return found.st_dev, found.st_ino

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """All rows of one short statement, text as bytes. Raises Unavailable when the file cannot be read now."""
        try:
            return self._connection().execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise self._explained(error) from error

    def value(self, sql: str) -> Any:
        """The first column of the first row."""
        return self.rows(sql)[0][0]

    def columns(self, table: Table) -> frozenset[str]:
        """The columns this database has for a table; empty when there is no such table."""
        schema = (*self.file_id(), self.value("PRAGMA schema_version"))
        if schema != self._schema_of:
            found = {t.name: self.rows(f"PRAGMA table_info({t.name})") for t in tables.ALL}
            columns = {name: frozenset(row[1].decode() for row in rows) for name, rows in found.items()}
            self._require_label_studio(columns)
            self._columns, self._schema_of = columns, schema
        return self._columns[table.name]

    def select(self, table: Table, expressions: Mapping[str, str] = MappingProxyType({})) -> str:
        return table.select(self.columns(table), expressions)

    def among(self, ids: Collection[int]) -> tuple[str, tuple[object, ...]]:
        return "IN (SELECT value FROM json_each(?))", (orjson.dumps(list(ids)).decode(),)

    def snapshot(self) -> AbstractContextManager[None]:
        """None: a lock held over several statements would delay Label Studio's commits."""
        return nullcontext()

    def close(self) -> None:
        with self._lock:
            for connection in self._opened.values():
                connection.close()
            self._opened.clear()

    def _connection(self) -> sqlite3.Connection:
        file_id = self.file_id()
        held: tuple[tuple[int, int], sqlite3.Connection] | None = getattr(self._local, "held", None)
        if held is not None and held[0] == file_id:
            return held[1]
        uri = f"{self.path.resolve().as_uri()}?mode=ro"
        connection = sqlite3.connect(
            uri,
            uri=True,
            isolation_level=None,
            timeout=BUSY_SECONDS,
            check_same_thread=False,
            cached_statements=64,
        )
        connection.text_factory = bytes
        connection.execute("PRAGMA query_only = ON")
        with self._lock:
            mine = threading.current_thread()
            for thread in [thread for thread in self._opened if thread is mine or not thread.is_alive()]:
                self._opened.pop(thread).close()
            self._opened[mine] = connection
        self._local.held = (file_id, connection)
        return connection

    def _require_label_studio(self, columns: Mapping[str, frozenset[str]]) -> None:
        for table in tables.ALL:
            present = columns[table.name]
            lost = table.missing(present)
            if lost and not (table.may_be_missing and not present):
                what = f"table {table.name}" if not present else f"column {table.name}.{lost[0]}"
                raise Misconfigured(
                    f"{self.path} is not a Label Studio database that syncd can read: it has no {what}. "
                    "Point `source.path` at Label Studio's label_studio.sqlite3"
                )

    def _explained(self, error: sqlite3.Error) -> Unavailable | Misconfigured:
        text = str(error)
        if "locked" in text or "busy" in text:
            return Unavailable(
                f"the Label Studio database {self.path} is locked by another program; syncd waits and tries again"
            )
        if "not a database" in text or "malformed" in text:
            return Unavailable(
                f"{self.path} cannot be read as a SQLite database ({text}); restore it, syncd goes on by itself"
            )
        return Unavailable(
            f"the Label Studio database {self.path} cannot be read ({text}). syncd needs to read the file, its -wal and -shm, "
            "and its folder; run it as Label Studio's user or group"
        )
