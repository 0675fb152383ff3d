"""One place per kind of store, as the writer's configuration names it and as a reader's address does."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.servers import Servers
from tests.servers.azurite import KEY, azurite
from tests.servers.fake_gcs import fake_gcs
from tests.servers.seaweedfs import BUCKET, seaweedfs


@dataclass(frozen=True, slots=True)
class Place:
    """`target` goes into syncd.yaml; `address` and `settings` to `open_bucket`."""

    target: Mapping[str, Any]
    address: str
    settings: Mapping[str, Any] = field(default_factory=dict)


def local(servers: Servers, folder: Path) -> Place:
    return Place({"type": "local", "path": str(folder / "out")}, str(folder / "out"))


def s3(servers: Servers, folder: Path) -> Place:
    """The reader has keys of its own, which may only read and list."""
    endpoint, prefix = servers.of(seaweedfs).endpoint, folder.name
    return Place(
        {"type": "s3", "bucket": BUCKET, "prefix": prefix, "endpoint_url": endpoint, **_keys("writer")},
        f"s3://{BUCKET}/{prefix}",
        {"endpoint_url": endpoint, **_keys("reader")},
    )


def gcs(servers: Servers, folder: Path) -> Place:
    server, name = servers.of(fake_gcs), f"reading-{folder.name}".replace("_", "-")[:60]
    bucket = server.bucket(name)
    bucket.create()
    bucket.client.close()
    target = {"type": "gcs", "bucket": name, "prefix": "labels", "endpoint_url": server.endpoint}
    return Place(target, f"gs://{name}/labels", {"endpoint_url": server.endpoint})


def azure(servers: Servers, folder: Path) -> Place:
    server, name = servers.of(azurite), f"reading-{folder.name}".replace("_", "-")[:60]
    with server.container(name) as client:
        client.create_container()
    settings = {"account_url": server.account_url, "account_key": KEY}
    target = {"type": "azure", "container": name, "prefix": "a/b", **settings}
    return Place(target, f"azure://{name}/a/b", settings)


PLACES: Mapping[str, Callable[[Servers, Path], Place]] = {"local": local, "s3": s3, "gcs": gcs, "azure": azure}


def _keys(user: str) -> dict[str, str]:
    return {"access_key_id": user, "secret_access_key": f"{user}-secret"}
