"""What the status page shows, put into words. Pure: a status and the samples in, texts out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from syncd.rates import Sample
from syncd.web import _words as words
from syncd.web._charts import Chart, charts_of, span

Status = Mapping[str, Any]
Tone = Literal["good", "busy", "calm", "bad"]

PROJECTS_SHOWN = 200
"""Rows of the table of projects; `/api/status` has them all."""

STATES: Mapping[str, tuple[Tone, str]] = {
    "starting": ("busy", "It is not connected yet."),
    "current": ("good", "Nothing is due."),
    "catching up": ("busy", "It is being written."),
    "paused": ("calm", "An operator has paused it. Changes are noted meanwhile."),
    "standing by": ("calm", "Another syncd writes here; this one takes over when that one is gone."),
    "unreachable": ("bad", "It is tried again, with waits that double up to a minute. Nothing is lost."),
    "refused": ("bad", "It needs a person; the message below says what to do."),
    "stopped": ("bad", "No lane runs for it."),
}


MIRROR_STATES = ("current", "left out", "waiting", "rebuilding", "refused")
"""From good to bad."""


@dataclass(frozen=True, slots=True)
class Target:
    """One target's card."""

    name: str
    state: str
    tone: Tone
    explained: str
    true_up_to: str
    facts: tuple[tuple[str, str], ...]
    held: int
    error: str | None
    error_age: str
    charts: tuple[Chart, ...]
    span: str


@dataclass(frozen=True, slots=True)
class Aside:
    """One task that is set aside, in one target or several."""

    task: int
    project: str
    targets: str
    reason: str


@dataclass(frozen=True, slots=True)
class Copy:
    """A project's files of one format. `format` is "" when there are none; then `reason` says why."""

    target: str
    name: str
    format: str
    state: str
    reason: str | None
    aside: int = 0
    """Tasks that this format cannot show."""
    tasks: int = 0


@dataclass(frozen=True, slots=True)
class Project:
    """One row of the table of projects."""

    id: str
    title: str
    tasks: int
    lag: str
    copies: tuple[Copy, ...]
    left_out: tuple[Copy, ...]


@dataclass(frozen=True, slots=True)
class View:
    """The whole page."""

    tone: Tone
    verdict: str
    instance: str
    pid: int | None
    source_error: str | None
    configuration_error: str | None
    targets: tuple[Target, ...]
    aside: tuple[Aside, ...]
    more_aside: bool
    projects: tuple[Project, ...]
    projects_total: int


def view_of(status: Status, samples: Mapping[str, Sequence[Sample]]) -> View:
    """A status as `syncd status --json` prints it, and the last hour of each target."""
    targets, titles = status["targets"], status["source"]["titles"]
    tone, verdict = next(_verdicts(status))
    mirrors = _mirrors(targets)
    return View(
        tone,
        verdict,
        status["instance"] or "",
        status["pid"],
        status["source"]["error"],
        status.get("configuration", {}).get("error"),
        tuple(_target(name, targets[name], samples.get(name, ())) for name in _worst_first(targets)),
        _aside(targets, titles),
        any(target["quarantined"] > len(target["quarantine"]) for target in targets.values()),
        tuple(_project(id_, title, targets, mirrors) for id_, title in list(titles.items())[:PROJECTS_SHOWN]),
        len(titles),
    )


