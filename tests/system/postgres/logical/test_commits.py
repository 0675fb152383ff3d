"""Commits in any order and of any size, and what the log does not say of them."""

import threading
from typing import Any

import pytest

from syncd.sources._postgres_slot import Slot
from tests.deployment import eventually
from tests.labelstudio_postgres import LabelStudioPostgres
from tests.system.postgres.logical.following import (
    BOXES,
    Watch,
    open_transaction,
)


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
