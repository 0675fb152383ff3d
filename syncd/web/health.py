"""`/livez` and `/readyz`: 200 or 503, and one JSON line of reasons. Without a token: probes have none."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from syncd.web import Site
from syncd.web._openapi import json_answer, operation

OPEN = True
_REASONS = {"type": "array", "items": {"type": "string"}}
PATHS = {
    path: {
        "get": operation(
            summary,
            {
                code: json_answer(
                    said,
                    {
                        "type": "object",
                        "properties": {word: {"const": code == 200}, "reasons": _REASONS},
                        "required": [word, "reasons"],
                    },
                )
                for code, said in ((200, "yes"), (503, "no"))
            },
            guarded=False,
        )
    }
    for path, word, summary in (
        ("/livez", "alive", "Whether syncd's own loops go on"),
        ("/readyz", "ready", "Whether start-up is done"),
    )
}


def routes(site: Site) -> Sequence[Route]:
    async def livez(_: Request) -> Response:
        health = site.running.health()
        return JSONResponse({"alive": health.alive, "reasons": health.hung}, 200 if health.alive else 503)

    async def readyz(_: Request) -> Response:
        health = site.running.health()
        reasons = health.waiting + health.trouble
        return JSONResponse({"ready": health.ready, "reasons": reasons}, 200 if health.ready else 503)

    return [Route("/livez", livez), Route("/readyz", readyz)]
