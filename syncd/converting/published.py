"""What mirrors have published of a project: exports use the same class numbers and columns."""

from contextlib import closing
from pathlib import Path

from syncd.config import find, load
from syncd.ledger import Ledger
from syncd.ledger.registries import Registry, registry_of


def published_by_mirrors(config: Path | None, project: int) -> Registry:
    """The project's registry by the ledger of the configuration; empty while there is none."""
    state = load(find(config)).root.state.path
    if not state.exists():
        return Registry()
    with closing(Ledger(state, read_only=True)) as ledger:
        return registry_of(ledger, project)
