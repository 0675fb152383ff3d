"""`syncd.reader` on what a real syncd writes: freshness, changes since a cursor, documents; over every store."""

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from syncd.errors import Misconfigured, Unavailable
from syncd.reader import Bucket, ListAnew, NotYet, open_bucket
from tests.deployment import Deployment, digests
from tests.distrust import Scribe, Skeptic, report
from tests.places import PLACES, Place
from tests.servers import Servers

BOXES = 1
"""A project of boxes, which every mirror of these tests can hold."""
MIRRORS = ["JSONL", "CSV", "COCO", "YOLO"]
SECONDS = 8.0
"""How long the skeptical reader reads here; benchmarks/reading.py does it for two minutes."""


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, servers: Servers, tmp_path: Path) -> Place:
    return PLACES[request.param](servers, tmp_path)


def configure(deployment: Deployment, place: Place, **target: object) -> None:
    quick = {"name": "out", "claims_seconds": 0.1, "max_delete_ratio": 0}
    deployment.configure(targets=[{**quick, **place.target, **target}])


@contextmanager
def opened(place: Place) -> Iterator[Bucket]:
    with open_bucket(place.address, **place.settings) as bucket:
        yield bucket


def test_documents_are_read_as_they_are_and_changes_since_a_cursor_as_they_were_made(
    deployment: Deployment, place: Place
) -> None:
    configure(deployment, place)
    deployment.sync()
    with opened(place) as bucket:
        cursor, projects = bucket.state().journal_seq, bucket.state().projects
        documents = [document for project in projects for document in bucket.documents(project)]
        titles = {bucket.project(project)["title"] for project in projects}
        assert list(bucket.changes(cursor)) == []
    assert {document.key: document.body for document in documents} == deployment.rendered()
    assert {(d.project, d.task) for d in documents} == {(d.json["project"], d.json["id"]) for d in documents}
    assert len(titles) == len(projects) > 5

    first, second, third = deployment.database.labelled(4)[:3]
    deployment.database.annotate(first, "red")
    deployment.database.annotate(second, "green")
    deployment.database.delete_tasks([third])
    deployment.sync()

    with opened(place) as bucket:  # another process, which has nothing but the number
        changes = list(bucket.changes(cursor))
        loaded = {document.task: document for document in bucket.load(c.key for c in changes if c.op == "put")}
    assert {(c.op, c.task) for c in changes} == {("put", first), ("put", second), ("delete", third)}
    assert [change.seq for change in changes] == [cursor + 1, cursor + 2, cursor + 3]
    assert {c.task: c.digest for c in changes if c.op == "put"} == {task: d.digest for task, d in loaded.items()}


# --- the journal, on a folder -------------------------------------------------------------------------------------


@pytest.fixture
def folder(servers: Servers, tmp_path: Path) -> Place:
    return PLACES["local"](servers, tmp_path)


def test_a_cursor_within_a_batch_goes_on_within_it(deployment: Deployment, folder: Place) -> None:
    configure(deployment, folder)
    deployment.sync()
    with opened(folder) as bucket:
        everything = list(bucket.changes(0))
        middle = len(everything) // 2
        assert list(bucket.changes(middle)) == everything[middle:]
        assert [c for c in everything if c.project == 4] == list(bucket.changes(0, project=4))


def test_a_reader_that_was_away_for_long_reads_every_line_once(deployment: Deployment, folder: Place) -> None:
    """More than the twelve thousand numbers that are listed at once, and an object that begins in the stretch before."""
    configure(deployment, folder)
    deployment.database.add_labelled_tasks(4, 12_000)
    deployment.sync()
    with opened(folder) as bucket:
        assert len(list((Path(bucket.where) / "_syncd/journal").iterdir())) >= 3
        last = bucket.state().journal_seq
        for cursor in (0, 4_999, 5_000, 9_998, 9_999, 10_001, last - 1):
            assert [change.seq for change in bucket.changes(cursor)] == list(range(cursor + 1, last + 1))


