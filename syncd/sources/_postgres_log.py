"""Transactions as PostgreSQL's write-ahead log shows them: which rows they touched, nothing of what is in those."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from syncd.sources._pgoutput import Begin, Change, Commit, Deed, Relation, TornMessage, Truncate, Values, decoded

MOST = 100_000
"""Rows of one transaction that are told one by one; beyond, looking at every task is cheaper."""

Place = tuple[str, str]
"""Schema and name of a table."""


@dataclass(frozen=True, slots=True)
class Touched:
    """A row that came, was written, or went."""

    table: str
    deed: Deed
    row: int
    task: int | None
    """The `task_id` it has now; None: it has none, or none was sent."""
    before: int | None
    """The `task_id` it had, where the log says so."""


@dataclass(slots=True)
class Transaction:
    """One that was committed. `end` is where the log goes on after it."""

    xid: int
    end: int = 0
    touched: list[Touched] = field(default_factory=list)
    everything: bool = False
    """A table was emptied, or so much was touched that it is not told: any task may have changed."""

    def add(self, rows: Sequence[Touched]) -> None:
        """More rows; none at all: the log does not say which."""
        if not rows or len(self.touched) >= MOST:
            self.give_up()
        elif not self.everything:
            self.touched += rows

    def give_up(self) -> None:
        self.everything = True
        self.touched.clear()


def transactions(messages: Iterable[bytes], places: Collection[Place]) -> Iterator[Transaction]:
    """The transactions of one answer of the log, whole, in the order of their commits; other tables' rows are left out.

    Raises TornMessage where the answer is none of this protocol.
    """
    relations: dict[int, Relation] = {}
    current: Transaction | None = None
    for data in messages:
        message = decoded(data)
        if isinstance(message, Begin):
            current = Transaction(message.xid)
        elif isinstance(message, Relation):
            relations[message.oid] = message
        elif message is not None:
            if current is None:
                raise TornMessage("a change outside a transaction")
            if isinstance(message, Commit):
                current.end = message.end
                yield current
                current = None
            else:
                _note(current, message, relations, places)
    if current is not None:
        raise TornMessage("a transaction without an end")


def _note(
    current: Transaction, message: Change | Truncate, relations: dict[int, Relation], places: Collection[Place]
) -> None:
    oids = message.oids if isinstance(message, Truncate) else (message.oid,)
    if not all(oid in relations for oid in oids):
        raise TornMessage("a change of a table that was not introduced")
    named = [relation for relation in map(relations.__getitem__, oids) if (relation.schema, relation.name) in places]
    if isinstance(message, Change):
        for relation in named:
            current.add(_touched(message, relation))
    elif named:
        current.give_up()


def _touched(change: Change, relation: Relation) -> list[Touched]:
    new, old = _column(change.new, relation, "id"), _column(change.old, relation, "id")
    task, before = _column(change.new, relation, "task_id"), _column(change.old, relation, "task_id")
    if new is None or old in (None, new):
        row = new if new is not None else old
        return [] if row is None else [Touched(relation.name, change.deed, row, task, before)]
    return [Touched(relation.name, "delete", old, None, before), Touched(relation.name, "insert", new, task, None)]


def _column(values: Values | None, relation: Relation, name: str) -> int | None:
    if values is None or name not in relation.columns:
        return None
    if len(values) != len(relation.columns):
        raise TornMessage(f"{len(values)} values for the {len(relation.columns)} columns of {relation.name}")
    value = values[relation.columns.index(name)]
    try:
        return None if value is None else int(value)
    except ValueError as error:
        raise TornMessage(f"{relation.name}.{name} is no number: {value!r}") from error
