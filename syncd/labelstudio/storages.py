"""The storage connections set up in a Label Studio's own database: where it exports to and imports from. Never their secrets."""

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from syncd.errors import Unavailable

Direction = Literal["export", "import"]

_MIXIN = (
    "SELECT m.*, s.* FROM io_storages_{table}{{direction}}storage AS s "
    "JOIN io_storages_{mixin} AS m ON m.id = s.{mixin}_ptr_id"
)
# Multi-table inheritance: all but S3 keep their columns in a parent table, joined by its pointer column.
_STORAGES = {
    "s3": "SELECT * FROM io_storages_s3{direction}storage",
    "gcs": _MIXIN.format(table="gcs", mixin="gcsstoragemixin"),
    "azure": _MIXIN.format(table="azureblob", mixin="azureblobstoragemixin"),
    "redis": _MIXIN.format(table="redis", mixin="redisstoragemixin"),
    "local": _MIXIN.format(table="localfiles", mixin="localfilesmixin"),
}
_KEYS = {
    "s3": {"bucket": "bucket", "prefix": "prefix", "endpoint_url": "s3_endpoint", "region": "region_name"},
    "gcs": {"bucket": "bucket", "prefix": "prefix", "project": "google_project_id"},
    "azure": {"container": "container", "prefix": "prefix"},
    "redis": {"prefix": "path"},
    "local": {"path": "path"},
}
"""By type: our key → Label Studio's column."""
STORAGE_TYPES = frozenset(_KEYS)


@dataclass(frozen=True, slots=True)
class Storage:
    """One connection of a project. `settings` are keys of our target of that `type`, without secrets."""

    type: str
    title: str
    project: int
    settings: Mapping[str, str]


def storages(database: Path, direction: Direction) -> Iterator[Storage]:
    """Every connection that exports, or imports. A table that a release lacks has none. Raises Unavailable."""
    try:
        connection = sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)
    except sqlite3.Error as error:
        raise Unavailable(f"{database} cannot be read ({error})") from error
    connection.row_factory = sqlite3.Row
    try:
        for kind, sql in _STORAGES.items():
            for row in _rows(connection, sql.format(direction=direction)):
                yield storage_of(kind, dict(row))
    finally:
        connection.close()


def _rows(connection: sqlite3.Connection, sql: str) -> list[sqlite3.Row]:
    try:
        return connection.execute(sql).fetchall()
    except sqlite3.OperationalError as error:
        if "no such" in str(error):
            return []
        raise Unavailable(f"the storages cannot be read ({error})") from error


def storage_of(kind: str, row: Mapping[str, Any]) -> Storage:
    """One connection, by its columns; over REST they have the same names."""
    settings = {ours: str(row[theirs]) for ours, theirs in _KEYS[kind].items() if row.get(theirs)}
    if kind == "redis":
        settings["url"] = f"redis://{row.get('host') or 'localhost'}:{row.get('port') or 6379}/{row.get('db') or 1}"
    if kind == "azure" and row.get("account_name"):
        settings["account_url"] = f"https://{row['account_name']}.blob.core.windows.net"
    return Storage(kind, str(row.get("title") or f"{kind} storage"), row["project_id"], settings)
