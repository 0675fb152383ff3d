"""What an operator can order: of a running daemon, and of the ledger when there is none."""

import json
from pathlib import Path

import pytest

from tests.deployment import Deployment, eventually


def block(deployment: Deployment) -> Path:
    """Set task 2 aside: a folder stands where its file should be."""
    in_the_way = deployment.target / "1/tasks/2.json"
    in_the_way.mkdir(parents=True)
    return in_the_way


def listed(deployment: Deployment) -> list[int]:
    found = json.loads(deployment.command("quarantine", "list", "--json").stdout)
    return [one["task"] for one in found["quarantined"]["out"]]


def test_a_task_that_was_set_aside_is_tried_again_at_once_when_told_to(deployment: Deployment) -> None:
    in_the_way = block(deployment)
    deployment.start()
    deployment.wait_until_true()
    assert listed(deployment) == [2]
    assert "a folder stands where" in deployment.command("quarantine", "list").stdout
    in_the_way.rmdir()
    assert deployment.command("quarantine", "retry", "2").stdout == "out: 1 task tried again\n"
    eventually(lambda: deployment.tasks() == deployment.rendered(), deployment.errors)
    eventually(lambda: listed(deployment) == [], deployment.errors)


def test_without_a_daemon_the_next_one_tries_again(deployment: Deployment) -> None:
    in_the_way = block(deployment)
    assert deployment.command("sync").returncode == 1
    in_the_way.rmdir()
    deployment.command("quarantine", "retry", "--project", "1")
    assert deployment.status()["targets"]["out"]["dirty"] == 1
    deployment.start()
    eventually(lambda: listed(deployment) == [], deployment.errors)
    assert deployment.tasks() == deployment.rendered()


def test_a_dropped_task_is_listed_no_more_until_it_changes(deployment: Deployment) -> None:
    in_the_way = block(deployment)
    assert deployment.command("sync").returncode == 1
    assert deployment.command("quarantine", "drop").returncode == 2
    assert deployment.command("quarantine", "drop", "2").stdout == "out: 1 task dropped\n"
    assert deployment.command("sync").returncode == 0
    assert listed(deployment) == []
    in_the_way.rmdir()
    deployment.database.annotate(2, "changed")
    assert deployment.sync()["written"] == 1
    assert deployment.tasks() == deployment.rendered()


def test_a_backfill_reads_a_project_again_and_writes_nothing_that_is_as_it_was(deployment: Deployment) -> None:
    deployment.sync()
    tasks = len([key for key in deployment.tasks() if key.startswith("1/")])
    done = deployment.command("backfill", "--project", deployment.status()["source"]["titles"]["1"])
    assert done.returncode == 0, done.stderr
    owed = deployment.status()["targets"]["out"]["dirty"]
    assert owed >= tasks
    assert deployment.sync() == {**deployment.sync(), "unchanged": tasks}


def test_a_running_daemon_takes_a_backfill(deployment: Deployment) -> None:
    deployment.start()
    deployment.wait_until_true()
    ordered = len(deployment.logged())
    deployment.command("backfill", "out")
    settled = eventually(lambda: [e for e in deployment.logged()[ordered:] if e["event"] == "batch settled"])
    assert settled[0]["written"] == 0
    assert settled[0]["unchanged"] > 0


# --- paused targets ---------------------------------------------------------------------------------------------------


def test_a_pass_without_a_daemon_writes_nothing_to_a_paused_target(deployment: Deployment) -> None:
    deployment.sync()
    deployment.command("pause", "out")
    before = deployment.tasks()
    deployment.database.annotate(1, "while it is paused")
    done = deployment.command("sync")
    assert (done.returncode, "paused" in done.stdout) == (1, True)
    assert deployment.tasks() == before
    deployment.command("resume", "out")
    assert deployment.sync()["written"] == 1
    assert deployment.tasks() == deployment.rendered()


def test_a_paused_target_goes_on_saying_how_far_it_is_true(deployment: Deployment) -> None:
    deployment.start()
    deployment.wait_until_true()
    deployment.command("pause", "out")
    eventually(lambda: deployment.status()["targets"]["out"]["state"] == "paused")
    deployment.database.annotate(1, "while it is paused")
    eventually(lambda: deployment.claims()["dirty"] == 1, deployment.claims)
    written, synced = deployment.claims()["written_at"], deployment.claims()["synced_through"]
    eventually(lambda: deployment.claims()["written_at"] > written, deployment.claims)
    assert deployment.claims()["synced_through"] == synced


# --- one project ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("running", [True, False], ids=["running", "stopped"])
def test_a_pass_over_one_project_is_about_that_project(deployment: Deployment, running: bool) -> None:
    in_the_way = block(deployment)  # a task of project 1
    if running:
        deployment.start()
        deployment.wait_until_true()
    else:
        assert deployment.command("sync").returncode == 1
    deployment.database.annotate(deployment.database.labelled(2)[0], "of project 2")
    assert deployment.command("sync", "--project", "2").returncode == 0
    assert {k: b for k, b in deployment.tasks().items() if k.startswith("2/")}.items() <= deployment.rendered().items()
    assert deployment.command("sync", "--project", "1").returncode == 1
    in_the_way.rmdir()
    assert deployment.command("sync", "--project", "999").returncode == 2


def test_waiting_for_a_project_that_is_not_there_ends_at_once(deployment: Deployment) -> None:
    deployment.sync()
    done = deployment.command("wait", "--project", "999", "--timeout", "60")
    assert done.returncode == 2
    assert "the source has no project '999'" in done.stderr


# --- orders that cannot be followed -----------------------------------------------------------------------------------


MISTAKEN = {
    ("quarantine", "retry", "--target", "outt"): "no target 'outt' (did you mean 'out'?)",
    ("backfill", "--project", "999"): "no project '999'",
    ("pause", "nowhere"): "no target 'nowhere'; there are out",
}


@pytest.mark.parametrize("running", [True, False], ids=["running", "stopped"])
def test_an_order_for_what_is_not_there_ends_with_two(deployment: Deployment, running: bool) -> None:
    if running:
        deployment.start()
        deployment.wait_until_true()
    else:
        deployment.sync()
    for words, told in MISTAKEN.items():
        done = deployment.command(*words)
        assert (done.returncode, told in done.stderr) == (2, True), done.stderr
