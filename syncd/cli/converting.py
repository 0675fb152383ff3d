"""`syncd formats`, `convert`, `export`: annotations in the formats that people train on."""

from pathlib import Path
from typing import Annotated

import typer

from syncd.cli import AsJson, ConfigFile, app, say, say_json


@app.command()
def formats(
    project: Annotated[str | None, typer.Option(help="Say which apply to this project of the source (id or title).")] = None,
    label_config: Annotated[Path | None, typer.Option(help="Say which apply to this labelling configuration.")] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Every format with its options; for a project or a labelling configuration which apply, and why the others do not.

    Example: `syncd formats --project Cars`.
    """
    from syncd.converting.catalogue import catalogue
    from syncd.converting.schemas import schema_of_file, schema_of_project

    schema = None
    if project is not None:
        schema = schema_of_project(config, project)
    elif label_config is not None:
        schema = schema_of_file(label_config)
    found = catalogue(schema)
    if as_json:
        say_json([entry.as_json() for entry in found])
        return
    for entry in found:
        for line in entry.lines():
            say(line)
