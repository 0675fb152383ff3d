"""Label Studio itself, of the release we know, with a client for what annotators and their tools ask of it.

It has an environment of its own, `.cache/label-studio` (1 GB), made with an empty database when a test first asks. A taken port
makes Label Studio move to the next one, so its address is read from its output.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.labelstudio_database import LabelStudioDatabase
from tests.labelstudio_postgres import LabelStudioPostgres
from tests.servers import CACHE, alone, free_port
from tests.servers.postgres import postgres18

VERSION = "1.23.2"
USER = "ann@example.com"
_TOKEN = "5fb1d0" * 6 + "beef"
_HOME = CACHE / "label-studio"
_EMPTY = _HOME / f"empty-{VERSION}.sqlite3"
"""Made last: where it is, the environment is whole."""
_DATABASE = "label_studio.sqlite3"
_START_SECONDS = 180.0
"""Five on SQLite; PostgreSQL is migrated first, a minute on a busy machine."""

Json = dict[str, Any]


class RefusedError(Exception):
    """Label Studio answered a request with an error."""


@dataclass(frozen=True, slots=True)
class LabelStudio:
    """A running Label Studio and the rights of its owner, `USER`. Every call raises RefusedError when it is turned down."""

    url: str
    database: LabelStudioDatabase
    over_rest: bool = False
    """Whether syncd is to read it over its REST API, instead of from its database."""

    @property
    def source(self) -> Mapping[str, Any]:
        """How syncd is told to read it."""
        return {"type": "api", "url": self.url, "token": _TOKEN} if self.over_rest else self.database.source

    def call(self, method: str, path: str, body: object = None) -> Any:
        """One request of the REST API; answers what its body says, None when it is empty."""
        return self._send(method, path, json.dumps(body).encode() if body is not None else None, "application/json")

    def _send(self, method: str, path: str, body: bytes | None, content_type: str) -> Any:
        headers = {"Authorization": f"Token {_TOKEN}", "Content-Type": content_type}
        request = urllib.request.Request(self.url + path, body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                answer = response.read()
        except urllib.error.HTTPError as error:
            with error:
                raise RefusedError(f"{method} {path}: {error.code} {error.read()[:1000]!r}") from error
        return json.loads(answer) if answer else None

    # --- projects and tasks --------------------------------------------------------------------------------------

    def new_project(self, title: str, label_config: str) -> int:
        made: int = self.call("POST", "/api/projects", {"title": title, "label_config": label_config})["id"]
        return made

    def projects(self) -> list[int]:
        return [project["id"] for project in self.call("GET", "/api/projects?page_size=1000")["results"]]

    def add_tasks(self, project: int, tasks: Sequence[Json]) -> list[int]:
        """Import tasks, as bare data or as `{"data", "annotations", "predictions"}`; their ids.

        When its SQLite is locked Label Studio tries once more, and has lost the annotations by then: such an import is repeated.
        """
        annotations = sum(len(task.get("annotations", ())) for task in tasks)
        while True:
            answer = self.call("POST", f"/api/projects/{project}/import?return_task_ids=true", tasks)
            added: list[int] = answer["task_ids"]
            if answer["annotation_count"] == annotations:
                return added
            for task in added:
                self.call("DELETE", f"/api/tasks/{task}")

    def upload(self, project: int, name: str, content: bytes) -> None:
        """Import a file, whose tasks then say that they came from it."""
        line = "between-parts"
        head = f'--{line}\r\nContent-Disposition: form-data; name="{name}"; filename="{name}"\r\n\r\n'
        body = head.encode() + content + f"\r\n--{line}--\r\n".encode()
        self._send("POST", f"/api/projects/{project}/import", body, f"multipart/form-data; boundary={line}")

    def manage(self, action: str, project: int, tasks: Collection[int] = (), **fields: object) -> None:
        """An action of the Data Manager on the selected tasks; on all of the project without any."""
        chosen = {"all": False, "included": list(tasks)} if tasks else {"all": True, "excluded": []}
        self.call("POST", f"/api/dm/actions?id={action}&project={project}", {"selectedItems": chosen, **fields})

    # --- annotations ---------------------------------------------------------------------------------------------

    def annotate(self, task: int, result: Sequence[Json], **fields: object) -> int:
        made: int = self.call("POST", f"/api/tasks/{task}/annotations", {"result": result, **fields})["id"]
        return made

    def edit(self, annotation: int, **fields: object) -> None:
        self.call("PATCH", f"/api/annotations/{annotation}", fields)

    def predict(self, task: int, result: Sequence[Json], **fields: object) -> int:
        made: int = self.call("POST", "/api/predictions", {"task": task, "result": result, **fields})["id"]
        return made

    def draft(self, task: int, result: Sequence[Json]) -> int:
        made: int = self.call("POST", f"/api/tasks/{task}/drafts", {"result": result, "lead_time": 2.5})["id"]
        return made

    # --- exports -------------------------------------------------------------------------------------------------

    def easy_export(self, project: int) -> list[Json]:
        """What *Export* gives as JSON: the tasks that have an annotation."""
        tasks: list[Json] = self.call("GET", f"/api/projects/{project}/export?exportType=JSON")
        return tasks


@contextmanager
def label_studio() -> Iterator[LabelStudio]:
    """An empty Label Studio on SQLite, until the block ends."""
    _install()
    with tempfile.TemporaryDirectory(prefix="label-studio-") as folder:
        file = Path(folder, _DATABASE)
        shutil.copy(_EMPTY, file)
        yield from _started(Path(folder), LabelStudioDatabase(file), {})


@contextmanager
def label_studio_on_postgres() -> Iterator[LabelStudio]:
    """An empty Label Studio on a PostgreSQL of its own, until the block ends."""
    _install()
    with tempfile.TemporaryDirectory(prefix="label-studio-") as folder, postgres18() as server:
        database = LabelStudioPostgres(server)
        database.run("TRUNCATE organization, project, htx_user RESTART IDENTITY CASCADE")
        named = {"NAME": database.name, "USER": "postgres", "HOST": "127.0.0.1", "PORT": str(server.port)}
        yield from _started(
            Path(folder),
            database,
            {"DJANGO_DB": "default", **{f"POSTGRE_{name}": value for name, value in named.items()}},
        )


@contextmanager
def label_studio_over_rest() -> Iterator[LabelStudio]:
    """An empty one that is read over its REST API; it may send webhooks to this machine."""
    _install()
    with tempfile.TemporaryDirectory(prefix="label-studio-") as folder:
        home = Path(folder)
        shutil.copy(_EMPTY, home / _DATABASE)
        for studio in _started(home, LabelStudioDatabase(home / _DATABASE), {"SSRF_PROTECTION_ENABLED": "false"}):
            yield replace(studio, over_rest=True)


def _started(home: Path, database: LabelStudioDatabase, environment: Mapping[str, str]) -> Iterator[LabelStudio]:
    program = str(_HOME / "bin" / "label-studio")
    command = [program, "start", "--no-browser", "--internal-host", "127.0.0.1", "--port", str(free_port())]
    settings = {**_settings(home), **environment}
    with (home / "log").open("wb") as log:
        server = subprocess.Popen(
            command, env=settings, cwd=home, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        yield LabelStudio(_address(server, home / "log"), database)
    finally:
        _stop(server)


def _settings(home: Path) -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("LABEL_STUDIO_", "DJANGO_"))}
    return {
        **ours,
        "LABEL_STUDIO_BASE_DATA_DIR": str(home),
        "LABEL_STUDIO_USERNAME": USER,
        "LABEL_STUDIO_PASSWORD": "only-for-tests",
        "LABEL_STUDIO_USER_TOKEN": _TOKEN,
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
        "COLLECT_ANALYTICS": "false",
        "LATEST_VERSION_CHECK": "false",
        "PYTHONUNBUFFERED": "1",  # the address is read from its output
    }


def _install() -> None:
    """Make the environment, and an empty database: migrating one takes half a minute of CPU at every start."""
    with alone("label-studio"):
        if not _EMPTY.exists():
            _install_now()


def _install_now() -> None:
    subprocess.run([sys.executable, "-m", "venv", str(_HOME)], check=True)
    pip = [str(_HOME / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, f"label-studio=={VERSION}"], check=True)
    [manage] = _HOME.glob("lib/python*/site-packages/label_studio/manage.py")
    with tempfile.TemporaryDirectory(dir=_HOME) as folder:
        settings = {**os.environ, "LABEL_STUDIO_BASE_DATA_DIR": folder}
        subprocess.run(
            [str(_HOME / "bin" / "python"), str(manage), "migrate", "--verbosity=0"], env=settings, check=True
        )
        Path(folder, _DATABASE).rename(_EMPTY)


def _address(server: subprocess.Popen[bytes], log: Path) -> str:
    """Where it listens, once it answers. Raises AssertionError with the end of its log when it never does."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        said = re.search(r"Starting development server at (http://127\.0\.0\.1:\d+)", log.read_text(errors="replace"))
        if said and _is_healthy(said[1]):
            return said[1]
        time.sleep(0.1)
    tail = log.read_text(errors="replace")[-2000:]
    raise AssertionError(f"Label Studio did not start within {_START_SECONDS:.0f} s; its log ends with:\n{tail}")


def _is_healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def _stop(server: subprocess.Popen[bytes]) -> None:
    """It and whatever it started."""
    os.killpg(server.pid, signal.SIGTERM)
    try:
        server.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
