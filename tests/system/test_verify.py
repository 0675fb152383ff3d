"""`syncd verify`: each kind of damage done by hand is found, and repaired so that every byte is as before."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from syncd.targets import Object, Target, make, settings_of
from tests.deployment import Deployment, eventually
from tests.places import PLACES
from tests.servers import Servers
from tests.servers.redis_server import redis_server

MANY = 19_800
"""Tasks that bring the shipped database to 20,000 objects."""
MIRRORS = [{"format": name, "projects": [1]} for name in ("COCO", "YOLO", "CSV")]


def verify(deployment: Deployment, *options: str, code: int) -> dict[str, Any]:
    """What `verify --json` says of the target, with its differences as key → mark."""
    done = deployment.command("verify", "--json", *options)
    assert done.returncode == code, done.stderr + done.stdout[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)["targets"]["out"]
    return {**found, "differences": {one["key"]: one["mark"] for one in found["differences"]}}


def alter(path: Path) -> None:
    """Other bytes of the same length."""
    body = path.read_bytes()
    path.write_bytes(body[:-1] + b" ")


def rot(path: Path) -> None:
    """Other bytes under the same name, length and time, as a failing disk has them."""
    facts, body = path.stat(), bytearray(path.read_bytes())
    body[len(body) // 2] ^= 1
    with path.open("r+b") as file:
        file.write(body)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))


def damage(deployment: Deployment) -> dict[str, str]:
    """One of each kind, done to the target by hand; key → the mark that it is to be found with."""
    target, lost = deployment.target, f"4/tasks/{deployment.database.labelled(4)[0]}.json"
    own_file = min((target / "1/yolo/labels").iterdir())
    (target / lost).unlink()
    alter(target / "1/tasks/2.json")
    (target / "1/tasks/3.json").write_bytes((target / "1/tasks/3.json").read_bytes()[:100])
    (target / "1/tasks/1000000.json").write_text("{}")
    (target / "1/coco/result.json").write_text('{"images": [], "annotations": []}')
    alter(target / "1/csv/result.csv")
    (target / "1/yolo/classes.txt").unlink()
    alter(own_file)
    own_file.with_name("photo__t1000000.txt").write_text("0 0.5 0.5 0.1 0.1")
    (target / "1/project.json").unlink()
    (target / "2/project.json").write_text("{")
    return {
        lost: "+",
        "1/tasks/2.json": "*",
        "1/tasks/3.json": "*",
        "1/tasks/1000000.json": "-",
        "1/coco/result.json": "*",
        "1/csv/result.csv": "*",
        "1/yolo/classes.txt": "+",
        f"1/yolo/labels/{own_file.name}": "*",
        "1/yolo/labels/photo__t1000000.txt": "-",
        "1/project.json": "+",
        "2/project.json": "*",
    }


def test_each_kind_of_damage_among_20000_objects_is_found_and_repaired(deployment: Deployment) -> None:
    deployment.database.add_labelled_tasks(4, MANY)
    deployment.configure(target={"mirrors": MIRRORS})
    deployment.sync()
    before = deployment.files()
    assert len(before) > 20_000
    assert verify(deployment, code=0)["same"] >= len(before)
    marks = damage(deployment)
    (deployment.target / "4711").write_text("an annotation, as Label Studio stores it")
    found = verify(deployment, "--foreign", code=1)
    assert found["differences"] == marks
    assert found["foreign_objects"] == [{"key": "4711", "size": 40}]
    assert verify(deployment, "--repair", code=0)["differences"] == {}
    after = deployment.files()
    assert after.pop("4711") == b"an annotation, as Label Studio stores it"
    assert after == before


def test_a_running_daemon_repairs_what_was_found_while_people_work(deployment: Deployment) -> None:
    deployment.configure(target={"mirrors": MIRRORS, "publish_seconds": 0.1})
    daemon = deployment.start()
    deployment.wait_until_true()
    eventually(lambda: verified(deployment), deployment.errors)
    marks = damage(deployment)
    assert verify(deployment, code=1)["differences"] == marks
    deployment.database.annotate(5, "meanwhile")
    assert verify(deployment, "--repair", code=0)["differences"] == {}
    deployment.wait_until_true()
    assert deployment.tasks() == deployment.rendered()
    eventually(lambda: verified(deployment), deployment.errors)
    deployment.stop(daemon)


def verified(deployment: Deployment) -> bool:
    return deployment.command("verify").returncode == 0


def test_rotten_bytes_are_found_by_reading_them(deployment: Deployment) -> None:
    deployment.sync()
    before = deployment.files()
    rot(deployment.target / "1/tasks/2.json")
    assert verify(deployment, code=0)["differences"] == {}
    assert verify(deployment, "--deep", code=1)["differences"] == {"1/tasks/2.json": "*"}
    assert verify(deployment, "--deep", "--repair", code=0)["differences"] == {}
    assert deployment.files() == before


def test_a_lost_ledger_is_no_hindrance(deployment: Deployment) -> None:
    deployment.configure(target={"mirrors": MIRRORS})
    deployment.sync()
    before = deployment.files()
    for file in deployment.folder.glob(f"{deployment.state.name}*"):
        file.unlink()
    assert verify(deployment, code=0)["differences"] == {}
    marks = damage(deployment)
    found = verify(deployment, code=1)["differences"]
    assert {key: mark for key, mark in found.items() if "/tasks/" in key} == {
        key: mark for key, mark in marks.items() if "/tasks/" in key
    }
    verify(deployment, "--repair", code=0)
    assert {k: b for k, b in deployment.files().items() if "/tasks/" in k} == {
        k: b for k, b in before.items() if "/tasks/" in k
    }


def test_a_task_that_cannot_be_read_is_told_and_its_last_good_file_stays(deployment: Deployment) -> None:
    deployment.sync()
    deployment.database.damage("UPDATE task SET data = '{' WHERE id = 2")
    assert verify(deployment, code=1)["differences"] == {"1/tasks/2.json": "!"}


def test_what_the_brake_holds_is_told_and_stays(deployment: Deployment) -> None:
    deployment.sync()
    deployment.database.delete_tasks(deployment.database.labelled(1)[:25])
    deployment.command("sync")
    done = deployment.command("verify", "--repair")
    assert done.returncode == 1
    assert done.stdout.count("its deletion is held by the brake") == 25
    assert "- 25 only here" in done.stdout


def test_with_keep_files_of_deleted_tasks_are_as_they_are_to_be(deployment: Deployment) -> None:
    deployment.configure(target={"deletes": "keep"})
    deployment.sync()
    deployment.database.delete_tasks(deployment.database.labelled(5))
    deployment.sync()
    assert verify(deployment, code=0)["differences"] == {}


def test_a_target_that_is_out_of_reach_is_told_beside_the_others(deployment: Deployment) -> None:
    out = {"name": "out", "type": "local", "path": str(deployment.target)}
    lost = {"name": "lost", "type": "local", "path": str(deployment.folder / "not" / "mounted")}
    deployment.sync()
    deployment.configure(targets=[out, lost])
    done = deployment.command("verify")
    assert done.returncode == 3
    assert "! lost: " in done.stdout
    assert "out: = " in done.stdout


# --- every store ------------------------------------------------------------------------------------------------------


@pytest.fixture(params=[*PLACES, "redis"])
def target(request: pytest.FixtureRequest, servers: Servers, tmp_path: Path) -> Mapping[str, Any]:
    """The settings of a target in each kind of store."""
    if request.param == "redis":
        return {"type": "redis", "url": servers.of(redis_server).url, "prefix": tmp_path.name}
    return PLACES[request.param](servers, tmp_path).target


@contextmanager
def opened(target: Mapping[str, Any]) -> Iterator[Target]:
    made = make(target["type"], settings_of(target["type"]).model_validate(target))
    made.open()
    try:
        yield made
    finally:
        made.close()


def stored(target: Mapping[str, Any]) -> dict[str, bytes | None]:
    with opened(target) as store:
        keys = [one.key for one in store.list() if not one.key.startswith("_syncd/")]
        return {key: found.body for key in keys if (found := store.get(key))}


def test_in_every_store_damage_is_found_and_repaired(deployment: Deployment, target: Mapping[str, Any]) -> None:
    deployment.configure(targets=[{"name": "out", **target}], source={"projects": [1, 5]})
    deployment.sync()
    before = stored(target)
    assert verify(deployment, code=0)["same"] == len(before)
    body = before["1/tasks/2.json"] or b""
    with opened(target) as store:
        put = [
            Object("1/tasks/2.json", body[:-1] + b" ", ""),
            Object("1/tasks/3.json", body[:100], ""),
            Object("1/tasks/1000000.json", b"{}", ""),
            Object("4711", b"foreign", ""),
        ]
        list(store.put_many(put))
        list(store.delete_many(["5/project.json", "1/tasks/4.json"]))
    marks = {
        "1/tasks/2.json": "*",
        "1/tasks/3.json": "*",
        "1/tasks/1000000.json": "-",
        "1/tasks/4.json": "+",
        "5/project.json": "+",
    }
    found = verify(deployment, "--foreign", code=1)
    assert found["differences"] == marks
    assert [one["key"] for one in found["foreign_objects"]] == ["4711"]
    assert verify(deployment, "--deep", "--repair", code=0)["differences"] == {}
    assert stored(target) == {**before, "4711": b"foreign"}
