"""`syncd init`, `schema`, `version`."""

from pathlib import Path
from typing import Annotated

import typer

from syncd import __version__
from syncd.cli import app, say, say_json


@app.command()
def version() -> None:
    """The version."""
    say(f"syncd {__version__}")


@app.command()
def schema() -> None:
    """The configuration's JSON Schema, for editors: put it beside `# yaml-language-server: $schema=…`."""
    from syncd.schema import configuration_schema

    say_json(configuration_schema())


@app.command()
def init(
    from_label_studio: Annotated[
        str | None,
        typer.Option(
            "--from-label-studio", metavar="URL_OR_PATH", help="Take over the target storages that are set up there."
        ),
    ] = None,
    path: Annotated[Path, typer.Option("--path", help="The file to write.")] = Path("syncd.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Write over an existing file.")] = False,
) -> None:
    """Write a commented `syncd.yaml`; finds a Label Studio database in its usual place by itself.

    Secrets are left as references to fill in. Example: `syncd init --from-label-studio ~/.local/share/label-studio`.
    """
    from syncd.init import write_configuration

    for line in write_configuration(path, from_label_studio, force=force):
        say(line)
