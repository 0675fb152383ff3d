"""What is set aside in one lane: looked at again when an operator says so, or no longer spoken of."""

import json
from collections.abc import Collection

from syncd.ledger.lane import LaneLedger

_CHOSEN = "(?1 IS NULL OR task IN (SELECT value FROM json_each(?1))) AND ?2 IN (0, project)"


def retry(lane: LaneLedger, tasks: Collection[int] | None = None, project: int | None = None) -> int:
    """Make tasks due again before others: those named, those of a project, or all. Returns how many."""
    with lane.ledger.transaction() as t:
        made = t.execute(
            f"INSERT INTO dirty_{lane.id} (task, project, first, last, urgency) "
            f"SELECT task, project, ?3, ?3, 0 FROM quarantine_{lane.id} WHERE {_CHOSEN} "
            "ON CONFLICT (task) DO UPDATE SET urgency = 0, not_before = 0",
            (*_chosen(tasks, project), lane.ledger.number),
        )
        return made.rowcount


def drop(lane: LaneLedger, tasks: Collection[int] | None = None, project: int | None = None) -> int:
    """Forget that tasks were set aside: they are looked at again when they change. Returns how many."""
    with lane.ledger.transaction() as t:
        return t.execute(f"DELETE FROM quarantine_{lane.id} WHERE {_CHOSEN}", _chosen(tasks, project)).rowcount


def _chosen(tasks: Collection[int] | None, project: int | None) -> tuple[str | None, int]:
    return None if tasks is None else json.dumps(list(tasks)), project or 0
