"""What `syncd plan` says for people."""

from collections.abc import Iterator
from typing import Any

from syncd.cli.progress import size


def lines_of(name: str, target: dict[str, Any]) -> Iterator[str]:
    """One target's part of a plan: what a pass does, what it costs, what a month costs, what needs a decision."""
    yield (
        f"{name}: {target['writes']} to write ({size(target['bytes'])}), {target['deletes']} to delete, "
        f"{target['unchanged']} unchanged, {target['set_aside']} set aside"
    )
    if held := target["held_deletes"]:
        yield f"{name}: {held} deletions held by the brake; to let them pass: syncd resume {name} --allow-deletes"
    if "requests" not in target:
        return
    asked, month = target["requests"], target["month"]
    classes = f"{asked['writes']:,} writes, {asked['reads']:,} reads and {asked['deletes']:,} deletes"
    yield f"{name}: a pass asks for {classes}{_dollars(asked['usd'])}"
    changes = f"with {month['changes']:,} changes (as of late)" if month["changes"] else "without any change"
    yield f"{name}: a month of the daemon {changes} asks for {month['writes']:,} writes{_dollars(month['usd'])}"
    if target["kept"]:
        yield f"{name}: warning: {target['kept']['warning']}"


def _dollars(amount: float | None) -> str:
    """At list prices (docs/cost.md); nothing where they are not known."""
    if amount is None:
        return ""
    return f": about ${amount:,.2f}" if amount >= 0.01 else ": less than a cent"
