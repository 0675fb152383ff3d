"""What PostgreSQL's log says of changes, from bytes that real servers gave; and bytes that nobody should have sent."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.sources import _postgres_log
from syncd.sources._pgoutput import Change, Relation, TornMessage, decoded
from syncd.sources._postgres_log import Touched, Transaction, transactions
from syncd.sources._postgres_owners import concerned
from tests.watching import Remembered

CAPTURED = (Path(__file__).parents[1] / "data" / "pgoutput.txt").read_text().splitlines()
"""See tests/data/README.md. Tables of another server's test stand for Label Studio's."""

PLACES = {("public", name) for name in ("task", "task_completion", "whole")}


def captured(version: str) -> list[bytes]:
    first = next(n for n, line in enumerate(CAPTURED) if line.startswith(f"# PostgreSQL {version}")) + 1
    last = next((n for n in range(first, len(CAPTURED)) if CAPTURED[n].startswith("#")), len(CAPTURED))
    return [bytes.fromhex(line) for line in CAPTURED[first:last]]


MESSAGES = [*captured("15"), *captured("18")]


@pytest.mark.parametrize("version", ["15", "18"])
def test_every_change_names_its_row_and_its_task_as_far_as_the_log_does(version: str) -> None:
    found = list(transactions(captured(version), PLACES))
    assert [(t.touched, t.everything) for t in found] == [
        ([Touched("task", "insert", 7, None, None)], False),
        (
            [Touched("task_completion", "insert", 11, 7, None), Touched("task_completion", "insert", 12, None, None)],
            False,
        ),
        ([Touched("task_completion", "update", 11, 8, None)], False),
        (
            [
                Touched("task_completion", "delete", 12, None, None),
                Touched("task_completion", "insert", 13, None, None),
            ],
            False,
        ),
        ([Touched("task_completion", "delete", 11, None, None)], False),
        ([Touched("whole", "insert", 1, 5_000_000_000, None)], False),
        ([Touched("whole", "update", 1, 6, 5_000_000_000)], False),
        ([Touched("whole", "delete", 1, None, 6)], False),
        ([], True),
        ([Touched("task", "insert", 9, None, None)], False),
    ]
    ends = [transaction.end for transaction in found]
    assert ends == sorted(set(ends))
    assert len({transaction.xid for transaction in found}) == len(found)


def test_a_large_value_that_did_not_change_is_not_sent() -> None:
    changes = [message for message in map(decoded, captured("15")) if isinstance(message, Change)]
    inserted, updated = changes[1], changes[3]
    assert inserted.new is not None
    assert len(inserted.new[1] or b"") > 9000
    assert updated.new == (b"11", None, b"8")


def test_the_rows_of_other_tables_and_schemas_are_left_out() -> None:
    other = {("elsewhere", "task"), ("public", "whole")}
    touched = [row.table for t in transactions(captured("15"), other) for row in t.touched]
    assert touched == ["whole"] * 3
    assert not any(t.everything for t in transactions(captured("15"), other))


def test_a_transaction_beyond_all_measure_is_told_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_postgres_log, "MOST", 1)
    found = list(transactions(captured("15"), PLACES))
    assert [n for n, t in enumerate(found) if t.everything] == [1, 8]
    assert found[1] == Transaction(found[1].xid, found[1].end, [], everything=True)


def test_a_change_that_names_no_row_could_be_of_any() -> None:
    relation = next(n for n, data in enumerate(captured("15")) if isinstance(decoded(data), Relation))
    renamed = [data.replace(b"\1id\0", b"\1xx\0") for data in captured("15")[: relation + 3]]
    assert [t.everything for t in transactions(renamed, PLACES)] == [True]


# --- torn --------------------------------------------------------------------------------------------------------


@given(st.sampled_from(MESSAGES), st.data())
def test_a_message_that_is_cut_is_refused(message: bytes, data: st.DataObject) -> None:
    cut = message[: data.draw(st.integers(0, len(message) - 1))]
    if message[:1] not in (b"O", b"Y") or not cut:  # of those nothing is read
        with pytest.raises(TornMessage):
            decoded(cut)


@given(st.lists(st.sampled_from(MESSAGES), max_size=8), st.integers(0), st.binary(max_size=4))
def test_whatever_comes_is_understood_or_refused(messages: list[bytes], at: int, written: bytes) -> None:
    if messages:
        victim = messages[at % len(messages)]
        start = at % (len(victim) + 1)
        messages[at % len(messages)] = victim[:start] + written + victim[start + len(written) :]
    try:
        found = list(transactions(messages, PLACES))
    except TornMessage:
        return
    assert all(isinstance(row.row, int) for transaction in found for row in transaction.touched)


@given(st.binary(max_size=64))
def test_random_bytes_are_understood_or_refused(data: bytes) -> None:
    try:
        decoded(data)
    except TornMessage:
        return


# --- owners ------------------------------------------------------------------------------------------------------


def row(deed: str, id_: int, task: int | None = None, before: int | None = None) -> Touched:
    return Touched("task_completion", deed, id_, task, before)  # type: ignore[arg-type]  # one of the three words


def remembered(**owners: int) -> Remembered:
    memory = Remembered()
    memory.keep([], [("annotation", int(name[1:]), task) for name, task in owners.items()])
    return memory


def test_a_deleted_annotation_concerns_the_task_that_memory_knows() -> None:
    found = concerned([row("delete", 11)], remembered(a11=7))
    assert (found.tasks, found.everything, found.owners()) == ({7}, False, [("annotation", 11, None)])


def test_a_deleted_annotation_that_nobody_knows_could_be_of_any_task() -> None:
    assert concerned([row("delete", 11)], remembered()).everything
    assert not concerned([row("delete", 11, before=7)], remembered()).everything


def test_an_annotation_that_moves_concerns_both_tasks() -> None:
    found = concerned([row("update", 11, task=8)], remembered(a11=7))
    assert (found.tasks, found.owners()) == ({7, 8}, [("annotation", 11, 8)])
    assert concerned([row("update", 11, task=8)], remembered()).everything


def test_owners_follow_the_rows_in_their_order() -> None:
    rows = [row("insert", 11, task=7), row("update", 11, task=8), row("delete", 11), row("insert", 12, task=9)]
    found = concerned(rows, remembered())
    assert (found.tasks, found.everything) == ({7, 8, 9}, False)
    assert found.owners() == [("annotation", 11, None), ("annotation", 12, 9)]


def test_what_many_documents_draw_from_is_told_apart() -> None:
    rows = [
        Touched(name, "update", 5, None, None) for name in ("htx_user", "data_import_fileupload", "project", "task")
    ]
    found = concerned(rows, remembered())
    assert (found.tasks, found.uploads, found.shared) == ({5}, {5}, {"htx_user", "project"})
    assert found.owners() == []
