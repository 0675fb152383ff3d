"""What tests of PostgreSQL start from: a database of their own on a real server, and somebody who watches it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from syncd.sources import Source
from tests.contract.labelstudios.postgres15 import source
from tests.deployment import Deployment
from tests.labelstudio_postgres import LabelStudioPostgres
from tests.servers import Servers
from tests.servers.postgres import postgres15
from tests.watching import Watcher


@pytest.fixture
def database(servers: Servers) -> LabelStudioPostgres:
    return LabelStudioPostgres(servers.of(postgres15))


@pytest.fixture
def deployment(database: LabelStudioPostgres, tmp_path: Path) -> Iterator[Deployment]:
    """A syncd of its own on the database."""
    on_it = Deployment(tmp_path, database=database)
    yield on_it
    on_it.close()


@pytest.fixture
def watch(database: LabelStudioPostgres) -> Iterator[Callable[..., Watcher]]:
    """Starts watching the database, or a DSN given; level when it returns."""
    started: list[Watcher] = []

    def at(dsn: str = "", **settings: object) -> Watcher:
        def fresh(**own: object) -> Source:
            return source(dsn or database.dsn, **own)

        watching = Watcher(fresh(**{"poll_seconds": 0.05, "sweep_minutes": 600, **settings}), fresh)
        started.append(watching)
        watching.level()
        return watching

    yield at
    for watching in started:
        watching.stop()
