"""A Label Studio read over REST through a proxy that fails as networks do: nothing is lost or left behind."""

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import orjson
import pytest

from syncd.errors import TaskRejected, Unavailable
from syncd.model import TaskDocument
from syncd.sources import Source, make, settings_of
from tests.contract.labelstudios import Studio, api
from tests.fault_proxy import EVERY_FAULT, Fault, FaultProxy, fault_proxy
from tests.http_wire import Message, response
from tests.servers import Servers
from tests.watching import ALL, Documents, Remembered

STOP = threading.Event()


class Answers:
    """What the proxy says in Label Studio's place: a status for the next requests whose path holds some words."""

    def __init__(self) -> None:
        self.status, self.left, self.words = 0, 0, ""

    def plan(self, status: int, *, times: int, words: str = "") -> None:
        self.status, self.left, self.words = status, times, words

    async def __call__(self, proxy: FaultProxy, request: Message) -> Message | None:
        if self.left and self.words in request.target:
            self.left -= 1
            return response(self.status, b'{"detail": "made up"}', "application/json", retry_after="0")
        return None


@pytest.fixture
def studio(servers: Servers, tmp_path: Path) -> Studio:
    return api.opened(servers, tmp_path)


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
def proxy(studio: Studio, answers: Answers) -> Iterator[FaultProxy]:
    with closing(studio.source()) as direct:
        port = urlsplit(direct.where.removeprefix("api:")).port or 0
    with fault_proxy(port, gate=answers) as between:
        yield between


@pytest.fixture
def source(proxy: FaultProxy) -> Iterator[Source]:
    with closing(through(proxy)) as found:
        yield found


def through(proxy: FaultProxy, token: str = api.TOKEN) -> Source:
    return make("api", settings_of("api").model_validate({"type": "api", "url": proxy.url, "token": token}))


def everything(source: Source) -> Documents:
    """A first load, a second sweep that finds nothing new, and then each task read by itself."""
    remembered = Remembered()
    for batch in source.sweep(remembered, STOP):
        remembered.keep(batch.signals)
    assert [s for batch in source.sweep(remembered, STOP) for s in batch.signals] == []
    read = source.read([task for project in source.projects() for task in source.tasks(project.id)], ALL)
    return {found.task: found.body for found in read if isinstance(found, TaskDocument) and found.body}


def test_faults_at_random_lose_nothing_and_leave_nothing_behind(
    studio: Studio, source: Source, proxy: FaultProxy
) -> None:
    with closing(studio.source()) as direct:
        wanted = everything(direct)
    proxy.slow_seconds = 0.05
    proxy.fail_at_random(0.15, seed=4, faults=[f for f in EVERY_FAULT if f is not Fault.ANSWER_LOST])
    assert everything(source) == wanted
    proxy.fail_at_random(0, seed=0)
    assert len(proxy.faults) >= 4
    assert left_behind(studio) == []


def left_behind(studio: Studio) -> list[int]:
    """Our snapshots and tabs in Label Studio."""
    snapshots = studio.edits.ids("SELECT id FROM data_export_export WHERE title LIKE 'syncd is reading%'")
    return snapshots + studio.edits.ids("SELECT id FROM data_manager_view WHERE data LIKE '%syncd is reading%'")


@pytest.mark.parametrize(("status", "times"), [(429, 2), (500, 1), (502, 2), (503, 2)])
def test_a_refusal_that_passes_is_waited_out(source: Source, answers: Answers, status: int, times: int) -> None:
    answers.plan(status, times=times)
    assert len(source.projects()) == 2


def test_a_snapshot_whose_answer_is_lost_is_found_again(studio: Studio, source: Source, proxy: FaultProxy) -> None:
    proxy.fail(Fault.ANSWER_LOST, when=lambda r: r.method == "POST" and r.path.endswith("/exports/"))
    assert len(everything(source)) == studio.edits.value("SELECT count(*) FROM task")
    assert proxy.faults[Fault.ANSWER_LOST] == 1


