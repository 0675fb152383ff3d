"""How much is due, held and set aside is never counted: triggers keep the figures, whatever happens to the rows."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syncd.ledger import Ledger, aside
from syncd.ledger.lane import LaneLedger
from syncd.ledger.settle import Settlement, settle
from syncd.sources import Signal, Signals

TASKS = st.lists(st.integers(1, 8), min_size=1, max_size=8, unique=True)
STEPS = st.lists(
    st.tuples(st.sampled_from(["signal", "settle", "hold", "reject", "retry", "drop", "release", "backfill"]), TASKS),
    max_size=12,
)


@pytest.fixture
def lane(tmp_path: Path) -> Iterator[LaneLedger]:
    with closing(Ledger(tmp_path / "state.db")) as ledger:
        yield LaneLedger(ledger, ledger.lane("out", where="here")[0])


def take(lane: LaneLedger, step: str, tasks: list[int]) -> None:
    number = lane.ledger.number
    match step:
        case "signal":
            lane.ledger.record(Signals([Signal(t, t % 3 + 1, b"%d" % number) for t in tasks]), [lane.id])
        case "settle":
            tokens = lane.ledger.tokens(1, 8)
            settle(lane.ledger, lane.id, Settlement(number, settled=[(t, tokens.get(t)) for t in tasks]))
        case "hold":
            settle(lane.ledger, lane.id, Settlement(number, held=tasks))
        case "reject":
            settle(lane.ledger, lane.id, Settlement(number, quarantined=[(t, t % 2, "a reason") for t in tasks]))
        case "retry":
            aside.retry(lane, tasks)
        case "drop":
            aside.drop(lane, tasks)
        case "release":
            lane.release()
        case "backfill":
            lane.dirty_everything()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_the_figures_are_those_of_the_rows(lane: LaneLedger, steps: list[tuple[str, list[int]]]) -> None:
    for step, tasks in steps:
        take(lane, step, tasks)
        counted = lane.ledger.reader().execute
        due, held = counted(f"SELECT total(held = 0), total(held = 1) FROM dirty_{lane.id}").fetchone()
        assert (lane.due(), sum(lane.held().values())) == (due, held)
        assert lane.set_aside() == counted(f"SELECT count(*) FROM quarantine_{lane.id}").fetchone()[0]
        per_project = counted(f"SELECT project, count(*) FROM dirty_{lane.id} WHERE held = 1 GROUP BY 1").fetchall()
        assert lane.held() == dict(per_project)