def test_a_pruned_journal_is_noticed_and_the_way_out_told(deployment: Deployment, folder: Place) -> None:
    configure(deployment, folder, journal_days=1e-9)
    for word in ("red", "green"):
        deployment.database.annotate(1, word)
        deployment.sync()
    with opened(folder) as bucket:
        with pytest.raises(ListAnew, match=r"line 1 any more: it was pruned .*list the documents anew"):
            list(bucket.changes(0))
        assert list(bucket.changes(bucket.state().journal_seq)) == []


def test_a_deletion_that_died_with_its_ledger_makes_readers_list_anew(deployment: Deployment, folder: Place) -> None:
    configure(deployment, folder)
    deployment.sync()
    with opened(folder) as bucket:
        cursor = bucket.state().journal_seq
        assert list(bucket.changes(0))
    (gone,) = deployment.database.labelled(4)[-1:]
    deployment.database.delete_tasks([gone])
    deployment.command("sync", fault="after deletes")
    for file in deployment.folder.glob(deployment.state.name + "*"):
        file.unlink()
    (deployment.target / "_syncd/writer.json").unlink()  # else the lease of the dead one would be waited for
    deployment.sync()
    with opened(folder) as bucket:
        assert bucket.document(f"4/tasks/{gone}.json") is None
        with pytest.raises(ListAnew, match=f"another ledger took over .* after line {cursor}"):
            list(bucket.changes(cursor))
        cursor = bucket.state().journal_seq
        assert list(bucket.changes(cursor)) == []
    deployment.database.annotate(1, "told again")
    deployment.sync()
    with opened(folder) as bucket:
        assert [change.task for change in bucket.changes(cursor)] == [1]


# --- freshness, on a folder ---------------------------------------------------------------------------------------


def test_waiting_ends_when_what_was_committed_before_is_visible(deployment: Deployment, folder: Place) -> None:
    configure(deployment, folder)
    deployment.start()
    deployment.wait_until_true()
    with opened(folder) as bucket:
        deployment.database.annotate(1, "fresh")
        state = bucket.wait(project=1, timeout=30, poll_seconds=0.05)
        document = bucket.document("1/tasks/1.json")
    assert document and b"fresh" in document.body
    assert state.projects[1].tasks == len(deployment.database.labelled(1))


def test_a_wait_that_is_over_says_how_far_the_bucket_is(deployment: Deployment, folder: Place) -> None:
    configure(deployment, folder)
    deployment.sync()
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    with opened(folder) as bucket:
        with pytest.raises(NotYet, match=r"project 1 is true up to .* short of .*: does syncd run\?"):
            bucket.wait(tomorrow, project=1, timeout=0)
        with pytest.raises(NotYet, match=r"project 99: nothing is claimed of it; there are the projects 1, "):
            bucket.wait(project=99, timeout=0)
        with pytest.raises(NotYet, match="mirror coco: nothing is claimed of it"):
            bucket.wait(project=1, mirror="coco", timeout=0)
        assert bucket.wait(datetime.now(UTC) - timedelta(days=1)).dirty == 0


def test_a_place_that_syncd_never_wrote_to_says_so(folder: Place, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="there is no folder"):
        open_bucket(folder.address)
    (tmp_path / "out").mkdir()
    with opened(folder) as bucket:
        with pytest.raises(Unavailable, match=r"has no _syncd/state\.json"):
            bucket.state()
        with pytest.raises(NotYet, match=r"has no _syncd/state\.json"):
            bucket.wait(timeout=0)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_cursor_of_another_journal_is_refused(deployment: Deployment, folder: Place) -> None:
    configure(deployment, folder)
    deployment.sync()
    with opened(folder) as bucket, pytest.raises(ListAnew, match="before the cursor 1000000: it is another one"):
        list(bucket.changes(1_000_000))


@pytest.mark.parametrize(
    ("address", "settings", "message"),
    [
        ("ftp://somewhere/labels", {}, "give a folder, s3://BUCKET/PREFIX"),
        ("s3://labels/x", {"regoin": "eu-central-1"}, "regoin: Extra inputs are not permitted"),
        ("/tmp", {"region": "eu-central-1"}, "is a folder and has no settings: region"),
        ("azure://labels/x", {}, "give account_url or connection_string"),
    ],
)
def test_an_address_that_cannot_be_read_is_explained(address: str, settings: dict[str, str], message: str) -> None:
    with pytest.raises(Misconfigured, match=message):
        open_bucket(address, **settings)


