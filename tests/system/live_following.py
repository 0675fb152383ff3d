"""A `syncd run` process at work on a Label Studio, and its folder held against Label Studio's own exports.

Easy Export is the oracle: predictions as ids, drafts in full. Only `created_ago`, which is never the same twice, is left out;
lists are compared by id, since Label Studio gives them no order, and its counters are counted anew.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tests.deployment import PATIENCE, Deployment
from tests.servers.label_studio import Json, LabelStudio

Documents = dict[str, Json]
"""Documents by `project/task`."""

Seen = TypeVar("Seen")


@dataclass(frozen=True, slots=True)
class Follower:
    """A daemon on the database of a Label Studio."""

    studio: LabelStudio
    deployment: Deployment

    def documents(self) -> Documents:
        """What the folder holds."""
        found = {}
        for path in self.deployment.target.glob("*/tasks/*.json"):
            try:
                found[f"{path.parts[-3]}/{path.stem}"] = comparable(json.loads(path.read_bytes()))
            except FileNotFoundError:
                continue  # deleted since the folder was listed
        return found

    def project_file(self, project: int) -> Json:
        """`project.json`; empty when there is none."""
        path = self.deployment.target / str(project) / "project.json"
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

    def confirm_deletion(self, tasks: int) -> None:
        """Over REST a deleted project looks like a hidden one: its files wait for the operator. Elsewhere nothing waits."""
        if self.studio.over_rest:
            assert eventually(self.held_deletes, tasks) == tasks
            assert self.deployment.command("resume", "out", "--allow-deletes").returncode == 0

    def held_deletes(self) -> int:
        """Deletions that `syncd status` says the brake holds."""
        held: int = self.deployment.status()["targets"]["out"]["held_deletes"]
        return held


@contextmanager
def following(
    studio: LabelStudio, folder: Path, *, sweep_minutes: float, documents: Json | None = None, **target: Any
) -> Iterator[Follower]:
    """`syncd run` until the block ends, when it must leave of its own accord. `target` adds to the target's settings."""
    deployment = Deployment(folder, database=studio.database)
    shape = {"predictions": "ids", "drafts": "full", **(documents or {})}
    # REST shows nothing that is quick to read and tells of drafts, renamed labels or deletions: sweeps do.
    how = {**studio.source, "sweep_minutes": 0.02 if studio.over_rest else sweep_minutes}
    deployment.configure(source=how, target=target, documents=shape)
    daemon = deployment.start()
    try:
        yield Follower(studio, deployment)
        deployment.stop(daemon)
    finally:
        deployment.close()


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
    deadline = time.monotonic() + PATIENCE
    while (seen := look()) != wanted and time.monotonic() < deadline:
        time.sleep(0.05)
    return seen
