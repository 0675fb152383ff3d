"""The daemon over an S3 store that misbehaves: faulty answers, an outage, rival writers, large documents."""

import contextlib
import json
import os
import random
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from mypy_boto3_s3 import S3Client

from tests.deployment import Deployment, digests, eventually, folded
from tests.fault_proxy import FaultProxy, fault_proxy
from tests.servers import Servers
from tests.servers.seaweedfs import BUCKET, client, seaweedfs

PROJECT = 12
"""The shipped database's project with the shortest documents."""


@dataclass
class Bucket:
    """One prefix of the store, looked at past the proxy and past syncd."""

    s3: S3Client
    prefix: str

    def keys(self, below: str = "") -> list[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{self.prefix}/{below}")
        return [one["Key"] for page in pages for one in page.get("Contents", [])]

    def objects(self, below: str = "") -> dict[str, bytes]:
        """Keys and bodies, while nobody deletes any."""
        return {key.removeprefix(f"{self.prefix}/"): self.body(key) for key in self.keys(below)}

    def body(self, key: str) -> bytes:
        return self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()

    def tasks(self) -> dict[str, bytes]:
        return {key: body for key, body in self.objects().items() if "/tasks/" in key and not key.startswith("_syncd/")}

    def claims(self) -> dict[str, Any]:
        with contextlib.suppress(self.s3.exceptions.NoSuchKey):
            found: dict[str, Any] = json.loads(self.body(f"{self.prefix}/_syncd/state.json"))
            return found
        return {}

    def journal(self) -> list[dict[str, Any]]:
        """Every line; fails on a gap or an overlap."""
        bodies = [body for _, body in sorted(self.objects("_syncd/journal/").items())]
        lines = [json.loads(line) for body in bodies for line in body.splitlines()]
        assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
        return lines

    def wait_until_true(self, seconds: float = 60) -> None:
        now = datetime.now(UTC).isoformat()

        def look() -> bool:
            says = self.claims()
            return (
                bool(says)
                and min(says["synced_through"] or "", says["swept_through"] or "") > now
                and not says["dirty"]
            )

        eventually(look, self.claims, seconds=seconds)

    def check_against(self, deployment: Deployment) -> None:
        """The bucket equals the source, and whoever folds the journal knows it object by object."""
        tasks = self.tasks()
        assert tasks == deployment.rendered()
        there = {key: digest for key, digest in folded(iter(self.journal())).items() if "/tasks/" in key}
        assert there == digests(tasks)


@pytest.fixture
def proxy(servers: Servers) -> Iterator[FaultProxy]:
    with fault_proxy(urlsplit(servers.of(seaweedfs).endpoint).port or 0) as between:
        yield between


@pytest.fixture
def bucket(servers: Servers, tmp_path: Path) -> Bucket:
    return Bucket(client(servers.of(seaweedfs).endpoint), tmp_path.name)


def s3(endpoint: str, bucket: Bucket, **more: object) -> dict[str, object]:
    keys = {"access_key_id": "writer", "secret_access_key": "writer-secret", "region": "us-east-1"}
    place = {"name": "out", "type": "s3", "bucket": BUCKET, "prefix": bucket.prefix, "endpoint_url": endpoint}
    return {**place, **keys, "max_delete_ratio": 0, "claims_seconds": 0.5, **more}


def test_a_fifth_of_all_requests_failing_loses_and_doubles_nothing(
    deployment: Deployment, proxy: FaultProxy, bucket: Bucket
) -> None:
    deployment.configure(targets=[s3(proxy.url, bucket)])
    database, chance = deployment.database, random.Random(3)
    tasks = database.add_labelled_tasks(PROJECT, 2000)
    proxy.slow_seconds = 0.05
    proxy.fail_at_random(0.2, seed=3)
    daemon = deployment.start()
    for _ in range(40):
        database.annotate(chance.choice(tasks), "second")
        database.delete_tasks([tasks.pop(chance.randrange(len(tasks)))])
    eventually(lambda: len(bucket.keys()) > 500, deployment.errors, seconds=120)
    for _ in range(40):
        database.annotate(chance.choice(tasks), "third")
    bucket.wait_until_true(seconds=180)
    assert sum(proxy.faults.values()) > 200
    proxy.fail_at_random(0, seed=0)
    deployment.stop(daemon)
    bucket.check_against(deployment)


def test_a_store_that_is_down_is_waited_for_while_the_other_target_goes_on(
    deployment: Deployment, proxy: FaultProxy, bucket: Bucket
) -> None:
    far = s3(proxy.url, bucket, name="far")
    near = {"name": "near", "type": "local", "path": str(deployment.target), "claims_seconds": 0.1}
    deployment.configure(targets=[far, near])
    daemon = deployment.start()
    bucket.wait_until_true()
    proxy.down()
    task = deployment.database.labelled(PROJECT)[0]
    deployment.database.annotate(task, "while it was down")
    deployment.wait_until_true()
    assert deployment.tasks() == deployment.rendered()
    told = eventually(
        lambda: (found := deployment.status()["targets"]["far"])["state"] == "unreachable" and found, deployment.errors
    )
    assert told["error"]
    assert daemon.poll() is None
    proxy.up()
    bucket.wait_until_true(seconds=90)
    assert deployment.status()["targets"]["far"]["error"] is None
    deployment.stop(daemon)
    bucket.check_against(deployment)


@pytest.fixture
def rivals(
    deployment: Deployment, proxy: FaultProxy, bucket: Bucket, tmp_path: Path
) -> Iterator[tuple[Deployment, Deployment]]:
    """Two daemons' folders on one database and one prefix, each with its own ledger."""
    deployment.configure(targets=[s3(proxy.url, bucket)])
    (tmp_path / "second").mkdir()
    second = Deployment(tmp_path / "second", database=deployment.database)
    second.configure(targets=[s3(proxy.url, bucket)])
    yield deployment, second
    second.close()


def standing_by(deployment: Deployment) -> bool:
    return deployment.state.exists() and deployment.status()["targets"].get("out", {}).get("state") == "standing by"


def test_the_second_of_two_daemons_stands_by_and_takes_over_from_a_killed_one(
    rivals: tuple[Deployment, Deployment], bucket: Bucket
) -> None:
    first, second = rivals
    killed = first.start()
    bucket.wait_until_true()
    waiting = second.start()
    eventually(lambda: standing_by(second), second.errors)
    killed.send_signal(signal.SIGKILL)
    first.database.annotate(first.database.labelled(PROJECT)[0], "after the first one died")
    bucket.wait_until_true(seconds=40)
    second.stop(waiting)
    bucket.check_against(first)


def stopped_between_reads(daemon: "subprocess.Popen[bytes]", deployment: Deployment) -> bool:
    """Stops it, unless it reads the database just now (False): nobody could write there while it is stopped."""
    daemon.send_signal(signal.SIGSTOP)
    if deployment.database.is_free():
        return True
    daemon.send_signal(signal.SIGCONT)
    return False


def test_a_writer_that_was_paused_beyond_its_lease_never_writes_over_a_newer_document(
    rivals: tuple[Deployment, Deployment], bucket: Bucket
) -> None:
    first, second = rivals
    paused = first.start()
    bucket.wait_until_true()
    waiting = second.start()
    eventually(lambda: standing_by(second), second.errors)
    task = first.database.labelled(PROJECT)[0]
    first.database.annotate(task, "seen by both")
    eventually(lambda: stopped_between_reads(paused, first))
    first.database.annotate(task, "newer")
    bucket.wait_until_true(seconds=40)
    os.kill(paused.pid, signal.SIGCONT)
    eventually(lambda: standing_by(first), first.errors, seconds=60)
    first.database.annotate(task, "newest")
    bucket.wait_until_true()
    bucket.check_against(first)
    first.stop(paused)
    second.stop(waiting)
    bucket.check_against(first)


def test_a_document_of_fifty_megabytes_arrives_whole_in_both_layouts(
    deployment: Deployment, servers: Servers, bucket: Bucket
) -> None:
    task = deployment.database.labelled(PROJECT)[0]
    deployment.database.annotate(task, "x" * 50_000_000)
    prefix = "odd prefix/+%41ü€"
    for layout in ("project", "sharded"):
        deployment.configure(
            targets=[s3(servers.of(seaweedfs).endpoint, bucket, layout=layout, prefix=f"{bucket.prefix}/{prefix}")]
        )
        done = deployment.sync()
        assert done["quarantined"] == 0
    found = [body for key, body in bucket.objects(prefix).items() if key.endswith(f"/{task}.json") and "/tasks/" in key]
    assert [body for body in found if len(body) > 50_000_000] == [deployment.rendered()[f"{PROJECT}/tasks/{task}.json"]]
