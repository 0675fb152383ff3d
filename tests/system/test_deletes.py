"""Deletions: they happen, they are held when they are many, and they leave what was asked for."""

import json

import pytest

from tests.deployment import Deployment, digests, eventually, folded, journal_lines


def test_a_deleted_task_loses_its_file(deployment: Deployment) -> None:
    deployment.start()
    deployment.wait_until_true()
    deployment.database.delete_tasks([1, 44])
    deployment.wait_until_true()
    assert deployment.tasks() == deployment.rendered()
    assert "1/tasks/1.json" not in deployment.tasks()


def test_a_project_with_its_last_file_gone_loses_its_project_file_and_folder(deployment: Deployment) -> None:
    deployment.sync()
    deployment.database.delete_tasks(deployment.database.labelled(5))
    deployment.sync()
    assert [key for key in deployment.files() if key.startswith("5/")] == []
    assert not (deployment.target / "5").exists()


def test_a_tombstone_keeps_the_last_document(deployment: Deployment) -> None:
    deployment.configure(target={"deletes": "tombstone"})
    deployment.sync()
    last = json.loads(deployment.tasks()["1/tasks/1.json"])
    deployment.database.delete_tasks([1])
    assert deployment.sync()["deleted"] == 1
    assert deployment.tasks() == deployment.rendered()
    kept = json.loads((deployment.target / "_syncd/deleted/1/1.json").read_bytes())
    assert kept == {"project": 1, "task": 1, "document": last}


def test_with_keep_a_deleted_task_keeps_its_file(deployment: Deployment) -> None:
    deployment.configure(target={"deletes": "keep"})
    deployment.sync()
    before = deployment.tasks()
    deployment.database.delete_tasks([1])
    deployment.database.annotate(2, "goes on")
    assert deployment.sync()["written"] == 1
    assert deployment.tasks() == {**deployment.rendered(), "1/tasks/1.json": before["1/tasks/1.json"]}


def test_many_deletions_are_held_while_edits_flow_until_they_are_allowed_once(deployment: Deployment) -> None:
    deployment.start()
    deployment.wait_until_true()
    before = deployment.tasks()
    synced = deployment.claims()["projects"]["1"]["synced_through"]
    many = deployment.database.labelled(1)[:21]
    deployment.command("pause", "out")  # so that they come all at once: twenty of them alone may pass
    deployment.database.delete_tasks(many)
    deployment.database.annotate(43, "flows on")
    eventually(lambda: deployment.status()["targets"]["out"]["dirty"] > len(many), deployment.status)
    deployment.command("resume", "out")
    held = {f"1/tasks/{task}.json" for task in many}
    eventually(lambda: deployment.claims()["held_deletes"] == len(many), deployment.claims)
    eventually(lambda: deployment.tasks() == {**deployment.rendered(), **{key: before[key] for key in held}})
    claims = deployment.claims()
    assert claims["projects"]["1"]["held_deletes"] == len(many)
    assert claims["projects"]["2"]["synced_through"] > claims["projects"]["1"]["synced_through"] >= synced
    assert deployment.status()["targets"]["out"]["held_deletes"] == len(many)
    assert "--allow-deletes" in deployment.command("status").stdout
    done = deployment.command("sync")
    assert (done.returncode, "--allow-deletes" in done.stdout) == (1, True)
    assert f"{len(many)} held deletions may pass" in deployment.command("resume", "out", "--allow-deletes").stdout
    deployment.wait_until_true()
    assert deployment.tasks() == deployment.rendered()
    assert folded(journal_lines(deployment.target)) == digests(deployment.files())


def test_deletions_little_by_little_count_together(deployment: Deployment) -> None:
    deployment.start()
    deployment.wait_until_true()
    tasks = deployment.database.labelled(1)
    deployment.database.delete_tasks(tasks[:20])
    deployment.wait_until_true()
    assert deployment.tasks() == deployment.rendered()
    deployment.database.delete_tasks(tasks[20:21])
    eventually(lambda: deployment.claims()["held_deletes"] == 1, deployment.claims)
    assert f"1/tasks/{tasks[20]}.json" in deployment.tasks()


def test_held_deletions_outlive_a_restart_and_are_allowed_for_one_project(deployment: Deployment) -> None:
    deployment.sync()
    for project in (1, 2):
        deployment.database.delete_tasks(deployment.database.labelled(project)[:21])
    assert deployment.command("sync").returncode == 1
    assert deployment.command("sync").returncode == 1
    assert "21 held" in deployment.command("resume", "out", "--allow-deletes", "--project", "1").stdout
    assert deployment.command("sync").returncode == 1
    left = {key for key in deployment.tasks() if key not in deployment.rendered()}
    assert {key.partition("/")[0] for key in left} == {"2"}
    assert len(left) == 21


def test_without_a_ratio_nothing_is_held(deployment: Deployment) -> None:
    deployment.configure(target={"max_delete_ratio": 0})
    deployment.sync()
    deployment.database.soft_delete(1)
    assert deployment.sync()["deleted"] == 36
    assert deployment.tasks() == deployment.rendered()


@pytest.mark.parametrize("command", ["run", "sync"])
def test_a_source_that_is_suddenly_empty_deletes_nothing_until_allowed(deployment: Deployment, command: str) -> None:
    """Its tasks lie far apart here: the daemon sees them go little by little, and must not believe the first of them."""
    database = deployment.database
    for table, column in (("task", "id"), ("task_completion", "task_id"), ("prediction", "task_id")):
        database.run(f"UPDATE {table} SET {column} = {column} * 1000")
    deployment.configure(target={"max_delete_ratio": 0})
    deployment.sync()
    before = deployment.tasks()
    if command == "run":
        deployment.start()
        deployment.wait_until_true()
    with database.transaction() as t:
        for table in ("task_completion", "prediction", "tasks_annotationdraft", "task"):
            t.execute(f"DELETE FROM {table}")
    if command == "run":
        eventually(lambda: deployment.claims()["held_deletes"] == len(before), deployment.claims)
    assert deployment.command("sync").returncode == 1
    assert deployment.tasks() == before
    deployment.command("resume", "out", "--allow-deletes")
    deployment.sync()
    assert deployment.files() == {}


def test_deletions_that_come_back_are_forgotten(deployment: Deployment) -> None:
    deployment.start()
    deployment.wait_until_true()
    deployment.database.soft_delete(1)
    eventually(lambda: deployment.claims()["held_deletes"] == 36, deployment.claims)
    deployment.database.restore(1)
    claims = deployment.wait_until_true()
    assert claims["held_deletes"] == 0
    assert deployment.tasks() == deployment.rendered()


def test_a_paused_target_notes_what_happens_and_catches_up(deployment: Deployment) -> None:
    deployment.start()
    deployment.wait_until_true()
    done = deployment.command("pause", "lake")
    assert (done.returncode, "there is no target 'lake'; there are out" in done.stderr) == (2, True)
    deployment.command("pause", "out")
    eventually(lambda: deployment.status()["targets"]["out"]["state"] == "paused")
    before = deployment.tasks()
    deployment.database.annotate(2, "while paused")
    deployment.database.delete_tasks([1])
    eventually(lambda: deployment.status()["targets"]["out"]["dirty"] == 2, deployment.status)
    assert deployment.tasks() == before
    deployment.command("resume", "out")
    deployment.wait_until_true()
    assert deployment.tasks() == deployment.rendered()
