"""`syncd init`: a commented configuration to start from; takes over what Label Studio's own target storages say."""

import os
from collections.abc import Iterator
from pathlib import Path

from syncd.errors import Misconfigured
from syncd.labelstudio.storages import TargetStorage, target_storages

DATABASE = "label_studio.sqlite3"


def usual_places() -> Iterator[Path]:
    """Where Label Studio keeps its SQLite database unless told otherwise."""
    named = os.environ.get("LABEL_STUDIO_BASE_DATA_DIR")
    if named:
        yield Path(named) / DATABASE
    yield Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "label-studio" / DATABASE
    yield Path("/label-studio/data") / DATABASE


def write_configuration(path: Path, origin: str | None, *, force: bool) -> Iterator[str]:
    """Write the file; yields lines that tell the user what was found and what to do next."""
    if path.exists() and not force:
        raise Misconfigured(f"{path} is there already; give another --path, or --force to write over it")
    database = _database(origin)
    storages: list[TargetStorage] = []
    if database is not None:
        yield f"found the Label Studio database {database}"
        storages = list(target_storages(database))
        for storage in storages:
            yield f"took over {storage.title}"
    elif origin is None:
        yield "no Label Studio database in its usual place; edit `source.path`"
    path.write_text(_text(database, origin, storages), "utf-8")
    yield f"wrote {path}"
    yield f"next: syncd check -c {path}, then syncd run -c {path}"


def _database(origin: str | None) -> Path | None:
    if origin is None:
        return next((place for place in usual_places() if place.exists()), None)
    if origin.startswith(("http://", "https://")):
        return None
    place = Path(origin).expanduser()
    found = place / DATABASE if place.is_dir() else place
    if not found.exists():
        raise Misconfigured(
            f"there is no Label Studio database at {found}; give the path of {DATABASE} or of its folder"
        )
    return found.absolute()


def _text(database: Path | None, origin: str | None, storages: list[TargetStorage]) -> str:
    source = (
        f"  type: api\n  url: {origin}\n  token: {{file: token.txt}}      # a Label Studio access token"
        if origin and database is None
        else f"  type: sqlite\n  path: {database or '/path/to/label_studio.sqlite3'}"
    )
    targets = "\n".join(storage.yaml for storage in storages) or "  - name: out\n    type: local\n    path: ./out"
    return f"""\
# syncd: keeps the targets below equal to the labelled tasks of a Label Studio, continuously.
# Every key with its default and meaning: `syncd schema`, and docs/configuration.md.

source:
{source}
  projects: all                 # or a list of ids and titles

documents:                      # the shape of task_id.json
  tasks: labeled                # labeled | finished | all
  annotations: all              # all | submitted | ground_truth
  predictions: full             # full | ids | none
  drafts: none                  # full | ids | none
  completed_by: id              # id | user

targets:
{targets}

state:
  path: syncd-state.db          # what syncd remembers; a local disk. Lost, it is rebuilt
"""
