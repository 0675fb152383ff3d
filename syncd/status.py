"""What `syncd status` shows, from the ledger alone; a running daemon adds what only it knows."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from syncd.claims import iso, lag_seconds
from syncd.ledger import Ledger
from syncd.ledger.lane import LaneLedger
from syncd.ledger.mirrors import Kept, MirrorLedger


def status_of(
    ledger: Ledger,
    *,
    running: bool,
    pid: int | None = None,
    states: Mapping[str, str] | None = None,
    rates: Mapping[str, Mapping[str, float]] | None = None,
    source_error: str | None = None,
) -> dict[str, Any]:
    """Everything an operator asks first. Cheap at any number of tasks: nothing is counted that a table already holds."""
    return {
        "running": running,
        "pid": pid,
        "instance": ledger.fact("instance"),
        "source": {
            "error": source_error,
            "story": orjson.loads(ledger.fact("story") or "{}"),
            "titles": {str(project.id): project.title for project in ledger.projects().values()},
        },
        "targets": {
            name: target_status(LaneLedger(ledger, number), (states or {}).get(name))
            | ({"rates": rates[name]} if rates and name in rates else {})
            for name, number in ledger.lanes().items()
        },
    }


def target_status(lane: LaneLedger, state: str | None) -> dict[str, Any]:
    facts, held = lane.facts(), lane.held()
    said = orjson.loads(facts.state or "{}")
    synced = said.get("synced_through")
    rows = MirrorLedger(lane.ledger, lane.id)
    return {
        "state": state or ("paused" if facts.paused else "stopped"),
        "synced_through": synced,
        "swept_through": said.get("swept_through"),
        "lag_seconds": lag_seconds(synced),
        "dirty": lane.due(),
        "quarantined": lane.set_aside(),
        "quarantine": [{"task": q.task, "project": q.project, "reason": q.reason} for q in lane.quarantine(20)],
        "held_deletes": sum(held.values()),
        "held_projects": {str(project): tasks for project, tasks in held.items()},
        "files": sum(lane.counts().values()),
        "mirrors": [_mirror(kept, rows) for kept in rows.mirrors() if kept.configured],
        "journal_seq": facts.journal_stored,
        "error": facts.error,
        "error_at": facts.error_at,
        "projects": said.get("projects", {}),
    }


def _mirror(kept: Kept, rows: MirrorLedger) -> dict[str, Any]:
    """`reason`: why there is none, or why it stands still; `note`: what its readers should know."""
    return {
        "folder": f"{kept.project}/{kept.name}/",
        "rendition": kept.rendition,
        "state": kept.state,
        "published_at": iso(datetime.fromtimestamp(kept.published_at, UTC)) if kept.published_at else None,
        "quarantined": rows.aside_count(kept.id) if kept.generation else 0,
        "reason": kept.reason,
        "note": kept.note,
    }
