"""What a new configuration changes in a running daemon.

It is checked whole first; lanes that it does not concern notice nothing.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace

from syncd import sources, targets
from syncd.assembly import Assembly, instance_of
from syncd.config import Config, TargetPart
from syncd.sources import Source

AT_NEXT_START = ("state", "http")
"""Sections that are opened once; the rest is followed at once."""


@dataclass(frozen=True, slots=True)
class Changes:
    """Names of targets, by what a new configuration means for them."""

    added: Sequence[str]
    removed: Sequence[str]
    changed: Sequence[str]
    unchanged: Sequence[str]
    source: bool
    """Whether another source, or other settings of it, are to be followed: then every lane starts again."""
    at_next_start: Sequence[str]
    """Sections that changed and cannot be followed now."""

    def as_json(self) -> dict[str, object]:
        return asdict(self)


def changes_of(old: Config, new: Config) -> Changes:
    """What differs, with secrets as their files held them when each was loaded."""
    before, now = _targets(old), _targets(new)
    source = (old.source_type, old.source, old.root.instance) != (new.source_type, new.source, new.root.instance)
    stays = [name for name in now if name in before]
    changed = [name for name in stays if source or before[name] != now[name]]
    return Changes(
        added=[name for name in now if name not in before],
        removed=[name for name in before if name not in now],
        changed=changed,
        unchanged=[name for name in stays if name not in changed],
        source=source,
        at_next_start=[name for name in AT_NEXT_START if getattr(old.root, name) != getattr(new.root, name)],
    )


def in_force(old: Config, new: Config) -> Config:
    """The new one, but for what waits for the next start."""
    waiting = {name: getattr(old.root, name) for name in AT_NEXT_START}
    return replace(new, root=new.root.model_copy(update=waiting))


def source_of(assembly: Assembly, new: Config, changes: Changes) -> Source | None:
    """The new source, reached and found to be the same Label Studio; None when there is none to change to.

    Raises before anything has changed when it, or a target, cannot be made of the new configuration.
    """
    for part in new.targets:
        if part.config.name in (*changes.added, *changes.changed):
            targets.make(part.config.type, part.settings)
    if not changes.source:
        return None
    with ExitStack() as unless_it_is_another:
        source = sources.make(new.source_type, new.source)
        unless_it_is_another.callback(source.close)
        instance_of(new, source, assembly.ledger)
        unless_it_is_another.pop_all()
    return source


def _targets(config: Config) -> dict[str, tuple[TargetPart, object]]:
    return {part.config.name: (part, part.lane(config.root.documents)) for part in config.targets}
