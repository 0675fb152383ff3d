"""The same edits as `labelstudio_database`, on PostgreSQL."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg

from tests.labelstudio_database import LabelStudioDatabase
from tests.servers.postgres import Postgres


class LabelStudioPostgres(LabelStudioDatabase):
    """One database of a server. Every method commits before it returns."""

    def __init__(self, server: Postgres) -> None:
        super().__init__(Path())
        self.server = server
        self.name = server.new_database()

    @property
    def dsn(self) -> str:
        return self.server.dsn(self.name)

    @property
    def source(self) -> dict[str, Any]:
        return {"type": "postgres", "dsn": self.dsn, "id_sweep_seconds": 0.2}

    def give_out_again(self, task: int) -> None:
        self.run(f"ALTER SEQUENCE task_id_seq RESTART WITH {task}")

    def rename_label(self, project: int, old: str, new: str) -> None:
        sql = "UPDATE task_completion SET result = replace(result::text, ?, ?)::jsonb WHERE project_id = ?"
        self.run(sql, json.dumps(old), json.dumps(new), project)

    def bulk_update_data(self, project: int, column: str) -> None:
        self.run(
            "UPDATE task SET data = data || jsonb_build_object(?::text, 'x') WHERE project_id = ?", column, project
        )

    def connection(self) -> Any:
        return Connection(self.server.connect(self.name))


class Connection:
    """A psycopg connection that takes SQLite's marks."""

    def __init__(self, connection: "psycopg.Connection[Any]") -> None:
        self._connection = connection

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> "psycopg.Cursor[Any]":
        return self._connection.execute(sql.replace("?", "%s").encode(), list(parameters) or None)

    def close(self) -> None:
        self._connection.close()
