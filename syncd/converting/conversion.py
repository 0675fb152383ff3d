"""One conversion from start to end: gather, survey, render, put together, swap in."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from syncd import formats
from syncd.converting.abreast import Workers, working
from syncd.converting.files import write_own_files
from syncd.converting.gathering import Given, in_order
from syncd.converting.rendering import OWN_FILES, MoreNames, OutOfOrder, Rendered, Surveyed, Wish
from syncd.converting.report import Report, SetAside, Tally
from syncd.converting.runs import Runs
from syncd.converting.sections import part_files, shared_files
from syncd.converting.staging import Staging, staging
from syncd.errors import Misconfigured
from syncd.formats import AnnotationPolicy, Context, Format, Options
from syncd.labelstudio.labelconfig import number_classes, region_classes
from syncd.media import MediaSettings
from syncd.model import LabelSchema
from syncd.rendering import has_names
from syncd.taskfiles.elements import Elements, Unit, WrongBorder

MISSING_LISTED = 1_000

Advance = Callable[[int], None]
"""Told how many more tasks were rendered."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to convert into what. `published` are class numbers that readers know already and that never change.

    `published_columns` likewise: they stand first, in this order.
    """

    given: Given
    path: Path
    format: str
    options: Options
    schema: LabelSchema
    policy: AnnotationPolicy | None = None
    all_tasks: bool = False
    only: frozenset[int] | None = None
    published: Mapping[str, int] = field(default_factory=dict)
    published_columns: tuple[str, ...] = ()
    workers: int = 1
    media: MediaSettings | None = None


def convert(request: Request, advance: Advance) -> Report:
    """Does it. Raises Misconfigured when the format does not apply or the input is no export; the old output stays then."""
    began = time.monotonic()
    chosen = formats.find(request.format)(request.options)
    reason = chosen.accepts(request.schema)
    if reason is not None:
        raise Misconfigured(
            f"{chosen.name} does not apply: {reason}. `syncd formats --label-config FILE` says which do"
        )
    with staging(request.path) as place:
        tally, missing = _attempts(request, chosen, place, advance)
    return Report(chosen.name, str(request.path), tally, missing, time.monotonic() - began)


def _attempts(request: Request, chosen: Format, place: Staging, advance: Advance) -> tuple[Tally, tuple[str, ...]]:
    """First as if the input were in order and its borders as guessed, which nearly all are; else by exact reading."""
    gathered = Tally()
    elements = request.given.elements(place.scratch, gathered)
    try:
        try:
            return _convert(request, chosen, elements, place, gathered, advance)
        except OutOfOrder:
            gathered = Tally()
            ordered = in_order(elements, place.scratch, gathered)
            return _convert(request, chosen, ordered, place, gathered, advance)
    except WrongBorder:
        gathered = Tally()
        exact = request.given.exactly(place.scratch, gathered)
        return _convert(request, chosen, exact, place, gathered, advance)


def _convert(
    request: Request, chosen: Format, elements: Elements, place: Staging, gathered: Tally, advance: Advance
) -> tuple[Tally, tuple[str, ...]]:
    """Guesses classes and columns by the first unit, which saves reading everything twice; surveys the rest if need be."""
    known = Surveyed(columns=set(chosen.columns(request.schema)))
    if has_names(chosen):
        _survey(request, chosen, place, islice(elements.units(), 1), known, workers=1)
    try:
        return _rendered(request, chosen, elements, place, gathered, advance, known)
    except MoreNames as more:
        _survey(request, chosen, place, islice(elements.units(), more.done, None), known, workers=request.workers)
        return _rendered(request, chosen, elements, place, gathered, advance, known)


def _survey(
    request: Request, chosen: Format, place: Staging, units: Iterable[Unit], known: Surveyed, *, workers: int
) -> None:
    """Adds what the units need to `known`."""
    last: int | None = None
    with working(workers, _wish(request, chosen, Surveyed()), place, None) as at_work:
        for surveyed in at_work.survey(units):
            last = _follows(last, surveyed)
            known.classes |= surveyed.classes
            known.columns |= surveyed.columns


def _wish(request: Request, chosen: Format, known: Surveyed) -> Wish:
    context = Context(
        request.schema,
        classes=number_classes(region_classes(request.schema), known.classes, request.published),
        columns=(*request.published_columns, *sorted(known.columns.difference(request.published_columns))),
        policy=request.policy or chosen.default_policy,
        all_tasks=request.all_tasks,
    )
    return Wish(chosen.name, request.options, context, request.only)


def _rendered(
    request: Request,
    chosen: Format,
    elements: Elements,
    place: Staging,
    gathered: Tally,
    advance: Advance,
    known: Surveyed,
) -> tuple[Tally, tuple[str, ...]]:
    """The whole output in its place. Raises MoreNames when `known` is not all that the tasks need."""
    place.clear()
    tally = Tally()
    tally.add(gathered)
    wish = _wish(request, chosen, known)
    with working(request.workers, wish, place, request.media) as workers:
        missing = _render(workers, elements, chosen, wish, place, tally, advance)
    return tally, missing


def _note_absent(absent: set[int], tally: Tally) -> None:
    for task in sorted(absent):
        tally.set_aside(SetAside(task, None, "it was asked for and is not there"))


def _render(
    workers: Workers,
    elements: Elements,
    chosen: Format,
    wish: Wish,
    place: Staging,
    tally: Tally,
    advance: Advance,
) -> tuple[str, ...]:
    """Renders all units and puts the output together in the staging folder, then swaps it in."""
    context = wish.context
    runs = Runs(place.runs)
    missing: list[str] = []
    absent = set(wish.only or ())
    last: int | None = None
    for rendered in _each(workers.render(elements.units())):
        last = _follows(last, rendered)
        runs.add(rendered.runs)
        missing += rendered.missing_media[: MISSING_LISTED - len(missing)]
        absent.difference_update(rendered.asked)
        tally.add(rendered.tally)
        advance(rendered.tally.tasks)
    _note_absent(absent, tally)
    written = shared_files(place.folder, runs, chosen, context, tally.newest)
    if chosen.parts:
        written += part_files(place.folder, runs, chosen, context, tally.items)
    extras = chosen.extras(context)
    write_own_files(place.folder, extras)
    with (place.scratch / "names").open("wb") as names:
        runs.copy(OWN_FILES, names)
        names.writelines(f"{name}\n".encode() for name in [*written, *extras])
    place.finish(place.scratch / "names")
    return tuple(missing)


def _each(rendered: Iterator[Rendered]) -> Iterator[Rendered]:
    """The same; MoreNames says after how many units."""
    done = 0
    try:
        for done, one in enumerate(rendered, 1):  # noqa: B007 - the last one counts
            yield one
    except MoreNames as more:
        raise MoreNames(done) from more


def _follows(last: int | None, unit: Surveyed | Rendered) -> int | None:
    """The last task id so far. Raises OutOfOrder when the unit does not begin after it."""
    if unit.first is None:
        return last
    if last is not None and unit.first <= last:
        raise OutOfOrder
    return unit.last
