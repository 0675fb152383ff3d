"""What can befall a database while syncd follows it: each is told clearly, loses nothing, and is over when it is over."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.deployment import Deployment
from tests.labelstudio_database import LabelStudioDatabase
from tests.small_disks import bound_by_permissions
from tests.system.following import following, goes_on, told

# --- the file ----------------------------------------------------------------------------------------------------


def test_a_database_that_cannot_be_read_stops_nothing_for_good(deployment: Deployment) -> None:
    deployment.before = bound_by_permissions()
    following(deployment)
    before = deployment.files()
    database = deployment.database.path
    shut = database.with_name("shut")
    shutil.copy(database, shut)  # a new file, never readable at its place: an open one could be read for ever
    shut.chmod(0)
    shut.replace(database)
    told(deployment, "cannot be read")
    assert deployment.files() == before
    database.chmod(0o600)
    goes_on(deployment)


def test_a_database_that_is_moved_away_deletes_nothing_and_is_followed_again_when_it_is_back(
    deployment: Deployment,
) -> None:
    following(deployment)
    before = deployment.files()
    database = deployment.database.path
    database.rename(database.with_name("elsewhere"))
    told(deployment, "cannot be found")
    done = deployment.command("sync")
    assert done.returncode == 3
    assert "cannot be found" in done.stderr
    assert deployment.files() == before
    database.with_name("elsewhere").rename(database)
    goes_on(deployment)


def test_a_locked_database_is_waited_for(deployment: Deployment) -> None:
    following(deployment)
    with closing(deployment.database.connection()) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        writer.execute("UPDATE task SET updated_at = updated_at || '1' WHERE id = 1")
        told(deployment, "locked by another program")
        assert deployment.status()["source"]["error"]
        writer.execute("COMMIT")
    goes_on(deployment)
    assert deployment.status()["source"]["error"] is None


@pytest.mark.parametrize("commits", range(4))
def test_a_database_replaced_underneath_is_noticed(deployment: Deployment, commits: int) -> None:
    """However many commits came before: SQLite counts them per connection, and a new one may show the same number."""
    following(deployment)
    for _ in range(commits):
        deployment.database.bulk_rewrite(1)
        deployment.wait_until_true()
    other = deployment.folder / "other.sqlite3"
    shutil.copy(deployment.database.path, other)
    LabelStudioDatabase(other).annotate(2, "in the new file")
    other.replace(deployment.database.path)
    deployment.wait_until_true()
    assert deployment.tasks() == deployment.rendered()


@pytest.mark.parametrize("replace", [os.replace, shutil.copyfile], ids=["renamed", "copied over"])
def test_a_restored_backup_takes_the_target_back_with_it(
    deployment: Deployment, replace: Callable[[Path, Path], object]
) -> None:
    backup = deployment.folder / "backup.sqlite3"
    shutil.copy(deployment.database.path, backup)
    LabelStudioDatabase(backup).annotate(40, "only in the backup")
    following(deployment)
    deployment.database.annotate(deployment.database.add_task(1), "lost by the restore")
    deployment.database.annotate(3, "lost as well")
    deployment.wait_until_true()
    replace(backup, deployment.database.path)
    deployment.wait_until_true()
    assert deployment.tasks() == deployment.rendered()


def test_a_stopped_label_studio_leaves_its_tasks_in_place(deployment: Deployment) -> None:
    following(deployment)
    assert [p.name for p in deployment.folder.glob("label_studio.sqlite3*")] == ["label_studio.sqlite3"]
    deployment.wait_until_true()
    assert deployment.tasks() == deployment.rendered()


def test_a_database_in_wal_mode_is_followed_while_its_writer_is_there(deployment: Deployment) -> None:
    with closing(deployment.database.connection()) as label_studio:
        label_studio.execute("PRAGMA journal_mode = WAL")
        label_studio.execute("UPDATE task SET data = json_set(data, '$.wal', 1) WHERE id = 1")
        following(deployment)
        assert b'"wal":1' in deployment.tasks()["1/tasks/1.json"]
        goes_on(deployment, task=2)
    goes_on(deployment, task=3)


def test_a_database_in_wal_mode_is_read_after_its_writer_has_gone(deployment: Deployment) -> None:
    deployment.database.run("PRAGMA journal_mode = WAL")
    assert [p.name for p in deployment.folder.glob("label_studio.sqlite3*")] == ["label_studio.sqlite3"]
    following(deployment)
    goes_on(deployment)


def test_a_file_that_is_no_database_is_told_and_deletes_nothing(deployment: Deployment) -> None:
    following(deployment)
    before = deployment.files()
    good = deployment.database.path.read_bytes()
    deployment.database.path.write_bytes(b"not a database at all" * 100)
    told(deployment, "cannot be read as a SQLite database")
    deployment.database.path.write_bytes(b"")
    told(deployment, "is not a Label Studio database")
    assert deployment.files() == before
    deployment.database.path.write_bytes(good)
    goes_on(deployment)


def test_another_label_studio_in_its_place_is_refused(deployment: Deployment) -> None:
    following(deployment)
    before = deployment.files()
    database = deployment.database.path
    other = deployment.folder / "other.sqlite3"
    shutil.copy(database, deployment.folder / "ours.sqlite3")
    shutil.copy(database, other)
    LabelStudioDatabase(other).run("UPDATE organization SET created_at = '2020-01-01 00:00:00'")
    LabelStudioDatabase(other).run("DELETE FROM task WHERE project_id = 1")
    other.replace(database)
    told(deployment, "is another Label Studio")
    assert deployment.files() == before
    (deployment.folder / "ours.sqlite3").replace(database)
    goes_on(deployment)


# --- the schema --------------------------------------------------------------------------------------------------


def test_a_newer_label_studio_with_more_tables_and_columns_is_read(deployment: Deployment) -> None:
    following(deployment)
    for table in ("task", "task_completion", "prediction", "project", "htx_user"):
        deployment.database.run(f"ALTER TABLE {table} ADD COLUMN from_the_future text DEFAULT 'x'")
    deployment.database.run("CREATE TABLE task_comment (id integer PRIMARY KEY, task_id integer)")
    goes_on(deployment)


def test_an_older_label_studio_without_optional_tables_and_columns_is_read(deployment: Deployment) -> None:
    database = deployment.database
    for table in ("prediction", "tasks_annotationdraft", "task_comment_authors", "data_import_fileupload"):
        database.run(f"DROP TABLE {table}")
    with closing(sqlite3.connect(database.path)) as c:
        c.execute("ALTER TABLE task DROP COLUMN allow_skip")
        c.execute("ALTER TABLE task_completion DROP COLUMN bulk_created")
        c.commit()
    following(deployment)
    goes_on(deployment)
    assert b'"predictions":[]' in deployment.tasks()["1/tasks/1.json"]


def test_a_table_that_syncd_cannot_do_without_is_named(deployment: Deployment) -> None:
    deployment.database.run("ALTER TABLE task_completion RENAME COLUMN result TO outcome")
    done = deployment.command("sync")
    assert done.returncode == 2
    assert "column task_completion.result" in done.stderr
    assert deployment.command("check").returncode != 0


# --- rows --------------------------------------------------------------------------------------------------------

DAMAGE = {
    "JSON cut short": "UPDATE task_completion SET result = '[{\"broken\": ' WHERE task_id = 2",
    "no UTF-8": "UPDATE task_completion SET result = CAST(x'5b22ff225d' AS TEXT) WHERE task_id = 2",
    "NaN": "UPDATE task_completion SET result = '[NaN]' WHERE task_id = 2",
    "data cut short": "UPDATE task SET data = '{' WHERE id = 2",
    "a number for a time": "UPDATE task SET updated_at = 20260101 WHERE id = 2",
    "a word for a number": "UPDATE task_completion SET lead_time = 'quick' WHERE task_id = 2",
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_row_is_set_aside_and_costs_nobody_else_anything(deployment: Deployment, damage: str) -> None:
    following(deployment)
    last_good = deployment.tasks()["1/tasks/2.json"]
    shutil.copy(deployment.database.path, deployment.folder / "good.sqlite3")
    deployment.database.damage(damage)
    deployment.database.annotate(1, "unharmed")
    deployment.database.annotate(3, "unharmed")
    claims = deployment.wait_until_true()
    assert claims["quarantined"] == 1
    aside = deployment.status()["targets"]["out"]["quarantine"]
    assert [a["task"] for a in aside] == [2]
    assert "task 2" in aside[0]["reason"]
    assert deployment.tasks()["1/tasks/2.json"] == last_good
    others = {key: body for key, body in deployment.tasks().items() if key != "1/tasks/2.json"}
    assert others == {k: b for k, b in deployment.rendered().items() if k != "1/tasks/2.json"}
    assert deployment.command("sync").returncode == 1
    mend(deployment)
    goes_on(deployment)
    assert deployment.claims()["quarantined"] == 0
    assert "Traceback" not in deployment.log.read_text()


def mend(deployment: Deployment) -> None:
    """Put task 2's rows back as they were before the damage."""
    with closing(deployment.database.connection()) as c:
        c.execute("ATTACH ? AS good", (str(deployment.folder / "good.sqlite3"),))
        c.execute("BEGIN")
        for table, column in (("task_completion", "task_id"), ("task", "id")):
            c.execute(f"DELETE FROM main.{table} WHERE {column} = 2")
            c.execute(f"INSERT INTO main.{table} SELECT * FROM good.{table} WHERE {column} = 2")
        c.execute("COMMIT")
