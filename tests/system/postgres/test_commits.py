"""Commits as they come in PostgreSQL: late, from the past and the future, in bulk, without any content; none is lost."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from structlog.testing import capture_logs

from syncd.sources import _postgres_following
from tests.deployment import eventually
from tests.labelstudio_database import long_ago
from tests.labelstudio_postgres import LabelStudioPostgres
from tests.watching import Watcher

BOXES = 1


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