# --- while everything moves ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["local", "s3"])
def test_whatever_a_reader_sees_while_tasks_change_holds(
    kind: str, deployment: Deployment, servers: Servers, tmp_path: Path
) -> None:
    place = PLACES[kind](servers, tmp_path)
    configure(deployment, place, mirrors=MIRRORS, publish_seconds=0.5)
    deployment.database.add_labelled_tasks(BOXES, 100)
    deployment.sync()
    daemon = deployment.start()
    scribe = Scribe(deployment.database, BOXES, per_second=50)
    with opened(place) as bucket:
        bucket.wait(timeout=30, poll_seconds=0.05)
        skeptic = Skeptic(bucket, scribe)
        scribe.start()
        try:
            enough = threading.Event()
            threading.Timer(SECONDS, enough.set).start()
            while not enough.is_set():
                skeptic.poll()
                if kind == "local" and skeptic.polls == 10:
                    daemon.kill()
                    daemon = deployment.start()
        finally:
            scribe.stop()
        bucket.wait(timeout=30, poll_seconds=0.05)
        for mirror in MIRRORS:
            bucket.wait(project=BOXES, mirror=mirror.lower(), timeout=30, poll_seconds=0.05)
        there = skeptic.end()
    deployment.stop(daemon)
    assert report(skeptic.broken, skeptic.folded, there) == []
    assert {k: v for k, v in there.items() if "/tasks/" in k} == digests(deployment.rendered())
    assert scribe.changes > SECONDS * 20
    assert skeptic.polls > 5


# --- docs/reading.md ----------------------------------------------------------------------------------------------


def test_the_training_job_of_the_documentation_reads_only_what_is_new(
    deployment: Deployment, folder: Place, tmp_path: Path
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "reading.md").read_text("utf-8")
    first_look, mirror, job = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (tmp_path / "look.py").write_text(first_look.replace("/data/labels", folder.address))
    imports = "import json\nfrom syncd.reader import open_bucket\n"
    (tmp_path / "mirror.py").write_text(
        imports + mirror.replace("/data/labels", folder.address) + "print(len(coco['images']))"
    )
    (tmp_path / "train.py").write_text(job)
    configure(deployment, folder, journal_days=1e-9, mirrors=["COCO"], publish_seconds=0.1)
    daemon = deployment.start()
    deployment.wait_until_true()
    tasks = deployment.database.labelled(4)

    def run(*command: str) -> str:
        done = subprocess.run([sys.executable, *command], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert sorted(int(line.split()[0]) for line in run("look.py").splitlines()) == tasks
    assert int(run("mirror.py")) == len(json.loads((tmp_path / "out/1/coco/result.json").read_bytes())["images"]) > 20
    assert f"{len(tasks)} learned, 0 forgotten, {len(tasks)} in all" in run("train.py", folder.address, "4")
    assert f"0 learned, 0 forgotten, {len(tasks)} in all" in run("train.py", folder.address, "4")

    deployment.database.edit(_annotation_of(deployment, tasks[0]), "red")
    deployment.database.annotate(1, "of another project")
    deployment.database.delete_tasks(tasks[-1:])
    assert f"1 learned, 1 forgotten, {len(tasks) - 1} in all" in run("train.py", folder.address, "4")
    assert json.loads((tmp_path / "dataset.json").read_bytes())["labels"][f"4/tasks/{tasks[0]}.json"] == ["red"]

    for word in ("red", "green"):
        deployment.database.annotate(1, word)
        deployment.stop(daemon)  # each start prunes what is old
        daemon = deployment.start()
        deployment.wait_until_true()
    told = run("train.py", folder.address, "4")
    assert "it was pruned" in told
    assert f"{len(tasks) - 1} learned, 0 forgotten, {len(tasks) - 1} in all" in told


def _annotation_of(deployment: Deployment, task: int) -> int:
    return int(deployment.database.value("SELECT id FROM task_completion WHERE task_id = ?", task))
