"""What the bucket claims: `_syncd/state.json` and `_syncd/quarantine.json`, always written after what they speak of."""

from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import orjson

from syncd.errors import Unavailable
from syncd.faults import fault_point
from syncd.layout import QUARANTINE, STATE
from syncd.ledger import Ledger
from syncd.ledger.lane import LaneLedger, Owed
from syncd.ledger.mirrors import Kept, MirrorLedger
from syncd.targets import Object, Target, Written


def iso(when: datetime | None) -> str | None:
    """UTC, milliseconds, `Z`."""
    return None if when is None else when.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def lag_seconds(synced: str | None) -> float | None:
    """How long ago a claimed time was; None when nothing is claimed yet."""
    return round((datetime.now(UTC) - datetime.fromisoformat(synced)).total_seconds(), 1) if synced else None


@dataclass(frozen=True, slots=True)
class Claims:
    """One target's claims, ready to be stored once the journal up to them is."""

    state: dict[str, Any]
    quarantine: list[dict[str, Any]]


def claims_of(ledger: Ledger, lane: LaneLedger) -> Claims:
    """What holds now. Take it *before* flushing the journal, store it after: then no claim runs ahead of its lines."""
    owed, counts, held, set_aside = lane.owed(), lane.counts(), lane.held(), lane.quarantine()
    rows = MirrorLedger(ledger, lane.id)
    mirrors = [kept for kept in rows.mirrors() if kept.is_there]
    last = orjson.loads(lane.facts().state or "{}")
    synced, swept = _forward(ledger, owed.oldest, last)
    now = datetime.now(UTC)
    projects: dict[str, Any] = {
        str(project): {
            "synced_through": _project_synced(ledger, owed, project, last, synced),
            "tasks": counts.get(project, 0),
            "held_deletes": held.get(project, 0),
            "mirrors": {},
        }
        for project in sorted({*ledger.projects(), *counts, *held})
    }
    for kept in mirrors:
        if str(kept.project) in projects:
            projects[str(kept.project)]["mirrors"][kept.name] = _mirror_claims(kept, rows, projects, last)
    state = {
        "synced_through": synced,
        "swept_through": swept,
        "written_at": iso(now),
        "lag_seconds": round((now - datetime.fromisoformat(synced)).total_seconds(), 3) if synced else None,
        "dirty": owed.dirty - owed.held,
        "quarantined": len(set_aside),
        "held_deletes": owed.held,
        "journal_seq": 0,
        "oldest_cursor": last.get("oldest_cursor", 0),
        "projects": projects,
    }
    aside = [
        {
            "task": q.task,
            "project": q.project,
            "mirror": None,
            "reason": q.reason,
            "since": q.since,
            "attempts": q.attempts,
        }
        for q in set_aside
    ]
    aside += [
        {"task": task, "project": kept.project, "mirror": kept.name, "reason": reason}
        for kept in mirrors
        for task, reason in rows.aside(kept.id)
    ]
    return Claims(state, aside)


def synced_of(ledger: Ledger, lane: LaneLedger, project: int) -> str | None:
    """How far a project's task files are true now."""
    owed, last = lane.owed(), orjson.loads(lane.facts().state or "{}")
    return _project_synced(ledger, owed, project, last, _forward(ledger, owed.oldest, last)[0])


def store_claims(claims: Claims, target: Target, lane: LaneLedger, journal_seq: int, quarantine_before: bytes) -> bytes:
    """Store quarantine.json when it changed, then state.json; returns quarantine.json's bytes."""
    aside = orjson.dumps({"quarantined": claims.quarantine})
    if aside != quarantine_before:
        _store(target, QUARANTINE, aside)
    claims.state["journal_seq"] = journal_seq
    state = orjson.dumps(claims.state)
    _store(target, STATE, state)
    fault_point("state stored")
    lane.keep(state=state.decode())
    return aside


def _store(target: Target, key: str, body: bytes) -> None:
    answer = next(iter(target.put_many([Object(key, body, f"sha256:{sha256(body).hexdigest()}")])))
    if not isinstance(answer, Written):
        raise Unavailable(f"{key} cannot be stored in {target.where}: {answer}")


def _forward(ledger: Ledger, oldest: int, last: dict[str, Any]) -> tuple[str | None, str | None]:
    """Claims only ever move forward."""
    synced, swept = (iso(when) for when in ledger.claims(oldest))
    synced = max(filter(None, (synced, last.get("synced_through"))), default=None)
    return synced, max(filter(None, (swept, last.get("swept_through"))), default=None)


def _project_synced(ledger: Ledger, owed: Owed, project: int, last: dict[str, Any], overall: str | None) -> str | None:
    oldest = min(owed.oldest_of.get(p, owed.next_number) for p in (project, 0))
    synced = iso(ledger.claims(oldest)[0])
    before = last.get("projects", {}).get(str(project), {}).get("synced_through")
    return max(filter(None, (synced, before, overall)), default=None)


def _mirror_claims(kept: Kept, rows: MirrorLedger, projects: dict[str, Any], last: dict[str, Any]) -> dict[str, Any]:
    """One mirror's part of state.json: as true as its project's tasks, unless something waits to be published."""
    project = str(kept.project)
    through = kept.synced if kept.is_behind else projects[project]["synced_through"]
    before = last.get("projects", {}).get(project, {}).get("mirrors", {}).get(kept.name, {}).get("synced_through")
    return {
        "synced_through": max(filter(None, (through, before)), default=None),
        "etag": kept.etag or None,
        "quarantined": rows.aside_count(kept.id),
        "rebuilding": kept.rebuilding is not None and kept.own_files,
    }
