"""The source contract, one suite over every kind of Label Studio: the same edits in, the same documents out.

Every case runs under a source whose content sweeps are hours away, unless it is about what only they find.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pytest

from syncd.errors import SyncdError
from syncd.model import TaskDocument
from syncd.sources import Gone, Signal
from tests.contract import labelstudios
from tests.contract.labelstudios import Studio
from tests.labelstudio_database import LabelStudioDatabase, long_ago
from tests.servers import Servers
from tests.watching import ALL, Remembered, Watcher

BOXES = 1
"""A project that every Label Studio of these tests has."""


@pytest.fixture(params=labelstudios.names())
def studio(request: pytest.FixtureRequest, servers: Servers, tmp_path: Path) -> Studio:
    return labelstudios.opened(request.param, servers, tmp_path)


@pytest.fixture
def watcher(studio: Studio) -> Iterator[Watcher]:
    """Level with the Label Studio, and never to sweep again."""
    watching = Watcher(studio.source(poll_seconds=0.05, sweep_minutes=600), studio.source)
    watching.level()
    yield watching
    assert watching.story.get("capture", "") == studio.capture
    watching.stop()


def document(watcher: Watcher, task: int) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(watcher.documents[task])
    return found


def choices(watcher: Watcher, task: int) -> set[str]:
    """What the task's annotations, drafts and predictions say."""
    read = document(watcher, task)
    results = [r for kind in ("annotations", "drafts", "predictions") for owner in read[kind] for r in owner["result"]]
    return {choice for result in results for choice in result["value"].get("choices", ())}


# --- what moves a time, and what does not ------------------------------------------------------------------------

Edit = Callable[[LabelStudioDatabase, int], object]

SAID: dict[str, Edit] = {
    "an annotation is submitted": lambda e, t: e.annotate(t, "this"),
    "an annotation is edited": lambda e, t: e.edit(e.value("SELECT max(id) FROM task_completion WHERE task_id = ?", t), "this"),
    "annotations are propagated": lambda e, t: e.insert_annotation(t, "this"),
    "a draft is saved": lambda e, t: e.draft(t, "this"),
    "predictions are imported": lambda e, t: e.predict(t, "this"),
}  # fmt: skip


@pytest.mark.parametrize("edit", SAID.values(), ids=SAID)
def test_what_an_annotator_says_is_in_the_document(studio: Studio, watcher: Watcher, edit: Edit) -> None:
    task = studio.edits.labelled(BOXES)[3]
    edit(studio.edits, task)
    watcher.level()
    assert "this" in choices(watcher, task)


ANNOTATIONS, OF_IT = "UPDATE task_completion SET", "WHERE task_id = ?"

QUIET: dict[str, Edit] = {
    "annotations are deleted": lambda e, t: e.delete_annotation(e.value("SELECT id FROM task_completion WHERE task_id = ?", t)),
    "annotations are deleted in the shell": lambda e, t: e.delete_annotations_quietly(t),
    "ground truth is cleared on a sibling": lambda e, t: e.run(f"{ANNOTATIONS} ground_truth = NOT ground_truth {OF_IT}", t),
    "duplicates are removed": lambda e, t: e.move_annotations(t, e.labelled(BOXES)[0]),
    "a data column is added": lambda e, t: e.bulk_update_data(BOXES, "added"),
    "an annotation is skipped": lambda e, t: e.run(f"{ANNOTATIONS} was_cancelled = NOT was_cancelled {OF_IT}", t),
}  # fmt: skip


@pytest.mark.parametrize("edit", QUIET.values(), ids=QUIET)
def test_an_edit_that_moves_no_time_is_seen_between_sweeps(studio: Studio, watcher: Watcher, edit: Edit) -> None:
    before = watcher.level()
    task = studio.edits.labelled(BOXES)[3]
    edit(studio.edits, task)
    assert watcher.level()[task] != before[task]


def test_a_renamed_user_is_renamed_in_every_document(studio: Studio, watcher: Watcher) -> None:
    studio.edits.rename_user("Grace")
    task = studio.edits.labelled(BOXES)[0]
    watcher.level(swept=True)
    assert document(watcher, task)["annotations"][0]["completed_by"]["first_name"] == "Grace"


def test_a_renamed_label_is_renamed_in_every_document(studio: Studio) -> None:
    task = studio.edits.labelled(BOXES)[0]
    studio.edits.insert_annotation(task, "cat")
    watching = Watcher(studio.source(poll_seconds=0.05, sweep_minutes=0.01), studio.source)
    watching.level()
    studio.edits.rename_label(BOXES, "cat", "dog")  # as long as before
    watching.level(swept=True)
    watching.stop()
    assert choices(watching, task) == {"dog"}


# --- nothing lost, nothing for nothing ---------------------------------------------------------------------------


def test_rows_that_are_written_as_they_were_are_no_signal(studio: Studio, watcher: Watcher) -> None:
    watcher.signalled.clear()
    studio.edits.bulk_rewrite(BOXES)
    watcher.level()
    assert watcher.signalled == []


