"""Mirrors as their readers see them: converted formats beside the task files, each equal to a rendering from scratch."""

import json
import signal
from typing import Any

from syncd.faults import MIRROR_POINTS
from tests.deployment import Deployment, digests, eventually, folded, journal_lines
from tests.mirrored import assert_mirrored, mirror_files

SOME = ["COCO", "CSV", "YOLO", "CONLL2003"]
BOXES, NER = 1, 3
"""Projects of the shipped database."""


def mirrored(deployment: Deployment, *mirrors: Any, **target: Any) -> None:
    """Configure mirrors of two projects that are published at once."""
    deployment.configure(target={"mirrors": list(mirrors), "publish_seconds": 0.1, "projects": [BOXES, NER], **target})


def coco(deployment: Deployment) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((deployment.target / "1/coco/result.json").read_bytes())
    return found


def project_json(deployment: Deployment, project: int = BOXES) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((deployment.target / f"{project}/project.json").read_bytes())
    return found


def mirror_claims(deployment: Deployment, project: int = BOXES) -> dict[str, Any]:
    found: dict[str, Any] = deployment.claims()["projects"][str(project)]["mirrors"]
    return found


def test_a_pass_writes_every_mirror_that_applies(deployment: Deployment) -> None:
    mirrored(deployment, *SOME)
    deployment.sync()
    there = assert_mirrored(deployment)
    assert {"1/coco/result.json", "1/csv/result.csv", "1/yolo/classes.txt", "3/conll2003/result.conll"} <= there.keys()
    assert "1/conll2003/result.conll" not in there
    assert folded(journal_lines(deployment.target)) == digests(there)


def test_a_daemon_keeps_mirrors_true(deployment: Deployment) -> None:
    mirrored(deployment, *SOME)
    deployment.start()
    database = deployment.database
    wait_until_mirrored(deployment)
    one, other, *gone = database.ids("SELECT id FROM task_completion WHERE project_id = 1 ORDER BY id")[:5]
    database.copy_result(one, other)
    database.delete_tasks([database.value("SELECT task_id FROM task_completion WHERE id = ?", gone[0])])
    wait_until_mirrored(deployment)
    assert_mirrored(deployment)
    database.rename_label(BOXES, "Car", "Lorry")  # a class that only the data names
    wait_until_mirrored(deployment)
    there = assert_mirrored(deployment)
    assert b"Lorry" in there["1/yolo/classes.txt"]
    assert folded(journal_lines(deployment.target)) == digests(there)


def test_a_deleted_task_disappears_from_every_mirror(deployment: Deployment) -> None:
    for deletes in ("tombstone", "keep"):
        mirrored(deployment, "COCO", "CSV", "YOLO", deletes=deletes)
        deployment.sync()
        task = deployment.database.labelled(BOXES)[0]
        deployment.database.delete_tasks([task])
        deployment.sync()
        assert task not in {image["id"] for image in coco(deployment)["images"]}
        assert [key for key in mirror_files(deployment.files()) if key.endswith(f"__t{task}.txt")] == []
        assert (f"1/tasks/{task}.json" in deployment.tasks()) == (deletes == "keep")


def test_a_label_in_the_middle_of_the_alphabet_moves_no_published_number(deployment: Deployment) -> None:
    mirrored(deployment, "COCO", "YOLO")
    deployment.sync()
    before = {entry["name"]: entry["id"] for entry in project_json(deployment)["classes"]}
    config = deployment.database.value("SELECT label_config FROM project WHERE id = 1")
    deployment.database.configure(BOXES, config.replace('<Label value="Car"', '<Label value="Bus"/><Label value="Car"'))
    deployment.database.rename_label(BOXES, "Car", "Bus")
    deployment.sync()
    after = {entry["name"]: entry["id"] for entry in project_json(deployment)["classes"]}
    assert {name: after[name] for name in before} == before
    assert after["Bus"] == max(after.values())
    there = assert_mirrored(deployment)
    by_number = [name for name, _ in sorted(after.items(), key=lambda item: item[1])]
    assert [entry["name"] for entry in coco(deployment)["categories"]] == by_number
    assert set(by_number) <= set(there["1/yolo/classes.txt"].decode().splitlines())
    assert all(name in there["1/yolo/data.yaml"].decode() for name in by_number)


