"""Our webhooks in a Label Studio: registered, renewed and taken away over its REST API.

Label Studio 1.23 takes webhooks per project only (webhooks/api.py, perform_create), and refuses private addresses unless told.
"""

from collections.abc import Iterator
from urllib.parse import urlsplit

from syncd.errors import Misconfigured
from syncd.labelstudio.rest import Client
from syncd.labelstudio.rest_faults import Refused
from syncd.model import Json


def install(client: Client, projects: dict[int, str], url: str, headers: dict[str, str]) -> Iterator[str]:
    """One webhook per project (id → title) that sends everything to `url`; yields what was done, a sentence each."""
    there = {hook["project"]: hook for hook in _ours(client, url)}
    for project, title in projects.items():
        name = f"project {project} ({title})"
        wanted = {"url": url, "headers": headers, "send_payload": True, "send_for_all_actions": True, "is_active": True}
        hook = there.get(project)
        if hook is None:
            _register(client, {**wanted, "project": project})
            yield f"{name}: installed"
        elif any(hook[key] != value for key, value in wanted.items()):
            client.patch(f"/api/webhooks/{hook['id']}/", wanted)
            yield f"{name}: renewed"
        else:
            yield f"{name}: there already"


def remove(client: Client, url: str) -> Iterator[str]:
    """Take away what sends to `url`, whoever registered it."""
    for hook in _ours(client, url):
        client.delete(f"/api/webhooks/{hook['id']}/")
        yield f"project {hook['project']}: removed"


def _ours(client: Client, url: str) -> list[Json]:
    return [hook for hook in client.get("/api/webhooks/") if hook["url"] == url]


def _register(client: Client, hook: Json) -> None:
    try:
        client.post("/api/webhooks/", hook)
    except Refused as refused:
        host = urlsplit(hook["url"]).hostname
        if refused.status in (400, 403) and any(word in str(refused) for word in ("URL", "url", "resolve", "SSRF")):
            raise Misconfigured(
                f"Label Studio refuses to send webhooks to {host}: by default it sends nothing to private addresses. Give an "
                "address that it takes with --url, or set SSRF_PROTECTION_ENABLED=false in Label Studio's own environment "
                f"and restart it. It said: {refused}"
            ) from refused
        raise