@pytest.mark.parametrize("minutes", [-1, 1, 60], ids=["a minute ahead", "a minute behind", "an hour behind"])
def test_a_clock_that_is_wrong_loses_nothing(studio: Studio, watcher: Watcher, minutes: int) -> None:
    task = studio.edits.labelled(BOXES)[5]
    studio.edits.annotate(task, "out of time", at=long_ago(minutes))
    watcher.level()
    assert "out of time" in choices(watcher, task)


def test_what_is_read_bears_the_token_that_is_signalled(studio: Studio) -> None:
    remembered = Remembered()
    with closing(studio.source()) as source:
        first = list(source.sweep(remembered, threading.Event()))
        tasks = sorted(signal.task for batch in first for signal in batch.signals)
        remembered.keep([Signal(task, 1, b"another state") for task in tasks])
        batches = list(source.sweep(remembered, threading.Event()))
        signalled = {signal.task: signal.token for batch in batches for signal in batch.signals}
        read = list(source.read(tasks, ALL))
    assert len(read) == len(signalled) == studio.edits.value("SELECT count(*) FROM task")
    assert {r.task: r.token for r in read if isinstance(r, TaskDocument)} == signalled
    assert batches[-1].synced == batches[-1].swept is not None


def test_a_sweep_that_is_stopped_claims_nothing(studio: Studio) -> None:
    stop = threading.Event()
    stop.set()
    with closing(studio.source()) as source:
        assert all(batch.synced is batch.swept is None for batch in source.sweep(Remembered(), stop))


# --- what goes ---------------------------------------------------------------------------------------------------


def test_deleted_tasks_are_gone(studio: Studio, watcher: Watcher) -> None:
    gone, left = studio.edits.labelled(BOXES)[:2]
    studio.edits.delete_tasks([gone])
    studio.edits.leave_project(left)  # the first half of a deletion, as a crash leaves it
    assert not {gone, left} & set(watcher.level())
    assert {s.task for s in watcher.signalled if s.project is None} == {gone, left}


def test_a_project_in_the_bin_is_gone_until_it_is_taken_out(studio: Studio, watcher: Watcher) -> None:
    before = watcher.level()
    of_it = set(studio.edits.ids("SELECT id FROM task WHERE project_id = ?", BOXES))
    studio.edits.soft_delete(BOXES)
    assert set(watcher.level(swept=True)) == set(before) - of_it
    studio.edits.restore(BOXES)
    assert watcher.level(swept=True) == before


def test_projects_that_were_not_chosen_are_not_there(studio: Studio) -> None:
    outside = studio.edits.value("SELECT id FROM task WHERE project_id <> ?", BOXES)
    inside = studio.edits.labelled(BOXES)[0]
    with closing(studio.source(projects=[BOXES])) as source:
        assert [project.id for project in source.projects()] == [BOXES]
        read = {found.task: found for found in source.read([inside, outside, 10**8], ALL)}
    assert isinstance(read[inside], TaskDocument)
    assert isinstance(read[outside], Gone)
    assert isinstance(read[10**8], Gone)


def test_a_renamed_project_is_told(studio: Studio) -> None:
    with closing(studio.source()) as source:
        before = {project.id: project for project in source.projects()}
        studio.edits.rename_project(BOXES, "Kästchen")
        after = {project.id: project for project in source.projects()}
    assert after.pop(BOXES).title == "Kästchen"
    assert before.pop(BOXES) not in after.values()
    assert after == before


# --- identity ----------------------------------------------------------------------------------------------------


def test_the_identity_stays_and_is_another_elsewhere(studio: Studio) -> None:
    if not studio.has_identity:
        with closing(studio.source()) as source, pytest.raises(SyncdError, match="`instance:`"):
            source.identity()
        return
    with closing(studio.source()) as one, closing(studio.source()) as two:
        identity = one.identity()
        assert two.identity() == identity
        if one.where.startswith("api:"):  # whose address stays: its user moves to another organization
            copy = "SELECT 7, 'Another', created_at, updated_at, NULL, 'another', NULL FROM organization"
            studio.edits.run(f"INSERT INTO organization {copy}")
            studio.edits.run("UPDATE jwt_auth_jwtsettings SET organization_id = 7")
            studio.edits.run("UPDATE htx_user SET active_organization_id = 7")
            assert two.identity() != identity
            return
        born = "2020-01-01 00:00:00+00" if "postgres" in one.where else "2020-01-01 00:00:00"
        studio.edits.run("UPDATE organization SET created_at = ?", born)
        assert two.identity() != identity
        studio.edits.run("DROP TABLE organization CASCADE" if "postgres" in one.where else "DROP TABLE organization")
        with closing(studio.source()) as bare, pytest.raises(SyncdError, match="`instance:`"):
            bare.identity()


def test_a_check_finds_everything_in_order(studio: Studio) -> None:
    with closing(studio.source()) as source:
        findings = list(source.check())
    assert all(finding.ok for finding in findings)
    count = studio.edits.value("SELECT count(*) FROM project WHERE deleted_at IS NULL")
    assert any(f"{count} projects" in finding.detail for finding in findings)


def test_where_label_studio_imports_from_is_told_or_known_to_be_unknown(studio: Studio) -> None:
    with closing(studio.source()) as source:
        assert list(source.storages()) == []
