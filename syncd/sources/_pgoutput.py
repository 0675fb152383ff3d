"""PostgreSQL's `pgoutput` messages (protocol version 1), as `pg_logical_slot_peek_binary_changes` hands them out, one per row.

Values come as text. Of a deleted row there is its key only, unless the table has REPLICA IDENTITY FULL; of an updated one the
unchanged large columns are left out. That is why syncd takes ids from here and nothing else.
(PostgreSQL documentation, "Logical Replication Message Formats".)
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from struct import Struct
from typing import Literal, TypeAlias

Deed = Literal["insert", "update", "delete"]

Values: TypeAlias = tuple[bytes | None, ...]
"""A row's values by column; None: NULL, or not sent."""


class TornMessage(ValueError):
    """These bytes are no message of this protocol, or only a part of one."""


@dataclass(frozen=True, slots=True)
class Begin:
    xid: int
    """32 bits, as in a row's `xmin`."""


@dataclass(frozen=True, slots=True)
class Commit:
    end: int
    """Where the log goes on after this transaction."""


@dataclass(frozen=True, slots=True)
class Relation:
    """Precedes the first change of a table in an answer, and every one after the table was altered."""

    oid: int
    schema: str
    name: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """A row that came (`new`), was written (`new`, and `old` when its key changed), or went (`old`)."""

    oid: int
    deed: Deed
    old: Values | None
    new: Values | None


@dataclass(frozen=True, slots=True)
class Truncate:
    oids: tuple[int, ...]


Message: TypeAlias = Begin | Commit | Relation | Change | Truncate

_SHORT, _INT, _LONG = Struct("!H"), Struct("!I"), Struct("!Q")


class _Cursor:
    """Reads on through the bytes of one message. Raises TornMessage where they end too early."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def number(self, kind: Struct) -> int:
        return int(kind.unpack(self.take(kind.size))[0])

    def take(self, size: int) -> bytes:
        found = self._data[self._at : self._at + size]
        if len(found) != size:
            raise TornMessage(f"{size} bytes expected at {self._at} of {len(self._data)}")
        self._at += size
        return found

    def text(self) -> str:
        end = self._data.find(b"\0", self._at)
        found = self.take(end - self._at + 1 if end >= 0 else len(self._data) + 1)
        try:
            return found[:-1].decode()
        except UnicodeDecodeError as error:
            raise TornMessage(f"a name is not UTF-8: {found!r}") from error

    def values(self) -> Values:
        return tuple(self._value() for _ in range(self.number(_SHORT)))

    def _value(self) -> bytes | None:
        match self.take(1):
            case b"n" | b"u":
                return None
            case b"t" | b"b":
                return self.take(self.number(_INT))
            case other:
                raise TornMessage(f"a value of kind {other!r}")

    def ended(self) -> None:
        if self._at != len(self._data):
            raise TornMessage(f"{len(self._data) - self._at} bytes too many")


def decoded(data: bytes) -> Message | None:
    """The message; None for one that tells of no change (an origin, a type). Raises TornMessage."""
    cursor = _Cursor(data)
    kind = cursor.take(1)
    if kind in (b"O", b"Y"):
        return None
    if kind not in _READERS:
        raise TornMessage(f"a message of kind {kind!r}")
    message = _READERS[kind](cursor)
    cursor.ended()
    return message


def _begin(cursor: _Cursor) -> Begin:
    cursor.take(16)  # where it ends, and when
    return Begin(cursor.number(_INT))


def _commit(cursor: _Cursor) -> Commit:
    cursor.take(9)  # flags, where the commit itself lies
    end = cursor.number(_LONG)
    cursor.take(8)  # when
    return Commit(end)


def _relation(cursor: _Cursor) -> Relation:
    oid, schema, name = cursor.number(_INT), cursor.text(), cursor.text()
    cursor.take(1)  # replica identity
    columns = []
    for _ in range(cursor.number(_SHORT)):
        cursor.take(1)  # part of the key or not
        columns.append(cursor.text())
        cursor.take(8)  # type and its modifier
    return Relation(oid, schema, name, tuple(columns))


def _insert(cursor: _Cursor) -> Change:
    return Change(cursor.number(_INT), "insert", None, _tuple(cursor, cursor.take(1), b"N"))


def _update(cursor: _Cursor) -> Change:
    oid, kind = cursor.number(_INT), cursor.take(1)
    old = None
    if kind != b"N":
        old, kind = _tuple(cursor, kind, b"KO"), cursor.take(1)
    return Change(oid, "update", old, _tuple(cursor, kind, b"N"))


def _delete(cursor: _Cursor) -> Change:
    return Change(cursor.number(_INT), "delete", _tuple(cursor, cursor.take(1), b"KO"), None)


def _tuple(cursor: _Cursor, kind: bytes, expected: bytes) -> Values:
    if kind not in expected:
        raise TornMessage(f"a row of kind {kind!r} instead of {expected!r}")
    return cursor.values()


def _truncate(cursor: _Cursor) -> Truncate:
    count = cursor.number(_INT)
    cursor.take(1)  # CASCADE, RESTART IDENTITY
    return Truncate(tuple(cursor.number(_INT) for _ in range(count)))


_READERS: Mapping[bytes, Callable[[_Cursor], Message]] = {
    b"B": _begin,
    b"C": _commit,
    b"R": _relation,
    b"I": _insert,
    b"U": _update,
    b"D": _delete,
    b"T": _truncate,
}
