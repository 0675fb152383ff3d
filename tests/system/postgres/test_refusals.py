"""What syncd says when PostgreSQL refuses it, and that it goes on by itself once that is mended."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from syncd.errors import Misconfigured, SyncdError, Unavailable
from tests.certificates import certificates
from tests.contract.labelstudios.postgres15 import source
from tests.deployment import eventually
from tests.labelstudio_postgres import LabelStudioPostgres
from tests.watching import Watcher

BOXES = 1


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


def test_tls_is_spoken_and_the_server_is_verified(database: LabelStudioPostgres, tmp_path: Path) -> None:
    (tmp_path / "another").mkdir()
    authority, another = certificates(tmp_path).authority, certificates(tmp_path / "another").authority
    verified = f"{database.dsn}?sslmode=verify-full&sslrootcert="
    with database.server.speaking_tls(tmp_path / "server.pem"):
        eventually(lambda: refused_or_not(verified + str(authority)) == "")
        with closing(source(verified + str(authority))) as encrypted:
            assert any(", TLS" in finding.detail for finding in encrypted.check())
        assert "sslrootcert" in refused(verified + str(another))


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


def test_a_time_limit_of_the_operators_stands(database: LabelStudioPostgres) -> None:
    database.run(f"ALTER ROLE syncd IN DATABASE {database.name} SET statement_timeout = '100ms'")
    with psycopg.connect(database.server.dsn(database.name, user="postgres")) as migration:
        migration.execute("LOCK TABLE organization IN ACCESS EXCLUSIVE MODE")
        said = refused_or_not(database.dsn)
    assert "ended a statement of syncd's (canceling statement due to statement timeout" in said
    assert refused_or_not(database.dsn) == ""


def test_the_rights_of_the_shipped_policy_are_enough_and_no_more(database: LabelStudioPostgres) -> None:
    with closing(source(database.dsn)) as checked:
        assert all(finding.ok for finding in checked.check())
    with psycopg.connect(database.dsn) as syncd, pytest.raises(psycopg.errors.InsufficientPrivilege):
        syncd.execute("SELECT password FROM htx_user")
