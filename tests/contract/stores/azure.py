"""The target `azure` in a container of the test's own in Azurite."""

import hashlib
from pathlib import Path

from azure.core.exceptions import ResourceExistsError
from pydantic import SecretStr

from syncd.targets import Target, make
from syncd.targets.azure import Settings
from tests.servers import Servers
from tests.servers.azurite import KEY, azurite


def target(servers: Servers, folder: Path, prefix: str) -> Target:
    server = servers.of(azurite)
    container = hashlib.sha256(str(folder).encode()).hexdigest()[:24]
    try:
        with server.container(container) as client:
            client.create_container()
    except ResourceExistsError:
        pass  # the same test's second client
    key = SecretStr(KEY)
    return make("azure", Settings(container=container, prefix=prefix, account_url=server.account_url, account_key=key))
