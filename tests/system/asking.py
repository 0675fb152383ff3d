"""Asking a running syncd over HTTP."""

from typing import Any

import httpx

from tests.deployment import Deployment, eventually


def with_http(deployment: Deployment, *, token: str | None = None, **more: Any) -> None:
    """Configure a port of its own choosing."""
    http = {"listen": "127.0.0.1:0"} | ({"token": token} if token else {})
    deployment.configure(http=http, **more)


def address(deployment: Deployment) -> str:
    """Where the daemon that was started last listens, once it does."""

    def logged() -> str | None:
        heard = [event["url"] for event in deployment.logged() if event["event"] == "listening"]
        return heard[-1].rstrip("/") if heard else None

    return eventually(logged, deployment.errors)


def ask(deployment: Deployment, path: str, method: str = "GET", **options: Any) -> httpx.Response:
    """One request to the running daemon, directly, whatever proxy the machine has."""
    with httpx.Client(base_url=address(deployment), trust_env=False, timeout=30) as client:
        return client.request(method, path, **options)
