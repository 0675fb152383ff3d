"""Killed at any moment, syncd ends up with a target that is a pure function of the database.

The kills are real: SIGKILL to a real process, at random and at every named fault point. `SYNCD_CRASHES=crashes-nightly` tries
two hundred random histories instead of ten fixed ones.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from syncd.faults import POINTS
from tests import people
from tests.deployment import PATIENCE, Deployment, digests, eventually, folded, journal_lines, strays
from tests.write_counting import WriteCounter

KILLED = -signal.SIGKILL
ENDED = (0, KILLED, -signal.SIGTERM)
"""How a daemon may end here; SIGTERM is deadly in the first moments of a Python process."""


def assert_quiet_and_true(deployment: Deployment) -> None:
    """With no syncd running: the target is what the database says, and everything that syncd says of it holds."""
    there, wanted = deployment.tasks(), deployment.rendered()
    assert sorted(there) == sorted(wanted)
    assert there == wanted
    assert strays(deployment.target) == []
    assert folded(journal_lines(deployment.target)) == digests(deployment.files())
    claims = deployment.claims()
    counts = Counter(key.partition("/")[0] for key in there)
    assert {project: says["tasks"] for project, says in claims["projects"].items() if says["tasks"]} == counts
    assert claims["journal_seq"] == max((line["seq"] for line in journal_lines(deployment.target)), default=0)
    assert (claims["dirty"], claims["quarantined"], claims["held_deletes"]) == (0, 0, 0)


@pytest.mark.parametrize("point", POINTS)
def test_a_first_load_killed_at_a_fault_point_is_finished_by_the_next(deployment: Deployment, point: str) -> None:
    assert deployment.command("sync", fault=point).returncode == KILLED
    deployment.sync()
    assert_quiet_and_true(deployment)


@pytest.mark.parametrize("point", POINTS)
def test_a_daemon_killed_at_a_fault_point_leaves_nothing_wrong_behind(deployment: Deployment, point: str) -> None:
    database = deployment.database
    deployment.configure(target={"max_delete_ratio": 0})
    deployment.sync()
    kept, edited, *gone = database.labelled(1)[:6]
    database.delete_tasks(gone)
    database.edit(database.value("SELECT id FROM task_completion WHERE task_id = ?", edited), "changed")
    database.annotate(database.add_task(2), "new")
    database.soft_delete(5)  # its last file goes, and project.json with it
    assert deployment.start(fault=point).wait(PATIENCE) == KILLED
    database.edit(database.value("SELECT id FROM task_completion WHERE task_id = ?", edited), "changed again")
    database.annotate(kept, "one more")
    deployment.sync()
    assert_quiet_and_true(deployment)


@pytest.mark.parametrize("point", ["after in-flight mark", "after puts", "after deletes"])
def test_a_task_that_moved_when_syncd_died_leaves_no_file_behind(deployment: Deployment, point: str) -> None:
    """Its id came back in another project; what the dead one may have written at either key is remembered."""
    database = deployment.database
    deployment.sync()
    newest = database.value("SELECT max(id) FROM task")
    database.delete_tasks([newest])
    assert database.add_task(3) == newest
    database.annotate(newest, "in another project")
    assert deployment.command("sync", fault=point).returncode == KILLED
    database.delete_tasks([newest])
    deployment.sync()
    assert_quiet_and_true(deployment)
    assert [key for key in deployment.tasks() if key.endswith(f"/{newest}.json")] == []


def test_a_task_that_moves_back_after_a_crash_is_counted_once(deployment: Deployment) -> None:
    deployment.sync()
    deployment.database.run("UPDATE task SET project_id = 3 WHERE id = 1")
    assert deployment.command("sync", fault="after puts").returncode == KILLED
    deployment.database.run("UPDATE task SET project_id = 1 WHERE id = 1")
    deployment.sync()
    assert_quiet_and_true(deployment)


def test_a_file_that_was_written_when_syncd_died_has_its_journal_line(deployment: Deployment) -> None:
    """It is right already, and not written again; but nobody who follows the journal has been told."""
    annotation = deployment.database.annotate(1, "red")
    deployment.sync()
    deployment.database.run(
        "UPDATE task_completion SET result = replace(result, 'red', 'tan') WHERE id = ?", annotation
    )
    assert deployment.command("sync", fault="after puts").returncode == KILLED
    assert deployment.sync()["written"] == 0
    assert_quiet_and_true(deployment)


def test_changes_that_no_document_shows_write_nothing(deployment: Deployment) -> None:
    deployment.sync()
    writes = WriteCounter(deployment.target, [1, 2])
    try:
        deployment.start()
        for task in range(1, 20):
            deployment.database.draft(task, "drafts are not in the documents here")
        deployment.database.bulk_rewrite(2)
        deployment.wait_until_true()
        assert writes.new() == Counter()
        deployment.database.annotate(1, "but this is")
        deployment.wait_until_true()
        assert writes.new().keys() == {"1/tasks/1.json"}
    finally:
        writes.close()


FAULT = st.one_of(
    st.just(""),
    st.builds(lambda point, n: f"{point}:{n}", st.sampled_from(POINTS), st.integers(min_value=1, max_value=3)),
)
DONE = st.tuples(
    st.sampled_from(people.ACTIONS), st.integers(0, 999), st.integers(0, 999), st.sampled_from(people.WORDS)
)


class Crashes(RuleBasedStateMachine):
    """People work while a daemon follows them, and is killed at random and at every fault point."""

    def __init__(self) -> None:
        super().__init__()
        self.deployment = Deployment(Path(tempfile.mkdtemp(prefix="syncd-crash-")))
        documents = {"completed_by": "user", "drafts": "full"}
        self.deployment.configure(documents=documents, target={"max_delete_ratio": 0})
        self.database = self.deployment.database
        people.make_small(self.database)
        self.contents = self.deployment.rendered()
        self.due = Counter(self.contents.keys())
        """Key → how many different documents in a row were to be written there, plus one for each kill it was in flight at."""
        self.database.committed = self.note
        self.writes = WriteCounter(self.deployment.target, people.PROJECTS)
        self.written: Counter[str] = Counter()
        self.daemon: subprocess.Popen[bytes] | None = None

    def note(self) -> None:
        now = self.deployment.rendered()
        self.due.update(key for key, body in now.items() if self.contents.get(key) != body)
        self.contents = now

    def running(self) -> "subprocess.Popen[bytes] | None":
        """The daemon, if it lives; what a dead one left in flight may be written once more."""
        if self.daemon is not None and self.daemon.poll() is not None:
            assert self.daemon.returncode in ENDED, self.deployment.log.read_text()[-3000:]
            self.daemon = None
            self.due.update(self.deployment.in_flight())
        return self.daemon

    def begin(self, fault: str = "") -> "subprocess.Popen[bytes]":
        """Start a daemon; it owns the ledger now, or is dead already."""
        daemon = self.daemon = self.deployment.start(fault=fault)
        eventually(lambda: daemon.poll() is not None or self.deployment.holder() == daemon.pid)
        return daemon

    @rule(done=st.lists(DONE, min_size=1, max_size=5))
    def people_work(self, done: list[tuple[people.Action, int, int, str]]) -> None:
        for action, pick, other, word in done:
            action(self.database, pick, other, word)

    @rule(fault=FAULT)
    def start(self, fault: str) -> None:
        if not self.running():
            self.begin(fault)

    @rule(after=st.floats(min_value=0, max_value=0.5))
    def kill(self, after: float) -> None:
        if daemon := self.running():
            time.sleep(after)  # any moment is a good one: this is the crash
            daemon.kill()
            daemon.wait()
            self.running()

    @rule()
    def stop(self) -> None:
        if daemon := self.running():
            daemon.terminate()
            daemon.wait(PATIENCE)
            self.running()

    @rule(fault=FAULT)
    def sync(self, fault: str) -> None:
        alive = self.running()
        done = self.deployment.command("sync", fault=fault)
        if done.returncode == 0:
            self.assert_true()
        elif not alive:
            assert done.returncode == KILLED, done.stderr
            self.due.update(self.deployment.in_flight())

    @rule()
    def wait_until_quiet(self) -> None:
        daemon = self.running() or self.begin()
        true = self.deployment.true_from_now()
        eventually(
            lambda: daemon.poll() is not None or true(),
            lambda: f"{self.deployment.claims()} {self.deployment.errors()}",
        )
        if self.running():
            self.assert_true()

    def assert_true(self) -> None:
        assert self.deployment.tasks() == self.contents
        self.written.update(self.writes.new())
        assert self.written.keys() >= self.contents.keys()
        assert {key: (n, self.due[key]) for key, n in self.written.items() if n > self.due[key]} == {}

    def teardown(self) -> None:
        try:
            if daemon := self.running():
                daemon.terminate()
                daemon.wait(PATIENCE)
                self.running()
            self.deployment.sync()
            assert_quiet_and_true(self.deployment)
            self.assert_true()
        finally:
            self.writes.close()
            self.deployment.close()
            shutil.rmtree(self.deployment.folder)


settings.register_profile(
    "crashes",
    max_examples=10,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
settings.register_profile("crashes-nightly", settings.get_profile("crashes"), max_examples=200, derandomize=False)

TestCrashes = Crashes.TestCase
TestCrashes.settings = settings.get_profile(os.environ.get("SYNCD_CRASHES", "crashes"))
