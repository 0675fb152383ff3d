"""`/api/projects/{id}/export`: Label Studio's Easy Export, and the formats that apply."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import anyio
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from syncd import __version__
from syncd.converting.catalogue import catalogue
from syncd.exporting.mirrored import Held, from_mirror
from syncd.exporting.rendered import from_source
from syncd.exporting.snapshots import folder_of
from syncd.exporting.wanted import EASY, Wanted, project_of, wanted
from syncd.labelstudio.labelconfig import parse_label_config
from syncd.web import Site
from syncd.web._openapi import DETAIL, FILE, in_query, json_answer, operation, whole_number

AT_ONCE = 2
"""Exports rendered at a time; more wait for their turn."""
MOST_IDS = 100_000

_PROJECT = whole_number("id", "the project")
_UNKNOWN = json_answer("there is no such project", DETAIL)
PATHS = {
    "/api/projects/{id}/export": {
        "get": operation(
            "Easy Export: the project in a format",
            {200: FILE, 404: _UNKNOWN},
            parameters=[
                _PROJECT,
                in_query("exportType", "a format that applies; JSON when none is named", {"type": "string"}),
                in_query("download_all_tasks", "tasks without annotations, too", {"type": "boolean"}),
                in_query("ids[]", "only these tasks", {"type": "array", "items": {"type": "integer", "minimum": 1}}),
            ],
        )
    },
    "/api/projects/{id}/export/formats": {
        "get": operation(
            "The formats that apply to the project",
            {200: json_answer("their names", {"type": "array", "items": {"type": "object"}}), 404: _UNKNOWN},
            parameters=[_PROJECT],
        )
    },
    "/api/version": {"get": operation("The version", {200: json_answer("its parts", {"type": "object"})})},
}


def routes(site: Site) -> Sequence[Route]:
    limiter = anyio.CapacityLimiter(AT_ONCE)

    async def export(request: Request) -> Response:
        assembly = site.running.assembly
        asked = await anyio.to_thread.run_sync(_asked, site, request)
        held = await anyio.to_thread.run_sync(from_mirror, assembly, asked)
        if held is not None:
            return StreamingResponse(_chunks(held), headers=_headers(asked), media_type=_media_type(asked))
        place = tempfile.TemporaryDirectory(prefix="export-", dir=folder_of(assembly))
        try:
            path = await anyio.to_thread.run_sync(
                from_source, asked, assembly.source, Path(place.name), limiter=limiter
            )
        except BaseException:
            place.cleanup()
            raise
        return FileResponse(
            path, headers=_headers(asked), media_type=_media_type(asked), background=BackgroundTask(place.cleanup)
        )

    def formats(request: Request) -> Response:
        project = project_of(site.running.assembly, request.path_params["id"])
        found = catalogue(parse_label_config(project.label_config))
        return JSONResponse([{"name": f.name, "title": f.name, "description": f.summary} for f in found if f.applies])

    def version(_: Request) -> Response:
        return JSONResponse({"release": f"syncd {__version__}", "edition": "Community", "syncd": __version__})

    return [
        Route("/api/projects/{id:int}/export", export),
        Route("/api/projects/{id:int}/export/formats", formats),
        Route("/api/version", version),
    ]


def _asked(site: Site, request: Request) -> Wanted:
    query = request.query_params
    if flag(query.get("interpolate_key_frames")):
        raise HTTPException(400, "syncd does not interpolate key frames; leave interpolate_key_frames out")
    ids = query.getlist("ids[]") + [one for text in query.getlist("ids") for one in text.split(",")]
    if len(ids) > MOST_IDS or not all(one.strip().isdecimal() for one in ids):
        raise HTTPException(400, f"ids[] takes task ids, {MOST_IDS:,} at most")
    return wanted(
        site.running.assembly,
        request.path_params["id"],
        query.get("exportType") or query.get("export_type") or "JSON",
        shape=replace(EASY, tasks="all") if flag(query.get("download_all_tasks")) else EASY,
        only=frozenset(int(one) for one in ids) if ids else None,
    )


def flag(text: str | None) -> bool:
    """A query parameter as Label Studio takes it. Raises HTTPException for what is neither yes nor no."""
    given = (text or "false").lower()
    if given in ("true", "1", "yes", "on", "t", "y"):
        return True
    if given in ("false", "0", "no", "off", "f", "n", ""):
        return False
    raise HTTPException(400, f"{text!r} is neither true nor false")


def _headers(asked: Wanted) -> dict[str, str]:
    """Label Studio says the file's name in a header of its own."""
    return {"filename": asked.filename, "Content-Disposition": f'attachment; filename="{asked.filename}"'}


def _media_type(asked: Wanted) -> str:
    return f"application/{asked.suffix}"


async def _chunks(held: Held) -> AsyncIterator[bytes]:
    """Read by one thread from start to end, since a connection to the ledger belongs to a thread."""
    loop, chunks = asyncio.get_running_loop(), held.chunks()
    with ThreadPoolExecutor(1, thread_name_prefix="export") as reading:
        try:
            while (chunk := await loop.run_in_executor(reading, next, chunks, None)) is not None:
                yield chunk
        finally:
            reading.submit(chunks.close)  # type: ignore[attr-defined]  # a generator
