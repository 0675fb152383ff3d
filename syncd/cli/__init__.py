"""The command line. Each command is thin: it reads the configuration, calls one function, prints what came back.

Exit codes: 0 done; 1 done, but something differs, was set aside or is held; 2 configuration or usage; 3 a source or target could
not be reached. Errors are one paragraph; `--debug` shows the traceback.
"""

import gc
import importlib
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from syncd.errors import Misconfigured, SyncdError, Unavailable

app = typer.Typer(
    name="syncd",
    help="Keeps a bucket equal to the labelled tasks of a Label Studio, continuously.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done · 1 done, but something differs, was set aside or is held · 2 configuration or usage · "
    "3 source or target unreachable.",
)

DONE, DIFFERS, MISUSED, UNREACHABLE = 0, 1, 2, 3

COLLECTOR = 50_000, 20, 100
"""Tasks are many small objects and no cycles: at Python's own pace looking for cycles takes a sixth of the time."""

FAMILIES = ("working", "verifying", "looking", "steering", "starting", "converting", "slots", "hooks")
"""The modules of this package that hold commands."""

ConfigFile = Annotated[
    Path | None,
    typer.Option("-c", "--config", help="The configuration; else $SYNCD_CONFIG, ./syncd.yaml, /etc/syncd/syncd.yaml."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


@app.callback()
def common(debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False) -> None:
    """Nothing of its own: `--debug` is read by `main`."""
    del debug


def say(text: str = "") -> None:
    """A line for people, on standard output."""
    sys.stdout.write(text + "\n")


def say_json(value: Any) -> None:
    """A value for scripts, on standard output."""
    import orjson

    sys.stdout.write(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n")


def stop(code: int) -> NoReturn:
    """End with an exit code."""
    raise typer.Exit(code)


def main() -> None:
    """The `syncd` command."""
    gc.set_threshold(*COLLECTOR)
    for family in FAMILIES:
        importlib.import_module(f"{__name__}.{family}")
    try:
        app()
    except SyncdError as error:
        if "--debug" in sys.argv:
            raise
        sys.stderr.write(f"syncd: {error}\n")
        sys.exit(
            UNREACHABLE if isinstance(error, Unavailable) else MISUSED if isinstance(error, Misconfigured) else DIFFERS
        )
