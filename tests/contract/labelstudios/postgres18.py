"""Label Studio on PostgreSQL 18, polled."""

from pathlib import Path

from tests.contract.labelstudios import Studio, postgres15
from tests.servers import Servers
from tests.servers.postgres import postgres18


def opened(servers: Servers, folder: Path) -> Studio:
    return postgres15.on(servers.of(postgres18))
