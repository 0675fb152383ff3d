"""`/api/openapi.json`: what this port answers, for clients and tools. Without a token: it is the same for everybody."""

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from syncd import __version__
from syncd.web import Site, groups
from syncd.web._openapi import json_answer, operation

OPEN = True
PATHS = {
    "/api/openapi.json": {
        "get": operation("This description", {200: json_answer("OpenAPI 3.1", {"type": "object"})}, guarded=False)
    }
}


def routes(site: Site) -> Sequence[Route]:
    async def openapi(_: Request) -> Response:
        http = site.running.assembly.config.root.http
        return JSONResponse(description(token=http is not None and http.token is not None))

    return [Route("/api/openapi.json", openapi)]


def description(*, token: bool) -> dict[str, Any]:
    """OpenAPI of all groups; `token`: whether one is wanted."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "syncd",
            "version": __version__,
            "description": "Health, metrics, status and exports of syncd",
        },
        "paths": {path: item for group in groups() for path, item in group.PATHS.items()},
        "security": [{"token": []}, {"password": []}] if token else [],
        "components": {
            "securitySchemes": {
                "token": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "`Token …`, or `Bearer …`",
                },
                "password": {"type": "http", "scheme": "basic", "description": "any name, the token as password"},
            }
        },
    }
