"""Webhooks of a live Label Studio, to a syncd that looks for itself only every hour: what it shows in time, a hook told it."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from syncd.hooks import HEADER, LARGEST, PATH, secret_of
from tests.deployment import Deployment
from tests.servers import Servers
from tests.servers.label_studio import Json, LabelStudio, label_studio, label_studio_over_rest
from tests.system.asking import address, ask, with_http
from tests.system.live_following import Follower, comparable, counters, eventually
from tests.system.test_live import CONFIG, animal, annotated

TOKEN = "only-for-tests"


@pytest.fixture(scope="module")
def studio(servers: Servers) -> LabelStudio:
    return servers.of(label_studio_over_rest)


@pytest.fixture(scope="module")
def project(studio: LabelStudio) -> int:
    return studio.new_project("Hooked", CONFIG)


def hooked(home: Path, studio: LabelStudio, **source: Any) -> Deployment:
    """A syncd with a port for hooks."""
    deployment = Deployment(home, database=studio.database)
    with_http(
        deployment,
        token=TOKEN,
        source={**studio.source, **source},
        target={"max_delete_ratio": 0},
        documents={"predictions": "ids", "drafts": "full"},
    )
    return deployment


@pytest.fixture(scope="module")
def folder(studio: LabelStudio, project: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Follower]:
    deployment = hooked(tmp_path_factory.mktemp("hooked"), studio, poll_seconds=3600, sweep_minutes=600)
    daemon = deployment.start()
    installed = deployment.command("hooks", "install", "--url", address(deployment))
    assert (installed.returncode, f"project {project} (Hooked): installed" in installed.stdout) == (0, True), installed
    try:
        yield Follower(studio, deployment)
        deployment.stop(daemon)
    finally:
        deployment.close()


def soon(folder: Follower, project: int) -> None:
    """Wait until the folder has what Easy Export says of the project."""
    exported = folder.studio.easy_export(project)
    wanted = {f"{project}/{task['id']}": {**comparable(task), **counters(task)} for task in exported}

    def here() -> dict[str, Json]:
        return {key: body for key, body in folder.documents().items() if key.startswith(f"{project}/")}

    assert eventually(here, wanted) == wanted


Step = Callable[[LabelStudio, int, int], object]
"""Something done to a task of a project that has one annotation."""


def first(studio: LabelStudio, task: int) -> int:
    found: int = studio.call("GET", f"/api/tasks/{task}/annotations/")[0]["id"]
    return found


STEPS: dict[str, Step] = {
    "an annotation submitted": lambda s, p, t: s.annotate(t, animal("Dog"), lead_time=1.5),
    "an annotation edited": lambda s, p, t: s.edit(first(s, t), result=animal("Dog")),
    "an annotation skipped": lambda s, p, t: s.edit(first(s, t), was_cancelled=True),
    "an annotation deleted, whose hook names no task": lambda s, p, t: s.call("DELETE", f"/api/annotations/{first(s, t)}"),
    "annotations deleted in bulk": lambda s, p, t: s.manage("delete_tasks_annotations", p, [t]),
    "tasks imported with annotations": lambda s, p, t: s.add_tasks(p, [annotated("Fox"), annotated("Ape")]),
    "a task deleted": lambda s, p, t: s.call("DELETE", f"/api/tasks/{t}"),
    "tasks deleted in bulk": lambda s, p, t: s.manage("delete_tasks", p, [t]),
}  # fmt: skip


@pytest.mark.live
@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_a_hook_shows_it_at_once(studio: LabelStudio, project: int, folder: Follower, step: Step) -> None:
    [task] = studio.add_tasks(project, [annotated("Cat")])
    soon(folder, project)
    before = folder.documents()
    step(studio, project, task)
    soon(folder, project)
    assert folder.documents() != before


@pytest.mark.live
def test_hooks_are_installed_once_and_removed(studio: LabelStudio, tmp_path: Path) -> None:
    with closing(hooked(tmp_path, studio)) as deployment:
        projects = studio.projects()
        first_time, again = (deployment.command("hooks", "install", "--url", "https://192.0.2.7") for _ in range(2))
        assert first_time.stdout.count(": installed\n") == again.stdout.count(": there already\n") == len(projects)
        hooks = [h for h in studio.call("GET", "/api/webhooks/") if h["url"] == f"https://192.0.2.7{PATH}"]
        assert {hook["project"] for hook in hooks} == set(projects)
        assert all(TOKEN not in str(hook) and hook["headers"] == {HEADER: secret_of(TOKEN)} for hook in hooks)
        removed = deployment.command("hooks", "remove", "--url", "https://192.0.2.7")
        assert removed.stdout.count(": removed\n") == len(projects)
        assert not [h for h in studio.call("GET", "/api/webhooks/") if h["url"].startswith("https://192.0.2.7")]


@pytest.mark.live
def test_a_private_address_that_label_studio_refuses_is_explained(servers: Servers, tmp_path: Path) -> None:
    studio = replace(servers.of(label_studio), over_rest=True)
    studio.new_project("Behind walls", CONFIG)
    with closing(hooked(tmp_path, studio)) as deployment:
        refused = deployment.command("hooks", "install", "--url", "http://127.0.0.1:8780")
    assert refused.returncode == 2
    assert "SSRF_PROTECTION_ENABLED=false" in refused.stderr


# --- the port itself, and a database as source ------------------------------------------------------------------------


@pytest.fixture
def listening(deployment: Deployment) -> Deployment:
    with_http(deployment, token=TOKEN)
    return deployment


def post(deployment: Deployment, body: bytes, secret: str | None) -> int:
    """What the port answers a hook with."""
    return ask(deployment, PATH, "POST", content=body, headers={HEADER: secret} if secret else {}).status_code


def told(task: int, project: int) -> bytes:
    return orjson.dumps({"action": "ANNOTATION_CREATED", "annotation": {"id": 1, "task": task, "project": project}})


def test_a_hook_is_durable_before_it_is_answered(listening: Deployment) -> None:
    daemon = listening.start()
    listening.wait_until_true()
    listening.command("pause", "out")
    assert post(listening, told(3, 1), secret_of(TOKEN)) == 200
    daemon.kill()
    daemon.wait()
    with closing(sqlite3.connect(listening.state)) as ledger:
        assert ledger.execute("SELECT task, project FROM dirty_1 WHERE task = 3").fetchall() == [(3, 1)]


def test_a_hook_that_is_not_ours_or_no_hook_is_turned_away(listening: Deployment) -> None:
    listening.start()
    listening.wait_until_true()
    assert post(listening, told(3, 1), None) == post(listening, told(3, 1), TOKEN) == 401
    assert post(listening, b"[]", secret_of(TOKEN)) == 400
    assert post(listening, b" " * (LARGEST + 1), secret_of(TOKEN)) == 413


def test_a_hook_that_lies_changes_nothing(listening: Deployment) -> None:
    listening.start()
    listening.wait_until_true()
    before = listening.files()
    gone = orjson.dumps({"action": "TASKS_DELETED", "tasks": [{"id": 3}, {"id": 10**9}], "project": {"id": 1}})
    assert post(listening, gone, secret_of(TOKEN)) == post(listening, told(3, 12), secret_of(TOKEN)) == 200
    listening.wait_until_true()
    assert listening.files() == before
