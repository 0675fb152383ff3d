"""Whatever is labelled, deleted and configured, and wherever syncd is killed: mirrors end up as a rendering from scratch.

Every format, in a folder and on SeaweedFS. Borders of segments are moved so close together that small files have many, and are
spliced; a killed process has them where they usually are, so that the two meet in one ledger. `SYNCD_CRASHES=crashes-nightly`
tries a hundred random histories instead of the same few.
"""

import json
import os
import shutil
import signal
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from syncd.assembly import assembled
from syncd.config import load
from syncd.faults import MIRROR_POINTS, POINTS
from syncd.ledger import Ledger
from syncd.mirrors import publishing, segments, survey
from syncd.onepass import one_pass
from syncd.steering import steer
from syncd.targets import make
from tests import labelling
from tests.deployment import Deployment, digests, folded
from tests.labelling import Action
from tests.mirrored import EVERY_FORMAT, assert_equal, assert_mirrored
from tests.people import WORDS
from tests.servers import Servers
from tests.servers.seaweedfs import BUCKET, seaweedfs

KILLED = -signal.SIGKILL

MIRRORS = [
    *EVERY_FORMAT,
    {"format": "CSV", "name": "regions", "options": {"rows": "region"}},
    {"format": "YOLO", "name": "latest", "annotations": "latest", "options": {"split": 0.3}},
]
WITHOUT_OWN_FILES = [
    "COCO",
    "COCO_RLE",
    "CSV",
    "JSON_MIN",
    "TSV",
    {"format": "COCO", "name": "all", "annotations": "all"},
]
"""Their first rendering is the pass that their registry begins with."""
DONE = st.tuples(st.sampled_from(labelling.ACTIONS), st.integers(0, 99), st.integers(0, 99), st.sampled_from(WORDS))


class Histories(RuleBasedStateMachine):
    """People label while passes are made and killed."""

    def __init__(self, place: Mapping[str, Any], mirrors: Sequence[Any] = MIRRORS) -> None:
        super().__init__()
        self.deployment = Deployment(Path(tempfile.mkdtemp(prefix="syncd-mirrors-")))
        prefix = {"prefix": self.deployment.folder.name} if place.get("type") == "s3" else {}
        self.deployment.configure(
            target={**(place or {}), **prefix, "mirrors": list(mirrors), "max_delete_ratio": 0},
            documents={"tasks": "labeled"},
        )
        self.database = self.deployment.database
        labelling.make_small(self.database)
        self.config = load(self.deployment.folder / "syncd.yaml")
        self.numbers: dict[tuple[str, str], int] = {}
        """(project.json, class) → published number."""

    @rule(done=st.lists(DONE, min_size=1, max_size=5))
    def people_label(self, done: list[tuple[Action, int, int, str]]) -> None:
        for action, pick, other, word in done:
            action(self.database, pick, other, word)

    @rule()
    def sync(self) -> None:
        with assembled(self.config) as assembly:
            one_pass(assembly)
        self.assert_true()

    @rule(point=st.sampled_from(POINTS + MIRROR_POINTS), n=st.integers(1, 4))
    def crash(self, point: str, n: int) -> None:
        done = self.deployment.command("sync", fault=f"{point}:{n}")
        assert done.returncode in (0, 1, KILLED), done.stderr

    @rule(keep_numbers=st.booleans())
    def rebuild(self, keep_numbers: bool) -> None:
        with closing(Ledger(self.deployment.state)) as ledger:
            steer(ledger, {"order": "mirror", "keep_numbers": keep_numbers})
        if not keep_numbers:
            self.numbers.clear()

    @rule()
    def lose_the_ledger(self) -> None:
        for file in self.deployment.folder.glob(self.deployment.state.name + "*"):
            file.unlink()

    def assert_true(self) -> None:
        """Task files are what the database says, mirrors what task files and project.json say, the journal what is there."""
        there = self.there()
        assert {key: body for key, body in there.items() if "/tasks/" in key} == self.deployment.rendered()
        assert_equal(there, [mirror.settings for mirror in self.config.targets[0].config.mirrors])
        self.assert_numbers_stay(there)
        lines = (
            json.loads(line) for key, body in sorted(there.items()) if "/journal/" in key for line in body.splitlines()
        )
        told = folded(line if line["op"] == "delete" else {"digest": None, **line} for line in lines)
        found = digests({key: body for key, body in there.items() if not key.startswith("_syncd/")})
        assert told.keys() == found.keys()
        assert {key: digest for key, digest in told.items() if digest not in (None, found[key])} == {}

    def assert_numbers_stay(self, there: Mapping[str, bytes]) -> None:
        for key, body in there.items():
            if key.endswith("/project.json"):
                for entry in json.loads(body)["classes"]:
                    known = self.numbers.setdefault((key, entry["name"]), entry["id"])
                    assert known == entry["id"]

    def there(self) -> dict[str, bytes]:
        """Every object of the target."""
        part = self.config.targets[0]
        target = make(part.config.type, part.settings)
        target.open()
        try:
            found = {listed.key: target.get(listed.key) for listed in target.list()}
        finally:
            target.close()
        return {key: stored.body for key, stored in found.items() if stored and stored.body is not None}

    def teardown(self) -> None:
        try:
            self.sync()
            self.sync()
        finally:
            self.deployment.close()
            shutil.rmtree(self.deployment.folder)


