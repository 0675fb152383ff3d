"""`syncd check`: tries for real what the daemon will need, and names the right that is missing."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import ValidationError

from syncd import sources, targets
from syncd.config import Config, TargetPart
from syncd.errors import SyncdError
from syncd.filesystem import filesystem_of, is_network
from syncd.labelstudio.storages import Storage
from syncd.sources import chosen
from syncd.targets import Finding
from syncd.upkeep import upkeep_known_to


def check_all(config: Config) -> Iterator[tuple[str, Finding]]:
    """(part, finding) for the configuration, the ledger's place, the source and every target."""
    yield "configuration", Finding(str(config.path), True)
    yield "ledger", _ledger(config)
    yield from _source(config)
    for part in config.targets:
        yield from _target(part, config.root.state.path)


def _ledger(config: Config) -> Finding:
    folder = config.root.state.path.resolve().parent
    kind = filesystem_of(folder)
    if is_network(kind):
        return Finding(
            "file system", False, f"{folder} is on {kind}: SQLite is not safe there; set `state.path` to a local disk"
        )
    return Finding("file system", True, f"{config.root.state.path} on {kind or 'an unknown file system'}")


def _source(config: Config) -> Iterator[tuple[str, Finding]]:
    source = sources.make(config.source_type, config.source)
    try:
        yield "source", Finding("identity", True, config.root.instance or source.identity())
        for finding in source.check():
            yield "source", finding
        yield from _apart(config.targets, source.storages())
        projects = source.projects()
        for name, choice in (
            ("source", config.source.projects),
            *((p.config.name, p.config.projects) for p in config.targets),
        ):
            if choice != "all":
                found = chosen(choice, projects)
                lost = [c for c in choice if not any(c in (p.id, p.title) for p in found)]
                if lost:
                    there = ", ".join(f"{p.id} {p.title!r}" for p in projects[:20])
                    yield name, Finding("projects", False, f"no project {lost[0]!r}; there are {there}", warning=True)
    except SyncdError as error:
        yield "source", Finding("reach", False, str(error))
    finally:
        source.close()


def _apart(parts: Sequence[TargetPart], imports: Sequence[Storage]) -> Iterator[tuple[str, Finding]]:
    """Whether the targets keep away from where Label Studio imports from: else our files would come back as tasks."""
    for part in parts:
        near = next((storage for storage in imports if _overlaps(storage, part)), None)
        if near is not None:
            detail = (
                f"Label Studio's source storage {near.title!r} of project {near.project} imports from there, and would take "
                "syncd's files for tasks; give the target a prefix outside of it"
            )
            yield part.config.name, Finding("apart from source storages", False, detail)
        elif imports:
            yield part.config.name, Finding("apart from source storages", True, f"{len(imports)} looked at")


def _overlaps(storage: Storage, part: TargetPart) -> bool:
    try:
        theirs = targets.settings_of(storage.type).model_validate({"type": storage.type, **storage.settings}).place()
    except ValidationError:
        return False  # it names no place that a target could have
    ours = part.settings.place()
    shared = min(len(ours), len(theirs))
    return ours[:shared] == theirs[:shared]


def _target(part: TargetPart, state: Path) -> Iterator[tuple[str, Finding]]:
    name = part.config.name
    target = targets.make(part.config.type, part.settings)
    try:
        target.open()
        for finding in target.check():
            yield name, finding
        for note in target.capabilities.notes:
            yield name, Finding("note", True, note)
        kept = upkeep_known_to(state, part, target)
        if kept.warning:
            is_known = kept.retention.days is not None
            yield name, Finding("what the bucket keeps", not is_known, kept.warning, warning=True)
    except SyncdError as error:
        yield name, Finding("reach", False, str(error))
    finally:
        target.close()
