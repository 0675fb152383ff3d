"""Label Studio over its REST API alone: a real one, whose database is changed underneath it.

Many edits move no time, and REST shows nothing else that is quick to read: sweeps find them, which here follow one another.
"""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from syncd.sources import Source, make, settings_of
from tests.contract.labelstudios import Studio
from tests.labelstudio_database import SHIPPED, LabelStudioDatabase
from tests.servers import Servers
from tests.servers.label_studio import LabelStudio, label_studio

TOKEN = "abcdef0123456789abcdef0123456789abcdef01"
"""Of the owner of the shipped database."""


@contextmanager
def on_the_shipped_database() -> Iterator[LabelStudio]:
    """A Label Studio of its own: it opens its database anew for each request, so another file may take its place."""
    with label_studio() as studio:
        yield studio


def opened(servers: Servers, folder: Path) -> Studio:
    studio = servers.of(on_the_shipped_database)
    path = studio.database.path
    fresh = path.with_name("fresh.sqlite3")
    fresh.write_bytes(gzip.decompress(SHIPPED.read_bytes()))
    _make_small(LabelStudioDatabase(fresh))
    fresh.replace(path)
    return Studio(LabelStudioDatabase(path), partial(_source, studio.url))


def _make_small(database: LabelStudioDatabase) -> None:
    """Leave two projects and few drafts: Label Studio takes milliseconds for each task, at every sweep."""
    others = "project_id NOT IN (1, 12)"
    for table in ("tasks_annotationdraft", "prediction", "task_completion"):
        database.run(f"DELETE FROM {table} WHERE task_id IN (SELECT id FROM task WHERE {others})")
    database.run("DELETE FROM tasks_annotationdraft WHERE id > (SELECT min(id) + 2 FROM tasks_annotationdraft)")
    database.run(f"DELETE FROM task WHERE {others}")
    database.run("UPDATE project SET deleted_at = created_at WHERE id NOT IN (1, 12)")


def _source(url: str, **settings: object) -> Source:
    quick = {"type": "api", "url": url, "token": TOKEN, **settings, "sweep_minutes": 0.001}
    return make("api", settings_of("api").model_validate(quick))
