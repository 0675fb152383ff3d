"""What the daemon does when a part of it fails by a fault of its own."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from threading import Event

import pytest

from syncd.assembly import Assembly
from syncd.config import load
from syncd.daemon import Daemon
from syncd.errors import SyncdError
from syncd.ledger import Ledger
from syncd.model import DocumentShape, Project
from syncd.sources import Memory, Read, Signals
from syncd.targets import Finding


class FaultySource:
    """A source with a bug: it raises what no source may raise."""

    where = "faulty"

    def identity(self) -> str:
        return "faulty"

    def projects(self) -> Sequence[Project]:
        return ()

    def sweep(self, memory: Memory, stop: Event) -> Iterator[Signals]:
        yield Signals()

    def watch(self, memory: Memory, position: str | None, stop: Event) -> Iterator[Signals]:
        yield Signals()
        raise ZeroDivisionError

    def read(self, tasks: Sequence[int], shape: DocumentShape) -> Iterator[Read]:
        return iter(())

    def tasks(self, project: int) -> Iterator[int]:
        return iter(())

    def check(self) -> Iterable[Finding]:
        return ()

    def close(self) -> None:
        """Nothing is open."""


def test_a_daemon_does_not_live_on_without_one_of_its_parts(tmp_path: Path) -> None:
    text = "source: {type: sqlite, path: db}\ntargets: [{type: local, path: out}]\n"
    (tmp_path / "syncd.yaml").write_text(text + f"state: {{path: {tmp_path / 'state.db'}}}\n")
    config = load(tmp_path / "syncd.yaml")
    ledger = Ledger(config.root.state.path)
    try:
        with pytest.raises(SyncdError, match="source failed, by a fault of its own"):
            Daemon(Assembly(config, FaultySource(), ledger, ())).run()
    finally:
        ledger.close()
