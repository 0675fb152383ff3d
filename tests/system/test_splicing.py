"""Large shared files, put together in the store: little is sent, and a kill leaves the old file and no litter."""

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from syncd.targets import Target
from tests.fault_proxy import FaultProxy, fault_proxy
from tests.http_wire import Message
from tests.places import PLACES
from tests.servers import Servers
from tests.servers.azurite import azurite
from tests.servers.fake_gcs import fake_gcs
from tests.servers.seaweedfs import client
from tests.splicing import KEY, PIECES, SMALLEST, Version, opened, splice

KILLS = 2
STORES = sorted(PLACES)
Litter = Callable[[], list[str]]


# --- what is sent -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["azure", "gcs", "s3"])
def test_only_what_changed_is_sent(kind: str, servers: Servers, tmp_path: Path) -> None:
    settings = dict(PLACES[kind](servers, tmp_path).target)
    sent: list[int] = []

    async def count(_: FaultProxy, request: Message) -> None:
        sent.append(len(request.body))

    address = "account_url" if kind == "azure" else "endpoint_url"
    parts = urlsplit(settings[address])
    with fault_proxy(parts.port or 0, gate=count) as proxy:
        settings[address] = parts._replace(netloc=f"127.0.0.1:{proxy.port}").geturl()
        with closing(opened(settings)) as target:
            splice(target, 0)
            assert sum(sent) > PIECES * SMALLEST
            sent.clear()
            splice(target, 1)
            assert sum(sent) < 3.1 * SMALLEST  # three pieces of eight
            assert body(target) == Version(1, whole=True).bytes()


# --- kills --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", STORES)
def test_a_splice_killed_halfway_leaves_the_old_file_and_the_next_one_no_litter(
    kind: str, servers: Servers, tmp_path: Path
) -> None:
    settings = dict(PLACES[kind](servers, tmp_path).target)
    litter = LITTER[kind](servers, settings)
    with closing(opened(settings)) as target:
        splice(target, 0)
    for first in (1, 2):  # the second is killed over what the first left
        with splicing(settings, first, stall_at=6) as process:
            assert lines_of(process, until="halfway") == [f"begun {first}", "halfway"]
        assert litter() != []
        with closing(opened(settings)) as target:
            assert body(target) == Version(0, whole=True).bytes()
    with closing(opened(settings)) as target:
        splice(target, 3)
        assert body(target) == Version(3, whole=True).bytes()
        assert litter() == []


@pytest.mark.parametrize("kind", STORES)
def test_a_splice_killed_at_any_moment_leaves_a_whole_file(kind: str, servers: Servers, tmp_path: Path) -> None:
    settings = dict(PLACES[kind](servers, tmp_path).target)
    litter = LITTER[kind](servers, settings)
    with closing(opened(settings)) as target:
        splice(target, 0)
    chance, version = random.Random(kind), 0
    for _ in range(KILLS):
        with splicing(settings, version + 1) as process:
            said = lines_of(process, until=f"done {version + 1}")
            time.sleep(chance.random() * 0.5)  # the moment of death is drawn, nothing is waited for
            process.kill()
            said += process.communicate()[0].splitlines()
        done = max(int(line.split()[1]) for line in said if line.startswith("done "))
        with closing(opened(settings)) as target:
            there = body(target)
            assert there in (Version(done, whole=True).bytes(), Version(done + 1, whole=True).bytes())
            version = done + 2
            splice(target, version)
            assert body(target) == Version(version, whole=True).bytes()
            assert litter() == []


@pytest.mark.parametrize("kind", ["gcs", "s3"])
def test_a_file_that_is_deleted_after_a_kill_leaves_no_litter(kind: str, servers: Servers, tmp_path: Path) -> None:
    settings = dict(PLACES[kind](servers, tmp_path).target)
    litter = LITTER[kind](servers, settings)
    with closing(opened(settings)) as target:
        splice(target, 0)
    with splicing(settings, 1, stall_at=6) as process:
        lines_of(process, until="halfway")
    with closing(opened(settings)) as target:
        assert list(target.delete_many([KEY]))
        assert litter() == []
        assert [item.key for item in target.list()] == []


@contextmanager
def splicing(
    settings: Mapping[str, Any], first: int, *, stall_at: int | None = None
) -> Iterator["subprocess.Popen[str]"]:
    """A process that splices one version after the other, killed at the end of the block."""
    words = [json.dumps(settings), str(first), *([] if stall_at is None else [str(stall_at)])]
    command = [sys.executable, "-m", "tests.splicing", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
        try:
            yield process
        finally:
            process.kill()


def lines_of(process: "subprocess.Popen[str]", *, until: str) -> list[str]:
    """What it said, up to a line; it must come to that."""
    said: list[str] = []
    while until not in said:
        assert process.stdout
        line = process.stdout.readline()
        assert line, f"it ended after {said}"
        said.append(line.strip())
    return said


def body(target: Target) -> bytes | None:
    found = target.get(KEY)
    return found and found.body


# --- litter: what is there for no reader and no writer ------------------------------------------------------------


def parts_in_s3(servers: Servers, settings: Mapping[str, Any]) -> Litter:
    """Multipart uploads that were neither completed nor aborted."""
    s3 = client(settings["endpoint_url"])

    def look() -> list[str]:
        told = s3.list_multipart_uploads(Bucket=settings["bucket"], Prefix=settings["prefix"])
        return [upload["UploadId"] for upload in told.get("Uploads", [])]

    return look


def segments_in_gcs(servers: Servers, settings: Mapping[str, Any]) -> Litter:
    """Segments beyond those that the file is made of."""

    def look() -> list[str]:
        bucket = servers.of(fake_gcs).bucket(settings["bucket"])
        with closing(bucket.client):
            names = [blob.name for blob in bucket.list_blobs(prefix=f"{settings['prefix']}/_syncd/segments/")]
        return names[PIECES:]

    return look


def blocks_in_azure(servers: Servers, settings: Mapping[str, Any]) -> Litter:
    """Blocks that were sent and never committed."""

    def look() -> list[str]:
        with servers.of(azurite).container(settings["container"]) as container:
            blob = container.get_blob_client(f"{settings['prefix']}/{KEY}")
            return [block.id for block in blob.get_block_list("uncommitted")[1]] if blob.exists() else []

    return look


def files_in_a_folder(servers: Servers, settings: Mapping[str, Any]) -> Litter:
    """Temporary files with bytes in them."""
    corner = Path(settings["path"]) / "_syncd" / "tmp"
    return lambda: [path.name for path in corner.rglob("*") if path.is_file() and path.stat().st_size]


LITTER: Mapping[str, Callable[[Servers, Mapping[str, Any]], Litter]] = {
    "azure": blocks_in_azure,
    "gcs": segments_in_gcs,
    "local": files_in_a_folder,
    "s3": parts_in_s3,
}
