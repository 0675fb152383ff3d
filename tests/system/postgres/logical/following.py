"""Following the log of a database of the test's own, and looking at what the server keeps for it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg

from syncd.model import TaskDocument
from syncd.sources import Signals, Source
from tests.contract.labelstudios.postgres15 import source
from tests.deployment import eventually
from tests.labelstudio_postgres import LabelStudioPostgres
from tests.watching import ALL, Remembered, Watcher

BOXES = 1
Watch = Callable[..., Watcher]


def logical(database: LabelStudioPostgres, **settings: object) -> Source:
    """The polls that stand in for the log do not find changes by themselves, in most tests."""
    slow = {"poll_seconds": 0.05, "id_sweep_seconds": 600, "sweep_minutes": 600}
    return source(database.dsn, **{"capture": "logical", "slot": database.name, **slow, **settings})


@contextmanager
def open_transaction(database: LabelStudioPostgres) -> Iterator["psycopg.Connection[Any]"]:
    """A transaction that is committed at the end of the block."""
    with psycopg.connect(database.server.dsn(database.name, user="postgres")) as connection:
        yield connection


def slot_of(database: LabelStudioPostgres) -> tuple[Any, ...] | None:
    """(confirmed, retained bytes) of the database's slot."""
    sql = "SELECT confirmed_flush_lsn - '0/0', pg_current_wal_lsn() - restart_lsn FROM pg_replication_slots WHERE slot_name = %s"
    with database.server.connect() as connection:
        return connection.execute(sql, [database.name]).fetchone()


def write_log(database: LabelStudioPostgres, megabytes: int) -> None:
    """What other databases of the server do."""
    database.run(
        "SELECT pg_logical_emit_message(false, 'noise', repeat('x', 1000000)) FROM generate_series(1, ?)", megabytes
    )


def followed(watching: Source, memory: Remembered, position: str | None) -> Iterator[Signals]:
    """Batches, each remembered, and its tasks read, once the next one is asked for."""
    with closing(watching):
        for batch in watching.watch(memory, position, threading.Event()):
            yield batch
            memory.keep(batch.signals, batch.owners)
            for read in watching.read([s.task for s in batch.signals], ALL):
                if isinstance(read, TaskDocument):
                    memory.keep_read(read)


def until(batches: Iterator[Signals], wanted: Callable[[Signals], object]) -> list[Signals]:
    """The batches up to the first that is wanted; everything before that one is durable."""
    found = []
    for batch in batches:
        found.append(batch)
        if wanted(batch):
            break
    return found


def compared_because(watcher: Watcher, why: str) -> None:
    eventually(
        lambda: why in str(watcher.story.get("because")) and watcher.story["capture"] == "logical",
        lambda: (watcher.story, watcher.errors),
    )
