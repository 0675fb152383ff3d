"""A real Label Studio is annotated over its REST API while `syncd run` follows: the folder equals Easy Export after each step.

The same steps on SQLite, on PostgreSQL, and over REST alone. Most run under a daemon whose sweeps are an hour away: what it
shows, it saw from the rows that came, went or moved. What moves no column that it watches is left to the daemon that sweeps every
three seconds. Over REST both sweep all the time.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import Servers
from tests.servers.label_studio import Json, LabelStudio, label_studio, label_studio_on_postgres, label_studio_over_rest
from tests.system.live_following import Follower, eventually, following

pytestmark = pytest.mark.live

CONFIG = """<View><Text name="text" value="$text"/>
<Choices name="animal" toName="text"><Choice value="Cat"/><Choice value="Dog"/></Choices></View>"""


@pytest.fixture(
    scope="module",
    params=[label_studio, label_studio_on_postgres, label_studio_over_rest],
    ids=["sqlite", "postgres", "rest"],
)
def studio(servers: Servers, request: pytest.FixtureRequest) -> LabelStudio:
    found: LabelStudio = servers.of(request.param)
    return found


@pytest.fixture(scope="module")
def project(studio: LabelStudio) -> int:
    return studio.new_project("Animals", CONFIG)


@pytest.fixture(scope="module")
def folder(studio: LabelStudio, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Follower]:
    """Follows without ever sweeping."""
    home = tmp_path_factory.mktemp("follows")
    with following(studio, home, sweep_minutes=60, max_delete_ratio=0) as at_work:
        yield at_work


@pytest.fixture(scope="module")
def swept_folder(
    studio: LabelStudio, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Follower]:
    """Follows and sweeps all the time."""
    if studio.over_rest:
        yield request.getfixturevalue("folder")
        return
    home = tmp_path_factory.mktemp("sweeps")
    with following(studio, home, sweep_minutes=0.05, max_delete_ratio=0) as at_work:
        yield at_work


def animal(name: str) -> list[Json]:
    """The result of an annotator who saw one."""
    value = {"choices": [name]}
    return [{"id": "region-1", "from_name": "animal", "to_name": "text", "type": "choices", "value": value}]


def annotated(name: str, **fields: object) -> Json:
    """A task as it is imported with an annotation."""
    return {"data": {"text": f"a {name}"}, "annotations": [{"result": animal(name), **fields}]}


# --- what annotators do -----------------------------------------------------------------------------------------------


def test_a_submitted_annotation(studio: LabelStudio, project: int, folder: Follower) -> None:
    [task] = studio.add_tasks(project, [{"text": "who is it?"}])
    with folder.shows():
        studio.annotate(task, animal("Cat"), lead_time=12.5)
    with folder.shows():
        studio.annotate(task, animal("Dog"))


def test_an_edited_annotation(studio: LabelStudio, project: int, folder: Follower) -> None:
    [task] = studio.add_tasks(project, [{"text": "who is it?"}])
    annotation = studio.annotate(task, animal("Cat"))
    with folder.shows():
        studio.edit(annotation, result=animal("Dog"))


def test_a_skipped_task_and_its_return(studio: LabelStudio, project: int, folder: Follower) -> None:
    [task] = studio.add_tasks(project, [{"text": "who is it?"}])
    with folder.shows():
        annotation = studio.annotate(task, [], was_cancelled=True)
    with folder.shows():
        studio.edit(annotation, result=animal("Cat"), was_cancelled=False)


def test_the_ground_truth_passing_to_another_annotation(studio: LabelStudio, project: int, folder: Follower) -> None:
    [task] = studio.add_tasks(project, [{"text": "who is it?"}])
    first, second = studio.annotate(task, animal("Cat"), ground_truth=True), studio.annotate(task, animal("Dog"))
    with folder.shows():
        studio.edit(second, ground_truth=True)
    documents = folder.documents()[f"{project}/{task}"]
    assert {a["id"]: a["ground_truth"] for a in documents["annotations"]} == {first: False, second: True}


def test_a_deleted_annotation_and_then_the_last_one(studio: LabelStudio, project: int, folder: Follower) -> None:
    [task] = studio.add_tasks(project, [{"text": "who is it?"}])
    first, second = studio.annotate(task, animal("Cat")), studio.annotate(task, animal("Dog"))
    with folder.shows():
        studio.call("DELETE", f"/api/annotations/{first}")
    with folder.shows():
        studio.call("DELETE", f"/api/annotations/{second}")
    assert f"{project}/{task}" not in folder.documents()


def test_a_draft_as_it_is_begun_continued_and_thrown_away(studio: LabelStudio, project: int, folder: Follower) -> None:
    [task] = studio.add_tasks(project, [annotated("Cat")])
    with folder.shows():
        draft = studio.draft(task, animal("Dog"))
    with folder.shows():
        studio.call("PATCH", f"/api/drafts/{draft}", {"result": animal("Cat")})
    with folder.shows():
        studio.call("DELETE", f"/api/drafts/{draft}")


def test_an_annotation_turned_into_a_draft(studio: LabelStudio, project: int, folder: Follower) -> None:
    [task] = studio.add_tasks(project, [annotated("Cat")])
    annotation = studio.annotate(task, animal("Dog"))
    with folder.shows():
        studio.call("POST", f"/api/annotations/{annotation}/convert-to-draft")


# --- what comes in bulk -----------------------------------------------------------------------------------------------


def test_imported_annotations(studio: LabelStudio, project: int, folder: Follower) -> None:
    with folder.shows():
        studio.add_tasks(project, [annotated("Cat"), annotated("Dog"), {"text": "nobody yet"}])
    with folder.shows():
        studio.upload(project, "tasks.json", json.dumps([annotated("Fox")]).encode())


def test_predictions_made_imported_and_deleted(studio: LabelStudio, project: int, folder: Follower) -> None:
    tasks = studio.add_tasks(project, [annotated("Cat"), annotated("Dog")])
    with folder.shows():
        studio.predict(tasks[0], animal("Dog"), score=0.75, model_version="first")
    with folder.shows():
        imported = [{"task": task, "result": animal("Cat"), "model_version": "second"} for task in tasks]
        studio.call("POST", f"/api/projects/{project}/import/predictions", imported)
    with folder.shows():
        studio.manage("delete_tasks_predictions", project, tasks)


def test_predictions_turned_into_annotations(studio: LabelStudio, project: int, folder: Follower) -> None:
    tasks = studio.add_tasks(project, [{"text": "one"}, {"text": "two"}])
    for task in tasks:
        studio.predict(task, animal("Dog"))
    with folder.shows():
        studio.manage("predictions_to_annotations", project, tasks)


def test_an_annotation_propagated_to_other_tasks(studio: LabelStudio, project: int, folder: Follower) -> None:
    tasks = studio.add_tasks(project, [{"text": "one"}, {"text": "two"}, {"text": "three"}])
    annotation = studio.annotate(tasks[0], animal("Cat"))
    with folder.shows():
        studio.manage("propagate_annotations", project, tasks, source_annotation_id=annotation)


def test_labels_renamed_in_the_data_manager(studio: LabelStudio, folder: Follower) -> None:
    project = studio.new_project("Renamed", CONFIG)
    studio.add_tasks(project, [annotated("Cat"), annotated("Dog")])
    with folder.shows():
        studio.manage("rename_labels", project, control_tag="animal", old_label_name="Cat", new_label_name="Cow")


def test_a_label_renamed_to_a_longer_one(studio: LabelStudio, project: int, folder: Follower) -> None:
    studio.add_tasks(project, [annotated("Eel")])
    with folder.shows():
        rename(studio, project, "Eel", "Lamprey")


def test_duplicates_removed(studio: LabelStudio, folder: Follower) -> None:
    project = studio.new_project("Duplicates", CONFIG)
    tasks = studio.add_tasks(project, [{"text": "same"}, {"text": "same"}, {"text": "other"}])
    for task in tasks:
        studio.annotate(task, animal("Cat"))
    with folder.shows():
        studio.manage("remove_duplicates", project, tasks)
    assert len([key for key in folder.documents() if key.startswith(f"{project}/")]) == 2


def test_annotations_deleted_in_the_data_manager(studio: LabelStudio, project: int, folder: Follower) -> None:
    tasks = studio.add_tasks(project, [annotated("Cat"), annotated("Dog")])
    with folder.shows():
        studio.manage("delete_tasks_annotations", project, tasks)


# --- what happens to tasks and projects -------------------------------------------------------------------------------


def test_a_task_whose_data_is_edited(studio: LabelStudio, project: int, folder: Follower) -> None:
    [task] = studio.add_tasks(project, [annotated("Cat")])
    with folder.shows():
        studio.call("PATCH", f"/api/tasks/{task}", {"data": {"text": "an old cat"}, "meta": {"round": 2}})


def test_columns_added_to_the_data_of_tasks(studio: LabelStudio, project: int, folder: Follower) -> None:
    tasks = studio.add_tasks(project, [annotated("Cat"), annotated("Dog")])
    with folder.shows():
        studio.manage("cache_labels", project, tasks, control_tag="animal", source="annotations")
    with folder.shows():
        studio.manage("add_data_field", project, tasks, value_name="round", value_type="Number", value=2)


def test_a_task_deleted_over_the_api(studio: LabelStudio, project: int, folder: Follower) -> None:
    [task] = studio.add_tasks(project, [annotated("Cat")])
    with folder.shows():
        studio.call("DELETE", f"/api/tasks/{task}")


def test_some_tasks_and_then_all_deleted_in_the_data_manager(studio: LabelStudio, folder: Follower) -> None:
    project = studio.new_project("Emptied", CONFIG)
    tasks = studio.add_tasks(project, [annotated("Cat") for _ in range(5)])
    with folder.shows():
        studio.manage("delete_tasks", project, tasks[:2])
    with folder.shows():
        studio.manage("delete_tasks", project)


def test_an_unrelated_task_that_takes_the_id_of_a_deleted_one(
    studio: LabelStudio, project: int, folder: Follower
) -> None:
    [task] = studio.add_tasks(project, [annotated("Cat")])
    with folder.shows():
        studio.call("DELETE", f"/api/tasks/{task}")
        studio.database.give_out_again(task)
        assert studio.add_tasks(project, [annotated("Dog")]) == [task]


def test_a_project_emptied_and_one_deleted(studio: LabelStudio, folder: Follower) -> None:
    emptied, deleted = studio.new_project("Cleared", CONFIG), studio.new_project("Deleted", CONFIG)
    for project in (emptied, deleted):
        studio.add_tasks(project, [annotated("Cat"), annotated("Dog")])
    with folder.shows():
        studio.call("DELETE", f"/api/projects/{emptied}/tasks/")
    with folder.shows():
        studio.call("DELETE", f"/api/projects/{deleted}")
        folder.confirm_deletion(tasks=2)
    assert eventually(lambda: [folder.project_file(p) for p in (emptied, deleted)], [{}, {}]) == [{}, {}]


def test_a_project_whose_title_and_labels_change(studio: LabelStudio, folder: Follower) -> None:
    project = studio.new_project("Pets", CONFIG)
    studio.add_tasks(project, [annotated("Cat")])
    folder.agrees()
    changed = {"title": "Pets, all of them", "label_config": CONFIG.replace('"Dog"', '"Hamster"')}
    studio.call("PATCH", f"/api/projects/{project}", changed)

    def told() -> Json:
        return {name: folder.project_file(project).get(name) for name in changed}

    assert eventually(told, changed) == changed


def test_an_annotator_renamed_and_then_deleted(studio: LabelStudio, project: int, folder: Follower) -> None:
    [task] = studio.add_tasks(project, [annotated("Cat")])
    studio.draft(task, animal("Dog"))
    owner = studio.call("GET", "/api/current-user/whoami")["id"]
    with folder.shows():
        studio.call("PATCH", f"/api/users/{owner}", {"first_name": "Ann", "last_name": "Notator"})

    bob = studio.call("POST", "/api/users", {"username": "bob", "email": "bob@example.com"})["id"]
    studio.add_tasks(project, [annotated("Dog", completed_by=bob)])
    with folder.shows():
        studio.call("DELETE", f"/api/users/{bob}")


def test_tasks_that_a_larger_overlap_makes_unfinished(studio: LabelStudio, tmp_path: Path) -> None:
    project = studio.new_project("Overlap", CONFIG)
    tasks = studio.add_tasks(project, [annotated("Cat"), annotated("Dog")])
    finished = {"tasks": "finished"}
    with following(studio, tmp_path, sweep_minutes=60, projects=[project], documents=finished) as folder:
        both = {f"{project}/{task}" for task in tasks}
        assert eventually(lambda: folder.documents().keys(), both) == both
        studio.call("PATCH", f"/api/projects/{project}", {"maximum_annotations": 2})
        assert eventually(folder.documents, {}) == {}
        for task in tasks:
            assert not studio.call("GET", f"/api/tasks/{task}")["is_labeled"]


# --- what moves no column that is watched -----------------------------------------------------------------------------


def test_a_sweep_finds_a_label_renamed_to_one_as_long(
    studio: LabelStudio, project: int, swept_folder: Follower
) -> None:
    studio.add_tasks(project, [annotated("Ape")])
    with swept_folder.shows():
        rename(studio, project, "Ape", "Ant")


def test_a_sweep_finds_data_replaced_by_data_as_long(studio: LabelStudio, project: int, swept_folder: Follower) -> None:
    tasks = studio.add_tasks(project, [annotated("Cat"), annotated("Dog")])
    with swept_folder.shows():
        studio.manage("add_data_field", project, tasks, value_name="text", value_type="String", value="a cow")


def test_a_sweep_finds_tasks_whose_file_was_deleted(studio: LabelStudio, project: int, swept_folder: Follower) -> None:
    studio.upload(project, "tasks.json", json.dumps([annotated("Cat")]).encode())
    uploads = studio.call("GET", f"/api/projects/{project}/file-uploads?all=true")
    with swept_folder.shows():
        studio.call("DELETE", f"/api/projects/{project}/file-uploads", {"file_upload_ids": [u["id"] for u in uploads]})


# --- the brake --------------------------------------------------------------------------------------------------------


def test_many_deletions_wait_for_the_operator(studio: LabelStudio, tmp_path: Path) -> None:
    project = studio.new_project("Braked", CONFIG)
    tasks = studio.add_tasks(project, [annotated("Cat") for _ in range(30)])
    with following(studio, tmp_path, sweep_minutes=60) as folder:
        before = folder.agrees()
        studio.manage("delete_tasks", project, tasks[:25])
        assert eventually(folder.held_deletes, 25) == 25
        assert folder.documents() == before
        assert "25 held" in folder.deployment.command("status").stdout
        assert "syncd resume out --allow-deletes" in folder.deployment.command("status").stdout

        studio.annotate(tasks[-1], animal("Dog"))  # edits keep flowing
        kept = f"{project}/{tasks[-1]}"
        assert eventually(lambda: len(folder.documents()[kept]["annotations"]), 2) == 2

        released = folder.deployment.command("resume", "out", "--allow-deletes")
        assert (released.returncode, released.stdout) == (0, "out: 25 held deletions may pass\n")
        folder.agrees()
        assert folder.held_deletes() == 0


def rename(studio: LabelStudio, project: int, old: str, new: str) -> None:
    """Label Studio's own bulk rename, which moves no `updated_at` at all."""
    names = {"old_label": [old], "new_label": [new], "project": project}
    assert studio.call("POST", "/api/labels/bulk", names) == {"annotations_updated": 1}
