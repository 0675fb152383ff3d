"""What a new configuration changes in a running daemon.

It is checked whole first; lanes that it does not concern notice nothing.
"""

import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime

import structlog

from syncd import logs, sources, targets
from syncd.assembly import Assembly, instance_of, lane_of
from syncd.claims import iso
from syncd.config import Config, Root, TargetPart, load
from syncd.errors import SyncdError
from syncd.logs import Masked
from syncd.running import Threads
from syncd.sources import Source

log = structlog.get_logger()


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
    """Keys that changed and are opened only once."""

    def as_json(self) -> dict[str, object]:
        return asdict(self)


class Configuration:
    """The one in force, and how the next one takes its place."""

    def __init__(self, assembly: Assembly, threads: Threads) -> None:
        self._assembly = assembly
        self._threads = threads
        self.changing = threading.Lock()
        """Held while parts come and go."""
        self.masked = Masked(assembly.config.secrets)
        self.loaded_at = time.time()
        self._error: str | None = None
        self._at_next_start: Sequence[str] = ()

    def as_json(self) -> dict[str, object]:
        """What status says of it."""
        return {
            "path": str(self._assembly.config.path),
            "loaded_at": iso(datetime.fromtimestamp(self.loaded_at, UTC)),
            "error": self._error,
            "at_next_start": list(self._at_next_start),
        }

    def reload(self) -> Changes:
        """Follow the file as it is now; lanes whose settings are as before notice nothing.

        Raises SyncdError before anything has changed, when the file is wrong or the new source is not there.
        """
        with self.changing:
            old = self._assembly.config
            try:
                new = load(old.path)
                changes = changes_of(old, new)
                source = source_of(self._assembly, new, changes)
            except SyncdError as error:
                self._error = str(error)
                log.error("configuration not reloaded", reason=str(error))  # noqa: TRY400
                raise
            secrets = (*old.secrets, *new.secrets)
            logs.configure(new.root.log.format, new.root.log.level, secrets)
            self.masked, self.loaded_at = Masked(secrets), time.time()
            self._error, self._at_next_start = None, changes.at_next_start
            self._change(new, changes, source)
            log.info("configuration reloaded", **changes.as_json())
            return changes

    def _change(self, new: Config, changes: Changes, source: Source | None) -> None:
        """Those that go finish what they have in hand; those that come miss no signal."""
        a = self._assembly
        self._threads.let_go((*changes.removed, *changes.changed))
        if source is not None:
            self._threads.let_source_go()
            a.source.close()
            a.source = source
        stay = {lane.settings.name: lane for lane in a.lanes if lane.settings.name in changes.unchanged}
        with a.changing:
            a.config = in_force(a.config, new)
            a.lanes = tuple(
                stay.get(part.config.name) or lane_of(part, new, a.source, a.ledger) for part in new.targets
            )
            a.ledger.drop_lanes_except([lane.settings.name for lane in a.lanes])
        self._threads.start()


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
        at_next_start=[name for name, value in _opened_once(old.root).items() if value != _opened_once(new.root)[name]],
    )


def in_force(old: Config, new: Config) -> Config:
    """The new one, but for what waits for the next start."""
    http = new.root.http and old.root.http and new.root.http.model_copy(update={"listen": old.root.http.listen})
    waiting = {"state": old.root.state, "http": http or old.root.http}
    return replace(new, root=new.root.model_copy(update=waiting))


def _opened_once(root: Root) -> dict[str, object]:
    return {"state": root.state, "http.listen": root.http and root.http.listen}


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
