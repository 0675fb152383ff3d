"""`/api/status`: what `syncd status --json` prints."""

from collections.abc import Sequence

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from syncd.web import Site
from syncd.web._openapi import json_answer, operation

PATHS = {
    "/api/status": {
        "get": operation(
            "What `syncd status --json` prints",
            {200: json_answer("the status", {"type": "object", "required": ["running", "source", "targets"]})},
        )
    }
}


def routes(site: Site) -> Sequence[Route]:
    async def status(_: Request) -> Response:
        return Response(orjson.dumps(await site.status()), media_type="application/json")

    return [Route("/api/status", status)]
