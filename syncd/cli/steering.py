"""`syncd pause`, `resume`: orders for the daemon, or for the ledger when none runs."""

from typing import Annotated

import typer

from syncd.cli import ConfigFile, app, say

Target = Annotated[str | None, typer.Argument(help="A target's name; without it, all of them.")]


@app.command()
def pause(target: Target = None, config: ConfigFile = None) -> None:
    """Stop writing to a target until `resume`. Changes go on being noted; nothing is lost."""
    _order(config, {"order": "pause", "target": target})


@app.command()
def resume(
    target: Target = None,
    allow_deletes: Annotated[bool, typer.Option("--allow-deletes", help="Let held deletions pass, once.")] = False,
    project: Annotated[int | None, typer.Option(help="With --allow-deletes: only this project's.")] = None,
    config: ConfigFile = None,
) -> None:
    """Go on writing to a paused target, or let through the deletions that the brake holds.

    Example: `syncd resume lake --allow-deletes --project 3`.
    """
    _order(config, {"order": "resume", "target": target, "allow_deletes": allow_deletes, "project": project})


def _order(config: ConfigFile, order: dict[str, object]) -> None:
    from syncd import control
    from syncd.cli.loading import loaded
    from syncd.errors import Misconfigured
    from syncd.ledger import Ledger

    state = loaded(config).root.state.path
    answer = control.ask(state, order)
    if answer is None:
        ledger = Ledger(state)
        try:
            what = str(order.pop("order"))
            answer = {"done": control.steer(ledger, what, **order)}  # type: ignore[arg-type]  # the keys are steer's own
        finally:
            ledger.close()
    if "error" in answer:
        raise Misconfigured(answer["error"])
    for line in answer["done"]:
        say(line)