@pytest.mark.parametrize("finished", [True, False], ids=["finished", "reopened"])
def test_a_task_that_changes_sides_between_the_two_exports_is_found(
    studio: Studio, tmp_path: Path, finished: bool
) -> None:
    """Finished as by an import with annotations, or reopened as by more overlap: neither moves its time."""
    task = studio.edits.value("SELECT min(id) FROM task WHERE project_id = 1")
    studio.edits.run("UPDATE task SET is_labeled = ? WHERE id = ?", not finished, task)
    begun: list[str] = []

    async def second_begins(_: FaultProxy, request: Message) -> None:
        if request.method == "POST" and request.path == "/api/projects/1/exports/":
            begun.append(request.path)
            if len(begun) == 2:
                studio.edits.run("UPDATE task SET is_labeled = ? WHERE id = ?", finished, task)

    with closing(studio.source()) as direct:
        port = urlsplit(direct.where.removeprefix("api:")).port or 0
    with fault_proxy(port, gate=second_begins) as proxy, closing(through(proxy)) as source:
        signalled = {signal.task for batch in source.sweep(Remembered(), STOP) for signal in batch.signals}
    assert signalled == set(studio.edits.ids("SELECT id FROM task"))


def test_a_token_that_has_expired_says_so_and_nothing_is_gone(source: Source, answers: Answers) -> None:
    remembered = Remembered()
    for batch in source.sweep(remembered, STOP):
        remembered.keep(batch.signals)
    answers.plan(401, times=1000)
    with pytest.raises(Unavailable, match="does not take the token"):
        list(source.sweep(remembered, STOP))
    with pytest.raises(Unavailable, match="does not take the token"):
        list(source.read([1], ALL))


def test_a_right_that_was_lost_is_named(source: Source, answers: Answers) -> None:
    answers.plan(403, times=1000, words="/exports/")
    with pytest.raises(Unavailable, match="may change the projects"):
        list(source.sweep(Remembered(), STOP))


def test_a_personal_access_token_is_renewed_when_it_runs_out(
    proxy: FaultProxy, answers: Answers, studio: Studio
) -> None:
    import urllib.request

    with closing(studio.source()) as direct:
        url = direct.where.removeprefix("api:")
    request = urllib.request.Request(f"{url}/api/token/", b"{}", {"Authorization": f"Token {api.TOKEN}"}, method="POST")
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request) as made:
        personal = orjson.loads(made.read())["token"]
    with closing(through(proxy, personal)) as source:
        assert len(source.projects()) == 2
        answers.plan(401, times=1, words="/api/projects")
        assert len(source.projects()) == 2
    assert sum(message.path == "/api/token/refresh/" for message in proxy.seen) == 2


def test_what_a_killed_syncd_left_behind_is_cleared_away(studio: Studio, source: Source) -> None:
    title = "syncd is reading 2026-01-01T00:00:00Z 01234567"
    studio.edits.insert("data_manager_view", {"project_id": 1, "data": orjson.dumps({"title": title}).decode()})
    made = {"title": title, "created_at": "2026-01-01 00:00:00", "md5": "", "status": "completed", "counters": "{}"}
    studio.edits.insert("data_export_export", {**made, "project_id": 1})
    assert len(left_behind(studio)) == 2
    watching = source.watch(Remembered(), None, STOP)
    next(watching)
    assert left_behind(studio) == []


def test_a_row_that_label_studio_cannot_export_costs_nobody_else_anything(studio: Studio, source: Source) -> None:
    bad = studio.edits.labelled(1)[5]
    half_a_character = '["\\ud800"]'
    studio.edits.damage("UPDATE task_completion SET result = ? WHERE task_id = ?", half_a_character, bad)
    remembered = Remembered()
    for _ in range(2):
        batches = list(source.sweep(remembered, STOP))
        assert batches[-1].swept
        for batch in batches:
            remembered.keep(batch.signals)
    tasks = studio.edits.labelled(1)[3:8]
    read = list(source.read(tasks, ALL))
    assert [found.task for found in read if isinstance(found, TaskRejected)] == [bad]
    assert {found.task for found in read if isinstance(found, TaskDocument)} == {*tasks} - {bad}


def test_a_project_out_of_sight_is_never_surely_gone(studio: Studio, source: Source) -> None:
    remembered = Remembered()
    for batch in source.sweep(remembered, STOP):
        remembered.keep(batch.signals)
    studio.edits.soft_delete(1)
    signals = [s for batch in source.sweep(remembered, STOP) for s in batch.signals]
    hidden = studio.edits.ids("SELECT id FROM task WHERE project_id = 1")
    assert sorted(s.task for s in signals) == sorted(hidden)
    read = list(source.read(hidden, ALL))
    assert {getattr(found, "sure", None) for found in read} == {False}
    remembered.keep(signals)
    assert [s for batch in source.sweep(remembered, STOP) for s in batch.signals] == []  # said once


def test_where_label_studio_is_not_is_said(proxy: FaultProxy) -> None:
    proxy.down()
    with closing(through(proxy)) as source, pytest.raises(Unavailable, match="cannot be reached"):
        source.projects()
