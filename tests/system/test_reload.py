"""A running daemon follows a changed configuration: only what changed starts again, and no change is lost on the way."""

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen
from typing import Any

from tests.deployment import Deployment, digests, eventually, folded, journal_lines
from tests.labelstudio_database import unpack
from tests.servers import Servers
from tests.servers.seaweedfs import BUCKET, client, seaweedfs
from tests.system.asking import ask, with_http
from tests.system.following import goes_on


def folder(deployment: Deployment, name: str, **settings: Any) -> dict[str, Any]:
    place = str(deployment.folder / name)
    return {"name": name, "type": "local", "path": place, "claims_seconds": 0.1, **settings}


def bucket(deployment: Deployment, endpoint: str, key: str) -> dict[str, Any]:
    """An S3 target whose keys lie in files, as rotated ones do."""
    (deployment.folder / "key").write_text(key)
    (deployment.folder / "secret").write_text(f"{key}-secret")
    files = {name: {"file": str(deployment.folder / name)} for name in ("key", "secret")}
    keys = {"access_key_id": key, "secret_access_key": files["secret"]}
    place = {"bucket": BUCKET, "prefix": deployment.folder.name, "endpoint_url": endpoint}
    return {"name": "lake", "type": "s3", "claims_seconds": 0.1, **place, **keys}


def reload(daemon: "Popen[bytes]", deployment: Deployment) -> dict[str, Any]:
    """SIGHUP, and what came of it."""
    events = ("configuration reloaded", "configuration not reloaded")
    before = [e for e in deployment.logged() if e["event"] in events]
    daemon.send_signal(signal.SIGHUP)
    seen = eventually(
        lambda: [e for e in deployment.logged() if e["event"] in events][len(before) :], deployment.errors
    )
    return seen[0]


def opened(deployment: Deployment) -> list[str]:
    """Every time that a target was opened, by its name."""
    return [e["target"] for e in deployment.logged() if e["event"] == "target opened"]


@contextmanager
def people_at_work(deployment: Deployment) -> Iterator[None]:
    """Somebody submits annotations all the time."""
    done = threading.Event()

    def work() -> None:
        n = 0
        while not done.wait(0.02):
            n += 1
            deployment.database.annotate(n % 40 + 1, f"said {n}")

    person = threading.Thread(target=work)
    person.start()
    try:
        yield
    finally:
        done.set()
        person.join()


def is_true(place: Path, deployment: Deployment) -> bool:
    found = {p.relative_to(place).as_posix(): p.read_bytes() for p in place.glob("*/tasks/*.json")}
    return found == deployment.rendered()


def test_targets_come_and_go_under_load_and_the_one_that_stays_notices_nothing(deployment: Deployment) -> None:
    deployment.configure(targets=[folder(deployment, "out"), folder(deployment, "old")])
    daemon = deployment.start()
    deployment.wait_until_true()
    with people_at_work(deployment):
        deployment.configure(targets=[folder(deployment, "out"), folder(deployment, "new")])
        said = reload(daemon, deployment)
        assert (said["added"], said["removed"], said["unchanged"]) == (["new"], ["old"], ["out"])
        eventually((deployment.folder / "new/_syncd/state.json").exists, deployment.errors)
        deployment.configure(
            targets=[folder(deployment, "out"), folder(deployment, "new", documents={"predictions": "ids"})]
        )
        assert reload(daemon, deployment)["changed"] == ["new"]
        deployment.configure(targets=[folder(deployment, "out"), folder(deployment, "new")])
        assert reload(daemon, deployment)["changed"] == ["new"]
    for name in ("out", "new"):
        place = deployment.folder / name
        eventually(lambda place=place: is_true(place, deployment), deployment.errors)  # type: ignore[misc]
        eventually(lambda place=place: says_all(place), deployment.errors)  # type: ignore[misc]
    assert opened(deployment).count("out") == 1
    assert deployment.status()["targets"].keys() == {"out", "new"}
    old = json.loads((deployment.folder / "old/_syncd/writer.json").read_bytes())
    assert old["holder"] is None, "the next writer may come in at once"
    deployment.stop(daemon)


