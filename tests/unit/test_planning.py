"""What a lane decides about tasks."""

import time
from pathlib import Path

from syncd.assembly import assembled
from syncd.config import load
from syncd.sources import Signal, Signals
from tests.deployment import Deployment


def test_a_task_whose_project_is_not_known_yet_waits_for_it(deployment: Deployment) -> None:
    """As when a webhook tells of the first task of a new project."""
    deployment.configure()
    task = deployment.database.ids("SELECT min(id) FROM task WHERE project_id = 1")[0]
    with assembled(load(Path(deployment.folder, "syncd.yaml"))) as assembly:
        [lane] = assembly.lanes
        lane.open(assembly.source.identity())
        assembly.record(Signals([Signal(task, 1)]))
        lane.pipeline.drain(lambda: True)
        assert (lane.lane.due(), deployment.files()) == (1, {})
        assembly.record(Signals(projects=assembly.source.projects()))
        lane.pipeline.drain(lambda: True)
        assert lane.lane.due() == 0
        assert f"1/tasks/{task}.json" in deployment.files()


def test_a_task_that_is_gone_before_the_source_says_so_is_not_read_for_ever(deployment: Deployment) -> None:
    """As when a webhook tells of a deletion, and the next look is an hour away."""
    deployment.configure()
    missing = 10**9
    with assembled(load(Path(deployment.folder, "syncd.yaml"))) as assembly:
        [lane] = assembly.lanes
        lane.open(assembly.source.identity())
        assembly.record(Signals([Signal(missing, 1, b"as it was")], projects=assembly.source.projects()))
        lane.pipeline.drain(lambda: True)
        assert lane.lane.due() == 1  # once more, in case it was only passing
        time.sleep(0.15)
        lane.pipeline.drain(lambda: True)
        assert lane.lane.due() == 0
