"""/metrics: every metric is documented, nothing of a task is in it, and figures are those of the status."""

import re
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.deployment import Deployment
from tests.system.asking import ask, with_http

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


def scraped(deployment: Deployment) -> dict[str, dict[tuple[str, ...], float]]:
    """Sample name → label values, in the order of the labels' names → value."""
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(ask(deployment, "/metrics").text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(value for _, value in sorted(sample.labels.items()))] = sample.value
    return found


def documented() -> set[str]:
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", PAGE.read_text(), re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`(\w+)`", row)}


def test_every_metric_is_documented_and_every_documented_metric_is_there(deployment: Deployment) -> None:
    with_http(deployment)
    deployment.start()
    deployment.wait_until_true()
    there = {re.sub(r"_(bucket|count|sum|created)$", "", name) for name in scraped(deployment)}
    assert there == documented()


def test_the_figures_are_those_of_the_status(deployment: Deployment) -> None:
    with_http(deployment)
    deployment.start()
    deployment.wait_until_true()
    found, status = scraped(deployment), deployment.status()["targets"]["out"]
    assert found["syncd_task_files"] == {("out",): status["files"]}
    assert found["syncd_dirty_tasks"] == {("out",): 0}
    assert found["syncd_objects_written_total"][("ok", "out")] == status["files"]
    assert found["syncd_object_bytes_total"][("out",)] == sum(map(len, deployment.tasks().values()))
    assert found["syncd_put_duration_seconds_count"][("out",)] > 0
    assert found["syncd_leader"] == found["syncd_target_up"] == {("out",): 1}
    assert 0 <= found["syncd_lag_seconds"][("out",)] < 60
    assert set(found["syncd_held_deletes"]) == {("out",)}
