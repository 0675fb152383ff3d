"""PostgreSQL as Label Studio's operators run it: parity with its exports, late commits, restarts, standbys, poolers, rights."""

import gzip
import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from structlog.testing import capture_logs

from syncd.errors import Misconfigured, SyncdError, Unavailable
from syncd.model import DocumentShape, TaskDocument
from syncd.sources import Source, _postgres_following
from tests.contract.labelstudios.postgres15 import source
from tests.deployment import SYNCD, eventually
from tests.labelstudio_database import long_ago
from tests.labelstudio_postgres import LabelStudioPostgres
from tests.servers import Servers
from tests.servers.pgbouncer import pgbouncer
from tests.servers.postgres import postgres15, postgres18
from tests.watching import ALL, Remembered, Watcher

EXPORTS = Path(__file__).parents[1] / "data" / "label_studio.pg.exports.json.gz"
"""Label Studio's own exports of the dump: per project `labeled` and `all` (Easy Export) and `snapshot` (Snapshot API)."""

BOXES = 1
Json = dict[str, Any]


@pytest.fixture
def database(servers: Servers) -> LabelStudioPostgres:
    return LabelStudioPostgres(servers.of(postgres15))


@pytest.fixture
def watch(database: LabelStudioPostgres) -> Iterator[Callable[..., Watcher]]:
    """Starts watching the database, or a DSN given; level when it returns."""
    started: list[Watcher] = []

    def at(dsn: str = "", **settings: object) -> Watcher:
        def fresh(**own: object) -> Source:
            return source(dsn or database.dsn, **own)

        watching = Watcher(fresh(**{"poll_seconds": 0.05, "sweep_minutes": 600, **settings}), fresh)
        started.append(watching)
        watching.level()
        return watching

    yield at
    for watching in started:
        watching.stop()


# --- parity ------------------------------------------------------------------------------------------------------

SHAPES = {
    "labeled": DocumentShape(predictions="ids", drafts="full"),
    "all": DocumentShape(tasks="all", predictions="ids", drafts="full"),
    "snapshot": DocumentShape(tasks="all", predictions="full", drafts="full", completed_by="user"),
}
"""Export → the shape that it has."""

COUNTED = ("total_annotations", "cancelled_annotations", "total_predictions")
"""Label Studio's own columns for these go stale; syncd counts."""


@pytest.mark.parametrize("server", [postgres15, postgres18])
@pytest.mark.parametrize("export", SHAPES)
def test_documents_are_what_label_studio_exports(servers: Servers, server: Any, export: str) -> None:
    exported = json.loads(gzip.decompress(EXPORTS.read_bytes()))
    with closing(source(LabelStudioPostgres(servers.of(server)).dsn)) as read:
        for project in read.projects():
            documents = [
                d for d in read.read(list(read.tasks(project.id)), SHAPES[export]) if isinstance(d, TaskDocument)
            ]
            ours = [comparable(json.loads(d.body)) for d in documents if d.body]
            theirs = sorted((comparable(task) for task in exported[project.title][export]), key=lambda t: t["id"])
            assert ours == theirs, project.title
            assert ours or export == "labeled"


def comparable(task: Json) -> Json:
    """Lists by id, as Label Studio gives them no order; without what is never the same twice."""
    for name in ("annotations", "drafts", "predictions"):
        rows = task.get(name, [])
        if rows and isinstance(rows[0], dict):
            task[name] = sorted(
                ({k: v for k, v in row.items() if k != "created_ago"} for row in rows), key=lambda r: r["id"]
            )
        else:
            task[name] = sorted(rows)
    return {key: value for key, value in task.items() if key not in COUNTED}


