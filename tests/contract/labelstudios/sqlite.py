"""Label Studio on SQLite."""

from functools import partial
from pathlib import Path

from syncd.sources import Source, make, settings_of
from tests.contract.labelstudios import Studio
from tests.labelstudio_database import unpack
from tests.servers import Servers


def opened(servers: Servers, folder: Path) -> Studio:
    path = folder / "label_studio.sqlite3"
    return Studio(unpack(path), partial(source, path))


def source(path: Path, **settings: object) -> Source:
    return make("sqlite", settings_of("sqlite").model_validate({"type": "sqlite", "path": path, **settings}))
