"""SeaweedFS: an S3 server that checks signatures, checksums, conditions and rights.

Ports: each HTTP port N of SeaweedFS also takes N + 10000 for gRPC.
"""

import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from mypy_boto3_s3 import S3Client

from tests.servers import START_SECONDS, free_port, program, running

BUCKET = "annotations"
IDENTITIES = {
    "admin": ["Admin", "Read", "Write", "List", "Tagging"],
    "writer": [f"{right}:{BUCKET}" for right in ("Read", "Write", "List")],
    "reader": [f"{right}:{BUCKET}" for right in ("Read", "List")],
}
"""Access keys, each with the secret `…-secret`, and what they may do."""


@dataclass(frozen=True)
class SeaweedFS:
    """Where the server listens. Its bucket `annotations` exists; none is made by writing to it."""

    endpoint: str


@contextmanager
def seaweedfs() -> Iterator[SeaweedFS]:
    """A SeaweedFS with one bucket and three users."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        ports = {
            part: free_port(beside=10_000) for part in ("master", "volume", "filer", "s3", "admin", "s3.port.lance")
        }
        identities = [
            {"name": key, "credentials": [{"accessKey": key, "secretKey": f"{key}-secret"}], "actions": actions}
            for key, actions in IDENTITIES.items()
        ]
        (home / "identities.json").write_text(json.dumps({"identities": identities}))
        (home / "data").mkdir()
        command = [
            program("weed"), "mini", f"-dir={home / 'data'}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
            "-admin.ui=false", "-webdav=false", "-s3.port.iceberg=0", "-s3.autoCreateBucket=false",
            f"-s3.config={home / 'identities.json'}", f"-bucket={BUCKET}",
            *(f"-{part}{'' if '.port' in part else '.port'}={port}" for part, port in ports.items()),
        ]  # fmt: skip
        environment = {**os.environ, "TMPDIR": folder}
        with running(command, port=ports["s3"], log=home / "log", environment=environment):
            endpoint = f"http://127.0.0.1:{ports['s3']}"
            _wait_for_a_write(endpoint)
            yield SeaweedFS(endpoint)


def client(endpoint: str, key: str = "admin", secret: str | None = None, region: str = "us-east-1") -> S3Client:
    """A boto3 client of one of the users."""
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name=region,
        aws_access_key_id=key,
        aws_secret_access_key=secret or f"{key}-secret",
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}),
    )


def _wait_for_a_write(endpoint: str) -> None:
    """The port answers before the first volume takes a write."""
    s3 = client(endpoint)
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            s3.put_object(Bucket=BUCKET, Key="started", Body=b"")
            s3.delete_object(Bucket=BUCKET, Key="started")
        except ClientError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
