"""Label Studio on PostgreSQL 15, polled."""

from functools import partial
from pathlib import Path

from syncd.sources import Source, make, settings_of
from tests.contract.labelstudios import Studio
from tests.labelstudio_postgres import LabelStudioPostgres
from tests.servers import Servers
from tests.servers.postgres import Postgres, postgres15


def opened(servers: Servers, folder: Path) -> Studio:
    return on(servers.of(postgres15))


def on(server: Postgres) -> Studio:
    database = LabelStudioPostgres(server)
    return Studio(database, partial(source, database.dsn))


def source(dsn: str, **settings: object) -> Source:
    quick = {"type": "postgres", "dsn": dsn, "id_sweep_seconds": 0.2, **settings}
    return make("postgres", settings_of("postgres").model_validate(quick))