def test_a_category_against_a_published_number_is_refused_until_a_rebuild(deployment: Deployment) -> None:
    mirrored(deployment, "COCO", "CSV", "YOLO")
    deployment.sync()
    before = project_json(deployment)["classes"]
    config = deployment.database.value("SELECT label_config FROM project WHERE id = 1")
    deployment.database.configure(BOXES, config.replace('value="Car" category="2"', 'value="Car" category="7"'))
    deployment.sync()
    assert project_json(deployment)["classes"] == before
    assert_mirrored(deployment)
    shown = deployment.status()["targets"]["out"]["mirrors"]
    refused = {mirror["folder"] for mirror in shown if mirror["note"] and "Refused" in mirror["note"]}
    assert refused == {"1/coco/", "1/yolo/"}
    assert "syncd mirror rebuild" in deployment.command("status").stdout
    done = deployment.command("mirror", "rebuild", "--project", "1")
    assert (done.returncode, "project 1: 3 mirrors" in done.stdout) == (0, True), done.stderr
    deployment.sync()
    assert {"id": 7, "name": "Car"} in project_json(deployment)["classes"]
    assert_mirrored(deployment)
    assert not any(mirror["note"] for mirror in deployment.status()["targets"]["out"]["mirrors"])


def test_a_rebuild_that_keeps_numbers_repairs_what_somebody_damaged(deployment: Deployment) -> None:
    mirrored(deployment, "COCO", "YOLO")
    deployment.sync()
    before = deployment.files()
    (deployment.target / "1/coco/result.json").write_text("{}")
    label = next(key for key in before if "/labels/" in key)
    (deployment.target / label).unlink()
    deployment.command("mirror", "rebuild", "--keep-numbers")
    deployment.sync()
    assert deployment.files() == before


def test_a_format_that_does_not_apply_is_left_out_with_the_reason(deployment: Deployment) -> None:
    mirrored(deployment, "YOLO")
    deployment.sync()
    shown = {mirror["folder"]: mirror["reason"] for mirror in deployment.status()["targets"]["out"]["mirrors"]}
    assert shown["1/yolo/"] is None
    assert "on images" in shown["3/yolo/"]
    assert "yolo of project 3: left out" in deployment.command("status").stdout


