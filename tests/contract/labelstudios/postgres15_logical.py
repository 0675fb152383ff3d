"""Label Studio on PostgreSQL 15, its log followed."""

from contextlib import closing
from functools import partial
from pathlib import Path

from syncd.sources._postgres_database import Database
from syncd.sources._postgres_publication import publication
from tests.contract.labelstudios import Studio, postgres15
from tests.labelstudio_postgres import LabelStudioPostgres
from tests.servers import Servers
from tests.servers.postgres import Postgres
from tests.servers.postgres import postgres15 as server15


def opened(servers: Servers, folder: Path) -> Studio:
    return on(servers.of(server15))


def on(server: Postgres) -> Studio:
    database = published(server)
    source = partial(postgres15.source, database.dsn, capture="logical", slot=database.name)
    return Studio(database, source, capture="logical")


def published(server: Postgres) -> LabelStudioPostgres:
    """A database with a publication, on a server that no other test has left a slot on."""
    server.run("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE NOT active")
    server.run("ALTER ROLE syncd REPLICATION")
    database = LabelStudioPostgres(server)
    with closing(Database(database.dsn)) as looking:
        database.run(publication(looking, "syncd").to_create)
    return database
