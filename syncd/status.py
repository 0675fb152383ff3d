"""What `syncd status` shows, from the ledger alone; a running daemon adds what only it knows."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from syncd.claims import iso
from syncd.ledger import Ledger
from syncd.ledger.lane import LaneLedger
from syncd.ledger.mirrors import Kept, MirrorLedger


def status_of(
    ledger: Ledger,
    *,
    running: bool,
    pid: int | None = None,
    states: Mapping[str, str] | None = None,
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
            for name, number in ledger.lanes().items()
        },
    }


def target_status(lane: LaneLedger, state: str | None) -> dict[str, Any]:
    facts, owed = lane.facts(), lane.owed()
    said = orjson.loads(facts.state or "{}")
    synced = said.get("synced_through")
    set_aside = lane.quarantine()
    rows = MirrorLedger(lane.ledger, lane.id)
    return {
        "state": state or ("paused" if facts.paused else "stopped"),
        "synced_through": synced,
        "swept_through": said.get("swept_through"),
        "lag_seconds": _age(synced),
        "dirty": owed.dirty - owed.held,
        "quarantined": len(set_aside),
        "quarantine": [{"task": q.task, "project": q.project, "reason": q.reason} for q in set_aside[:20]],
        "held_deletes": owed.held,
        "held_projects": lane.held(),
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


def _age(synced: str | None) -> float | None:
    return round((datetime.now(UTC) - datetime.fromisoformat(synced)).total_seconds(), 1) if synced else None
