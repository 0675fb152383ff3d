"""One syncd as an operator has it: a folder with configuration, database, ledger and target, and real `syncd` processes in it."""

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import yaml

from syncd.layout import task_key
from syncd.model import DocumentShape, TaskDocument
from syncd.sources import make, settings_of
from tests.labelstudio_database import LabelStudioDatabase, unpack

T = TypeVar("T")

SYNCD = (sys.executable, "-c", "from syncd.cli import main; main()")
PATIENCE = 30.0
"""Seconds after which something that should have happened has not."""


def eventually(look: Callable[[], T | None], why: Callable[[], object] = lambda: "", *, seconds: float = PATIENCE) -> T:
    """The first true answer of `look`; fails with `why` when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"nothing came of it in {seconds} s: {why()}")
        time.sleep(0.02)
    return found


class Deployment:
    """A folder that holds everything. Closing it kills what still runs."""

    def __init__(
        self, folder: Path, *, target: Path | None = None, database: LabelStudioDatabase | None = None
    ) -> None:
        self.folder = folder
        self.target = target or folder / "out"
        self.database = database or unpack(folder / "label_studio.sqlite3")
        self.state = folder / "syncd-state.db"
        self.log = folder / "log"
        self.before: Sequence[str] = ()
        """What commands start with, to run them as somebody else."""
        self._running: list[subprocess.Popen[bytes]] = []
        self.configure()

    def configure(
        self,
        *,
        source: Mapping[str, Any] = {},
        target: Mapping[str, Any] = {},
        **root: Any,
    ) -> None:
        """Write the configuration: quick sweeps and claims, and whatever else is asked for."""
        quick = {"poll_seconds": 0.1, "sweep_minutes": 0.01}
        place = {"name": "out", "type": "local", "path": str(self.target), "claims_seconds": 0.1}
        text = {
            "source": {**({} if "type" in source else self.database.source), **quick, **source},
            "targets": [{key: value for key, value in {**place, **target}.items() if value is not None}],
            "state": {"path": str(self.state)},
            "log": {"format": "json"},
            **root,
        }
        self.shape = DocumentShape(**root.get("documents", {}))
        (self.folder / "syncd.yaml").write_text(yaml.safe_dump(text))

    def add_target(self, target: Mapping[str, Any]) -> None:
        """One more target, its settings in full."""
        file = self.folder / "syncd.yaml"
        text = yaml.safe_load(file.read_text())
        file.write_text(yaml.safe_dump({**text, "targets": [*text["targets"], target]}))

    # --- processes -----------------------------------------------------------------------------------------------

    def start(self, *, fault: str = "") -> subprocess.Popen[bytes]:
        """`syncd run`, its log appended to `log`; with `fault` it kills itself at that point."""
        with self.log.open("ab") as log:
            command = [*self.before, *SYNCD, "run"]
            daemon = subprocess.Popen(command, cwd=self.folder, env=_environment(fault), stderr=log)
        self._running.append(daemon)
        return daemon

    def command(self, *words: str, fault: str = "") -> "subprocess.CompletedProcess[str]":
        """Any command, to its end."""
        command = [*self.before, *SYNCD, *words]
        env = _environment(fault)
        return subprocess.run(
            command, cwd=self.folder, env=env, capture_output=True, text=True, timeout=120, check=False
        )

    def sync(self) -> dict[str, Any]:
        """`syncd sync`, which has to succeed; what it did."""
        done = self.command("sync", "--json")
        assert done.returncode == 0, done.stderr + done.stdout
        found: dict[str, Any] = json.loads(done.stdout)["targets"]["out"]
        return found

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.command("status", "--json").stdout)
        return found

    def stop(self, daemon: "subprocess.Popen[bytes]") -> None:
        """SIGTERM; it has to end well."""
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(PATIENCE) == 0, self.logged()[-5:]

    def close(self) -> None:
        for process in self._running:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait()

    # --- what can be seen ----------------------------------------------------------------------------------------

    def files(self) -> dict[str, bytes]:
        """Every file of the target outside `_syncd/`, by its key; names with a dot in front are the tests' own."""
        found = {}
        for path in self.target.rglob("*"):
            key = path.relative_to(self.target).as_posix()
            if not key.startswith("_syncd/") and path.is_file() and not path.name.startswith("."):
                found[key] = path.read_bytes()
        return found

    def tasks(self) -> dict[str, bytes]:
        """The task files alone."""
        return {key: body for key, body in self.files().items() if "/tasks/" in key}

    def rendered(self) -> dict[str, bytes]:
        """What the target has to hold: every task of the database, read afresh."""
        return rendered(self.database, self.shape)

    def claims(self) -> dict[str, Any]:
        """state.json; empty while there is none."""
        with contextlib.suppress(FileNotFoundError):
            found: dict[str, Any] = json.loads((self.target / "_syncd/state.json").read_bytes())
            return found
        return {}

    def logged(self) -> list[dict[str, Any]]:
        """The events of the log."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [json.loads(line) for line in lines if line.startswith("{")]

    def errors(self) -> str:
        """What the log complains of."""
        return "\n".join(str(e.get("reason", e)) for e in self.logged() if e["level"] in ("warning", "error"))

    def true_from_now(self) -> Callable[[], dict[str, Any] | None]:
        """A look at the claims: they, once they say that everything committed by now is visible."""
        now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"

        def look() -> dict[str, Any] | None:
            says = self.claims()
            through = min(says.get("synced_through") or "", says.get("swept_through") or "")
            return says if through > now and not says["dirty"] else None

        return look

    def wait_until_true(self, *, seconds: float = PATIENCE) -> dict[str, Any]:
        """Until the target says that everything committed by now is visible; its claims."""
        return eventually(self.true_from_now(), lambda: f"{self.claims()} {self.errors()[-2000:]}", seconds=seconds)

    def holder(self) -> int | None:
        """The pid in the ledger's lock file: of the process that owns it, or owned it last."""
        lock = self.state.with_name(self.state.name + ".lock")
        return int(lock.read_text() or 0) if lock.exists() else None

    def in_flight(self) -> set[str]:
        """Keys of which the ledger does not know what is there: a write was under way when the process died."""
        if not self.state.exists():
            return set()
        with tempfile.TemporaryDirectory() as folder:
            # A copy: looking at the ledger itself would repair it before syncd has to.
            for file in self.folder.glob(self.state.name + "*"):
                if file.suffix in ("", ".db", ".db-wal"):
                    shutil.copy(file, folder)
            return _in_flight(Path(folder, self.state.name))


