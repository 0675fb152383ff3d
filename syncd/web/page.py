"""`/`: the status page. Made here, whole; a little JavaScript exchanges what has changed, and without it the page still works."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from urllib.parse import parse_qs

import jinja2
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from syncd import __version__
from syncd.control import Order
from syncd.errors import Misconfigured
from syncd.web import Site
from syncd.web import _words as words
from syncd.web._openapi import DETAIL, answer, json_answer, operation
from syncd.web._view import view_of

PARTS: Mapping[str, str] = {
    "status.css": "text/css",
    "status.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
PATHS = {
    "/": {"get": operation("The status page", {200: answer("the page", "text/html")})},
    "/pages/{name}": {
        "get": operation(
            "A part of the page",
            {
                200: {"description": "the part", "content": {kind: {"schema": {}} for kind in PARTS.values()}},
                404: json_answer("no such part", DETAIL),
            },
            parameters=[{"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}],
        )
    },
    "/quarantine/retry": {
        "post": operation(
            "Try tasks again that are set aside: one, or all",
            {
                200: json_answer("what was done, where JSON is accepted", DETAIL),
                303: {"description": "done; back to the page"},
            },
            form={
                "type": "object",
                "properties": {"task": {"type": "integer", "minimum": 0, "description": "its id; else all"}},
            },
        )
    },
}


def routes(site: Site) -> Sequence[Route]:
    template = _template()
    parts = {name: (files(__package__) / "pages" / name).read_bytes() for name in PARTS}

    async def page(request: Request) -> Response:
        lanes = site.running.assembly.lanes
        view = view_of(await site.status(), {lane.settings.name: lane.rates.samples() for lane in lanes})
        now = datetime.now(UTC).isoformat()
        downloads = any(getattr(route, "path", "").endswith("/export") for route in request.app.routes)
        return HTMLResponse(template.render(view=view, now=now, version=__version__, downloads=downloads))

    async def part(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in parts:
            return JSONResponse({"detail": "Not Found"}, 404)
        return Response(parts[name], media_type=PARTS[name], headers={"cache-control": "max-age=300"})

    async def retry(request: Request) -> Response:
        order = _retry_order(parse_qs((await request.body()).decode("utf-8", "replace"), keep_blank_values=True))
        done = await run_in_threadpool(site.running.order, order)
        site.look_again()
        if "application/json" in request.headers.get("accept", ""):
            return JSONResponse({"detail": "; ".join(done["done"])})
        return RedirectResponse("/", 303)

    return [
        Route("/", page),
        Route("/pages/{name}", part),
        Route("/quarantine/retry", retry, methods=["POST"]),
    ]


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters |= {"count": words.count, "moment": words.moment}
    return environment.from_string((files(__package__) / "pages" / "status.html").read_text("utf-8"))


def _retry_order(form: Mapping[str, Sequence[str]]) -> Order:
    """The order that a form asks for: everything that is set aside, or one task. Raises Misconfigured."""
    order: Order = {"order": "quarantine", "do": "retry"}
    if form.get("task"):
        if not (form["task"][0].isascii() and form["task"][0].isdecimal() and len(form["task"][0]) < 19):
            raise Misconfigured("`task` is the id of a task")
        order["tasks"] = [int(form["task"][0])]
    return order
