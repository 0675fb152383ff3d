"""`syncd init`: a commented configuration to start from; takes over what Label Studio's own target storages say."""

import json
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from syncd.errors import Misconfigured
from syncd.labelstudio.storages import Storage, storages

DATABASE = "label_studio.sqlite3"
KEY = "LABEL_STUDIO_API_KEY"
"""Where Label Studio's own client looks for a token."""


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
    found: list[Storage] = []
    if database is not None:
        yield f"found the Label Studio database {database}"
        found = list(storages(database, "export"))
    elif origin is not None:
        found = list(_over_rest(origin))
        if KEY not in os.environ:
            yield f"to take over the target storages set up there, set {KEY} to an access token, and use --force"
    else:
        yield "no Label Studio database in its usual place; edit `source.path`"
    for storage in found:
        yield f"took over the {storage.type} target storage {storage.title!r} of project {storage.project}"
    path.write_text(_text(database, origin, found), "utf-8")
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


def _over_rest(url: str) -> Iterator[Storage]:
    """What the projects export to, when there is a token to ask with."""
    if KEY not in os.environ:
        return
    from syncd.labelstudio.rest import Client
    from syncd.labelstudio.rest_storages import storages_of

    with closing(Client(url, os.environ[KEY])) as client:
        page = 1
        while page:
            answer = client.get("/api/projects/", page=page, page_size=100, include="id")
            for project in answer["results"]:
                yield from storages_of(client, project["id"], "export")
            page = page + 1 if answer["next"] else 0


def _targets(found: list[Storage]) -> Iterator[str]:
    """An entry for each place; projects that export to one place share it."""
    sharing: dict[tuple[str, tuple[tuple[str, str], ...]], list[int]] = {}
    for storage in found:
        place = tuple(sorted(_beside(storage).items()))
        sharing.setdefault((storage.type, place), []).append(storage.project)
    for number, ((kind, settings), projects) in enumerate(sharing.items(), 1):
        lines = [
            f"  - name: {kind}-{number}",
            f"    type: {kind}",
            *(f"    {key}: {json.dumps(v)}" for key, v in settings),
        ]
        lines += [f"    # credentials: {_CREDENTIALS[kind]}"] if kind in _CREDENTIALS else []
        yield "\n".join([*lines, f"    projects: {sorted(set(projects))}"])
    if not found:
        yield "  - name: out\n    type: local\n    path: ./label-studio-tasks"


def _beside(storage: Storage) -> dict[str, str]:
    """Its settings with a folder of ours: what Label Studio wrote there is not ours to touch."""
    settings = dict(storage.settings)
    key = "path" if storage.type == "local" else "prefix"
    settings[key] = f"{settings.get(key, '').rstrip('/')}/syncd".lstrip("" if key == "path" else "/")
    if storage.type == "azure":
        settings.setdefault("account_url", "${AZURE_ACCOUNT_URL}")
    return settings


_CREDENTIALS = {
    "s3": "AWS's own chain, or access_key_id and secret_access_key: {file: PATH}",
    "gcs": "application default, or credentials_file: PATH",
    "azure": "Azure's own chain, or account_key: {file: PATH}",
    "redis": "redis://:${REDIS_PASSWORD}@HOST:PORT/DB where it wants a password",
}


def _token() -> str:
    where = f"${{{KEY}}}" if KEY in os.environ else "{file: token.txt}"
    return f"{where}     # an access token of a user who may change the projects"


def _text(database: Path | None, origin: str | None, found: list[Storage]) -> str:
    source = (
        f"  type: api\n  url: {origin.rstrip('/')}\n  token: {_token()}"
        if origin and database is None
        else f"  type: sqlite\n  path: {database or '/path/to/label_studio.sqlite3'}"
    )
    targets = "\n".join(_targets(found))
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
