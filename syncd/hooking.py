"""`syncd hooks install|remove`: which Label Studio, which address of ours, which secret."""

from collections.abc import Iterator
from contextlib import closing

from syncd.config import Config
from syncd.errors import Misconfigured
from syncd.hooks import HEADER, PATH, secret_of
from syncd.labelstudio import webhooks
from syncd.labelstudio.rest import Client
from syncd.sources import api, make


def installed(config: Config, url: str | None, studio: str | None, token: str | None) -> Iterator[str]:
    """Registers a webhook in each project of the source; yields a sentence each."""
    http = config.root.http
    if http is None or not http.token:
        raise Misconfigured(
            "webhooks need a port and a secret: set `http.listen` where Label Studio reaches it, and `http.token`"
        )
    with closing(make(config.source_type, config.source)) as source, closing(_client(config, studio, token)) as client:
        projects = {project.id: project.title for project in source.projects()}
        yield from webhooks.install(client, projects, _address(config, url), {HEADER: secret_of(http.token)})


def removed(config: Config, url: str | None, studio: str | None, token: str | None) -> Iterator[str]:
    """Takes them away; yields a sentence each."""
    with closing(_client(config, studio, token)) as client:
        yield from webhooks.remove(client, _address(config, url))


def _client(config: Config, studio: str | None, token: str | None) -> Client:
    settings = config.source
    if isinstance(settings, api.Settings):
        return Client(settings.url, settings.token.get_secret_value(), ca_file=settings.ca_file)
    if not studio or not token:
        raise Misconfigured(
            "webhooks are registered over Label Studio's REST API: give its address with --label-studio, and a token with "
            "--token or as LABEL_STUDIO_API_KEY"
        )
    return Client(studio, token)


def _address(config: Config, url: str | None) -> str:
    if url is not None:
        return url.rstrip("/") + PATH
    http = config.root.http
    if http is None:
        raise Misconfigured("say with --url where Label Studio reaches this syncd, or set `http.listen`")
    return f"http://{http.listen}{PATH}"
