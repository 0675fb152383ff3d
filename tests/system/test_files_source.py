"""A folder of exports as the source: what counts, what is gone, and what nobody can know while a file is not whole."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.deployment import SYNCD, Deployment, eventually
from tests.peaks import ALLOWED_KB, peak_kb_of


@pytest.fixture
def exports(deployment: Deployment) -> Path:
    """A folder that a deployment follows, with one export of three tasks in it."""
    folder = deployment.folder / "exports"
    folder.mkdir()
    write(folder / "a.json", [task(n) for n in (1, 2, 3)])
    configure(deployment, folder)
    return folder


def configure(deployment: Deployment, path: Path, **settings: Any) -> None:
    deployment.configure(source={"type": "files", "path": str(path)}, **{"instance": "exports", **settings})


def task(number: int, says: str = "cat", **more: Any) -> dict[str, Any]:
    """A task as Label Studio exports it, with one annotation."""
    result = [{"from_name": "c", "to_name": "t", "type": "choices", "value": {"choices": [says]}}]
    person = {"id": 7, "email": "ada@example.org", "first_name": "Ada", "last_name": ""}
    annotation = {"id": 100 + number, "completed_by": person, "result": result, "was_cancelled": False}
    annotations = [{**annotation, "ground_truth": False, "updated_at": "2026-01-02T00:00:00Z"}]
    return {"id": number, "annotations": annotations, "drafts": [], "predictions": [{"id": 5}], "project": 1,
            "data": {"text": "ü"}, "updated_at": "2026-01-01T00:00:00Z", **more}  # fmt: skip


def write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1))


def said(deployment: Deployment) -> dict[int, str]:
    """Task → what its annotation says, in the target."""
    read = [json.loads(body) for body in deployment.tasks().values()]
    return {t["id"]: t["annotations"][0]["result"][0]["value"]["choices"][0] for t in read}


def until(deployment: Deployment, wanted: dict[int, str]) -> None:
    eventually(lambda: said(deployment) == wanted, lambda: (said(deployment), deployment.errors()[-1000:]))
    deployment.wait_until_true()


def test_the_folder_is_followed_file_by_file(deployment: Deployment, exports: Path) -> None:
    deployment.start()
    until(deployment, {1: "cat", 2: "cat", 3: "cat"})
    (exports / "4").write_text(json.dumps(task(4)))  # as Label Studio's own storage names task files
    write(exports / "a.json", [task(1), task(2, "dog")])
    until(deployment, {1: "cat", 2: "dog", 4: "cat"})
    (exports / "a.json").rename(exports / "b.json")
    (exports / "4").unlink()
    until(deployment, {1: "cat", 2: "dog"})


def test_a_feed_counts_line_by_line(deployment: Deployment, exports: Path) -> None:
    deployment.start()
    until(deployment, {1: "cat", 2: "cat", 3: "cat"})
    with (exports / "changes.jsonl").open("a", buffering=1) as feed:
        feed.write(json.dumps({"op": "put", "task": task(1, "dog")}) + "\n")
        until(deployment, {1: "dog", 2: "cat", 3: "cat"})
        feed.write(json.dumps({"op": "delete", "task": 2}) + "\n" + '{"op": "put", "ta')
        feed.flush()
        until(deployment, {1: "dog", 3: "cat"})
        feed.write(json.dumps({"op": "put", "task": task(4)}).removeprefix('{"op": "put", "ta'))
        feed.flush()  # no end of the line: it is whole all the same
        until(deployment, {1: "dog", 3: "cat", 4: "cat"})


def test_a_file_counts_when_it_is_whole_and_till_then_nothing_is_gone(deployment: Deployment, exports: Path) -> None:
    deployment.start()
    until(deployment, {1: "cat", 2: "cat", 3: "cat"})
    whole = json.dumps([task(1, "dog"), task(3, "dog")])
    (exports / "a.json").write_text(whole[:-200])
    eventually(lambda: "cut off" in deployment.errors(), deployment.errors)
    (exports / "b.json").write_text(json.dumps(task(9)))
    eventually(lambda: 9 in said(deployment), deployment.errors)
    assert said(deployment) == {1: "cat", 2: "cat", 3: "cat", 9: "cat"}
    assert deployment.true_from_now()() is None
    (exports / "a.json").write_text(whole)
    until(deployment, {1: "dog", 3: "dog", 9: "cat"})


def test_one_pass_over_a_broken_file_deletes_nothing_and_says_why(deployment: Deployment, exports: Path) -> None:
    deployment.sync()
    (exports / "a.json").write_text("[{")
    os.utime(exports / "a.json", (1, 1))
    write(exports / "b.json", [task(4)])
    done = deployment.command("sync")
    assert done.returncode == 3
    assert "a.json" in done.stderr
    assert {1, 2, 3} <= said(deployment).keys()
    assert deployment.command("check").returncode != 0


def test_a_folder_that_is_away_or_empty_deletes_nothing(deployment: Deployment, exports: Path) -> None:
    deployment.sync()
    exports.rename(deployment.folder / "away")
    assert deployment.command("sync").returncode == 3
    exports.mkdir()
    assert deployment.command("sync").returncode == 1  # held: a source without any task
    assert said(deployment).keys() == {1, 2, 3}


def test_documents_have_the_shape_that_was_asked_for(deployment: Deployment, exports: Path) -> None:
    skipped = task(2)
    skipped["annotations"][0]["was_cancelled"] = True
    write(exports / "a.json", [task(1), skipped, {**task(3), "annotations": []}])
    configure(deployment, exports, documents={"tasks": "finished", "predictions": "ids", "completed_by": "id"})
    deployment.sync()
    (body,) = deployment.tasks().values()
    document = json.loads(body)
    assert document["id"] == 1
    assert document["predictions"] == [5]
    assert document["annotations"][0]["completed_by"] == 7
    assert "ü".encode() in body


def test_projects_are_described_beside_their_files(deployment: Deployment, exports: Path) -> None:
    (exports / "label_config.xml").write_text("<View/>")
    (exports / "2").mkdir()
    write(exports / "2" / "one.json", [task(20, project=2)])
    write(exports / "2" / "project.json", {"id": 2, "title": "Cars", "label_config": "<View><Text/></View>"})
    deployment.sync()
    described = [json.loads(deployment.files()[f"{number}/project.json"]) for number in (1, 2)]
    assert [(d["title"], d["label_config"]) for d in described] == [
        ("Project 1", "<View/>"),
        ("Cars", "<View><Text/></View>"),
    ]


def test_an_unchanged_folder_costs_nothing_after_a_restart(deployment: Deployment, exports: Path) -> None:
    deployment.sync()
    write(exports / "a.json", [task(n) for n in (3, 2, 1)])  # the same tasks in another order
    done = deployment.sync()
    assert (done["written"], done["deleted"], done["unchanged"]) == (0, 0, 0)


def test_the_last_file_by_name_has_the_last_word(deployment: Deployment, exports: Path) -> None:
    write(exports / "b.json", [task(1, "dog")])
    deployment.sync()
    assert said(deployment)[1] == "dog"
    (exports / "b.json").unlink()
    deployment.sync()
    assert said(deployment)[1] == "cat"


def test_what_is_no_task_is_passed_over_and_named(deployment: Deployment, exports: Path) -> None:
    write(exports / "b.json", [{"title": "no task"}, task(4), {"id": 5, "data": {}}])
    done = deployment.command("sync")
    assert done.returncode == 0
    assert said(deployment).keys() == {1, 2, 3, 4}
    assert "passed over" in done.stderr


def test_memory_does_not_grow_with_the_number_of_tasks(deployment: Deployment, exports: Path) -> None:
    peaks = []
    for count in (6_000, 60_000):
        write(exports / "a.json", [task(number) for number in range(1, count + 1)])
        peaks.append(peak_kb_of([*SYNCD, "check"], deployment.folder))
    assert peaks[1] - peaks[0] < ALLOWED_KB


def test_the_instance_has_to_be_named(deployment: Deployment, exports: Path) -> None:
    configure(deployment, exports, instance=None)
    done = deployment.command("sync")
    assert done.returncode == 2
    assert "instance: is missing" in done.stderr