# --- commits -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "looks", [{"id_sweep_seconds": 600}, {"id_sweep_seconds": 0.2}], ids=["quick look", "id sweep"]
)
def test_a_transaction_that_commits_late_is_not_lost(
    database: LabelStudioPostgres, watch: Callable[..., Watcher], looks: dict[str, float]
) -> None:
    """Later ones commit meanwhile, with newer times and larger ids."""
    watcher = watch(**looks)
    early, late = database.labelled(BOXES)[:2]
    with psycopg.connect(database.server.dsn(database.name, user="postgres")) as slow:
        slow.execute("UPDATE task SET updated_at = now(), meta = '{\"late\": true}' WHERE id = %s", [late])
        for n in range(3):
            database.annotate(early, f"meanwhile {n}")
            eventually(lambda n=n: f"meanwhile {n}".encode() in watcher.documents[early])
        assert b'"late"' not in watcher.documents[late]
    eventually(lambda: b'"late"' in watcher.documents[late])


def test_a_transaction_that_stays_open_for_long_is_told(
    database: LabelStudioPostgres, watch: Callable[..., Watcher], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_postgres_following, "LONG", timedelta(seconds=0.5))
    task = database.labelled(BOXES)[0]
    with capture_logs() as logged:
        watch()
        with psycopg.connect(database.server.dsn(database.name, user="postgres")) as slow:
            slow.execute("UPDATE task SET meta = '{}' WHERE id = %s", [task])

            def told() -> bool:
                database.run("UPDATE htx_user SET last_activity = now()")
                return any(event["event"].startswith("a long transaction") for event in logged)

            eventually(told)
    assert len([event for event in logged if event["log_level"] == "warning"]) == 1


def test_an_annotation_is_seen_at_once(database: LabelStudioPostgres, watch: Callable[..., Watcher]) -> None:
    watcher = watch(id_sweep_seconds=600)
    task = database.labelled(BOXES)[0]
    for text, at in (("now", None), ("a minute behind", long_ago(1)), ("a minute ahead", long_ago(-1))):
        database.annotate(task, text, at=at)
        eventually(lambda text=text: text.encode() in watcher.documents[task], seconds=10)


def test_ten_thousand_rows_rewritten_without_a_change_are_no_signal(
    database: LabelStudioPostgres, watch: Callable[..., Watcher]
) -> None:
    first = database.next_id("task")
    columns = (
        "data, meta, created_at, updated_at, is_labeled, project_id, overlap, total_annotations, cancelled_annotations"
    )
    columns += ", total_predictions, comment_count, unresolved_comment_count"
    database.run(
        f"INSERT INTO task (id, {columns}) SELECT {first} + n, {columns} FROM task, generate_series(0, 9999) AS n WHERE id = 1"
    )
    watcher = watch(sweep_minutes=0.01)
    assert len(watcher.documents) > 10_000
    watcher.signalled.clear()
    database.bulk_rewrite(BOXES)
    database.run("VACUUM FULL task")
    now = datetime.now(UTC)
    eventually(lambda: min(watcher.synced, watcher.swept) > now)
    assert watcher.signalled == []


def test_nothing_stays_open_in_the_database(database: LabelStudioPostgres, watch: Callable[..., Watcher]) -> None:
    watch()
    sql = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'syncd' AND xact_start < now() - interval '2 seconds'"
    assert database.value(sql) == 0
    assert database.value("SELECT count(*) FROM pg_stat_activity WHERE usename = 'syncd'") >= 1


# --- servers -----------------------------------------------------------------------------------------------------


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


# --- refusals ----------------------------------------------------------------------------------------------------


def refused(dsn: str) -> str:
    """What is said when the source cannot work."""
    with pytest.raises(SyncdError) as caught, closing(source(dsn)) as refusing:
        refusing.identity()
        list(refusing.check())
    assert "pass" not in str(caught.value).replace("password", "")
    return str(caught.value)


def test_a_wrong_password_is_told(database: LabelStudioPostgres) -> None:
    assert "the password is wrong" in refused(database.server.dsn(database.name, password="wrong"))


def test_a_database_that_is_not_there_is_told(database: LabelStudioPostgres) -> None:
    assert "no such database" in refused(database.server.dsn("nowhere"))


def test_a_server_that_is_down_is_told() -> None:
    assert "cannot be reached" in refused("postgresql://syncd@127.0.0.1:1/labelstudio")


def test_a_dsn_that_makes_no_sense_is_told() -> None:
    with pytest.raises(Misconfigured, match=r"source\.dsn"):
        source("postgresql:/\\nonsense=")


