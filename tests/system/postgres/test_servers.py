"""PostgreSQL as operators run it: restarts, standbys, poolers, partitions, emptied tables, and other releases of Label Studio."""

import json
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

import psycopg
import pytest

from syncd.model import TaskDocument
from syncd.sources import _postgres_connection
from tests.contract.labelstudios.postgres15 import source
from tests.deployment import Deployment, eventually
from tests.labelstudio_postgres import LabelStudioPostgres
from tests.partition import wire
from tests.servers.pgbouncer import pgbouncer
from tests.watching import ALL, Remembered, Watcher

BOXES = 1


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_server_that_restarts_is_followed_again(
    database: LabelStudioPostgres, watch: Callable[..., Watcher], mode: str
) -> None:
    watcher = watch()
    before = dict(watcher.documents)
    database.server.stop(mode)
    eventually(lambda: any("cannot be reached" in error for error in watcher.errors))
    assert watcher.documents == before
    database.server.start()
    task = database.labelled(BOXES)[0]
    database.annotate(task, "after the restart")
    assert b"after the restart" in watcher.level()[task]


def test_a_server_that_dies_in_the_middle_of_a_batch_is_read_again(
    database: LabelStudioPostgres, deployment: Deployment
) -> None:
    deployment.configure(target={"rate": {"requests_per_second": 100}})
    deployment.start()
    eventually(lambda: len(deployment.tasks()) > 10)
    database.server.stop("immediate")
    eventually(lambda: "cannot be reached" in deployment.errors(), deployment.errors)
    database.server.start()
    deployment.wait_until_true()
    assert deployment.tasks() == deployment.rendered()


def test_a_network_that_swallows_everything_is_noticed(
    database: LabelStudioPostgres, watch: Callable[..., Watcher], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_postgres_connection, "SILENCE_SECONDS", 0.5)
    task = database.labelled(BOXES)[0]
    with wire(database.server.port) as between:
        watcher = watch(replace(database.server, port=between.port).dsn(database.name) + "?connect_timeout=2")
        before = dict(watcher.documents)
        between.cut()
        database.annotate(task, "meanwhile")
        eventually(lambda: any("cannot be reached" in error for error in watcher.errors))
        assert watcher.documents == before
        between.mend()
        assert b"meanwhile" in watcher.level()[task]
        watcher.stop()


def test_a_hot_standby_is_followed(database: LabelStudioPostgres, watch: Callable[..., Watcher]) -> None:
    task, late = database.labelled(BOXES)[:2]
    with database.server.standby() as standby:
        watcher = watch(standby.dsn(database.name))
        with psycopg.connect(database.server.dsn(database.name, user="postgres")) as slow:
            slow.execute("UPDATE task SET updated_at = now(), meta = '{\"late\": true}' WHERE id = %s", [late])
            database.annotate(task, "on the primary")
            eventually(lambda: b"on the primary" in watcher.documents[task])
        eventually(lambda: b'"late"' in watcher.documents[late])
        database.delete_tasks([late])
        eventually(lambda: late not in watcher.documents)
        watcher.level()
        watcher.stop()


def test_a_pooler_in_transaction_mode_is_fine(database: LabelStudioPostgres, watch: Callable[..., Watcher]) -> None:
    task = database.labelled(BOXES)[0]
    with pgbouncer(database.server) as pooler:
        watcher = watch(pooler.dsn(database.name))
        database.annotate(task, "through the pooler")
        assert b"through the pooler" in watcher.level()[task]
        watcher.stop()


# --- tables emptied at once --------------------------------------------------------------------------------------


def test_a_table_emptied_by_truncate_is_seen(database: LabelStudioPostgres, watch: Callable[..., Watcher]) -> None:
    watcher = watch()
    database.run("TRUNCATE prediction, tasks_annotationdraft CASCADE")
    documents = [json.loads(body) for body in watcher.level().values()]
    assert documents
    assert not [d for d in documents if d["predictions"] or d["drafts"]]


def test_all_tasks_gone_by_truncate_deletes_nothing(database: LabelStudioPostgres, deployment: Deployment) -> None:
    deployment.start()
    deployment.wait_until_true()
    before = deployment.tasks()
    database.run("TRUNCATE task CASCADE")
    held = eventually(lambda: deployment.claims()["held_deletes"], deployment.claims)
    assert held == len(before)
    assert deployment.tasks() == before


# --- older and newer databases -----------------------------------------------------------------------------------------


def test_a_release_without_some_columns_reads_still(database: LabelStudioPostgres) -> None:
    for change in (
        "ALTER TABLE task DROP COLUMN allow_skip, DROP COLUMN meta, ADD COLUMN novelty jsonb",
        "ALTER TABLE task_completion DROP COLUMN unique_id, DROP COLUMN import_id, DROP COLUMN bulk_created",
        "DROP TABLE task_comment_authors",
    ):
        database.run(change)
    with closing(source(database.dsn)) as older:
        batches = list(older.sweep(Remembered(), threading.Event()))
        tasks = [signal.task for batch in batches for signal in batch.signals]
        documents = [json.loads(d.body) for d in older.read(tasks, ALL) if isinstance(d, TaskDocument) and d.body]
    assert len(documents) == len(tasks) > 200
    assert {(d["allow_skip"], str(d["meta"])) for d in documents} == {(True, "{}")}


def test_an_upgrade_that_adds_a_column_is_seen(database: LabelStudioPostgres, watch: Callable[..., Watcher]) -> None:
    database.run("ALTER TABLE task DROP COLUMN allow_skip")
    watcher = watch()
    task = database.labelled(BOXES)[0]
    assert b'"allow_skip":true' in watcher.documents[task]
    database.run("ALTER TABLE task ADD COLUMN allow_skip boolean DEFAULT false")
    assert b'"allow_skip":false' in watcher.level(swept=True)[task]
