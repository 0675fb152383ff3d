"""The publication: which tables the log shows. Of each only the columns that syncd takes from it, where the server can do that
(PostgreSQL 15): then neither passwords nor documents travel, and decoding costs next to nothing."""

from collections.abc import Mapping
from dataclasses import dataclass

from syncd.labelstudio import tables
from syncd.sources._postgres_database import Database
from syncd.sources._postgres_log import Place

COLUMNS: Mapping[str, tuple[str, ...]] = {
    **{table.name: ("id",) for table in (tables.TASK, *tables.SHARED)},
    **{table.name: ("id", "task_id") for table in tables.OF_A_TASK},
}
"""Table → the columns that the log has to show."""

_FOUND = """
    SELECT n.nspname::text, c.relname::text, quote_ident(n.nspname) || '.' || quote_ident(c.relname),
        c.relreplident = 'd', t.pubname IS NOT NULL AND to_jsonb(t) ->> 'rowfilter' IS NULL, to_jsonb(t) -> 'attnames'
    FROM unnest(?::text[]) AS wanted JOIN pg_class c ON c.oid = to_regclass(wanted) JOIN pg_namespace n ON n.oid = relnamespace
    LEFT JOIN pg_publication_tables t ON t.pubname = ? AND t.schemaname = n.nspname AND t.tablename = c.relname
    ORDER BY 2"""

_WHOLE = "SELECT pubinsert AND pubupdate AND pubdelete AND pubtruncate FROM pg_publication WHERE pubname = ?"


@dataclass(frozen=True, slots=True)
class Publication:
    """What there is of it. `lacking` names what the log does not show and has to."""

    exists: bool
    places: frozenset[Place]
    lacking: tuple[str, ...]
    to_create: str
    """The statement that makes it, for whoever owns Label Studio's tables."""


def publication(database: Database, name: str) -> Publication:
    """The publication of this name, as it is now."""
    with database.snapshot():
        whole = database.rows(_WHOLE, (name,))
        lists_columns = database.rows("SELECT current_setting('server_version_num')::int >= 150000")[0][0]
        found = database.rows(_FOUND, (list(COLUMNS), name))
    places, lacking, parts = set(), [], []
    for schema, table, quoted, by_key, published, shown in found:
        columns = COLUMNS[table.decode()]
        places.add((schema.decode(), table.decode()))
        if not published or (shown is not None and not set(columns) <= set(shown)):
            lacking.append(quoted.decode())
        # A list that leaves out columns of the replica identity would make Label Studio's own updates fail.
        listed = f" ({', '.join(columns)})" if lists_columns and by_key else ""
        parts.append(quoted.decode() + listed)
    if whole and not whole[0][0]:
        lacking.append("all of insert, update, delete and truncate")
    return Publication(
        bool(whole), frozenset(places), tuple(lacking), f"CREATE PUBLICATION {name} FOR TABLE {', '.join(parts)};"
    )
