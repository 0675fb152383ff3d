"""The target `s3` in a bucket of SeaweedFS."""

from pathlib import Path

from syncd.targets import Target, make, settings_of
from tests.servers import Servers
from tests.servers.seaweedfs import BUCKET, seaweedfs


def target(servers: Servers, folder: Path, prefix: str) -> Target:
    settings = settings_of("s3")(
        bucket=BUCKET,
        prefix=f"{folder.name}/{prefix}",
        endpoint_url=servers.of(seaweedfs).endpoint,
        access_key_id="writer",
        secret_access_key="writer-secret",
    )
    return make("s3", settings)