def test_tls_that_is_demanded_is_told(database: LabelStudioPostgres) -> None:
    assert "sslmode" in refused(database.dsn + "?sslmode=require")


def test_a_server_that_takes_tls_only_is_told(database: LabelStudioPostgres) -> None:
    rules = database.server.folder / "data" / "pg_hba.conf"
    before = rules.read_text()
    rules.write_text(
        f"hostssl {database.name} syncd 127.0.0.1/32 scram-sha-256\n" + before.replace("all all", "postgres all")
    )
    database.server.run("SELECT pg_reload_conf()")
    try:
        eventually(lambda: "sslmode=" in refused_or_not(database.dsn))
    finally:
        rules.write_text(before)
        database.server.run("SELECT pg_reload_conf()")
        eventually(lambda: refused_or_not(database.dsn) == "")


def refused_or_not(dsn: str) -> str:
    try:
        with closing(source(dsn)) as asked:
            asked.identity()
    except Unavailable as error:
        return str(error)
    return ""


def test_a_missing_right_is_named_with_its_grant(database: LabelStudioPostgres) -> None:
    database.run("REVOKE SELECT ON prediction FROM syncd")
    assert "GRANT SELECT ON public.prediction TO syncd" in refused(database.dsn)


def test_a_right_that_is_revoked_and_given_back_deletes_nothing(
    database: LabelStudioPostgres, watch: Callable[..., Watcher]
) -> None:
    watcher = watch()
    before = dict(watcher.documents)
    database.run("REVOKE SELECT ON task_completion FROM syncd")
    eventually(lambda: any("GRANT" in error or "Grant" in error for error in watcher.errors))
    assert watcher.documents == before
    database.run("GRANT SELECT ON task_completion TO syncd")
    watcher.level()


def test_another_database_is_told(database: LabelStudioPostgres) -> None:
    database.run("ALTER TABLE task_completion RENAME TO elsewhere")
    assert "no table task_completion" in refused(database.dsn)


def test_a_table_that_is_locked_is_waited_for(database: LabelStudioPostgres, watch: Callable[..., Watcher]) -> None:
    watcher = watch()
    task = database.labelled(BOXES)[0]
    with psycopg.connect(database.server.dsn(database.name, user="postgres")) as migration:
        migration.execute("LOCK TABLE task_completion IN ACCESS EXCLUSIVE MODE")
        eventually(lambda: any("a table is locked" in error for error in watcher.errors))
    database.annotate(task, "after the migration")
    assert b"after the migration" in watcher.level()[task]


def test_the_rights_of_the_shipped_policy_are_enough_and_no_more(database: LabelStudioPostgres) -> None:
    with closing(source(database.dsn)) as checked:
        assert all(finding.ok for finding in checked.check())
    with psycopg.connect(database.dsn) as syncd, pytest.raises(psycopg.errors.InsufficientPrivilege):
        syncd.execute("SELECT password FROM htx_user")


# --- older and newer databases -----------------------------------------------------------------------------------


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


# --- the whole way -----------------------------------------------------------------------------------------------


def test_a_pass_writes_what_label_studio_exports(database: LabelStudioPostgres, tmp_path: Path) -> None:
    text = {
        "source": {"type": "postgres", "dsn": database.dsn},
        "targets": [{"name": "out", "type": "local", "path": str(tmp_path / "out")}],
        "documents": {"predictions": "ids", "drafts": "full"},
        "state": {"path": str(tmp_path / "state.db")},
    }
    (tmp_path / "syncd.yaml").write_text(yaml.safe_dump(text))
    for _ in range(2):
        done = subprocess.run([*SYNCD, "sync", "--json"], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "pass%20word" not in done.stderr + done.stdout
    assert json.loads(done.stdout)["targets"]["out"]["written"] == 0
    exported = json.loads(gzip.decompress(EXPORTS.read_bytes()))
    theirs = {task["id"]: comparable(task) for project in exported.values() for task in project["labeled"]}
    files = [json.loads(path.read_bytes()) for path in (tmp_path / "out").glob("*/tasks/*.json")]
    assert {task["id"]: comparable(task) for task in files} == theirs
