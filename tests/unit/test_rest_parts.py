"""The parts that reading over REST is made of, and what a webhook says."""

import json
import threading

import orjson
import pytest

from syncd.hooks import hint_of, is_ours, secret_of
from syncd.labelstudio.exported import dumped
from syncd.sources._api_shelf import Kept, Shelf
from syncd.sources._json_stream import CutShort, elements
from syncd.sources._task_ids import TaskIds

TASKS = [{"id": 1, "text": 'a ] " [ {'}, {"id": 2**70, "x": 0.1, "ü": ["😀", None]}, {}]
WHOLE = json.dumps(TASKS, ensure_ascii=False).encode()


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_an_array_is_taken_apart_wherever_its_blocks_end(size: int) -> None:
    assert list(elements(WHOLE[at : at + size] for at in range(0, len(WHOLE), size))) == TASKS


def test_an_empty_array_has_no_elements() -> None:
    assert list(elements([b" [ ", b"]\n"])) == []


@pytest.mark.parametrize("end", [1, 20, len(WHOLE) - 1])
def test_an_array_that_is_cut_short_is_never_taken_for_whole(end: int) -> None:
    with pytest.raises(CutShort):
        list(elements([WHOLE[:end]]))


def test_what_is_no_array_is_said_to_be_none() -> None:
    with pytest.raises(CutShort, match="not with a list"):
        list(elements([b"<html>"]))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_number_never_gets_into_a_document(number: str) -> None:
    [task] = elements([b'[{"lead_time": ', number.encode(), b"}]"])
    with pytest.raises(TypeError, match="not JSON serializable"):
        dumped(task)


def test_ids_far_apart_are_remembered() -> None:
    ids, there = TaskIds(), {0, 1, 8191, 8192, 10**12}
    for task in there:
        ids.add(task)
    assert {task for task in (*there, 2, 8190, 8193, 10**12 + 1) if task in ids} == there


def kept(size: int, token: bytes = b"t") -> Kept:
    return Kept(1, False, token, b"x" * size)


def test_a_full_shelf_gives_up_the_oldest_when_nobody_reads() -> None:
    shelf = Shelf(limit=100)
    for task in range(1, 5):
        shelf.put(task, kept(40), threading.Event())
    assert [task for task in range(1, 5) if shelf.look(task)] == [3, 4]


def test_a_full_shelf_waits_for_its_readers() -> None:
    shelf, stop = Shelf(limit=100), threading.Event()
    shelf.put(1, kept(90), stop)
    shelf.look(0)  # somebody reads
    putting = threading.Thread(target=shelf.put, args=(2, kept(90), stop))
    putting.start()
    assert shelf.look(1) is not None
    putting.join(10)
    assert (shelf.look(1), shelf.look(2)) == (None, kept(90))


def test_a_document_in_another_state_than_the_newest_leaves_the_shelf() -> None:
    shelf = Shelf()
    shelf.put(1, kept(1, b"old"), threading.Event())
    shelf.outdate(1, b"old")
    assert shelf.look(1) is not None
    shelf.outdate(1, b"new")
    assert shelf.look(1) is None


HINTS = {
    "tasks created": ({"action": "TASKS_CREATED", "tasks": [{"id": 7, "project": 3}], "project": {"id": 3}}, {7: 3}),
    "tasks deleted": ({"action": "TASKS_DELETED", "tasks": [{"id": 7}, {"id": 8}], "project": {"id": 3}}, {7: 3, 8: 3}),
    "tasks deleted, no project": ({"action": "TASKS_DELETED", "tasks": [{"id": 7}]}, {7: None}),
    "annotated": ({"action": "ANNOTATION_CREATED", "annotation": {"id": 1, "task": 7, "project": 3}}, {7: 3}),
    "annotated in bulk": (
        {"action": "ANNOTATIONS_CREATED", "annotation": [{"id": 1, "task": 7}], "task": [{"id": 7, "project": 3}]},
        {7: 3},
    ),
    "annotations deleted": ({"action": "ANNOTATIONS_DELETED", "annotations": [{"id": 1}], "project": {"id": 3}}, {}),
    "without a payload": ({"action": "ANNOTATION_UPDATED"}, {}),
}


@pytest.mark.parametrize(("said", "tasks"), HINTS.values(), ids=HINTS)
def test_a_webhook_names_tasks_and_their_projects(said: object, tasks: dict[int, int | None]) -> None:
    assert hint_of(orjson.dumps(said)).tasks == tasks


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"action": 1}', b"\xff", b'{"action": "X"'])
def test_a_body_that_is_no_webhook_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError):
        hint_of(body)


def test_only_the_secret_opens_and_never_the_token_itself() -> None:
    assert is_ours(secret_of("token"), "token")
    assert not any(is_ours(shown, "token") for shown in ("token", "", None, secret_of("other"), "ü"))
    assert not is_ours(secret_of(""), "")
    assert not is_ours(None, None)
