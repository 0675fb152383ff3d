"""`/hooks/label-studio`: webhooks of Label Studio. 200 once the tasks to look at are durable, else 401, 413, 400 or 503.

They show a secret of their own, not the token (`syncd hooks install` tells Label Studio).
"""

from collections.abc import Sequence

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from syncd.config import Http
from syncd.hooks import HEADER, LARGEST, PATH, hint_of, is_ours, take
from syncd.web import Site
from syncd.web._openapi import DETAIL, json_answer, operation

OPEN = True
LARGEST_BODY = LARGEST
PATHS = {
    PATH: {
        "post": operation(
            "Webhooks of Label Studio",
            {
                200: json_answer("the tasks to look at are durable", DETAIL),
                401: json_answer("the secret is missing or wrong", DETAIL),
            },
            guarded=False,
            parameters=[{"name": HEADER, "in": "header", "required": True, "schema": {"type": "string"}}],
            body={"type": "object"},
        )
    }
}


def routes(site: Site) -> Sequence[Route]:
    async def receive(request: Request) -> Response:
        assembly = site.running.assembly
        http = assembly.config.root.http or Http()
        if not is_ours(request.headers.get(HEADER), http.token):
            return _answer(401, "the secret is missing or wrong; run `syncd hooks install` again")
        try:
            hint = await run_in_threadpool(hint_of, await request.body())
        except ValueError as error:
            return _answer(400, str(error))
        await run_in_threadpool(take, assembly, hint)
        return _answer(200, "noted")

    return [Route(PATH, receive, methods=["POST"])]


def _answer(status: int, detail: str) -> Response:
    return JSONResponse({"detail": detail}, status)