def _verdicts(status: Status) -> Iterator[tuple[Tone, str]]:
    """What is to be said of the whole, the worst first: the first one is what an operator reads."""
    targets: Mapping[str, Status] = status["targets"]
    of_tone = {tone: [n for n, t in targets.items() if STATES[t["state"]][0] == tone] for tone in get_args(Tone)}
    held = sum(t["held_deletes"] for t in targets.values())
    aside = sum(t["quarantined"] for t in targets.values())
    refused = sum(mirror["state"] == "refused" for t in targets.values() for mirror in t["mirrors"])
    if status["source"]["error"]:
        yield "bad", "The source cannot be read; the targets stay as they are."
    if of_tone["bad"]:
        rest = [name for name in targets if name not in of_tone["bad"]]
        goes_on = f" {' and '.join(rest)} {'goes' if len(rest) == 1 else 'go'} on." if rest else ""
        yield "bad", f"{_states(targets, of_tone['bad'])}.{goes_on}"
    if held:
        yield "bad", f"The brake holds {words.counted(held, 'deletion')} until a person allows them."
    if refused:
        yield "bad", f"{words.counted(refused, 'mirror')} cannot be kept; the table of projects says why."
    if of_tone["busy"]:
        due = sum(targets[name]["dirty"] for name in of_tone["busy"])
        yield "busy", f"{_states(targets, of_tone['busy'])}: {words.counted(due, 'task')} to go."
    if aside:
        yield "bad", f"All is true but for {words.counted(aside, 'task')} set aside."
    if of_tone["calm"]:
        yield "calm", f"{_states(targets, of_tone['calm'])}."
    oldest = max((t["lag_seconds"] or 0.0 for t in targets.values()), default=None)
    yield "good", f"All is true up to {'a moment' if oldest is None or oldest < 60 else words.age(oldest)} ago."


def _worst_first(targets: Mapping[str, Status]) -> Sequence[str]:
    return sorted(targets, key=lambda name: (STATES[targets[name]["state"]][0] != "bad", name))


def _states(targets: Mapping[str, Status], names: Sequence[str]) -> str:
    return "; ".join(f"{name} is {targets[name]['state']}" for name in names)


def _target(name: str, target: Status, samples: Sequence[Sample]) -> Target:
    tone, explained = STATES[target["state"]]
    return Target(
        name,
        target["state"],
        tone,
        explained,
        target["synced_through"] or "",
        (
            ("behind", words.age(target["lag_seconds"])),
            ("due", words.count(target["dirty"])),
            ("task files", words.count(target["files"])),
            ("set aside", words.count(target["quarantined"])),
        ),
        target["held_deletes"],
        target["error"],
        words.since(target["error_at"]),
        charts_of(samples),
        span(samples),
    )


def _aside(targets: Mapping[str, Status], titles: Mapping[str, str]) -> tuple[Aside, ...]:
    where: dict[tuple[int, int, str], list[str]] = {}
    for name, target in targets.items():
        for one in target["quarantine"]:
            where.setdefault((one["task"], one["project"], one["reason"]), []).append(name)
    return tuple(
        Aside(task, titles.get(str(project), f"project {project}"), ", ".join(names), reason)
        for (task, project, reason), names in sorted(where.items())
    )


def _project(id_: str, title: str, targets: Mapping[str, Status], mirrors: Mapping[str, Sequence[Copy]]) -> Project:
    claims = [t["projects"][id_] for t in targets.values() if id_ in t["projects"]]
    tasks = max((claim["tasks"] for claim in claims), default=0)
    oldest = min((claim["synced_through"] or "" for claim in claims), default="") or None
    by_name: dict[str, list[Copy]] = {}
    for copy in mirrors.get(id_, ()):
        by_name.setdefault(copy.name, []).append(copy)
    made = [_one_of(copies, tasks) for copies in by_name.values()]
    left_out = tuple(copy for copy in made if copy.state == "left out")
    return Project(id_, title, tasks, words.since(oldest), tuple(c for c in made if c.state != "left out"), left_out)


def _one_of(copies: Sequence[Copy], tasks: int) -> Copy:
    """A mirror that several targets have, as the worst of them is."""
    worst = max(copies, key=lambda copy: MIRROR_STATES.index(copy.state))
    return replace(worst, tasks=tasks - max(copy.aside for copy in copies))


def _mirrors(targets: Mapping[str, Status]) -> dict[str, list[Copy]]:
    """Project id → its mirrors in all targets."""
    found: dict[str, list[Copy]] = {}
    for name, target in targets.items():
        for mirror in target["mirrors"]:
            project, folder = mirror["folder"].rstrip("/").split("/", 1)
            kind = mirror["rendition"].partition(" ")[0]
            copy = Copy(name, folder, kind, mirror["state"], mirror["reason"], mirror["quarantined"])
            found.setdefault(project, []).append(copy)
    return found
