"""Label Studio's export API, answered by syncd: Easy Export and snapshots, with the content of `syncd export`."""

import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.deployment import Deployment, eventually
from tests.system.asking import ask, with_http

BOXES = 1


@pytest.fixture
def serving(deployment: Deployment) -> Deployment:
    """A daemon with an HTTP port and mirrors in COCO and CSV."""
    with_http(deployment, target={"mirrors": ["COCO", "CSV"], "publish_seconds": 0.1})
    deployment.start()
    deployment.wait_until_true()
    return deployment


def exported(deployment: Deployment, project: int, name: str, *more: str) -> dict[str, bytes]:
    """What `syncd export` writes, by path."""
    out = deployment.folder / f"exported-{name}"
    done = deployment.command("export", str(project), name, "--path", str(out), *more)
    assert done.returncode == 0, done.stderr
    return {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}


def easy(deployment: Deployment, project: int, **query: Any) -> httpx.Response:
    return ask(deployment, f"/api/projects/{project}/export", params=query)


def unpacked(body: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(BytesIO(body)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


# --- Easy Export ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["JSON", "JSON_MIN", "CSV", "COCO"])
def test_one_file_comes_as_it_is_with_its_name_in_a_header(serving: Deployment, name: str) -> None:
    answer = easy(serving, BOXES, exportType=name)
    [(path, body)] = exported(serving, BOXES, name).items()
    assert answer.content == body
    assert answer.headers["filename"].startswith(f"project-{BOXES}-at-")
    assert answer.headers["filename"].endswith(Path(path).suffix)
    assert answer.headers["content-disposition"] == f'attachment; filename="{answer.headers["filename"]}"'


def test_several_files_come_packed(serving: Deployment) -> None:
    answer = easy(serving, BOXES, exportType="YOLO")
    assert answer.headers["filename"].endswith(".zip")
    assert unpacked(answer.content) == exported(serving, BOXES, "YOLO")


def test_json_is_what_comes_when_nothing_is_said_and_tasks_can_be_chosen(serving: Deployment) -> None:
    chosen = serving.database.labelled(BOXES)[2:4]
    found = ask(serving, f"/api/projects/{BOXES}/export?ids[]={chosen[0]}&ids[]={chosen[1]}").json()
    assert [task["id"] for task in found] == chosen


def test_tasks_without_annotations_come_when_asked_for(serving: Deployment) -> None:
    task = serving.database.add_task(BOXES)
    serving.wait_until_true()
    assert task not in [one["id"] for one in easy(serving, BOXES).json()]
    assert task in [one["id"] for one in easy(serving, BOXES, download_all_tasks="true").json()]


def test_a_mirror_that_is_behind_is_not_believed(serving: Deployment) -> None:
    assert serving.command("pause", "out").returncode == 0
    serving.database.annotate(serving.database.labelled(BOXES)[0], "new")
    [body] = exported(serving, BOXES, "CSV").values()
    eventually(lambda: easy(serving, BOXES, exportType="CSV").content == body)


def test_the_formats_that_apply_are_listed(serving: Deployment) -> None:
    names = {one["name"] for one in ask(serving, f"/api/projects/{BOXES}/export/formats").json()}
    assert {"JSON", "COCO", "YOLO", "VOC"} <= names
    assert not {"SPACY", "ASR_MANIFEST"} & names


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/api/projects/4711/export", 404, "no project 4711"),
        ("/api/projects/1/export?exportType=COCOO", 400, "did you mean 'COCO'?"),
        ("/api/projects/1/export?exportType=SPACY", 400, "SPACY does not apply"),
        ("/api/projects/1/export?ids[]=one", 400, "ids[] takes task ids"),
        ("/api/projects/1/export?download_all_tasks=perhaps", 400, "neither true nor false"),
        ("/api/projects/1/export?interpolate_key_frames=true", 400, "key frames"),
        ("/api/projects/1/exports/99", 404, "no snapshot 99"),
        ("/api/projects/1/exports/99/download", 404, "no snapshot 99"),
    ],
)
def test_what_cannot_be_answered_is_said(serving: Deployment, path: str, status: int, said: str) -> None:
    answer = ask(serving, path)
    assert (answer.status_code, said in answer.json()["detail"]) == (status, True), answer.text


# --- snapshots --------------------------------------------------------------------------------------------------------


