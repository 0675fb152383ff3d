"""A database with a publication, its log followed without much patience."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from syncd.sources import _postgres_capture, _postgres_logical
from tests.contract.labelstudios.postgres15 import source
from tests.contract.labelstudios.postgres15_logical import published
from tests.labelstudio_postgres import LabelStudioPostgres
from tests.servers import Servers
from tests.servers.postgres import postgres15
from tests.system.postgres.logical.following import (
    Watch,
    logical,
)
from tests.watching import Watcher


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_postgres_capture, "RETRY_SECONDS", 0.5)
    monkeypatch.setattr(_postgres_logical, "STORE_SECONDS", 0.3)
    monkeypatch.setattr(_postgres_logical, "STORY_SECONDS", 0.3)


@pytest.fixture
def database(servers: Servers) -> LabelStudioPostgres:
    return published(servers.of(postgres15))


@pytest.fixture
def watch(database: LabelStudioPostgres) -> Iterator[Watch]:
    """Starts watching the database; level, by its log, when it returns."""
    with ExitStack() as started:

        def at(**settings: object) -> Watcher:
            watching = Watcher(logical(database, **settings), lambda: source(database.dsn))
            started.callback(watching.stop)
            watching.level()
            assert watching.story["capture"] == "logical"
            return watching

        yield at
