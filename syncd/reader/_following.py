"""Following the journal from a cursor: the number of the last line that a reader has dealt with.

Numbers have no gap, so the next object's name is known but for its end: a look lists a stretch of numbers about as long as what
is new, never the whole journal.
"""

from collections.abc import Iterator

from syncd.errors import SyncdError
from syncd.layout import JOURNAL, JOURNAL_LINES, journal_numbers
from syncd.reader._places import Store
from syncd.reader._values import Change, change_of

STRETCH_DIGITS = 4
"""Ten thousand numbers are listed at once at most, so that memory does not grow with how far a reader is behind."""


class ListAnew(SyncdError):
    """The journal does not tell all that happened since this cursor.

    List the documents anew, and go on from the `state().journal_seq` noted before.
    """


def changes_after(store: Store, cursor: int, through: int) -> Iterator[Change]:
    """The lines cursor + 1 … through, in order. Raises ListAnew when they are not all there any more."""
    while cursor < through:
        before = cursor
        for first, last, key in _objects(store, cursor, through):
            found = store.get(key) if first <= cursor + 1 else None
            if found is None or found.body is None:
                break
            yield from (change for change in map(change_of, found.body.splitlines()) if change.seq > cursor)
            cursor = last
        if cursor == before:
            raise ListAnew(
                f"the journal of {store.where} does not hold line {cursor + 1} any more: it was pruned (`journal_days`), and "
                f"this reader was away for longer. Note `state().journal_seq` ({through} now), list the documents anew, go on "
                "from that number."
            )


def _objects(store: Store, cursor: int, through: int) -> list[tuple[int, int, str]]:
    """(first, last, key) of the next objects in order; those only of the stretch of numbers that the next line is in."""
    digits = min(len(str(through - cursor)), STRETCH_DIGITS)
    found = _listed(store, {f"{cursor + 1:020}"[:-digits]}, cursor)
    if found and found[0][0] <= cursor + 1:
        return found
    # the cursor may stand within an object, whose name begins that much earlier
    starts = {f"{max(0, number):020}"[:-STRETCH_DIGITS] for number in (cursor + 1 - JOURNAL_LINES, cursor + 1)}
    return _listed(store, starts, cursor)


def _listed(store: Store, starts: set[str], cursor: int) -> list[tuple[int, int, str]]:
    keys = (listed.key for start in starts for listed in store.list(JOURNAL + start))
    return sorted((*numbers, key) for key in keys if (numbers := journal_numbers(key)) and numbers[1] > cursor)
