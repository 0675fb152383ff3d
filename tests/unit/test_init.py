"""`syncd init` writes a configuration that loads, and takes over the target storages set up in Label Studio."""

import sqlite3
from pathlib import Path

import pytest

from syncd.config import Config, load
from syncd.init import write_configuration
from tests.labelstudio_database import unpack

NOW = "'2026-01-01 00:00:00'"
S3 = (
    "INSERT INTO io_storages_s3exportstorage (title, created_at, bucket, prefix, use_blob_urls, aws_secret_access_key, "
    f"region_name, project_id, status, synchronizable) VALUES ('lake', {NOW}, 'annotations', ?, 1, 'hush', 'eu-west-1', ?, "
    "'initialized', 1)"
)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return unpack(tmp_path / "label_studio.sqlite3").path


def initialised(database: Path) -> tuple[list[str], Config]:
    path = database.with_name("syncd.yaml")
    said = list(write_configuration(path, str(database), force=False))
    return said, load(path)


def test_without_storages_there_is_one_local_target(database: Path) -> None:
    _, config = initialised(database)
    assert config.source.path == database
    assert [(part.config.type, part.settings.path) for part in config.targets] == [("local", "./label-studio-tasks")]


def test_a_target_storage_becomes_a_target_beside_what_label_studio_wrote_and_its_secret_stays_behind(
    database: Path,
) -> None:
    with sqlite3.connect(database) as db:
        db.execute(S3, ("ls/out/", 3))
    said, config = initialised(database)
    assert "took over the s3 target storage 'lake' of project 3" in said
    [part] = config.targets
    assert (part.settings.bucket, part.settings.prefix, part.settings.region) == (
        "annotations",
        "ls/out/syncd",
        "eu-west-1",
    )
    assert part.config.projects == (3,)
    assert "hush" not in database.with_name("syncd.yaml").read_text()


def test_a_storage_at_the_root_of_a_bucket_gets_a_prefix_all_the_same(database: Path) -> None:
    with sqlite3.connect(database) as db:
        db.execute(S3, (None, 3))
    _, config = initialised(database)
    assert [part.settings.prefix for part in config.targets] == ["syncd"]


def test_projects_that_export_to_one_place_share_a_target(database: Path) -> None:
    with sqlite3.connect(database) as db:
        db.executemany(S3, [("out", 3), ("out", 1)])
    _, config = initialised(database)
    assert [part.config.projects for part in config.targets] == [(1, 3)]


@pytest.mark.parametrize(
    ("mixin", "storage"),
    [
        (
            "INSERT INTO io_storages_gcsstoragemixin (id, bucket, prefix, use_blob_urls) VALUES (5, 'gold', 'p', 1)",
            "INSERT INTO io_storages_gcsexportstorage (gcsstoragemixin_ptr_id, title, created_at, project_id, status, "
            f"synchronizable) VALUES (5, 'g', {NOW}, 1, 'initialized', 1)",
        ),
        (
            "INSERT INTO io_storages_azureblobstoragemixin (id, container, prefix, use_blob_urls, account_name) "
            "VALUES (5, 'gold', 'p', 1, 'acme')",
            "INSERT INTO io_storages_azureblobexportstorage (azureblobstoragemixin_ptr_id, title, created_at, project_id, "
            f"status, synchronizable) VALUES (5, 'a', {NOW}, 1, 'initialized', 1)",
        ),
    ],
)
def test_storages_of_other_stores_are_found_through_their_parent_table(
    database: Path, mixin: str, storage: str
) -> None:
    with sqlite3.connect(database) as db:
        db.execute(mixin)
        db.execute(storage)
    _, config = initialised(database)
    [part] = config.targets
    assert (part.settings.place()[2:], part.config.projects) == (("gold", "p", "syncd"), (1,))
