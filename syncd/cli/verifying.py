"""`syncd verify`: source against target."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from syncd.cli import DIFFERS, DONE, UNREACHABLE, AsJson, ConfigFile, app, say, stop

if TYPE_CHECKING:
    from syncd.verifying.inspection import Inspection

Deep = Annotated[bool, typer.Option("--deep", help="Read every body; else listings, the ledger and digests tell.")]
Repair = Annotated[bool, typer.Option("--repair", help="Have what differs written again, then look again.")]
Foreign = Annotated[bool, typer.Option("--foreign", help="List what is not syncd's, too. It is never touched.")]


@app.command()
def verify(
    deep: Deep = False,
    repair: Repair = False,
    foreign: Foreign = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Compare every target with the source: `+` missing, `-` only in the target, `*` different, `!` cannot be told.

    Writes nothing without --repair. Exit code 1 when anything differs, or still does after the repair; 3 when a target is out
    of reach. Example: `syncd verify --deep --json > report.json`.
    """
    from syncd.cli.loading import loaded_to_work
    from syncd.cli.progress import progress
    from syncd.verifying.verify import verified

    settings = loaded_to_work(config)
    with progress("tasks") as advance, verified(settings, deep=deep, mend=repair, progress=advance) as (found, lost):
        if as_json:
            _write_json(found, lost, foreign=foreign)
        else:
            _write_lines(found, lost, foreign=foreign)
        counts = [one.tables.counts() for one in found]
    differs = any(c[what] for c in counts for what in ("missing", "extra", "different", "errors"))
    stop(UNREACHABLE if lost else DIFFERS if differs else DONE)


def _write_lines(found: "Sequence[Inspection]", lost: Mapping[str, str], *, foreign: bool) -> None:
    for one in found:
        for d in one.tables.differences():
            say(f"{d.mark} {one.name} {d.key} – {d.reason}")
        if foreign:
            for key, size in one.tables.foreign():
                say(f"? {one.name} {key} – {size} bytes, not syncd's")
        c = one.tables.counts()
        say(
            f"{one.name}: = {c['same']} same, + {c['missing']} missing, - {c['extra']} only here, * {c['different']} different, "
            f"! {c['errors']} not to be told; {c['foreign']} not syncd's"
        )
    for name, reason in lost.items():
        say(f"! {name}: {reason}")


def _write_json(found: "Sequence[Inspection]", lost: Mapping[str, str], *, foreign: bool) -> None:
    """One object, written as it is read: a million differences are not held in memory."""
    import orjson

    def member(items: Iterable[object]) -> None:
        comma = ""
        for item in items:
            sys.stdout.write(comma + orjson.dumps(item).decode())
            comma = ",\n"

    sys.stdout.write('{"targets": {')
    for n, one in enumerate(found):
        counts = orjson.dumps(one.tables.counts()).decode()
        sys.stdout.write(f'{"," if n else ""}\n{orjson.dumps(one.name).decode()}: {counts[:-1]}, "differences": [\n')
        member({"mark": d.mark, "key": d.key, "reason": d.reason, "task": d.task} for d in one.tables.differences())
        if foreign:
            sys.stdout.write('], "foreign_objects": [\n')
            member({"key": key, "size": size} for key, size in one.tables.foreign())
        sys.stdout.write("]}")
    sys.stdout.write(f'}}, "unreachable": {orjson.dumps(dict(lost)).decode()}}}\n')
