"""Two minutes without a network, with real daemons and their real patience: polled and followed by the log at once."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.deployment import Deployment, eventually
from tests.labelstudio_postgres import LabelStudioPostgres
from tests.partition import Wire, wire
from tests.system.postgres.logical.following import BOXES, slot_of, write_log

LONG = 120.0
CEILING_MB = 16


@pytest.fixture
def between(database: LabelStudioPostgres) -> Iterator[Wire]:
    with wire(database.server.port) as laid:
        yield laid


@pytest.fixture
def daemons(database: LabelStudioPostgres, between: Wire, tmp_path: Path) -> Iterator[dict[str, Deployment]]:
    """By their `capture`; both reach the server through the wire."""
    dsn = replace(database.server, port=between.port).dsn(database.name)
    made = {}
    for capture in ("poll", "logical"):
        (tmp_path / capture).mkdir()
        made[capture] = Deployment(tmp_path / capture, database=database)
        slot = {"slot": database.name, "slot_ceiling_mb": CEILING_MB} if capture == "logical" else {}
        made[capture].configure(source={**database.source, "dsn": dsn, "capture": capture, **slot})
    yield made
    for one in made.values():
        one.close()


def story_of(one: Deployment) -> dict[str, Any]:
    story: dict[str, Any] = one.status()["source"]["story"]
    return story


def test_two_minutes_without_a_network_are_told_and_made_up_for(
    database: LabelStudioPostgres, between: Wire, daemons: dict[str, Deployment]
) -> None:
    running = {capture: one.start() for capture, one in daemons.items()}
    for one in daemons.values():
        one.wait_until_true()
    before = {capture: one.tasks() for capture, one in daemons.items()}
    changed, gone = database.labelled(BOXES)[:2]

    between.cut()
    until = time.monotonic() + LONG
    database.annotate(changed, "meanwhile")
    database.delete_tasks([gone])
    write_log(database, 2 * CEILING_MB)
    for one in daemons.values():
        eventually(lambda one=one: "cannot be reached" in one.errors(), one.errors, seconds=LONG)
        assert "cannot be reached" in str(one.status()["source"]["error"])
    time.sleep(max(0.0, until - time.monotonic()))
    assert {capture: one.tasks() for capture, one in daemons.items()} == before
    assert all(process.poll() is None for process in running.values())

    between.mend()
    for one in daemons.values():
        one.wait_until_true(seconds=90)
        assert one.tasks() == one.rendered()
    eventually(lambda: (slot_of(database) or (0, 10**9))[1] < CEILING_MB * 1e6, lambda: slot_of(database), seconds=60)
    followed = daemons["logical"]
    eventually(lambda: "slot_ceiling_mb" in str(story_of(followed).get("because")), lambda: story_of(followed))
    assert (story_of(followed)["capture"], followed.status()["source"]["error"]) == ("logical", None)
    for capture, process in running.items():
        daemons[capture].stop(process)
