"""`syncd hooks`: Label Studio's webhooks to this syncd, registered over its REST API."""

from typing import Annotated

import typer

from syncd.cli import ConfigFile, app, say

hooks = typer.Typer(
    name="hooks",
    help="Label Studio's webhooks to this syncd: changes are then read at once. Hints only; sweeps find the rest.",
    no_args_is_help=True,
)
app.add_typer(hooks)

Url = Annotated[
    str | None,
    typer.Option(help="Where Label Studio reaches this syncd, such as https://syncd.example.com; else `http.listen`."),
]
LabelStudio = Annotated[
    str | None, typer.Option("--label-studio", help="Label Studio's address, if the source is no api.")
]
Token = Annotated[
    str | None, typer.Option(envvar="LABEL_STUDIO_API_KEY", help="Label Studio's token, if the source is no api.")
]


@hooks.command("install")
def install_hooks(
    url: Url = None, label_studio: LabelStudio = None, token: Token = None, config: ConfigFile = None
) -> None:
    """Register a webhook in every project that has none, or an old one. Again after new projects were made.

    Example: `syncd hooks install --url https://syncd.example.com`.
    """
    from syncd.cli.loading import loaded
    from syncd.hooking import installed

    for sentence in installed(loaded(config), url, label_studio, token):
        say(sentence)


@hooks.command("remove")
def remove_hooks(
    url: Url = None, label_studio: LabelStudio = None, token: Token = None, config: ConfigFile = None
) -> None:
    """Take this syncd's webhooks out of all projects. Example: `syncd hooks remove`."""
    from syncd.cli.loading import loaded
    from syncd.hooking import removed

    for sentence in removed(loaded(config), url, label_studio, token):
        say(sentence)
