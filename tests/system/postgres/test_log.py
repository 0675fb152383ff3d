"""PostgreSQL's log as syncd follows it: commits in any order, slots that go, servers that change, what `status` says."""

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from syncd.model import TaskDocument
from syncd.sources import Signals, Source, _postgres_capture, _postgres_logical
from syncd.sources._postgres_slot import Slot
from tests.contract.labelstudios.postgres15 import source
from tests.contract.labelstudios.postgres15_logical import published
from tests.deployment import SYNCD, Deployment, eventually
from tests.labelstudio_postgres import LabelStudioPostgres
from tests.servers import Servers
from tests.servers.postgres import postgres15
from tests.watching import ALL, Remembered, Watcher

BOXES = 1
Watch = Callable[..., Watcher]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_postgres_capture, "RETRY_SECONDS", 0.5)
    monkeypatch.setattr(_postgres_logical, "STORE_SECONDS", 0.3)
    monkeypatch.setattr(_postgres_logical, "STORY_SECONDS", 0.3)


@pytest.fixture
def database(servers: Servers) -> LabelStudioPostgres:
    return published(servers.of(postgres15))


def logical(database: LabelStudioPostgres, **settings: object) -> Source:
    """The polls that stand in for the log do not find changes by themselves, in most tests."""
    slow = {"poll_seconds": 0.05, "id_sweep_seconds": 600, "sweep_minutes": 600}
    return source(database.dsn, **{"capture": "logical", "slot": database.name, **slow, **settings})


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


# --- commits -----------------------------------------------------------------------------------------------------


def test_a_transaction_that_commits_late_is_not_lost(database: LabelStudioPostgres, watch: Watch) -> None:
    watcher = watch()
    early, late = database.labelled(BOXES)[:2]
    with open_transaction(database) as slow:
        slow.execute("UPDATE task SET updated_at = now(), meta = '{\"late\": true}' WHERE id = %s", [late])
        for n in range(3):
            database.annotate(early, f"meanwhile {n}")
            eventually(lambda n=n: f"meanwhile {n}".encode() in watcher.documents[early])
        assert b'"late"' not in watcher.documents[late]
    assert b'"late"' in watcher.level()[late]


