"""Label Studio's PostgreSQL, read so that it never notices: short read-only transactions, a time limit on every statement.

Works on a hot standby and through a pooler in transaction mode: nothing is written, no temporary table, no prepared statement,
no setting that outlives a transaction. Between two reads no transaction is open.
"""

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import MappingProxyType
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from syncd.errors import Misconfigured
from syncd.labelstudio import tables
from syncd.labelstudio.tables import Table
from syncd.sources._postgres_connection import connected
from syncd.sources._postgres_errors import explained

BEGIN = """
    BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
    SELECT set_config(name, ours, true) FROM (VALUES ('statement_timeout', '30s'), ('lock_timeout', '5s')) AS limits(name, ours)
    WHERE current_setting(name) = '0'"""
"""Limits that the operator has set stand."""

DEFAULTS = {
    "application_name": "syncd",
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
}
"""Of the connection, where the operator says nothing else."""

_EXPRESSIONS = {
    "jsonb": "{}::text",
    "json": "{}::text",
    "uuid": "{}::text",
    # As Django writes it to SQLite: six digits of fraction, or none.
    "timestamp with time zone": "replace(to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '.000000', '')",
}
"""Column type → how its values are asked for."""

_COLUMNS = """
    SELECT c.relname::text, a.attname::text, format_type(a.atttypid, NULL), has_column_privilege(c.oid, a.attnum, 'SELECT'),
        n.nspname::text, current_user::text
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid IN (SELECT to_regclass(name) FROM unnest(?::text[]) AS name) AND a.attnum > 0 AND NOT a.attisdropped"""


