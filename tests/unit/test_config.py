"""The configuration: what it accepts, and how it says what is wrong."""

import json
from pathlib import Path

import pytest

from syncd.config import load
from syncd.errors import Misconfigured
from syncd.schema import configuration_schema

GOOD = """\
source:
  type: sqlite
  path: label_studio.sqlite3
targets:
  - name: out
    type: local
    path: ./out
"""


@pytest.fixture
def written(tmp_path: Path):
    def write(text: str) -> Path:
        path = tmp_path / "syncd.yaml"
        path.write_text(text)
        return path

    return write


def test_a_short_file_is_enough_and_the_rest_has_defaults(written):
    config = load(written(GOOD))
    assert (config.source_type, config.source.poll_seconds, config.source.sweep_minutes) == ("sqlite", 0.5, 10)
    target = config.targets[0].config
    assert (target.name, target.layout, target.deletes, target.max_delete_ratio) == ("out", "project", "delete", 0.2)
    assert config.root.http is None


@pytest.mark.parametrize(
    ("change", "line", "said"),
    [
        (("sqlite\n", "sqlit\n"), 2, "source.type: unknown type 'sqlit' (did you mean 'sqlite'?)"),
        (("  path: label", "  paths: label"), 3, "source.paths: unknown key (did you mean 'path'?)"),
        (
            ("    type: local", "    type: local\n    layuot: sharded"),
            7,
            "targets.0.layuot: unknown key (did you mean 'layout'?)",
        ),
        (("    type: local", "    type: local\n    layout: shard"), 7, "(did you mean 'sharded'?)"),
        (("    type: local", "    type: local\n    max_delete_ratio: 2"), 7, "targets.0.max_delete_ratio:"),
        (("source:", "documents: {task: all}\nsource:"), 1, "documents.task: unknown key (did you mean 'tasks'?)"),
        (("source:", "sources: {}\nsource:"), 1, "sources: unknown key (did you mean 'source'?)"),
        (("  path: label_studio.sqlite3\n", ""), 1, "source.path: is missing"),
        (("source:", "http: {listen: here}\nsource:"), 1, "http.listen:"),
        (("path: label_studio.sqlite3", "path: ${NOT_SET_ANYWHERE}"), 3, "NOT_SET_ANYWHERE is not set"),
        (("path: label_studio.sqlite3", "path: {file: /no/such/file}"), 3, "/no/such/file cannot be read"),
        (("path: label_studio.sqlite3", "path: {file: /dev/null}"), 3, "source.path: the file /dev/null is empty"),
        (("path: ./out", "path: ./out\n    path: ./twice"), 8, "path: stands here twice"),
        (("path: ./out", "path: ./out\n  - {name: out, type: local, path: b}"), 8, "two targets are named 'out'"),
        (
            ("path: ./out", "path: ./out\n  - {name: b, type: local, path: x/../out/}"),
            8,
            "'b' is in the same place as 'out'",
        ),
        (
            ("path: ./out", "path: ./out\n  - {name: b, type: local, path: out/b}"),
            8,
            "'b' is within the place of 'out'",
        ),
        (
            (
                "path: ./out",
                "path: ./out\n  - {name: b, type: s3, bucket: c, prefix: d/e}\n  - {name: c, type: s3, bucket: c}",
            ),
            8,
            "'b' is within the place of 'c'",
        ),
        (("path: ./out", "path: [./out"), 8, "this is not YAML"),
    ],
)
def test_a_mistake_is_named_with_its_line_key_and_way_out(written, change, line, said):
    path = written(GOOD.replace(*change))
    with pytest.raises(Misconfigured) as raised:
        load(path)
    message = str(raised.value)
    assert message.startswith(f"{path}:{line}:")
    assert said in message


def test_every_mistake_is_told_at_once(written):
    with pytest.raises(Misconfigured) as raised:
        load(written(GOOD.replace("source:", "log: {level: loud, form: json}\nsource:")))
    assert len(str(raised.value).splitlines()) == 2


def test_variables_have_defaults_and_secret_files_are_read_and_kept_secret(written, tmp_path, monkeypatch):
    (tmp_path / "token").write_text("s3cr3t-token\n")
    monkeypatch.setenv("PLACE", "/data")
    text = (
        GOOD.replace("./out", "${PLACE}/${NAME:-tasks}")
        + f"http: {{listen: '127.0.0.1:0', token: {{file: {tmp_path}/token}}}}\n"
    )
    config = load(written(text))
    assert config.targets[0].settings.path == "/data/tasks"
    assert config.root.http.token == "s3cr3t-token"
    assert "s3cr3t-token" in config.secrets


def test_the_schema_knows_every_source_and_target_and_is_json():
    schema = configuration_schema()
    json.dumps(schema)
    titles = {one["title"] for one in schema["properties"]["targets"]["items"]["oneOf"]}
    assert {"local", "s3", "gcs", "azure", "redis"} <= titles
    assert set(schema["properties"]) == {
        "instance", "source", "documents", "targets", "state", "http", "log", "shutdown_seconds", "hung_seconds",
    }  # fmt: skip
