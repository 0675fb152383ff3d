"""What commands load first: the configuration, and the ledger to look at. Imported only by a command that runs."""

from pathlib import Path

from syncd.config import Config, find, load
from syncd.errors import Misconfigured
from syncd.ledger import Ledger


def loaded(config: Path | None) -> Config:
    """The configuration."""
    return load(find(config))


def loaded_to_work(config: Path | None) -> Config:
    """The configuration, with logging set up as it says: for commands that do more than look."""
    from syncd import logs

    found = loaded(config)
    logs.configure(found.root.log.format, found.root.log.level, found.secrets)
    return found


def ledger_to_look_at(config: Config) -> Ledger:
    """The ledger, read-only. Raises Misconfigured when there is none yet."""
    path = config.root.state.path
    if not path.exists():
        raise Misconfigured(
            f"there is no ledger at {path} yet: start `syncd run` or `syncd sync` first, or set `state.path`"
        )
    return Ledger(path, read_only=True)
