"""The target `redis`, below a name of the test's own in one Redis."""

import hashlib
from pathlib import Path

from pydantic import SecretStr

from syncd.targets import Target, make
from syncd.targets.redis import Settings
from tests.servers import Servers
from tests.servers.redis_server import redis_server


def target(servers: Servers, folder: Path, prefix: str) -> Target:
    server = servers.of(redis_server)
    place = hashlib.sha256(str(folder).encode()).hexdigest()[:24]
    return make("redis", Settings(url=SecretStr(server.url), prefix=f"{place}/{prefix}"))
