"""What `check` and `plan` say of requests, money, and of what a bucket keeps of replaced objects."""

import json
import math
import re
import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from syncd.costs import PRICES, PRICES_OF, Pace, kept_gigabytes
from syncd.targets import Retention
from tests.deployment import Deployment
from tests.fault_proxy import FaultProxy, fault_proxy
from tests.http_wire import Message, response
from tests.places import PLACES
from tests.servers import Servers
from tests.servers.azurite import azurite
from tests.servers.fake_gcs import refusal
from tests.servers.seaweedfs import client
from tests.splicing import opened

RULES = {
    "Rules": [
        {
            "ID": "a",
            "Status": "Enabled",
            "Filter": {"Prefix": ""},
            "NoncurrentVersionExpiration": {"NoncurrentDays": 9},
        },
        {
            "ID": "b",
            "Status": "Disabled",
            "Filter": {"Prefix": ""},
            "NoncurrentVersionExpiration": {"NoncurrentDays": 2},
        },
        {
            "ID": "c",
            "Status": "Enabled",
            "Filter": {"Prefix": "x/"},
            "NoncurrentVersionExpiration": {"NoncurrentDays": 1},
        },
    ]
}


def plan(deployment: Deployment) -> dict[str, Any]:
    done = deployment.command("plan", "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)["targets"]["out"]
    return found


def kept(settings: Mapping[str, Any]) -> Retention:
    with closing(opened(dict(settings))) as target:
        return target.retention()


# --- what a bucket keeps ------------------------------------------------------------------------------------------


def test_a_versioned_bucket_is_warned_of_with_gigabytes_a_month(
    deployment: Deployment, servers: Servers, tmp_path: Path
) -> None:
    place = {**PLACES["s3"](servers, tmp_path).target, "bucket": "versioned", "name": "out"}
    place |= {"access_key_id": "admin", "secret_access_key": "admin-secret"}
    s3 = client(place["endpoint_url"])
    s3.create_bucket(Bucket="versioned")
    assert kept({k: v for k, v in place.items() if k != "name"}) == Retention()
    s3.put_bucket_versioning(Bucket="versioned", VersioningConfiguration={"Status": "Enabled"})
    deployment.configure(targets=[place])
    deployment.sync()

    told = deployment.command("plan").stdout
    assert re.search(r"out: warning: versioning is on, and no lifecycle rule .* grows by 0\.\d+ GB a month", told), told
    checked = deployment.command("check")
    assert checked.returncode == 0
    assert re.search(r"warn  out: what the bucket keeps – versioning is on.* GB a month", checked.stdout), (
        checked.stdout
    )

    quiet = plan(deployment)
    _was_written_ten_days_ago(deployment, changes=1_000_000)
    busy = plan(deployment)
    assert quiet["month"]["changes"] == 0
    assert busy["month"]["changes"] == pytest.approx(3_000_000, rel=0.01)
    assert busy["kept"]["gb_a_month"] > quiet["kept"]["gb_a_month"] + 1
    assert busy["month"]["writes"] > quiet["month"]["writes"] + 3_000_000


def _was_written_ten_days_ago(deployment: Deployment, *, changes: int) -> None:
    """The ledger of a target that has seen so many changes in ten days."""
    with closing(sqlite3.connect(deployment.state)) as ledger, ledger:
        (lane,) = ledger.execute("SELECT id FROM lanes").fetchone()
        ledger.execute(f"DELETE FROM journal_{lane}")
        row = (10_001, 10_000 + changes, time.time() - 10 * 86_400)
        ledger.execute(f"INSERT INTO journal_{lane} VALUES (?, ?, ?)", row)


def test_a_lifecycle_rule_of_s3_ends_what_is_kept(servers: Servers, tmp_path: Path) -> None:
    from tests.servers.moto import moto

    settings = {"type": "s3", "bucket": "versioned", "prefix": "labels", "endpoint_url": servers.of(moto)}
    settings |= {"access_key_id": "any", "secret_access_key": "any", "region": "us-east-1"}
    s3 = client(settings["endpoint_url"])
    s3.create_bucket(Bucket="versioned")
    s3.put_bucket_versioning(Bucket="versioned", VersioningConfiguration={"Status": "Enabled"})
    assert kept(settings).days == math.inf
    s3.put_bucket_lifecycle_configuration(Bucket="versioned", LifecycleConfiguration=RULES)  # type: ignore[arg-type]
    assert kept(settings) == Retention(9, "versioning is on, and a lifecycle rule ends old versions after 9 days")


def test_a_bucket_that_may_not_be_looked_at_is_no_error(servers: Servers, tmp_path: Path) -> None:
    found = kept(PLACES["s3"](servers, tmp_path).target)  # this user may read, write and list
    assert found == Retention() or (found.days is None and "s3:GetBucketVersioning" in found.because)


GOOGLE = {
    "{}": Retention(),
    '{"softDeletePolicy": {"retentionDurationSeconds": "604800"}}': Retention(7, "soft delete is on for 7 days"),
    '{"versioning": {"enabled": true}}': Retention(
        math.inf, "versioning is on, and no lifecycle rule ends old versions"
    ),
    '{"versioning": {"enabled": true}, "softDeletePolicy": {"retentionDurationSeconds": "86400"}, "lifecycle": {"rule": '
    '[{"action": {"type": "Delete"}, "condition": {"daysSinceNoncurrentTime": 3}}]}}': Retention(
        4, "soft delete is on for 1 days and versioning is on, and after 3 days a lifecycle rule ends old versions"
    ),
    "": Retention(None, "whether the bucket keeps what is deleted is not told: it takes storage.buckets.get"),
}
"""What Google says of a bucket, "" for that it does not say; and what follows."""


@pytest.mark.parametrize("told", GOOGLE)
def test_what_a_bucket_of_google_keeps(told: str, servers: Servers, tmp_path: Path) -> None:
    """The emulator knows neither soft delete nor rules: the bucket's settings are the proxy's, the rest is the emulator's."""
    settings = dict(PLACES["gcs"](servers, tmp_path).target)

    async def answer(_: FaultProxy, request: Message) -> Message | None:
        if request.method != "GET" or request.path != f"/storage/v1/b/{settings['bucket']}":
            return None
        if not told:
            return refusal(403, "forbidden", "no storage.buckets.get access")
        return response(200, told.encode(), "application/json")

    port = urlsplit(settings["endpoint_url"]).port or 0
    with fault_proxy(port, gate=answer) as proxy:
        assert kept({**settings, "endpoint_url": proxy.url}) == GOOGLE[told]


def test_soft_delete_of_azure_is_seen(servers: Servers, tmp_path: Path) -> None:
    settings = PLACES["azure"](servers, tmp_path).target
    assert kept(settings) == Retention()
    with servers.of(azurite).container("any") as container:
        service = container._get_blob_service_client()
        from azure.storage.blob import RetentionPolicy

        try:
            service.set_service_properties(delete_retention_policy=RetentionPolicy(enabled=True, days=7))
            assert kept(settings) == Retention(7, "soft delete is on for 7 days")
        finally:
            service.set_service_properties(delete_retention_policy=RetentionPolicy(enabled=False))


# --- requests and money -------------------------------------------------------------------------------------------


def test_a_plan_counts_requests_and_names_held_deletions(
    deployment: Deployment, servers: Servers, tmp_path: Path
) -> None:
    place = {**PLACES["azure"](servers, tmp_path).target, "name": "out"}
    deployment.configure(targets=[place])
    first = plan(deployment)
    assert first["requests"]["writes"] == pytest.approx(first["writes"], abs=10)
    assert first["requests"]["usd"] == pytest.approx(first["writes"] * 5e-6, rel=0.1)
    assert first["month"] == {
        "writes": 518_400 + 259_200, "reads": 0, "deletes": 0, "changes": 0, "usd": pytest.approx(3.888),
    }  # fmt: skip
    deployment.database.add_labelled_tasks(4, 100)
    deployment.sync()
    deployment.database.delete_tasks(deployment.database.labelled(4)[-90:])
    deployment.command("sync")

    told = deployment.command("plan").stdout
    assert "out: 90 deletions held by the brake; to let them pass: syncd resume out --allow-deletes" in told
    assert "out: a month of the daemon without any change asks for 777,600 writes: about $3.89" in told


def test_a_folder_costs_no_requests(deployment: Deployment) -> None:
    assert "requests" not in plan(deployment)


def test_a_mirror_that_is_published_every_hour_is_kept_whole_each_time() -> None:
    pace = Pace(5, 3600, changes=100_000, document_bytes=2_000, state_bytes=1_000, mirror_bytes=1e9, mirrors=1)
    assert kept_gigabytes(pace, Retention(0)) == 0
    assert kept_gigabytes(pace, Retention(math.inf)) == pytest.approx(720, rel=0.01)
    assert kept_gigabytes(pace, Retention(7)) == pytest.approx(720 * 7 / 30, rel=0.01)


def test_the_prices_are_those_of_the_documentation() -> None:
    page = (Path(__file__).parents[2] / "docs" / "cost.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \| ([\d.]+) \| ([\d.]+) \| free \| ([\d.]+) \|", page, re.MULTILINE)
    assert {kind: tuple(map(float, row)) for kind, *row in rows} == {
        kind: (prices.writes, prices.reads, prices.gigabyte) for kind, prices in PRICES.items()
    }
    assert f"as of {PRICES_OF}" in page
