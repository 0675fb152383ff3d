"""Snapshots: exports that stay as they were, each a folder beside the ledger with its facts and its files.

They outlive a restart; one that was being made then has failed, and says so. Old ones are removed when new ones are made.
"""

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import md5
from pathlib import Path
from typing import Any

import structlog

from syncd.assembly import Assembly
from syncd.config import Http
from syncd.converting.gathering import GivenFile
from syncd.errors import Misconfigured, SyncdError
from syncd.exporting.choice import Choice
from syncd.exporting.rendered import rendered
from syncd.exporting.wanted import NotFound, project_of, wanted

log = structlog.get_logger()

AT_ONCE = 2
DAY_SECONDS = 86_400.0
TASKS, FACTS = "tasks.json", "snapshot.json"
Facts = dict[str, Any]


def folder_of(assembly: Assembly) -> Path:
    """Where exports are made and kept: beside the ledger."""
    state = assembly.config.root.state.path
    folder = state.with_name(state.name + ".exports")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


class Snapshots:
    """The snapshots of one daemon. Thread-safe; files are made on threads of their own."""

    def __init__(self, assembly: Callable[[], Assembly]) -> None:
        self._assembly = assembly
        self._lock = threading.Lock()
        self._turn = threading.Semaphore(AT_ONCE)
        self._under_way: set[tuple[int, str]] = set()
        self._locks: dict[Path, threading.Lock] = {}

    # --- looking -------------------------------------------------------------------------------------------------

    def of(self, project: int) -> list[Facts]:
        """Newest first."""
        project_of(self._assembly(), project)
        found = (self._facts(int(path.name)) for path in self._folder.iterdir() if path.name.isdecimal())
        ours = [facts for facts in found if facts is not None and facts["project"] == project]
        return sorted(ours, key=lambda facts: facts["id"], reverse=True)

    def get(self, project: int, number: int) -> Facts:
        """Raises NotFound."""
        facts = self._facts(number)
        if facts is None or facts["project"] != project:
            raise NotFound(f"project {project} has no snapshot {number}")
        return facts

    def file(self, project: int, number: int, format_name: str) -> Path:
        """A snapshot's file in a format, converted if it is not yet. Raises NotFound, Misconfigured."""
        facts = self.get(project, number)
        if facts["status"] != "completed":
            raise NotFound(f"snapshot {number} is {facts['status']}, not completed")
        if format_name.upper() == "JSON":
            return self._folder / str(number) / TASKS
        return self._converted(facts, format_name.upper())

    # --- making --------------------------------------------------------------------------------------------------

    def create(self, project: int, choice: Choice) -> Facts:
        """Begin one; its facts as they are now."""
        self._prune()
        about = project_of(self._assembly(), project)
        now = datetime.now(UTC)
        facts: Facts = {
            "title": choice.title or f"{about.title.replace(' ', '-')}-at-{now:%Y-%m-%d-%H-%M}",
            "project": project,
            "created_by": None,
            "created_at": _iso(now),
            "finished_at": None,
            "status": "in_progress",
            "md5": "",
            "counters": {},
            "converted_formats": [],
            "reason": None,
            "choice": choice.model_dump(mode="json"),
        }
        with self._lock:
            facts["id"] = self._new_folder()
            self._keep(facts)
            self._start(facts["id"], "JSON", lambda: self._make(facts, choice))
        return facts

    def convert(self, project: int, number: int, format_name: str) -> int:
        """Begin a conversion, or tell of the one that was begun before; its number. Raises NotFound, Misconfigured."""
        facts = self.get(project, number)
        if facts["status"] != "completed":
            raise Misconfigured(f"snapshot {number} is {facts['status']}, not completed")
        name = wanted(self._assembly(), project, format_name).format.name
        with self._lock:
            facts = self.get(project, number)
            known = next((one for one in facts["converted_formats"] if one["export_type"] == name), None)
            if known is not None and known["status"] != "failed":
                return int(known["id"])
            others = [one for one in facts["converted_formats"] if one["export_type"] != name]
            made: Facts = {
                "id": number * 1000 + len(others) + 1,
                "export_type": name,
                "status": "in_progress",
                "traceback": None,
            }
            self._keep(facts | {"converted_formats": [*others, made]})
            self._start(number, name, lambda: self._convert(project, number, name))
        return int(made["id"])

    def delete(self, project: int, number: int) -> None:
        """Raises NotFound."""
        self.get(project, number)
        shutil.rmtree(self._folder / str(number), ignore_errors=True)

    # --- inside --------------------------------------------------------------------------------------------------

    @property
    def _folder(self) -> Path:
        return folder_of(self._assembly())

    def _start(self, number: int, what: str, make: Callable[[], None]) -> None:
        self._under_way.add((number, what))

        def run() -> None:
            try:
                with self._turn:
                    make()
            finally:
                self._under_way.discard((number, what))

        threading.Thread(target=run, name=f"snapshot-{number}", daemon=True).start()

    def _make(self, facts: Facts, choice: Choice) -> None:
        path, hashed, tasks = self._folder / str(facts["id"]) / TASKS, md5(usedforsecurity=False), 0
        told: Facts
        try:
            with path.open("wb") as file:
                for tasks, piece in _array(  # noqa: B007 - the last one counts
                    choice.documents(self._assembly().source, facts["project"])
                ):
                    hashed.update(piece)
                    file.write(piece)
            told = {"status": "completed", "md5": hashed.hexdigest(), "counters": {"task_number": tasks}}
        except (SyncdError, OSError) as error:
            log.error("snapshot failed", snapshot=facts["id"], reason=str(error))  # noqa: TRY400
            told = {"status": "failed", "reason": str(error)}
        self._change(facts["id"], lambda now: now | told | {"finished_at": _iso(datetime.now(UTC))})

    def _convert(self, project: int, number: int, name: str) -> None:
        told: Facts = {"status": "completed"}
        try:
            self._converted(self.get(project, number), name)
        except (SyncdError, OSError) as error:
            log.error("conversion failed", snapshot=number, format=name, reason=str(error))  # noqa: TRY400
            told = {"status": "failed", "traceback": str(error)}

        def changed(now: Facts) -> Facts:
            formats = [one | told if one["export_type"] == name else one for one in now["converted_formats"]]
            return now | {"converted_formats": formats}

        self._change(number, changed)

    def _converted(self, facts: Facts, name: str) -> Path:
        """The file in another format, made once."""
        what = wanted(self._assembly(), facts["project"], name)
        folder = self._folder / str(facts["id"])
        kept = folder / f"{what.format.name.lower()}.{what.suffix}"
        with self._turn_of(folder):
            if not kept.exists():
                rendered(what, GivenFile(folder / TASKS), folder / "making").replace(kept)
                shutil.rmtree(folder / "making", ignore_errors=True)
        return kept

    def _turn_of(self, folder: Path) -> threading.Lock:
        with self._lock:
            (folder / "making").mkdir(exist_ok=True)
            return self._locks.setdefault(folder, threading.Lock())

    def _new_folder(self) -> int:
        number = max((int(path.name) for path in self._folder.iterdir() if path.name.isdecimal()), default=0) + 1
        (self._folder / str(number)).mkdir()
        return number

    def _facts(self, number: int) -> Facts | None:
        """As they are kept; what nobody is making any more has failed."""
        try:
            facts: Facts = json.loads((self._folder / str(number) / FACTS).read_bytes())
        except (OSError, ValueError):
            return None
        lost = {
            "status": "failed",
            "reason": "syncd ended before it was done",
            "traceback": "syncd ended before it was done",
        }
        if facts["status"] == "in_progress" and (number, "JSON") not in self._under_way:
            facts |= {"status": lost["status"], "reason": lost["reason"]}
        for one in facts["converted_formats"]:
            if one["status"] == "in_progress" and (number, one["export_type"]) not in self._under_way:
                one |= {"status": lost["status"], "traceback": lost["traceback"]}
        return facts

    def _change(self, number: int, change: Callable[[Facts], Facts]) -> None:
        with self._lock:
            facts = self._facts(number)
            if facts is not None:  # it may have been deleted meanwhile
                self._keep(change(facts))

    def _keep(self, facts: Facts) -> None:
        path = self._folder / str(facts["id"]) / FACTS
        fresh = path.with_suffix(".new")
        with suppress(FileNotFoundError):
            fresh.write_text(json.dumps(facts), "utf-8")
            fresh.replace(path)

    def _prune(self) -> None:
        http = self._assembly().config.root.http or Http()
        oldest = datetime.now(UTC).timestamp() - http.snapshot_days * DAY_SECONDS
        for path in self._folder.iterdir():
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < oldest:
                    shutil.rmtree(path, ignore_errors=True)


def _array(documents: Iterator[bytes]) -> Iterator[tuple[int, bytes]]:
    """A JSON array in pieces, with the number of documents so far."""
    count = 0
    for count, body in enumerate(documents, 1):
        yield count, (b"[\n" if count == 1 else b",\n") + body
    yield count, b"\n]\n" if count else b"[]\n"


def _iso(when: datetime) -> str:
    return when.isoformat().replace("+00:00", "Z")
