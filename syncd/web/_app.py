"""All groups of routes as one ASGI application; errors become one line of JSON that says what and why."""

import structlog
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp

from syncd.errors import SyncdError, Unavailable
from syncd.exporting.wanted import NotFound
from syncd.web import Site, groups
from syncd.web._access import Access
from syncd.web._limits import CallerGoneError, Limits

log = structlog.get_logger()


def application(site: Site) -> ASGIApp:
    """What the server serves."""
    routes: list[Route] = []
    unguarded: set[str] = set()
    largest: dict[str, int] = {}
    for group in groups():
        made = group.routes(site)
        routes += made
        if getattr(group, "OPEN", False):
            unguarded.update(route.path for route in made)
        if hasattr(group, "LARGEST_BODY"):
            largest |= {route.path: group.LARGEST_BODY for route in made}
    app = Starlette(
        routes=routes,
        middleware=[Middleware(Access, site=site, unguarded=frozenset(unguarded))],
        exception_handlers={HTTPException: _refused, SyncdError: _failed, Exception: _fault},
    )
    return Limits(app, largest)


async def _refused(request: Request, error: Exception) -> Response:
    said = error if isinstance(error, HTTPException) else HTTPException(500)
    headers = {**(said.headers or {})}
    if said.status_code == 405:  # Starlette names the methods of the first route that has this path
        headers["Allow"] = ", ".join(sorted(_methods(request)))
    return JSONResponse({"detail": said.detail}, said.status_code, headers)


def _methods(request: Request) -> set[str]:
    there = [route for route in request.app.routes if route.matches(request.scope)[0] is not Match.NONE]
    return {method for route in there for method in route.methods}


async def _failed(_: Request, error: Exception) -> Response:
    status = 404 if isinstance(error, NotFound) else 503 if isinstance(error, Unavailable) else 400
    return JSONResponse({"detail": str(error)}, status)


async def _fault(request: Request, error: Exception) -> Response:
    if not isinstance(error, CallerGoneError):
        log.error("request failed", path=request.url.path, exc_info=error)
    return JSONResponse({"detail": "a fault of syncd's own; its log has the details"}, 500)