def snapshot(deployment: Deployment, **options: Any) -> dict[str, Any]:
    """One that is completed."""
    made = ask(deployment, f"/api/projects/{BOXES}/exports/", "POST", json=options)
    assert made.status_code == 201, made.text
    place = f"/api/projects/{BOXES}/exports/{made.json()['id']}"

    def done() -> dict[str, Any] | None:
        found: dict[str, Any] = ask(deployment, place).json()
        return found if found["status"] == "completed" else None

    return eventually(done)


def tasks_of(deployment: Deployment, made: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = download(deployment, made).json()
    assert made["counters"] == {"task_number": len(found)}
    return found


def download(deployment: Deployment, made: dict[str, Any], **more: Any) -> httpx.Response:
    return ask(deployment, f"/api/projects/{BOXES}/exports/{made['id']}/download", **more)


def test_a_snapshot_holds_everything_and_stays_as_it_was(serving: Deployment) -> None:
    without = serving.database.add_task(BOXES)
    made = snapshot(serving, title="before")
    serving.database.delete_tasks([without])
    found = tasks_of(serving, made)
    assert without in [task["id"] for task in found]
    assert made["title"] == "before"
    assert [one["id"] for one in ask(serving, f"/api/projects/{BOXES}/exports/").json()] == [made["id"]]


def test_a_snapshot_outlives_a_restart(deployment: Deployment) -> None:
    with_http(deployment)
    daemon = deployment.start()
    deployment.wait_until_true()
    made = snapshot(deployment)
    before = download(deployment, made).content
    deployment.stop(daemon)
    deployment.log.unlink()
    deployment.start()
    deployment.wait_until_true()
    assert download(deployment, made).content == before


def test_a_part_of_a_snapshot_can_be_asked_for(serving: Deployment) -> None:
    made = snapshot(serving)
    whole = download(serving, made).content
    answer = download(serving, made, headers={"Range": "bytes=10-19"})
    assert (answer.status_code, answer.content) == (206, whole[10:20])


def test_options_choose_tasks_annotations_and_shape(serving: Deployment) -> None:
    skipped, plain = serving.database.labelled(BOXES)[:2]
    serving.database.annotate(skipped, cancelled=True)
    only = tasks_of(serving, snapshot(serving, task_filter_options={"skipped": "only"}))
    assert skipped in [task["id"] for task in only]
    assert plain not in [task["id"] for task in only]
    usual = tasks_of(serving, snapshot(serving, annotation_filter_options={"usual": True}))
    assert not any(one["was_cancelled"] for task in usual for one in task["annotations"])
    labelled = tasks_of(serving, snapshot(serving, task_filter_options={"only_with_annotations": True}))
    assert all(task["annotations"] for task in labelled)
    shaped = tasks_of(
        serving, snapshot(serving, serialization_options={"annotations__completed_by": {"only_id": False}})
    )
    assert shaped[0]["annotations"][0]["completed_by"]["email"]


def test_a_tab_of_the_data_manager_is_refused_rather_than_ignored(serving: Deployment) -> None:
    answer = ask(serving, f"/api/projects/{BOXES}/exports/", "POST", json={"task_filter_options": {"view": 3}})
    assert (answer.status_code, "knows no tabs" in answer.json()["detail"]) == (400, True)


def test_a_snapshot_is_converted_and_deleted(serving: Deployment) -> None:
    made = snapshot(serving)
    place = f"/api/projects/{BOXES}/exports/{made['id']}"
    told = ask(serving, f"{place}/convert", "POST", json={"export_type": "COCO"}).json()
    assert told["export_type"] == "COCO"

    def converted() -> bool:
        formats = ask(serving, place).json()["converted_formats"]
        return [(one["id"], one["status"]) for one in formats] == [(told["converted_format"], "completed")]

    eventually(converted)
    [body] = exported(serving, BOXES, "COCO").values()
    assert download(serving, made, params={"exportType": "COCO"}).content == body
    assert unpacked(download(serving, made, params={"exportType": "YOLO"}).content)["classes.txt"]
    assert ask(serving, place, "DELETE").status_code == 204
    assert ask(serving, place).status_code == 404
    assert not list(serving.folder.glob("*.exports/*/tasks.json"))


def test_an_old_snapshot_goes_when_a_new_one_is_made(deployment: Deployment) -> None:
    deployment.configure(http={"listen": "127.0.0.1:0", "snapshot_days": 1e-9})
    deployment.start()
    deployment.wait_until_true()
    snapshot(deployment, title="old")
    snapshot(deployment, title="new")
    assert [one["title"] for one in ask(deployment, f"/api/projects/{BOXES}/exports/").json()] == ["new"]
