"""The target storages set up in a Label Studio's own database, as targets for our configuration. Secrets are never copied."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from syncd.errors import Unavailable


@dataclass(frozen=True, slots=True)
class TargetStorage:
    """One export storage: a sentence about it, and the lines of a `targets:` entry."""

    title: str
    yaml: str


# Multi-table inheritance: all but S3 keep their columns in a parent table, joined by its pointer column.
_STORAGES = {
    "s3": "SELECT s.*, s.project_id AS owner FROM io_storages_s3exportstorage AS s",
    "gcs": "SELECT m.*, s.project_id AS owner, s.gcsstoragemixin_ptr_id AS id FROM io_storages_gcsexportstorage AS s "
    "JOIN io_storages_gcsstoragemixin AS m ON m.id = s.gcsstoragemixin_ptr_id",
    "azure": "SELECT m.*, s.project_id AS owner, s.azureblobstoragemixin_ptr_id AS id "
    "FROM io_storages_azureblobexportstorage AS s "
    "JOIN io_storages_azureblobstoragemixin AS m ON m.id = s.azureblobstoragemixin_ptr_id",
    "redis": "SELECT m.*, s.project_id AS owner, s.db AS db FROM io_storages_redisexportstorage AS s "
    "JOIN io_storages_redisstoragemixin AS m ON m.id = s.redisstoragemixin_ptr_id",
    "local": "SELECT m.*, s.project_id AS owner FROM io_storages_localfilesexportstorage AS s "
    "JOIN io_storages_localfilesmixin AS m ON m.id = s.localfilesmixin_ptr_id",
}


def target_storages(database: Path) -> Iterator[TargetStorage]:
    """Every export storage of the database. A table that a release lacks has none."""
    try:
        connection = sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)
    except sqlite3.Error as error:
        raise Unavailable(f"{database} cannot be read ({error})") from error
    connection.row_factory = sqlite3.Row
    try:
        for kind, sql in _STORAGES.items():
            for number, row in enumerate(_rows(connection, sql), 1):
                yield _storage(kind, dict(row), number)
    finally:
        connection.close()


def _rows(connection: sqlite3.Connection, sql: str) -> list[sqlite3.Row]:
    try:
        return connection.execute(sql).fetchall()
    except sqlite3.OperationalError as error:
        if "no such" in str(error):
            return []
        raise Unavailable(f"the storages cannot be read ({error})") from error


def _storage(kind: str, row: dict[str, Any], number: int) -> TargetStorage:
    keys = {
        "s3": {"bucket": "bucket", "prefix": "prefix", "endpoint_url": "s3_endpoint", "region": "region_name"},
        "gcs": {"bucket": "bucket", "prefix": "prefix", "project": "google_project_id"},
        "azure": {"container": "container", "prefix": "prefix"},
        "redis": {"prefix": "path"},
        "local": {"path": "path"},
    }[kind]
    found = {ours: row.get(theirs) for ours, theirs in keys.items() if row.get(theirs)}
    secret = {
        "s3": "    # credentials: AWS's own chain, or access_key_id / secret_access_key: {file: PATH}",
        "gcs": "    # credentials: application default, or credentials_file: PATH",
        "azure": "    account_url: ${AZURE_ACCOUNT_URL}\n    # credentials: Azure's own chain, or account_key: {file: PATH}",
        "redis": f"    url: redis://{row.get('host') or 'localhost'}:{row.get('port') or 6379}/{row.get('db') or 1}",
        "local": "",
    }[kind]
    prefix = found.get("prefix")
    if prefix:
        # A folder of its own: Label Studio's objects there are not ours to touch.
        found["prefix"] = f"{str(prefix).rstrip('/')}/syncd"
    elif kind == "local":
        found["path"] = f"{str(found.get('path', '.')).rstrip('/')}/syncd"
    lines = [f"  - name: {kind}-{number}", f"    type: {kind}", *(f"    {k}: {v}" for k, v in found.items())]
    lines += [secret] if secret else []
    lines.append(f"    projects: [{row['owner']}]")
    return TargetStorage(f"{kind} storage {row.get('title') or number} of project {row['owner']}", "\n".join(lines))
