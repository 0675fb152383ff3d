"""What a lane decides about tasks."""

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
