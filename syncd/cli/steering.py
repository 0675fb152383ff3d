"""`syncd pause`, `resume`, `quarantine`, `backfill`, `mirror`: orders for the daemon, or for the ledger when none runs."""

from contextlib import closing
from typing import Annotated, Any

import typer

from syncd.cli import AsJson, ConfigFile, app, say, say_json

Target = Annotated[str | None, typer.Argument(help="A target's name; without it, all of them.")]
Tasks = Annotated[list[int] | None, typer.Argument(metavar="[TASK]...", help="Task ids; without them, all.")]
OfTarget = Annotated[str | None, typer.Option("--target", help="Only in this target.")]
OfProject = Annotated[str | None, typer.Option("--project", help="Only of this project (id or title).")]

quarantine = typer.Typer(
    name="quarantine",
    help="Tasks that are set aside: list them, try them again, or drop them until they change.",
    no_args_is_help=True,
)
app.add_typer(quarantine)
mirror = typer.Typer(name="mirror", help="Converted formats kept beside the task files.", no_args_is_help=True)
app.add_typer(mirror)


@app.command()
def pause(target: Target = None, config: ConfigFile = None) -> None:
    """Stop writing to a target until `resume`. Changes go on being noted; nothing is lost."""
    _order(config, {"order": "pause", "target": target})


@app.command()
def resume(
    target: Target = None,
    allow_deletes: Annotated[bool, typer.Option("--allow-deletes", help="Let held deletions pass, once.")] = False,
    project: Annotated[
        str | None, typer.Option(help="With --allow-deletes: only this project's (id or title).")
    ] = None,
    config: ConfigFile = None,
) -> None:
    """Go on writing to a paused target, or let through the deletions that the brake holds.

    Example: `syncd resume lake --allow-deletes --project 3`.
    """
    _order(config, {"order": "resume", "target": target, "allow_deletes": allow_deletes, "project": project})


@app.command()
def backfill(target: Target = None, project: OfProject = None, config: ConfigFile = None) -> None:
    """Read every task again, after everything fresh, and write what is not as it was written last.

    What somebody else changed in the target is found by `syncd verify`. Example: `syncd backfill --project Cars`.
    """
    _order(config, {"order": "backfill", "target": target, "project": project})


@app.command("reload")
def reload_configuration(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Have the daemon follow the configuration file as it is now; targets whose settings are as before notice nothing.

    The file is checked whole first: when it is wrong, the old one goes on, and the exit code is 2.
    """
    from syncd import control
    from syncd.cli.loading import loaded
    from syncd.errors import Misconfigured

    state = loaded(config).root.state.path
    answer = control.ask(state, {"order": "reload"})
    if answer is None:
        raise Misconfigured(f"no daemon runs on the ledger {state}; the next one reads the configuration as it is")
    if "error" in answer:
        raise Misconfigured(answer["error"])
    changes = answer["reloaded"]
    if as_json:
        say_json(changes)
        return
    told = [f"{what} {', '.join(changes[what])}" for what in ("added", "removed", "changed") if changes[what]]
    say("; ".join(["source changed"] * changes["source"] + told) or "no target and no source has changed")
    if changes["at_next_start"]:
        say(f"  {', '.join(changes['at_next_start'])}: takes effect at the next start")


@quarantine.command("list")
def list_quarantine(
    target: OfTarget = None, project: OfProject = None, config: ConfigFile = None, as_json: AsJson = False
) -> None:
    """What is set aside, since when, how often it was tried, and why."""
    from syncd.cli.loading import ledger_to_look_at, loaded
    from syncd.steering import set_aside

    with closing(ledger_to_look_at(loaded(config))) as ledger:
        found = set_aside(ledger, target, project)
    if as_json:
        say_json({"quarantined": found})
        return
    for name, tasks in found.items():
        say(f"{name}: {len(tasks)} set aside")
        for one in tasks:
            say(f"  task {one['task']} of project {one['project']}, {one['attempts']} × since {one['since']}")
            say(f"    {one['reason']}")


@quarantine.command("retry")
def retry_quarantine(
    tasks: Tasks = None, target: OfTarget = None, project: OfProject = None, config: ConfigFile = None
) -> None:
    """Try tasks again now, ahead of what else is due. Without a daemon the next `run` or `sync` does.

    Example: `syncd quarantine retry 17 20 --target lake`.
    """
    _order(config, {"order": "quarantine", "do": "retry", "target": target, "project": project, "tasks": tasks})


@quarantine.command("drop")
def drop_quarantine(
    tasks: Tasks = None,
    every: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    target: OfTarget = None,
    project: OfProject = None,
    config: ConfigFile = None,
) -> None:
    """No longer try nor list tasks until they change. Their last good file stays.

    Example: `syncd quarantine drop 17`.
    """
    from syncd.errors import Misconfigured

    if not (tasks or project or every):
        raise Misconfigured("name the tasks to drop, or a --project, or say --all")
    _order(config, {"order": "quarantine", "do": "drop", "target": target, "project": project, "tasks": tasks})


@mirror.command("rebuild")
def rebuild_mirrors(
    project: OfProject = None,
    keep_numbers: Annotated[
        bool, typer.Option("--keep-numbers", help="Leave class numbers and columns as they are published.")
    ] = False,
    config: ConfigFile = None,
) -> None:
    """Write mirrors again, in all targets, with classes and columns numbered anew: what was published means less then.

    Example: `syncd mirror rebuild --project Cars`.
    """
    _order(config, {"order": "mirror", "project": project, "keep_numbers": keep_numbers})


def _order(config: ConfigFile, order: dict[str, Any]) -> None:
    from syncd import control
    from syncd.cli.loading import loaded
    from syncd.errors import Misconfigured
    from syncd.ledger import Ledger
    from syncd.steering import steer

    state = loaded(config).root.state.path
    answer = control.ask(state, order)
    if answer is None:
        with closing(Ledger(state)) as ledger:
            answer = {"done": steer(ledger, order)}
    if "error" in answer:
        raise Misconfigured(answer["error"])
    for line in answer["done"]:
        say(line)
