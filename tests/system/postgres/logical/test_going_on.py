"""Going on in the log where it was left: after a kill, a restart of the server, a failover."""

import pytest

from tests.contract.labelstudios.postgres15 import source
from tests.deployment import Deployment, eventually
from tests.labelstudio_postgres import LabelStudioPostgres
from tests.system.postgres.logical.following import (
    BOXES,
    Watch,
    compared_because,
    followed,
    logical,
    until,
)
from tests.watching import Remembered, Watcher


def test_a_batch_that_was_not_stored_is_signalled_again_and_nothing_else(database: LabelStudioPostgres) -> None:
    memory = Remembered()
    batches = followed(logical(database), memory, None)
    position = next(b.position for b in reversed(until(batches, lambda b: b.synced)) if b.position)
    first, second = database.labelled(BOXES)[:2]
    database.annotate(first, "not stored")
    assert {s.task for b in until(batches, lambda b: b.signals) for s in b.signals} == {first}
    batches.close()
    database.annotate(second, "while it was away")
    again = until(followed(logical(database), memory, position), lambda b: b.swept)
    assert {s.task for b in again for s in b.signals} == {first, second}
    assert all(b.urgency == "fresh" for b in again)


@pytest.mark.parametrize(
    "change", ["UPDATE htx_user SET first_name = 'Grace'", "ALTER TABLE task DROP COLUMN allow_skip"]
)
def test_what_every_document_draws_from_is_compared_when_it_changed_meanwhile(
    database: LabelStudioPostgres, change: str
) -> None:
    memory = Remembered()
    batches = until(followed(logical(database), memory, None), lambda b: b.synced)
    memory.keep([s for b in batches for s in b.signals])
    position = next(b.position for b in reversed(batches) if b.position)
    database.run(change)
    again = until(followed(logical(database), memory, position), lambda b: b.swept)
    assert any(b.urgency == "backfill" for b in again)


def test_a_daemon_killed_in_mid_batch_loses_nothing(database: LabelStudioPostgres, deployment: Deployment) -> None:
    deployment.configure(source={"capture": "logical", "slot": database.name})
    task = database.labelled(BOXES)[0]
    file = deployment.target / str(BOXES) / "tasks" / f"{task}.json"
    daemon = deployment.start()
    deployment.wait_until_true()
    deployment.stop(daemon)
    daemon = deployment.start(fault="signals recorded")
    database.annotate(task, "in mid-batch")
    assert daemon.wait(30) != 0
    deployment.start()
    eventually(lambda: b"in mid-batch" in file.read_bytes())
    went_on = {"capture": "logical", "because": ""}  # and compared nothing else
    eventually(lambda: went_on.items() <= deployment.status()["source"]["story"].items())


def test_a_server_that_crashes_is_followed_again(database: LabelStudioPostgres, watch: Watch) -> None:
    watcher = watch()
    task = database.labelled(BOXES)[0]
    database.annotate(task, "before the crash")
    database.server.stop("immediate")
    eventually(lambda: any("cannot be reached" in error for error in watcher.errors))
    database.server.start()
    database.annotate(task, "after the crash")
    after = watcher.level(swept=True)[task]
    assert b"before the crash" in after
    assert b"after the crash" in after


def test_a_failover_to_a_copy_is_seen_through(database: LabelStudioPostgres) -> None:
    task = database.labelled(BOXES)[0]
    with database.server.standby() as standby:
        both = database.dsn.replace(
            f"127.0.0.1:{database.server.port}", f"127.0.0.1:{database.server.port},127.0.0.1:{standby.port}"
        )
        settings = {"capture": "logical", "slot": database.name, "poll_seconds": 0.05, "id_sweep_seconds": 0.2}
        watcher = Watcher(source(both, **settings), lambda: source(both))
        watcher.level()
        before = dict(watcher.documents)
        database.server.stop("immediate")
        try:
            standby.promote()
            with standby.connect(database.name) as connection:
                connection.execute("UPDATE task SET meta = '{\"over\": true}' WHERE id = %s", [task])
            after = watcher.level(swept=True)
            compared_because(watcher, "there was no slot")
            assert {n for n in after if after[n] != before[n]} == {task}
            assert b'"over"' in after[task]
        finally:
            watcher.stop()
            database.server.start()