class Database:
    """One database by its DSN. Each thread has a connection of its own, made when it first reads and again after a loss."""

    def __init__(self, dsn: str) -> None:
        try:
            given = conninfo_to_dict(dsn)
            self._conninfo = make_conninfo("", **{**DEFAULTS, **given, "client_encoding": "utf8"})
        except psycopg.Error as error:
            raise explained(error, "PostgreSQL") from error
        self.where = _where(given)
        self._local = threading.local()
        self._lock = threading.Lock()
        self._opened: dict[threading.Thread, psycopg.Connection[Any]] = {}
        self._types: Mapping[str, Mapping[str, str]] = {}

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """All rows of one statement, in the snapshot that is open or in one of its own."""
        with self.snapshot():
            try:
                connection: psycopg.Connection[Any] = self._local.inside
                return connection.execute(sql.replace("?", "%s"), parameters or None, binary=True).fetchall()
            except psycopg.Error as error:
                if isinstance(error, psycopg.errors.UndefinedColumn | psycopg.errors.UndefinedTable):
                    self._types = {}
                raise explained(error, self.where) from error

    def glance(self, sql: str) -> Any:
        """One value of the server's own, of no snapshot: a quarter of what a transaction costs."""
        held: psycopg.Connection[Any] | None = getattr(self._local, "connection", None)
        if held is not None:
            with suppress(psycopg.Error):  # then it is asked again, on a new connection if need be
                row = held.execute(sql.encode(), binary=True).fetchone()
                return row[0] if row else None
        return self.rows(sql)[0][0]

    def pages(self, sql: str, parameters: Sequence[object], size: int) -> Iterator[list[tuple[Any, ...]]]:
        """The rows of one long answer, `size` at a time; only inside `snapshot`."""
        connection: psycopg.Connection[Any] = self._local.inside
        try:
            with connection.cursor("pages", binary=True) as cursor:
                cursor.execute(sql.replace("?", "%s"), parameters)
                while page := cursor.fetchmany(size):
                    yield page
        except psycopg.Error as error:
            raise explained(error, self.where) from error

    def command(self, sql: str) -> None:
        """Change something of syncd's own, on the operator's command only."""
        try:
            with psycopg.connect(self._conninfo) as connection:
                connection.read_only = False
                connection.execute(sql.encode())
        except psycopg.Error as error:
            raise explained(error, self.where) from error

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Statements inside see one state of the database. May be nested; the outermost counts."""
        if getattr(self._local, "inside", None) is not None:
            yield
            return
        connection = self._begun()
        self._local.inside = connection
        try:
            yield
        finally:
            self._local.inside = None
            with suppress(psycopg.Error):  # a read that is over has nothing to lose; a broken connection is replaced
                # Not ROLLBACK: then what reading leaves in the log (pruned pages) would stay unflushed for a quarter of a minute,
                # and whoever follows the log could not tell it from a commit.
                connection.execute("COMMIT")

    def columns(self, table: Table) -> frozenset[str]:
        return frozenset((self._types or self.schema()).get(table.name, ()))

    def schema(self) -> Mapping[str, Mapping[str, str]]:
        """Table → column → type as they are now: a release of Label Studio's may add columns at any time."""
        self._types = found = self._discovered()
        return found

    def select(self, table: Table, expressions: Mapping[str, str] = MappingProxyType({})) -> str:
        types = (self._types or self.schema()).get(table.name, {})
        typed = {
            name: _EXPRESSIONS[kind].format(f"{table.name}.{name}")
            for name, kind in types.items()
            if kind in _EXPRESSIONS
        }
        return table.select(frozenset(types), {**typed, **expressions})

    def among(self, ids: Collection[int]) -> tuple[str, tuple[object, ...]]:
        listed = ",".join(map(str, ids))  # the driver's own arrays take four times as long
        return "= ANY (?::bigint[])", (f"{{{listed}}}",)

    def close(self) -> None:
        with self._lock:
            for connection in self._opened.values():
                connection.close()
            self._opened.clear()

    def close_ended(self) -> None:
        """Close the connections of threads that have ended."""
        with self._lock:
            for thread in [thread for thread in self._opened if not thread.is_alive()]:
                self._opened.pop(thread).close()

    # --- connections ---------------------------------------------------------------------------------------------

    def _begun(self) -> psycopg.Connection[Any]:
        """A connection in a fresh transaction; one that was lost while nobody used it is replaced without a word."""
        held: psycopg.Connection[Any] | None = getattr(self._local, "connection", None)
        if held is not None:
            try:
                held.execute(BEGIN)
            except psycopg.Error:
                self._let_go(held)
            else:
                return held
        self.close_ended()
        try:
            fresh = connected(self._conninfo)
            with self._lock:
                self._opened[threading.current_thread()] = fresh
            self._local.connection = fresh
            fresh.execute(BEGIN)
        except psycopg.Error as error:
            raise explained(error, self.where) from error
        return fresh

    def _let_go(self, connection: psycopg.Connection[Any]) -> None:
        connection.close()
        with self._lock:
            self._opened.pop(threading.current_thread(), None)  # `close` may have been first

    # --- what is there -------------------------------------------------------------------------------------------

    def _discovered(self) -> dict[str, dict[str, str]]:
        """Table → column → type. Raises Misconfigured when a table is no Label Studio's, or may not be read."""
        found: dict[str, dict[str, str]] = {}
        forbidden: set[str] = set()
        role = ""
        wanted = {t.name: {*t.columns, "file_upload_id"} for t in tables.ALL}
        for row in self.rows(_COLUMNS, ([t.name for t in tables.ALL],)):
            table, column, kind, schema, role = (row[n].decode() for n in (0, 1, 2, 4, 5))
            if column in wanted[table]:
                found.setdefault(table, {})[column] = kind
                if not row[3]:
                    forbidden.add(f"{schema}.{table}")
        self._require_label_studio(found)
        if forbidden:
            names = ", ".join(sorted(forbidden))
            raise Misconfigured(
                f"{self.where}: the role {role} may not read {names}. "
                f"Run there: GRANT SELECT ON {names} TO {role};  (all that syncd needs: deploy/policies/postgres.sql)"
            )
        return found

    def _require_label_studio(self, found: Mapping[str, Mapping[str, str]]) -> None:
        for table in tables.ALL:
            present = frozenset(found.get(table.name, ()))
            lost = table.missing(present)
            if lost and not (table.may_be_missing and not present):
                what = f"table {table.name}" if not present else f"column {table.name}.{lost[0]}"
                raise Misconfigured(
                    f"{self.where} is not a Label Studio database that syncd can read: it has no {what}. Name Label Studio's "
                    "database in `source.dsn`; where its schema is not public: ALTER ROLE … SET search_path = NAME"
                )


def _where(given: Mapping[str, Any]) -> str:
    """The server and the database that a DSN and libpq's environment name together."""
    defaults = {o.keyword.decode(): (o.val or b"").decode() for o in psycopg.pq.Conninfo.get_defaults()}
    host, port, name, user = (given.get(key) or defaults[key] for key in ("host", "port", "dbname", "user"))
    return f"postgres:{host or 'localhost'}:{port}/{name or user}"
