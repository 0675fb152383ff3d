"""Where tasks stand in files, whatever the files look like: the bytes at each place are that task and nothing else."""

import json
from pathlib import Path
from typing import Any

import pytest

from syncd.model import DocumentShape
from syncd.sources._files_document import document_of
from syncd.sources._files_entries import (
    Entry,
    GuessedWrong,
    NotWhole,
    Odd,
    entries,
    entries_exactly,
    feed,
    is_feed,
    tail_of,
)

TASKS: list[dict[str, Any]] = [
    {"id": n, "data": {"text": 'ü},{"id": 3, "data": {' + "x" * n}, "annotations": [], "project": 1}
    for n in range(1, 900)
]

LOOKS = {
    "compact": json.dumps(TASKS, separators=(",", ":"), ensure_ascii=False),
    "indented": json.dumps(TASKS, indent=2),
    "with a byte order mark": "\ufeff " + json.dumps(TASKS),
    "lines": "\n".join(json.dumps(task) for task in TASKS),
    "lines that end": "".join(json.dumps(task) + "\r\n" for task in TASKS),
    "values one after the other": " ".join(json.dumps(task, indent=1) for task in TASKS),
    "keys in any order": json.dumps([dict(sorted(t.items(), reverse=t["id"] % 2 == 0)) for t in TASKS]),
    "one task": json.dumps(TASKS[0], indent=1),
}


def placed(path: Path) -> list[Entry | Odd]:
    try:
        return list(entries(path, path.stat().st_size))
    except GuessedWrong:
        return list(entries_exactly(path))


@pytest.mark.parametrize("text", LOOKS.values(), ids=LOOKS)
def test_every_task_stands_where_it_is_said_to(tmp_path: Path, text: str) -> None:
    path = tmp_path / "export.json"
    path.write_text(text, "utf-8", newline="")
    body = path.read_bytes()
    found = placed(path)
    assert all(isinstance(entry, Entry) for entry in found)
    read = [json.loads(body[e.at : e.at + e.length]) for e in found if isinstance(e, Entry)]
    assert read == TASKS[: len(read)]
    assert len(read) in (1, len(TASKS))


@pytest.mark.parametrize("text", [LOOKS["compact"], LOOKS["indented"], LOOKS["one task"]])
@pytest.mark.parametrize("cut", [1, 40, 300])
def test_a_file_that_is_cut_off_is_not_whole(tmp_path: Path, text: str, cut: int) -> None:
    path = tmp_path / "export.json"
    path.write_text(text[:-cut] if len(text) > cut else text[:-1], "utf-8")
    with pytest.raises(NotWhole):
        placed(path)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"op": "move", "task": {}}, "unknown `op`"),
        ({"op": "delete"}, "names no task"),
        ({"id": True, "project": 1}, "whole number"),
        ({"id": 1}, "names no `project`"),
        ([1], "whole number"),
    ],
)
def test_what_is_no_task_is_told_with_its_place(tmp_path: Path, value: Any, reason: str) -> None:
    path = tmp_path / "export.json"
    path.write_text("[" + json.dumps(TASKS[0]) + ", " + json.dumps(value) + "]")
    odd = placed(path)[1]
    assert isinstance(odd, Odd)
    assert reason in odd.reason
    assert path.read_bytes()[odd.at :].startswith(json.dumps(value).encode())


def test_a_feed_is_read_from_where_it_was_left(tmp_path: Path) -> None:
    path = tmp_path / "changes.jsonl"
    lines = [json.dumps({"op": "put", "task": task}) + "\n" for task in TASKS[:3]]
    path.write_text("".join(lines[:2]) + lines[2][:20])
    assert is_feed(path)
    upto, _ = tail_of(path, path.stat().st_size)
    assert upto == len("".join(lines[:2]))
    assert [e.task for e in feed(path, 0) if isinstance(e, Entry)] == [1, 2]
    path.write_text("".join(lines))
    assert [e.task for e in feed(path, upto) if isinstance(e, Entry)] == [3]


def test_half_a_character_in_a_time_is_replaced() -> None:
    task = {"id": 1, "project": 1, "data": {}, "annotations": [{"id": 1, "result": []}], "updated_at": "2026\ud800"}
    read = document_of(json.dumps(task).encode(), 1, DocumentShape())
    assert read.updated_at == "2026?"
