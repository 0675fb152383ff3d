"""The SQLite source keeps to the file it was asked about."""

import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from syncd.errors import Unavailable
from syncd.sources.sqlite import Settings, SqliteSource
from tests.labelstudio_database import unpack
from tests.watching import ALL, Remembered


def test_a_file_that_took_the_place_of_another_is_not_read_before_it_was_asked_who_it_is(tmp_path: Path) -> None:
    ours = unpack(tmp_path / "ours.sqlite3")
    with closing(SqliteSource(Settings(type="sqlite", path=ours.path))) as source:
        source.identity()
        task = ours.labelled(1)[0]
        assert len(list(source.read([task], ALL))) == 1
        unpack(tmp_path / "theirs.sqlite3").path.replace(ours.path)
        with pytest.raises(Unavailable, match="was replaced by another file"):
            list(source.read([task], ALL))
        source.identity()
        assert len(list(source.read([task], ALL))) == 1


def test_what_people_do_during_the_first_sweep_does_not_wait_for_its_end(tmp_path: Path) -> None:
    database, remembered, stop = unpack(tmp_path / "label_studio.sqlite3"), Remembered(), threading.Event()
    task = database.labelled(1)[0]
    with closing(SqliteSource(Settings(type="sqlite", path=database.path))) as source:
        batches = source.watch(remembered, None, stop)
        first = next(batch for batch in batches if batch.signals)
        remembered.keep(first.signals)
        database.annotate(task, "in the meantime")
        time.sleep(0.11)  # it looks ten times a second at most
        for batch in batches:
            assert batch.swept is None, "the sweep ended first"
            if task in [signal.task for signal in batch.signals]:
                assert batch.urgency == "fresh"
                break
        stop.set()
        batches.close()
