"""`syncd run`, `sync`, `check`, `plan`."""

from typing import Annotated

import typer

from syncd.cli import DIFFERS, UNREACHABLE, AsJson, ConfigFile, app, say, say_json, stop


@app.command()
def run(config: ConfigFile = None) -> None:
    """The daemon: keeps every target true until SIGTERM or SIGINT; a second signal stops at once."""
    from syncd.assembly import assembled
    from syncd.cli.loading import loaded_to_work
    from syncd.daemon import Daemon

    with assembled(loaded_to_work(config)) as assembly:
        Daemon(assembly).run()


@app.command()
def sync(
    project: Annotated[list[str] | None, typer.Option(help="Only these projects (id or title).")] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """One full pass, then done: for cron, CI and Kubernetes Jobs. While a daemon runs, asks it for a pass and waits.

    Exit code 1 when something was set aside or deletions are held. Example: `syncd sync --project Cars --json`.
    """
    from syncd.assembly import assembled
    from syncd.cli.loading import loaded_to_work
    from syncd.cli.progress import progress
    from syncd.ledger import LedgerHeld
    from syncd.onepass import one_pass, through_daemon

    settings = loaded_to_work(config)
    try:
        with assembled(settings) as assembly, progress("tasks") as advance:
            done = one_pass(assembly, advance, only=project)
    except LedgerHeld:
        done = through_daemon(settings, project)
    if as_json:
        say_json({"targets": done.targets})
    else:
        for name, target in done.targets.items():
            counts = [_counted(what, count) for what, count in target.items() if isinstance(count, int) and count]
            say(f"{name}: {', '.join(counts) or 'nothing to do'}")
            if target["held_deletes"]:
                say(f"  deletions are held by the brake; to let them pass: syncd resume {name} --allow-deletes")
            if target["state"] == "paused":
                say(f"  paused: nothing is written; to go on: syncd resume {name}")
    stop(0 if done.whole else DIFFERS)


@app.command()
def check(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Configuration, source rights, file system, and a real write, read and delete in each target."""
    from syncd.checking import check_all
    from syncd.cli.loading import loaded_to_work

    findings = list(check_all(loaded_to_work(config)))
    if as_json:
        say_json(
            [
                {"part": part, "what": f.what, "ok": f.ok, "warning": f.warning, "detail": f.detail}
                for part, f in findings
            ]
        )
    else:
        for part, finding in findings:
            mark = "ok  " if finding.ok else "warn" if finding.warning else "FAIL"
            say(f"{mark}  {part}: {finding.what}" + (f" – {finding.detail}" if finding.detail else ""))
    stop(0 if all(f.ok or f.warning for _, f in findings) else UNREACHABLE)


@app.command()
def plan(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """What `sync` would write and delete, in objects, bytes and requests, and what a month costs. Writes nothing."""
    from syncd.cli.foreseeing import lines_of
    from syncd.cli.loading import loaded_to_work
    from syncd.foresight import foresee

    found = foresee(loaded_to_work(config))
    if as_json:
        say_json(found)
        return
    for name, target in found["targets"].items():
        for line in lines_of(name, target):
            say(line)


def _counted(what: str, count: int) -> str:
    from syncd.cli.progress import size

    return size(count) if what == "bytes" else f"{count} {what.replace('_', ' ')}"
