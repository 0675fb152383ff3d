"""A `syncd run` process at work on a Label Studio, and its folder held against Label Studio's own exports.

Easy Export is the oracle: predictions as ids, drafts in full. Only `created_ago`, which is never the same twice, is left out;
lists are compared by id, since Label Studio gives them no order, and its counters are counted anew.
"""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tests.servers import program
from tests.servers.label_studio import Json, LabelStudio

Documents = dict[str, Json]
"""Documents by `project/task`."""

Seen = TypeVar("Seen")

WAIT_SECONDS = 30.0
"""How long a change may take to show on a busy machine; what is *at once* shows with sweeps that are hours away."""


@dataclass(frozen=True, slots=True)
class Following:
    """A daemon with one target, the folder `home/lake`."""

    studio: LabelStudio
    home: Path

    def documents(self) -> Documents:
        """What the folder holds."""
        found = {}
        for path in (self.home / "lake").glob("*/tasks/*.json"):
            try:
                found[f"{path.parts[-3]}/{path.stem}"] = comparable(json.loads(path.read_bytes()))
            except FileNotFoundError:
                continue  # deleted since the folder was listed
        return found

    def project_file(self, project: int) -> Json:
        """`project.json`; empty when there is none."""
        path = self.home / "lake" / str(project) / "project.json"
        return dict(json.loads(path.read_bytes())) if path.exists() else {}

    @contextmanager
    def shows(self) -> Iterator[None]:
        """What is done in the block changes Easy Export, and then the folder in the same way.

        The folder is level with Label Studio before the block begins, so that nothing else can bring the change along.
        """
        before = self.agrees()
        yield
        assert self.agrees() != before, "nothing that Label Studio exports has changed"

    def agrees(self) -> Documents:
        """Wait until the folder equals a fresh Easy Export of every project, and return that."""
        exported = exports(self.studio)
        documents = eventually(self.documents, exported)
        assert documents == exported, "\n".join(differences(documents, exported))
        return exported

    def syncd(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command beside the daemon."""
        return subprocess.run(
            [program("syncd"), command, *arguments, "-c", str(self.home / "syncd.yaml")],
            capture_output=True,
            text=True,
            check=False,
            timeout=WAIT_SECONDS,
        )

    def status(self) -> Json:
        """What `syncd status --json` says of the target."""
        told = self.syncd("status", "--json")
        assert told.returncode == 0, told.stderr
        target: Json = json.loads(told.stdout)["targets"]["lake"]
        return target


@contextmanager
def following(
    studio: LabelStudio, home: Path, *, sweep_minutes: float, documents: Json | None = None, **target: Any
) -> Iterator[Following]:
    """`syncd run` until the block ends, when it must leave of its own accord. `target` adds to the target's settings."""
    configuration = {
        "source": {"type": "sqlite", "path": str(studio.database), "sweep_minutes": sweep_minutes},
        "documents": {"predictions": "ids", "drafts": "full", **(documents or {})},
        "targets": [{"name": "lake", "type": "local", "path": str(home / "lake"), **target}],
        "state": {"path": str(home / "state.db")},
    }
    (home / "syncd.yaml").write_text(json.dumps(configuration))
    with (home / "log").open("wb") as log:
        daemon = subprocess.Popen(
            [program("syncd"), "run", "-c", str(home / "syncd.yaml")], stdout=log, stderr=subprocess.STDOUT
        )
    try:
        yield Following(studio, home)
        assert daemon.poll() is None, (home / "log").read_text()
    finally:
        daemon.terminate()
        try:
            code = daemon.wait(WAIT_SECONDS)
        finally:
            daemon.kill()
    assert code == 0, (home / "log").read_text()


def exports(studio: LabelStudio) -> Documents:
    """An Easy Export of every project. Its counters are counted: Label Studio's own go stale, as after deleting predictions."""
    return {
        f"{project}/{task['id']}": {**comparable(task), **counters(task)}
        for project in studio.projects()
        for task in studio.easy_export(project)
    }


def comparable(task: Json) -> Json:
    """A document without what may differ between two exports of the same state."""
    drafts = [{key: value for key, value in draft.items() if key != "created_ago"} for draft in task["drafts"]]
    return {
        **task,
        "annotations": sorted(task["annotations"], key=lambda annotation: int(annotation["id"])),
        "drafts": sorted(drafts, key=lambda draft: int(draft["id"])),
        "predictions": sorted(task["predictions"]),
    }


def counters(task: Json) -> Json:
    """What a task's counters have to be."""
    skipped = sum(annotation["was_cancelled"] for annotation in task["annotations"])
    return {
        "total_annotations": len(task["annotations"]) - skipped,
        "cancelled_annotations": skipped,
        "total_predictions": len(task["predictions"]),
    }


def differences(documents: Documents, exported: Documents) -> Iterator[str]:
    """What is wrong with the folder, a line for each document and field."""
    for key in sorted(documents.keys() | exported.keys()):
        if key not in documents or key not in exported:
            yield f"{key}: only in {'the folder' if key in documents else 'Easy Export'}"
        else:
            for name in documents[key].keys() | exported[key].keys():
                here, there = documents[key].get(name), exported[key].get(name)
                if here != there:
                    yield f"{key}: {name} is {here!r}, Easy Export has {there!r}"


def eventually(look: Callable[[], Seen], wanted: object) -> Seen:
    """Look until what is seen equals what is wanted, or the time is over; what was seen last."""
    deadline = time.monotonic() + WAIT_SECONDS
    while (seen := look()) != wanted and time.monotonic() < deadline:
        time.sleep(0.05)
    return seen