def rendered(database: LabelStudioDatabase, shape: DocumentShape) -> dict[str, bytes]:
    """Key → document of every task that qualifies, read by a source that remembers nothing."""
    kind = database.source["type"]
    with contextlib.closing(make(kind, settings_of(kind).model_validate(database.source))) as source:
        tasks = [task for project in source.projects() for task in source.tasks(project.id)]
        read = [r for r in source.read(tasks, shape) if isinstance(r, TaskDocument)]
        return {task_key(r.project, r.task, "project"): r.body for r in read if r.body is not None}


def journal_lines(target: Path, *, after: int = 0) -> Iterator[dict[str, Any]]:
    """The journal's lines in order; fails where numbers have a gap or an overlap, or an object's name lies."""
    last = after
    for path in sorted((target / "_syncd/journal").glob("*.jsonl")):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        numbers = [line["seq"] for line in lines]
        assert numbers == list(range(last + 1, last + 1 + len(lines))), f"{path.name} after {last}"
        assert path.name == f"{numbers[0]:020}-{numbers[-1]:020}.jsonl"
        last = numbers[-1]
        yield from lines


def folded(lines: Iterator[dict[str, Any]]) -> dict[str, str]:
    """Key → digest, as a reader has it who follows the journal from its beginning."""
    there: dict[str, str] = {}
    for line in lines:
        if line["op"] == "put":
            there[line["key"]] = line["digest"]
        else:
            there.pop(line["key"], None)
    return there


def digests(files: Mapping[str, bytes]) -> dict[str, str]:
    return {key: f"sha256:{sha256(body).hexdigest()}" for key, body in files.items()}


def strays(target: Path) -> list[str]:
    """Files in the target that no reader may ever see: temporary ones, once nobody writes any more."""
    corner = target / "_syncd/tmp"
    return [p.relative_to(target).as_posix() for p in corner.rglob("*") if p.is_file() and p.suffix != ".lock"]


def _in_flight(state: Path) -> set[str]:
    with contextlib.closing(sqlite3.connect(state)) as ledger:
        made = ledger.execute("SELECT 1 FROM sqlite_master WHERE name = 'lanes'").fetchone()
        lanes = [row[0] for row in ledger.execute("SELECT id FROM lanes")] if made else []
        sql = "SELECT key FROM written_{} WHERE digest IS NULL"
        return {row[0] for lane in lanes for row in ledger.execute(sql.format(lane))}


def _environment(fault: str) -> dict[str, str]:
    return {**os.environ, "SYNCD_FAULT": fault}
