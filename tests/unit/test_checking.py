"""`syncd check` refuses a target where Label Studio itself imports from: syncd's files would come back as tasks."""

import sqlite3
from pathlib import Path

import pytest

from syncd.checking import check_all
from syncd.config import load
from tests.labelstudio_database import unpack

WHAT = "apart from source storages"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A Label Studio whose project 3 imports from the folder `images` beside the database."""
    path = unpack(tmp_path / "label_studio.sqlite3").path
    with sqlite3.connect(path) as db:
        db.execute(
            "INSERT INTO io_storages_localfilesmixin (id, path, use_blob_urls) VALUES (9, ?, 1)",
            (str(tmp_path / "images"),),
        )
        db.execute(
            "INSERT INTO io_storages_localfilesimportstorage (localfilesmixin_ptr_id, title, created_at, project_id, "
            "status, synchronizable) VALUES (9, 'pictures', '2026-01-01 00:00:00', 3, 'initialized', 1)"
        )
    return path


def found(database: Path, target: str) -> list[tuple[bool, str]]:
    path = database.with_name("syncd.yaml")
    path.write_text(
        f"source: {{type: sqlite, path: {database}}}\ntargets: [{{name: out, type: local, path: {target}}}]\n"
        f"state: {{path: {database.with_name('state.db')}}}\n"
    )
    return [(f.ok, f.detail) for part, f in check_all(load(path)) if (part, f.what) == ("out", WHAT)]


@pytest.mark.parametrize("folder", ["images", "images/syncd", "."])
def test_a_target_where_label_studio_imports_from_is_refused(database: Path, folder: str) -> None:
    [(ok, detail)] = found(database, str(database.parent / folder))
    assert not ok
    assert "'pictures' of project 3" in detail
    assert "prefix outside of it" in detail


def test_a_target_elsewhere_is_fine(database: Path) -> None:
    assert found(database, str(database.parent / "out")) == [(True, "1 looked at")]


def test_a_storage_of_another_kind_is_no_obstacle(database: Path) -> None:
    with sqlite3.connect(database) as db:
        db.execute("DELETE FROM io_storages_localfilesimportstorage")
        db.execute(
            "INSERT INTO io_storages_s3importstorage (title, created_at, bucket, use_blob_urls, presign, presign_ttl, "
            "project_id, status, synchronizable, recursive_scan) "
            "VALUES ('b', '2026-01-01 00:00:00', 'images', 1, 1, 1, 3, 'initialized', 1, 0)"
        )
    assert found(database, str(database.parent / "images")) == [(True, "1 looked at")]