def says_all(place: Path) -> bool:
    """The journal leads a reader to what is there."""
    there = {p.relative_to(place).as_posix(): p.read_bytes() for p in place.glob("[0-9]*/**/*.json")}
    return folded(journal_lines(place)) == digests(there)


def test_rotated_credentials_are_taken_up_and_nothing_is_lost(deployment: Deployment, servers: Servers) -> None:
    endpoint = servers.of(seaweedfs).endpoint
    targets = [folder(deployment, "out"), bucket(deployment, endpoint, "writer")]
    deployment.configure(targets=targets)
    daemon = deployment.start()
    deployment.wait_until_true()
    with people_at_work(deployment):
        deployment.configure(targets=[folder(deployment, "out"), bucket(deployment, endpoint, "admin")])
        said = reload(daemon, deployment)
    assert (said["changed"], said["unchanged"]) == (["lake"], ["out"])
    s3 = client(endpoint)

    def stored() -> dict[str, bytes]:
        prefix = f"{deployment.folder.name}/"
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        keys = [one["Key"] for page in pages for one in page.get("Contents", ()) if "/tasks/" in one["Key"]]
        return {key.removeprefix(prefix): s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}

    eventually(lambda: stored() == deployment.rendered(), deployment.errors)
    assert opened(deployment).count("out") == 1
    deployment.stop(daemon)


def test_a_wrong_file_changes_nothing_and_is_told_in_log_and_status(deployment: Deployment) -> None:
    daemon = deployment.start()
    deployment.wait_until_true()
    good = (deployment.folder / "syncd.yaml").read_text()
    (deployment.folder / "syncd.yaml").write_text(good.replace("claims_seconds", "claim_seconds"))
    said = reload(daemon, deployment)
    assert said["event"] == "configuration not reloaded"
    assert "did you mean 'claims_seconds'?" in said["reason"]
    goes_on(deployment)
    assert opened(deployment) == ["out"]
    (deployment.folder / "syncd.yaml").write_text(good)
    assert "claim_seconds" in deployment.status()["configuration"]["error"]
    assert "syncd reload" in deployment.command("status").stdout
    assert deployment.command("reload").stdout == "no target and no source has changed\n"
    assert deployment.status()["configuration"]["error"] is None
    deployment.stop(daemon)


def test_other_settings_of_the_source_are_followed(deployment: Deployment) -> None:
    daemon = deployment.start()
    deployment.wait_until_true()
    deployment.configure(source={"projects": [1]}, target={"max_delete_ratio": 0}, http={"listen": "127.0.0.1:0"})
    done = deployment.command("reload")
    assert "source changed; changed out" in done.stdout
    assert "http.listen: takes effect at the next start" in done.stdout
    deployment.wait_until_true()
    assert {key.partition("/")[0] for key in deployment.tasks()} == {"1"}
    deployment.configure()
    assert json.loads(deployment.command("reload", "--json").stdout)["source"] is True
    goes_on(deployment)
    deployment.stop(daemon)


def test_another_label_studio_is_not_reloaded(deployment: Deployment) -> None:
    daemon = deployment.start()
    deployment.wait_until_true()
    other = unpack(deployment.folder / "other.sqlite3")
    other.run("UPDATE organization SET created_at = '2001-01-01 00:00:00'")
    deployment.configure(source={"path": str(other.path)})
    done = deployment.command("reload")
    assert done.returncode == 2
    assert "is another Label Studio" in done.stderr
    goes_on(deployment)
    deployment.stop(daemon)


def test_without_a_daemon_there_is_nothing_to_reload(deployment: Deployment) -> None:
    done = deployment.command("reload")
    assert (done.returncode, "no daemon runs" in done.stderr) == (2, True)


def test_a_new_token_counts_at_once(deployment: Deployment) -> None:
    def answer(token: str) -> int:
        return ask(deployment, "/api/status", headers={"Authorization": f"Token {token}"}).status_code

    with_http(deployment, token="old")
    deployment.start()
    assert (answer("old"), answer("new")) == (200, 401)
    with_http(deployment, token="new")
    deployment.command("reload")
    assert (answer("old"), answer("new")) == (401, 200)
