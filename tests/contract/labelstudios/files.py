"""A folder of exports that somebody writes after every commit: one export per project, task files beside, as teams have them."""

import threading
from contextlib import closing
from functools import partial
from pathlib import Path

import orjson

from syncd.model import TaskDocument
from syncd.sources import Source, make, settings_of
from tests.contract.labelstudios import Studio, sqlite
from tests.labelstudio_database import unpack
from tests.servers import Servers
from tests.watching import ALL


def opened(servers: Servers, folder: Path) -> Studio:
    edits, exports = unpack(folder / "label_studio.sqlite3"), folder / "exports"
    exporter = Exporter(edits.path, exports)
    edits.committed = exporter.export
    exporter.export()
    return Studio(edits, partial(_source, exports), has_identity=False)


def _source(path: Path, **settings: object) -> Source:
    return make(
        "files", settings_of("files").model_validate({"type": "files", "path": path, "poll_seconds": 0.05, **settings})
    )


class Exporter:
    """Writes what differs: project 1 as task files, the others as one export each."""

    def __init__(self, database: Path, folder: Path) -> None:
        self._database = database
        self._folder = folder
        self._lock = threading.Lock()

    def export(self) -> None:
        with self._lock, closing(sqlite.source(self._database)) as source:
            wanted: dict[Path, bytes] = {}
            for project in source.projects():
                place = self._folder / str(project.id)
                said = {"id": project.id, "title": project.title, "label_config": project.label_config}
                wanted[place / "project.json"] = orjson.dumps(said)
                read = source.read(list(source.tasks(project.id)), ALL)
                bodies = {r.task: r.body for r in read if isinstance(r, TaskDocument) and r.body is not None}
                if project.id == 1:
                    wanted |= {place / "tasks" / f"{task}.json": body for task, body in bodies.items()}
                else:
                    wanted[place / "export.json"] = b"[" + b",\n".join(bodies.values()) + b"]"
        self._write(wanted)

    def _write(self, wanted: dict[Path, bytes]) -> None:
        for path in self._folder.rglob("*.json"):
            if path not in wanted:
                path.unlink()
        for path, body in wanted.items():
            if not path.exists() or path.read_bytes() != body:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(body)
