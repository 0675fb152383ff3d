"""Slots that go, that keep too much, that the role may not make; and what `status` says of it."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.contract.labelstudios.postgres15 import source
from tests.contract.labelstudios.postgres15_logical import published
from tests.deployment import SYNCD, eventually
from tests.labelstudio_postgres import LabelStudioPostgres
from tests.servers import Servers
from tests.servers.postgres import postgres15
from tests.system.postgres.logical.following import (
    BOXES,
    Watch,
    compared_because,
    followed,
    logical,
    open_transaction,
    slot_of,
    until,
    write_log,
)
from tests.watching import Remembered, Watcher


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
