"""`syncd slot create`, `status`, `drop`: what following PostgreSQL's write-ahead log needs in the database."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import typer

from syncd.cli import DIFFERS, AsJson, ConfigFile, app, say, say_json, stop
from syncd.errors import Misconfigured
from syncd.sources.postgres import Settings

slot = typer.Typer(
    name="slot",
    help="What `capture: logical` needs in PostgreSQL: a publication, and a replication slot.",
    no_args_is_help=True,
)
app.add_typer(slot)


@slot.command()
def create(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Make the publication and the slot, or print the SQL where syncd's role may not (exit code 1)."""
    from syncd.sources import _postgres_slot_orders

    _show(asdict(_postgres_slot_orders.create(_postgres(config))), as_json)


@slot.command()
def status(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Whether they are in order, and how much of its log the server keeps for the slot. Changes nothing."""
    from syncd.sources import _postgres_slot_orders

    _show(asdict(_postgres_slot_orders.report(_postgres(config))), as_json)


@slot.command()
def drop(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Remove the slot and the publication: before syncd is taken away, or goes back to `capture: poll`."""
    from syncd.sources import _postgres_slot_orders

    settings = _postgres(config)
    _require_nobody_follows(config, settings)
    _show(asdict(_postgres_slot_orders.drop(settings)), as_json)


def _postgres(config: Path | None) -> Settings:
    """The settings of the source; only one of type postgres has a slot."""
    from syncd.cli.loading import loaded

    found = loaded(config)
    if not isinstance(found.source, Settings):
        raise Misconfigured(f"the source is of type {found.source_type}; only postgres has a replication slot")
    return found.source


def _require_nobody_follows(config: Path | None, settings: Settings) -> None:
    from syncd import control
    from syncd.cli.loading import loaded

    running = control.ask(loaded(config).root.state.path, {"order": "status"}) is not None
    if running and settings.capture == "logical":
        raise Misconfigured("a daemon follows this slot and would make it anew; stop it first, or set `capture: poll`")


def _show(report: dict[str, Any], as_json: bool) -> None:
    """Print it; exit code 1 when something is left to do."""
    if as_json:
        say_json(report)
    else:
        _say(report)
    if report["to_do"]:
        stop(DIFFERS)


def _say(report: dict[str, Any]) -> None:
    lacking = f", but lacks {', '.join(report['lacking'])}" if report["lacking"] else ""
    kept = f"{report['wal_status']}; the server keeps {report['retained_bytes'] / 1e6:,.1f} MB of its log for it"
    say(f"publication {report['publication']}: {'there' + lacking if report['published'] else 'not there'}")
    say(f"slot {report['slot']}: {kept if report['exists'] else 'not there'}")
    say(f"server: wal_level {report['wal_level']}, max_slot_wal_keep_size {report['max_slot_wal_keep_size']}")
    if report["to_do"]:
        say("left to do, in Label Studio's database, as its owner or a superuser:")
    for statement in report["to_do"]:
        say(statement)
