"""The target `gcs` in a bucket of the test's own in fake-gcs-server, behind the proxy that checks preconditions."""

import hashlib
from pathlib import Path

from google.api_core.exceptions import Conflict

from syncd.targets import Target, make
from syncd.targets.gcs import Settings
from tests.servers import Servers
from tests.servers.fake_gcs import fake_gcs


def target(servers: Servers, folder: Path, prefix: str) -> Target:
    server = servers.of(fake_gcs)
    bucket = server.bucket(f"b{hashlib.sha256(str(folder).encode()).hexdigest()[:24]}")
    try:
        bucket.create()
    except Conflict:
        pass  # the same test's second client
    finally:
        bucket.client.close()
    return make("gcs", Settings(bucket=bucket.name, prefix=prefix, endpoint_url=server.endpoint))
