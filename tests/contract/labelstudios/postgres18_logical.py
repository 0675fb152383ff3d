"""Label Studio on PostgreSQL 18, its log followed."""

from pathlib import Path

from tests.contract.labelstudios import Studio, postgres15_logical
from tests.servers import Servers
from tests.servers.postgres import postgres18


def opened(servers: Servers, folder: Path) -> Studio:
    return postgres15_logical.on(servers.of(postgres18))