def test_a_task_that_a_format_cannot_hold_leaves_that_mirror_alone(deployment: Deployment) -> None:
    mirrored(deployment, "COCO", "CSV")
    deployment.sync()
    annotation = deployment.database.value("SELECT min(id) FROM task_completion WHERE project_id = 1")
    task = deployment.database.value("SELECT task_id FROM task_completion WHERE id = ?", annotation)
    sql = "UPDATE task_completion SET result = json_set(result, '$[0].value.x', 'broken') WHERE task_id = ?"
    deployment.database.run(sql, task)
    done = deployment.command("sync", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["targets"]["out"]["quarantined_in_mirrors"] == 1
    assert task not in {image["id"] for image in coco(deployment)["images"]}
    assert_mirrored(deployment)
    [aside] = json.loads((deployment.target / "_syncd/quarantine.json").read_bytes())["quarantined"]
    assert (aside["task"], aside["project"], aside["mirror"]) == (task, BOXES, "coco")
    assert {name: says["quarantined"] for name, says in mirror_claims(deployment).items()} == {"coco": 1, "csv": 0}


def test_a_shared_file_waits_for_its_time_and_is_published_at_the_end(deployment: Deployment) -> None:
    mirrored(deployment, "COCO", publish_seconds=3600)
    deployment.sync()
    before = coco(deployment)
    daemon = deployment.start()
    deployment.wait_until_true()
    deployment.database.delete_tasks([deployment.database.labelled(BOXES)[0]])
    deployment.wait_until_true()
    claims = mirror_claims(deployment)["coco"]["synced_through"]
    assert coco(deployment) == before
    assert claims < deployment.claims()["projects"]["1"]["synced_through"]
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(30) == 0
    assert coco(deployment) != before
    assert_mirrored(deployment)
    assert mirror_claims(deployment)["coco"]["synced_through"] > claims


def test_a_pass_asked_of_the_daemon_ends_with_published_mirrors(deployment: Deployment) -> None:
    mirrored(deployment, "COCO", publish_seconds=3600)
    deployment.start()
    deployment.wait_until_true()
    deployment.sync()
    deployment.database.delete_tasks([deployment.database.labelled(BOXES)[0]])
    deployment.sync()
    assert_mirrored(deployment)


def test_a_lost_ledger_takes_the_numbers_back_from_the_bucket(deployment: Deployment) -> None:
    mirrored(deployment, *SOME)
    deployment.sync()
    deployment.database.rename_label(BOXES, "Airplane", "Zeppelin")  # numbered after all that the configuration names
    deployment.database.rename_label(BOXES, "Car", "Balloon")
    deployment.sync()
    before = deployment.files()
    for file in deployment.folder.glob(deployment.state.name + "*"):
        file.unlink()
    (deployment.target / "1/yolo/labels/0001__t99999.txt").write_text("a task that nobody remembers")
    deployment.sync()
    assert deployment.files() == before
    assert_mirrored(deployment)


def test_registries_that_contradict_each_other_are_left_as_they_are(deployment: Deployment) -> None:
    mirrored(deployment, "COCO")
    deployment.sync()
    for file in deployment.folder.glob(deployment.state.name + "*"):
        file.unlink()
    other = deployment.folder / "other"
    there = deployment.target / "1/project.json"
    says = json.loads(there.read_bytes())
    classes = [{"id": entry["id"] + 1, "name": entry["name"]} for entry in says["classes"]]
    (other / "1").mkdir(parents=True)
    (other / "1/project.json").write_text(json.dumps({**says, "classes": classes}))
    second = {"name": "other", "type": "local", "path": str(other), "mirrors": ["COCO"], "projects": [BOXES]}
    deployment.add_target(second)
    deployment.command("sync")
    targets = deployment.status()["targets"]
    refused = [
        (name, mirror["folder"])
        for name, says in targets.items()
        for mirror in says["mirrors"]
        if mirror["reason"] and "refused" in mirror["reason"]
    ]
    assert len(refused) == 1
    assert refused[0][1] == "1/coco/"
    deployment.command("mirror", "rebuild", "--project", "1")
    deployment.command("sync")
    first, second_ = ((place / "1/coco/result.json").read_bytes() for place in (deployment.target, other))
    assert first == second_


def test_the_last_task_of_a_project_takes_its_mirrors_along(deployment: Deployment) -> None:
    mirrored(deployment, *SOME, max_delete_ratio=0)
    deployment.sync()
    deployment.database.delete_tasks(deployment.database.labelled(BOXES))
    deployment.sync()
    assert [key for key in deployment.files() if key.startswith("1/")] == []
    assert_mirrored(deployment)


def test_killed_anywhere_on_the_way_readers_have_the_old_file_or_the_new_one(deployment: Deployment) -> None:
    mirrored(deployment, "COCO", "YOLO", projects=[BOXES])
    deployment.sync()
    database = deployment.database
    config = database.value("SELECT label_config FROM project WHERE id = 1")
    for n, point in enumerate(MIRROR_POINTS):
        before = mirror_files(deployment.files())
        database.configure(BOXES, config.replace("<Label ", f'<Label value="Added {n}"/><Label ', 1))
        database.rename_label(BOXES, "Car" if n == 0 else f"Only in data {n - 1}", f"Only in data {n}")
        database.delete_tasks(database.labelled(BOXES)[:1])
        assert deployment.command("sync", fault=point).returncode == -signal.SIGKILL
        there = mirror_files(deployment.files())
        assert json.loads(there["1/coco/result.json"])["info"]
        assert there.keys() >= {"1/coco/result.json", "1/yolo/classes.txt", "1/yolo/data.yaml"}
        assert all(body.endswith(b"\n") for key, body in there.items() if key not in before and "/labels/" in key)
    deployment.sync()
    there = assert_mirrored(deployment)
    assert folded(journal_lines(deployment.target)) == digests(there)


def wait_until_mirrored(deployment: Deployment) -> None:
    """Until every mirror says that whatever is committed by now is published."""
    true = deployment.true_from_now()

    def look() -> bool:
        now = true()
        return bool(now) and all(
            (says["synced_through"] or "") >= of["synced_through"]
            for of in now["projects"].values()
            for says in of["mirrors"].values()
        )

    deployment.wait_until_true()
    eventually(look, lambda: f"{deployment.claims()} {deployment.errors()}")