@pytest.fixture(autouse=True)
def _tiny_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, size in {"SMALLEST": 300, "FULL": 900, "LARGEST": 1200}.items():
        monkeypatch.setattr(segments, name, size)
    monkeypatch.setattr(publishing, "SPLICED", 2000)
    monkeypatch.setattr(survey, "READ", 2)  # so that most guesses of a first rendering are wrong


def histories(count: int) -> settings:
    is_nightly = os.environ.get("SYNCD_CRASHES") == "crashes-nightly"
    return settings(
        max_examples=100 if is_nightly else count,
        stateful_step_count=12,
        deadline=None,
        derandomize=not is_nightly,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


def test_any_history_leaves_a_rendering_from_scratch_in_a_folder() -> None:
    run_state_machine_as_test(partial(Histories, {}), settings=histories(2))


def test_any_history_leaves_a_rendering_from_scratch_where_a_registry_begins_with_it() -> None:
    run_state_machine_as_test(partial(Histories, {}, WITHOUT_OWN_FILES), settings=histories(2))


def test_any_history_leaves_a_rendering_from_scratch_in_a_bucket(servers: Servers) -> None:
    place = {
        "type": "s3",
        "bucket": BUCKET,
        "endpoint_url": servers.of(seaweedfs).endpoint,
        "access_key_id": "writer",
        "secret_access_key": "writer-secret",
        "path": None,
    }
    run_state_machine_as_test(partial(Histories, place), settings=histories(2))


def test_a_first_rendering_that_guessed_wrong_is_made_once_more(deployment: Deployment) -> None:
    """The last task needs a class that sorts before all that only data names, and a column that nobody had."""
    database = deployment.database
    last = database.value("SELECT max(task_id) FROM task_completion WHERE result LIKE '%\"Car\"%' AND project_id = 1")
    database.run("UPDATE task_completion SET result = replace(result, 'Car', 'Balloon') WHERE task_id = ?", last)
    database.rename_label(1, "Car", "Zeppelin")
    database.run("UPDATE task SET data = json_set(data, '$.extra', 'x') WHERE id = ?", last)
    deployment.configure(target={"mirrors": ["COCO", "CSV"], "projects": [1]})
    with assembled(load(deployment.folder / "syncd.yaml")) as assembly:
        one_pass(assembly)
    there = assert_mirrored(deployment)
    classes = [entry["name"] for entry in json.loads(there["1/project.json"])["classes"]]
    assert classes == ["Rue étroite", "Airplane", "Car", "Balloon", "Zeppelin"]
    assert b'"extra"' in there["1/csv/result.csv"].splitlines()[0]
