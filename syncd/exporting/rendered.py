"""An export rendered from the source into a file, as `syncd export` does it."""

from pathlib import Path

import structlog

from syncd.converting.conversion import Request, convert
from syncd.converting.gathering import Given, GivenProject
from syncd.exporting.wanted import Wanted
from syncd.sources import Source

log = structlog.get_logger()


def from_source(wanted: Wanted, source: Source, folder: Path) -> Path:
    """The one file, or the zip, made below `folder`."""
    return rendered(wanted, GivenProject(source, wanted.project.id, wanted.shape, wanted.only), folder)


def rendered(wanted: Wanted, given: Given, folder: Path) -> Path:
    """The same for tasks from anywhere. What cannot be held is set aside, and logged."""
    path = folder / ("packed.zip" if wanted.is_packed else "output")
    request = Request(
        given=given,
        path=path,
        format=wanted.format.name,
        options=wanted.format.options,
        schema=wanted.schema,
        all_tasks=wanted.shape.tasks == "all",
        only=wanted.only,
        published=wanted.registry.classes,
        published_columns=wanted.context.columns,
    )
    report = convert(request, lambda _: None)
    if not report.is_whole:
        log.warning("export lacks tasks", project=wanted.project.id, report=list(report.lines()))
    return path if wanted.is_packed else next(file for file in path.rglob("*") if file.is_file())
