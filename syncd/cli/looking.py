"""`syncd status`, `wait`: look at the ledger, running daemon or not."""

import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from syncd.cli import DIFFERS, AsJson, ConfigFile, app, say, say_json, stop


@app.command()
def status(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Each target's state: how far, how much is due, what is set aside or held, the last error."""
    found = _status(config)
    if as_json:
        say_json(found)
        return
    where = f"running, pid {found['pid']}" if found["running"] else "not running"
    say(f"syncd: {where}; instance {found['instance'] or '?'}; {len(found['source']['titles'])} projects")
    if found["source"]["error"]:
        say(f"  source: {found['source']['error']}")
    if found["source"]["story"]:
        told = found["source"]["story"].items()
        say("  source: " + ", ".join(f"{name} {value}" for name, value in told if value != ""))
    configuration = found.get("configuration", {})
    if configuration.get("error"):
        say(f"  configuration: {configuration['error']}")
        say("  the one loaded before goes on; mend it, then: syncd reload")
    if configuration.get("at_next_start"):
        say(
            f"  configuration: {', '.join(configuration['at_next_start'])} changed; this takes effect at the next start"
        )
    for name, target in found["targets"].items():
        say(f"{name}: {target['state']}")
        say(f"  true up to {target['synced_through'] or '–'} (swept {target['swept_through'] or '–'})")
        say(
            f"  {target['files']} files, {target['dirty']} due, {target['quarantined']} set aside, {target['held_deletes']} held"
        )
        if target["held_deletes"]:
            say(f"  deletions held by the brake; to let them pass: syncd resume {name} --allow-deletes")
        for aside in target["quarantine"]:
            say(f"  set aside: {aside['reason']}")
        for line in _mirrors(target["mirrors"]):
            say(f"  {line}")
        if target["error"]:
            say(f"  error: {target['error']}")


@app.command()
def wait(
    project: Annotated[str | None, typer.Option(help="Only this project (id or title).")] = None,
    through: Annotated[str, typer.Option(help="`now`, or an ISO 8601 time.")] = "now",
    timeout: Annotated[float | None, typer.Option(help="Give up after so many seconds (exit code 1).")] = None,
    config: ConfigFile = None,
) -> None:
    """Return when the bucket is true up to a time: for training scripts and CI.

    Example: `syncd wait --project Cars --timeout 60 && python train.py`.
    """
    from syncd.errors import Misconfigured

    try:
        until = datetime.now(UTC) if through == "now" else datetime.fromisoformat(through.replace("Z", "+00:00"))
    except ValueError as error:
        raise Misconfigured(f"--through {through}: give `now` or a time such as 2026-11-22T10:00:00Z") from error
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        behind = [name for name, synced in _synced(config, project).items() if synced is None or synced < until]
        if not behind:
            return
        if deadline is not None and time.monotonic() > deadline:
            say(f"not true up to {until.isoformat()} yet: {', '.join(behind)}")
            stop(DIFFERS)
        time.sleep(0.2)


def _mirrors(mirrors: list[dict[str, Any]]) -> Iterator[str]:
    """What there is to say of them: one line for all projects where a mirror is in the same state for the same reason."""
    projects: dict[tuple[str, str], list[str]] = {}
    for mirror in mirrors:
        if mirror["reason"] or mirror["note"] or mirror["state"] == "rebuilding" or mirror["quarantined"]:
            project, _, name = mirror["folder"].strip("/").partition("/")
            aside = f"{mirror['quarantined']} set aside" if mirror["quarantined"] else ""
            said = "; ".join(filter(None, [mirror["state"], aside, mirror["reason"], mirror["note"]]))
            projects.setdefault((name, said), []).append(project)
    for (name, said), where in projects.items():
        yield f"{name} of {'project' if len(where) == 1 else 'projects'} {', '.join(where)}: {said}"


def _synced(config: ConfigFile, project: str | None) -> dict[str, datetime | None]:
    """Target → how far it is true, overall or for one project."""
    from syncd.model import Project
    from syncd.sources import named

    found = _status(config)
    if not found["targets"]:
        return {"every target": None}
    if project is None:
        return {name: _time(target) for name, target in found["targets"].items()}
    titles = found["source"]["titles"]
    if not titles:
        return {f"project {project!r}, as the source has shown none yet": None}
    there = [Project(int(id_), title, "", "") for id_, title in titles.items()]
    id_ = str(named(project, there, "the source").id)
    return {name: _time(target["projects"].get(id_, {})) for name, target in found["targets"].items()}


def _time(claims: dict[str, Any]) -> datetime | None:
    said = claims.get("synced_through")
    return datetime.fromisoformat(said) if said else None


def _status(config: ConfigFile) -> dict[str, Any]:
    from syncd import control
    from syncd.cli.loading import ledger_to_look_at, loaded
    from syncd.status import status_of

    found = loaded(config)
    answer = control.ask(found.root.state.path, {"order": "status"})
    if answer is not None:
        return answer
    with closing(ledger_to_look_at(found)) as ledger:
        return status_of(ledger, running=False)
