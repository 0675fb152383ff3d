"""The target `local` in a test's own folder."""

from pathlib import Path

from syncd.targets import Target, make, settings_of
from tests.servers import Servers


def target(servers: Servers, folder: Path, prefix: str) -> Target:
    place = folder / prefix
    place.parent.mkdir(parents=True, exist_ok=True)
    return make("local", settings_of("local")(path=str(place)))