def test_a_change_that_the_log_shows_before_a_snapshot_does_is_not_lost(
    database: LabelStudioPostgres, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit is in the log, and not to be seen, while it waits for a synchronous standby."""
    peeked: list[int] = []
    peek = Slot.peek
    watcher = watch()
    task = database.labelled(BOXES)[0]
    server = database.server
    with server.connect(database.name) as looking:
        looking.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
        looking.execute("SELECT pg_reload_conf()")
        eventually(lambda: looking.execute("SHOW synchronous_standby_names").fetchone() == ("nobody",))
        waiting = threading.Thread(
            target=database.run, args=("UPDATE task SET meta = '{\"waits\": true}' WHERE id = ?", task)
        )
        waiting.start()
        try:
            stuck = "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
            eventually(lambda: looking.execute(stuck).fetchone() == (True,))

            def counted(slot: Slot, after: int, places: Any) -> Any:
                found = peek(slot, after, places)
                peeked.append(len(found[0]))
                return found

            monkeypatch.setattr(Slot, "peek", counted)
            eventually(lambda: len([n for n in peeked if n]) > 3)
            assert b'"waits"' not in watcher.documents[task]
        finally:
            looking.execute("ALTER SYSTEM RESET synchronous_standby_names")
            looking.execute("SELECT pg_reload_conf()")
            waiting.join()
    assert b'"waits"' in watcher.level()[task]


def test_commits_that_do_not_wait_for_the_disk_are_in_what_is_claimed(
    database: LabelStudioPostgres, watch: Watch
) -> None:
    watcher = watch()
    database.run(f"ALTER DATABASE {database.name} SET synchronous_commit = off")
    for n, task in enumerate(database.labelled(BOXES)[:4]):
        database.annotate(task, f"quick {n}")
        watcher.level(swept=n % 2 == 0)


def test_what_moves_no_time_is_in_both_claims_at_once(database: LabelStudioPostgres, watch: Watch) -> None:
    watcher = watch()
    task = database.labelled(BOXES)[0]
    upload = database.value("SELECT file_upload_id FROM task WHERE file_upload_id IS NOT NULL LIMIT 1")
    database.insert_annotation(task, "cat")
    database.rename_label(BOXES, "cat", "dog")
    database.run("UPDATE data_import_fileupload SET file = 'upload/1/renamed.csv' WHERE id = ?", upload)
    assert b'"dog"' in watcher.level(swept=True)[task]
    named = database.value("SELECT min(id) FROM task WHERE file_upload_id = ?", upload)
    assert b"renamed.csv" in watcher.documents[named]
    assert watcher.synced == watcher.swept


def test_a_transaction_too_large_to_tell_is_compared_as_a_whole(
    database: LabelStudioPostgres, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("syncd.sources._postgres_log.MOST", 5)
    watcher = watch()
    before = watcher.level()
    database.bulk_update_data(BOXES, "added")
    after = watcher.level(swept=True)
    assert len([task for task in before if before[task] != after[task]]) > 10


# --- what only the log's reader has to know ------------------------------------------------------------------------


def test_a_deleted_row_whose_task_nobody_knows_is_not_lost(database: LabelStudioPostgres, watch: Watch) -> None:
    task, user = database.labelled(BOXES)[0], database.value("SELECT min(id) FROM htx_user")
    database.run("INSERT INTO task_comment_authors (task_id, user_id) VALUES (?, ?)", task, user)
    watcher = watch()
    before = watcher.documents[task]
    database.run("DELETE FROM task_comment_authors WHERE task_id = ?", task)
    assert watcher.level(swept=True)[task] != before


def test_an_emptied_table_is_seen(database: LabelStudioPostgres, watch: Watch) -> None:
    watcher = watch()
    before = watcher.level()
    database.run("TRUNCATE task_completion CASCADE")
    after = watcher.level(swept=True)
    assert after != before
    assert not any(b'"result_count"' in body for body in after.values())


def test_a_publication_of_everything_will_do(database: LabelStudioPostgres, watch: Watch) -> None:
    """With whole rows in the log, and the old ones for a table that is set so."""
    database.run("DROP PUBLICATION syncd")
    database.run("CREATE PUBLICATION syncd FOR ALL TABLES")
    database.run("ALTER TABLE task_completion REPLICA IDENTITY FULL")
    watcher = watch()
    first, second = database.labelled(BOXES)[:2]
    database.annotate(first, "x" * 100_000)
    database.move_annotations(first, second)
    database.delete_annotations_quietly(second)
    assert b'"annotations":[]' in watcher.level(swept=True)[second]


# --- going on where it was left --------------------------------------------------------------------------------------


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


def test_a_daemon_killed_in_mid_batch_loses_nothing(database: LabelStudioPostgres, tmp_path: Path) -> None:
    text = {
        "source": {"type": "postgres", "dsn": database.dsn, "capture": "logical", "slot": database.name},
        "targets": [{"name": "out", "type": "local", "path": str(tmp_path / "out"), "claims_seconds": 0.1}],
    }
    deployment = Deployment(tmp_path)
    (tmp_path / "syncd.yaml").write_text(
        yaml.safe_dump({**text, "state": {"path": str(deployment.state)}, "log": {"format": "json"}})
    )
    task = database.labelled(BOXES)[0]
    file = tmp_path / "out" / str(BOXES) / "tasks" / f"{task}.json"
    with closing(deployment):
        daemon = deployment.start()
        deployment.wait_until_true()
        deployment.stop(daemon)
        daemon = deployment.start(fault="signals recorded")
        database.annotate(task, "in mid-batch")
        assert daemon.wait(30) != 0
        deployment.start()
        eventually(lambda: b"in mid-batch" in file.read_bytes())
        story = eventually(lambda: deployment.status()["source"]["story"])
    assert story["capture"] == "logical"
    assert story["because"] == ""  # it went on where it was, and compared nothing else


# --- slots that go -------------------------------------------------------------------------------------------------


def compared_because(watcher: Watcher, why: str) -> None:
    eventually(
        lambda: why in str(watcher.story.get("because")) and watcher.story["capture"] == "logical",
        lambda: (watcher.story, watcher.errors),
    )


def test_a_slot_that_somebody_dropped_is_made_anew(database: LabelStudioPostgres, watch: Watch) -> None:
    watcher = watch()
    task = database.labelled(BOXES)[0]
    database.server.run(f"SELECT pg_drop_replication_slot('{database.name}')")
    database.annotate(task, "without a slot")
    assert b"without a slot" in watcher.level(swept=True)[task]
    compared_because(watcher, "there was no slot")
    assert slot_of(database) is not None


def test_a_slot_that_the_server_let_go_of_is_made_anew(database: LabelStudioPostgres, watch: Watch) -> None:
    watcher = watch()
    server, task = database.server, database.labelled(BOXES)[0]
    watcher.stop()
    server.run("ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'")
    server.run("SELECT pg_reload_conf()")
    try:
        for _ in range(4):
            write_log(database, 1)
            server.run("SELECT pg_switch_wal()")
        server.run("CHECKPOINT")
        database.annotate(task, "while it was lost")
        lost = "SELECT wal_status FROM pg_replication_slots WHERE slot_name = ?"
        assert database.value(lost, database.name) == "lost"
    finally:
        server.run("ALTER SYSTEM RESET max_slot_wal_keep_size")
        server.run("SELECT pg_reload_conf()")
    again = watch()
    assert b"while it was lost" in again.documents[task]
    assert "wal_status lost" in str(again.story["because"])


def test_a_slot_that_somebody_else_moved_on_is_noticed(database: LabelStudioPostgres) -> None:
    batches = followed(logical(database), Remembered(), None)
    until(batches, lambda b: b.synced)
    task = database.labelled(BOXES)[0]
    database.annotate(task, "passed over")
    database.run("SELECT pg_replication_slot_advance(?, pg_current_wal_insert_lsn())", database.name)
    assert {s.task for b in until(batches, lambda b: b.swept) for s in b.signals} == {task}
    batches.close()


def test_the_log_that_a_server_keeps_has_a_ceiling(database: LabelStudioPostgres, watch: Watch) -> None:
    """An open transaction holds the slot back: then it goes, the tables are polled, and it comes back afterwards."""
    watcher = watch(slot_ceiling_mb=2, id_sweep_seconds=0.2)
    task, late = database.labelled(BOXES)[:2]
    with open_transaction(database) as slow:
        slow.execute("UPDATE task SET meta = '{\"late\": true}' WHERE id = %s", [late])
        write_log(database, 8)
        eventually(lambda: watcher.story["capture"] == "poll", lambda: watcher.story)
        assert "slot_ceiling_mb" in str(watcher.story["because"])
        database.annotate(task, "meanwhile")
        eventually(lambda: b"meanwhile" in watcher.documents[task])
    eventually(lambda: watcher.story["capture"] == "logical", lambda: watcher.story)
    assert b'"late"' in watcher.level(swept=True)[late]
    _, retained = slot_of(database) or (0, 10**9)
    assert retained < 2e6


def test_a_quiet_database_on_a_busy_server_keeps_no_log(database: LabelStudioPostgres, watch: Watch) -> None:
    watcher = watch()
    before, _ = slot_of(database) or (0, 0)
    write_log(database, 3)
    database.server.run("CHECKPOINT")
    eventually(lambda: (slot_of(database) or (0, 0))[0] >= before + 3_000_000)
    database.server.run("CHECKPOINT")
    eventually(lambda: (slot_of(database) or (0, 10**9))[1] < 1_000_000, lambda: slot_of(database))
    assert watcher.story["because"] == "there was no slot " + database.name


# --- servers that change -----------------------------------------------------------------------------------------


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


# --- rights and orders ---------------------------------------------------------------------------------------------


@pytest.fixture
def configured(servers: Servers, tmp_path: Path) -> tuple[LabelStudioPostgres, Path]:
    """A database without a publication, and a role without the right to make one."""
    database = published(servers.of(postgres15))
    database.run("DROP PUBLICATION syncd")
    database.server.run("ALTER ROLE syncd NOREPLICATION")
    text = {
        "source": {"type": "postgres", "dsn": database.dsn, "capture": "logical", "slot": database.name},
        "targets": [{"name": "out", "type": "local", "path": str(tmp_path / "out")}],
        "state": {"path": str(tmp_path / "state.db")},
    }
    (tmp_path / "syncd.yaml").write_text(yaml.safe_dump(text))
    return database, tmp_path


def syncd(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*SYNCD, *words], cwd=folder, capture_output=True, text=True, check=False)


def test_a_slot_is_made_shown_and_dropped_by_command(configured: tuple[LabelStudioPostgres, Path]) -> None:
    database, folder = configured
    made = syncd(folder, "slot", "create", "--json")
    to_do = json.loads(made.stdout)["to_do"]
    assert made.returncode == 1
    assert [statement.split()[0] for statement in to_do] == ["CREATE", "ALTER"]
    assert "wal_level logical" in syncd(folder, "slot", "status").stdout
    assert "follow the log" in syncd(folder, "check").stdout
    for statement in to_do:
        database.run(statement)
    made = syncd(folder, "slot", "create")
    assert (made.returncode, made.stderr) == (0, "")
    shown = json.loads(syncd(folder, "slot", "status", "--json").stdout)
    assert (shown["exists"], shown["published"], shown["wal_status"]) == (True, True, "reserved")
    assert syncd(folder, "check").returncode == 0
    dropped = syncd(folder, "slot", "drop")
    assert (dropped.returncode, slot_of(database)) == (1, None)
    assert "DROP PUBLICATION syncd;" in dropped.stdout


def test_without_a_publication_the_tables_are_polled_until_there_is_one(
    configured: tuple[LabelStudioPostgres, Path],
) -> None:
    database, folder = configured
    watcher = Watcher(logical(database, id_sweep_seconds=0.2), lambda: source(database.dsn))
    try:
        watcher.level()
        assert watcher.story["capture"] == "poll"
        assert "syncd slot create" in str(watcher.story["because"])
        for statement in json.loads(syncd(folder, "slot", "status", "--json").stdout)["to_do"]:
            database.run(statement)
        eventually(lambda: watcher.story["capture"] == "logical", lambda: watcher.story)
        task = database.labelled(BOXES)[0]
        database.annotate(task, "by the log")
        assert b"by the log" in watcher.level(swept=True)[task]
        database.run("ALTER PUBLICATION syncd DROP TABLE prediction")
        eventually(lambda: "lacks public.prediction" in str(watcher.story["because"]), lambda: watcher.story)
    finally:
        watcher.stop()
