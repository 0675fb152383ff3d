"""Documents read from PostgreSQL are what Label Studio exports from it, through the source and through a whole `syncd sync`."""

import gzip
import json
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from syncd.model import DocumentShape, TaskDocument
from tests.contract.labelstudios.postgres15 import source
from tests.deployment import SYNCD
from tests.labelstudio_postgres import LabelStudioPostgres
from tests.servers import Servers
from tests.servers.postgres import postgres15, postgres18

EXPORTS = Path(__file__).parents[2] / "data" / "label_studio.pg.exports.json.gz"
"""Label Studio's own exports of the dump: per project `labeled` and `all` (Easy Export) and `snapshot` (Snapshot API)."""

Json = dict[str, Any]

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
