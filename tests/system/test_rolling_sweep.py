"""The rolling sweep of a SQLite source neither keeps fresh changes waiting nor waits for people to stop."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path
from threading import Event

import pytest

from syncd.ledger import Ledger
from syncd.sources import Signals
from syncd.sources.sqlite import Settings, SqliteSource
from tests.labelstudio_database import LabelStudioDatabase, unpack

PATIENCE = 30.0


@pytest.fixture
def database(tmp_path: Path) -> LabelStudioDatabase:
    return unpack(tmp_path / "label_studio.sqlite3")


def followed(database: LabelStudioDatabase, *, sweep_minutes: float) -> Iterator[Signals]:
    """The batches of a source that sweeps every so often, from when it has seen everything once; durable when yielded."""
    source = SqliteSource(Settings(type="sqlite", path=database.path, poll_seconds=0.01, sweep_minutes=sweep_minutes))
    ledger = Ledger(database.path.with_name("state.db"))
    deadline = time.monotonic() + PATIENCE
    try:
        for batch in source.watch(ledger, None, Event()):
            ledger.record(batch, [])
            assert time.monotonic() < deadline, "nothing came of it"
            if ledger.swept:
                yield batch
    finally:
        source.close()
        ledger.close()


def somebody_is_there(database: LabelStudioDatabase) -> None:
    """What an annotator's request commits even when nothing is labelled."""
    database.run("UPDATE htx_user SET last_activity = ?", str(datetime.now(UTC)))


def test_it_finds_a_renamed_label_although_label_studio_commits_all_the_time(database: LabelStudioDatabase) -> None:
    [project] = database.ids("SELECT id FROM project WHERE title = 'boxes'")
    batches = followed(database, sweep_minutes=0.001)
    next(batches)
    database.rename_label(project, "Car", "Van")
    renamed = set(database.ids("SELECT DISTINCT task_id FROM task_completion WHERE result LIKE '%\"Van\"%'"))
    assert renamed
    found = set[int]()
    while not renamed <= found:
        somebody_is_there(database)
        found |= {signal.task for signal in next(batches).signals}


def test_an_edit_shows_before_the_sweep_under_way_ends(database: LabelStudioDatabase) -> None:
    [project] = database.ids("SELECT id FROM project WHERE title = 'boxes'")
    first = database.labelled(project)[0]
    database.add_labelled_tasks(project, 3000)
    batches = followed(database, sweep_minutes=0.001)
    next(batches)
    somebody_is_there(database)
    next(batch for batch in batches if batch.urgency == "backfill")  # its first tasks are behind it now
    database.annotate(first, "a second opinion")
    meanwhile = takewhile(lambda batch: batch.swept is None, batches)
    assert first in {signal.task for batch in meanwhile for signal in batch.signals}
