"""`/api/projects/{id}/exports/…`: Label Studio's Snapshot API. Its own Python client works against it unchanged."""

from collections.abc import Sequence

import anyio
import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from syncd.exporting.choice import choice_of
from syncd.exporting.snapshots import Facts, Snapshots
from syncd.web import Site
from syncd.web._openapi import DETAIL, FILE, in_query, json_answer, operation, whole_number

MOST_BYTES = 64 * 1024
"""Of a request's body."""

_PLACE = "/api/projects/{id}/exports"
_PROJECT, _NUMBER = whole_number("id", "the project"), whole_number("number", "the snapshot")
_UNKNOWN = {404: json_answer("there is no such project or snapshot", DETAIL)}
_SNAPSHOT = {"type": "object", "required": ["id", "status"]}
_FORMAT = {"type": "object", "properties": {"export_type": {"type": "string"}}, "required": ["export_type"]}
_CHOICE = {
    "type": "object",
    "properties": {
        "title": {"type": ["string", "null"], "maxLength": 2048},
        **{
            f"{what}_options": {"type": ["object", "null"]}
            for what in ("task_filter", "annotation_filter", "serialization")
        },
    },
}
PATHS = {
    f"{_PLACE}/": {
        "get": operation(
            "The project's snapshots",
            {200: json_answer("newest first", {"type": "array", "items": _SNAPSHOT}), **_UNKNOWN},
            parameters=[_PROJECT],
        ),
        "post": operation(
            "Make a snapshot",
            {201: json_answer("it is being made", _SNAPSHOT), **_UNKNOWN},
            parameters=[_PROJECT],
            body=_CHOICE,
        ),
    },
    f"{_PLACE}/{{number}}": {
        "get": operation("One", {200: json_answer("it", _SNAPSHOT), **_UNKNOWN}, parameters=[_PROJECT, _NUMBER]),
        "delete": operation(
            "Remove it", {204: {"description": "it is gone"}, **_UNKNOWN}, parameters=[_PROJECT, _NUMBER]
        ),
    },
    f"{_PLACE}/{{number}}/convert": {
        "post": operation(
            "Begin a conversion",
            {200: json_answer("it is under way", {"type": "object"}), **_UNKNOWN},
            parameters=[_PROJECT, _NUMBER],
            body=_FORMAT,
        )
    },
    f"{_PLACE}/{{number}}/download": {
        "get": operation(
            "The file, converted when it is not yet",
            {200: FILE, 206: FILE, **_UNKNOWN},
            parameters=[
                _PROJECT,
                _NUMBER,
                in_query("exportType", "a format; JSON when none is named", {"type": "string"}),
            ],
        )
    },
}


def routes(site: Site) -> Sequence[Route]:
    kept = Snapshots(lambda: site.running.assembly)

    async def listed(request: Request) -> Response:
        found = await anyio.to_thread.run_sync(kept.of, request.path_params["id"])
        return JSONResponse([_shown(facts) for facts in found])

    async def create(request: Request) -> Response:
        choice = choice_of(await _body(request))
        facts = await anyio.to_thread.run_sync(kept.create, request.path_params["id"], choice)
        return JSONResponse(_shown(facts) | facts["choice"] | {"title": facts["title"]}, 201)

    def get(request: Request) -> Response:
        return JSONResponse(_shown(kept.get(*_key(request))))

    def delete(request: Request) -> Response:
        kept.delete(*_key(request))
        return Response(status_code=204)

    async def convert(request: Request) -> Response:
        told = _object(await _body(request))
        name = told.get("export_type")
        if not isinstance(name, str):
            raise HTTPException(400, "export_type: is missing; the name of a format")
        number = await anyio.to_thread.run_sync(kept.convert, *_key(request), name)
        return JSONResponse({"export_type": name, "converted_format": number})

    def download(request: Request) -> Response:
        project, number = _key(request)
        path = kept.file(project, number, request.query_params.get("exportType") or "JSON")
        suffix = path.suffix[1:]
        name = f"project-{project}-snapshot-{number}-{path.stem}.{suffix}"
        headers = {"filename": name, "Content-Disposition": f'attachment; filename="{name}"'}
        return FileResponse(path, headers=headers, media_type=f"application/{suffix}")

    place = "/api/projects/{id:int}/exports"
    one = place + "/{number:int}"
    return [
        Route(place + "/", listed, methods=["GET"]),
        Route(place + "/", create, methods=["POST"]),
        Route(one, get, methods=["GET"]),
        Route(one, delete, methods=["DELETE"]),
        Route(one + "/convert", convert, methods=["POST"]),
        Route(one + "/download", download, methods=["GET"]),
    ]


def _key(request: Request) -> tuple[int, int]:
    return request.path_params["id"], request.path_params["number"]


def _shown(facts: Facts) -> Facts:
    """As Label Studio shows a snapshot; a failed one says why."""
    return {key: value for key, value in facts.items() if key not in ("choice", "project")}


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            raise HTTPException(413, f"the body is larger than {MOST_BYTES} bytes")
    return body


def _object(body: bytes) -> Facts:
    try:
        found = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError as error:
        raise HTTPException(400, f"the body is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise HTTPException(400, "the body is no JSON object")
    return found
