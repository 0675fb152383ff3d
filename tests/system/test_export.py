"""`syncd export`: a project straight from a real Label Studio database, which is never touched."""

import json
from hashlib import sha256
from pathlib import Path

import pytest

from tests.labelstudio_database import unpack
from tests.system.converting import GOLDEN, Ended, Json, files_of, syncd

CORPUS = GOLDEN.parent / "corpus"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    unpack(tmp_path / "label_studio.sqlite3")
    (tmp_path / "syncd.yaml").write_text(
        f"source: {{type: sqlite, path: {tmp_path}/label_studio.sqlite3}}\n"
        f"targets: [{{type: local, path: {tmp_path}/bucket}}]\nstate: {{path: {tmp_path}/state.db}}\n"
    )
    return tmp_path / "label_studio.sqlite3"


def export(database: Path, *arguments: object) -> Ended:
    folder = database.parent
    return syncd("export", *arguments, "--path", folder / "out", "-c", folder / "syncd.yaml", "--json")


def result(database: Path) -> list[Json]:
    found: list[Json] = json.loads((database.parent / "out" / "result.json").read_bytes())
    return found


def comparable(task: Json) -> Json:
    """Without what Label Studio itself calls ago."""
    return task | {"drafts": [{k: v for k, v in draft.items() if k != "created_ago"} for draft in task["drafts"]]}


@pytest.mark.parametrize("project", ["boxes", "ner", "asr"])
def test_json_is_label_studios_own_export(project: str, database: Path) -> None:
    theirs = json.loads((GOLDEN / project / "export.json").read_text("utf-8"))

    done = export(database, theirs[0]["project"], "JSON")

    assert done.code == 0, done.err
    assert list(map(comparable, result(database))) == list(map(comparable, theirs))


@pytest.mark.parametrize("name", ["COCO", "CSV", "YOLO"])
def test_an_export_is_what_convert_makes_of_label_studios(name: str, database: Path) -> None:
    given, config = GOLDEN / "boxes" / "export.json", GOLDEN / "boxes" / "label_config.xml"
    expected = database.parent / "expected"
    assert syncd("convert", given, "-f", name, "--path", expected, "--label-config", config).code == 0

    assert export(database, 1, name, "--workers", 2).code == 0

    assert files_of(database.parent / "out") == files_of(expected)


def test_the_database_is_only_read(database: Path) -> None:
    before = sha256(database.read_bytes()).digest()
    times = database.stat().st_mtime_ns

    assert export(database, 1, "COCO").code == 0

    assert (sha256(database.read_bytes()).digest(), database.stat().st_mtime_ns) == (before, times)
    assert {path.name for path in database.parent.iterdir()} == {database.name, "syncd.yaml", "out"}


def test_a_project_may_be_named_by_its_title(database: Path) -> None:
    assert export(database, "boxes", "JSON").code == 0

    wrong = export(database, "boxs", "JSON")

    assert wrong.code == 2
    assert "did you mean 'boxes'" in wrong.err


def test_tasks_without_annotation_only_when_asked_for_and_single_tasks(database: Path) -> None:
    assert export(database, 1, "JSON").code == 0
    labelled = {task["id"] for task in result(database)}
    assert export(database, 1, "JSON", "--all-tasks").code == 0
    every = {task["id"] for task in result(database)}
    first = min(labelled)
    done = export(database, 1, "JSON", "--task-ids", f"{first},999999")

    assert labelled < every
    assert [task["id"] for task in result(database)] == [first]
    assert [one["task"] for one in done.json["set_aside"]] == [999999]


def test_drafts_and_predictions_are_there_in_full_or_as_ids(database: Path) -> None:
    def kinds(*arguments: str) -> tuple[set[type], set[type]]:
        assert export(database, 1, "JSON", *arguments).code == 0
        tasks = result(database)
        return {type(d) for t in tasks for d in t["drafts"]}, {type(p) for t in tasks for p in t["predictions"]}

    assert kinds() == ({dict}, {int})
    assert kinds("--no-drafts", "--predictions") == ({int}, {dict})


def test_a_source_that_is_not_there_is_exit_code_3(database: Path) -> None:
    database.unlink()

    done = export(database, 1, "JSON")

    assert done.code == 3
    assert "Traceback" not in done.err
    assert not (database.parent / "out").exists()


def test_formats_tells_which_apply_to_a_project(database: Path) -> None:
    done = syncd("formats", "--project", "ner", "-c", database.parent / "syncd.yaml", "--json")

    applies = {entry["name"]: entry["applies"] for entry in done.json}
    assert applies["CONLL2003"] is True
    assert applies["YOLO"] is False
