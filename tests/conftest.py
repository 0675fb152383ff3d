"""What every test may ask for."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deployment import Deployment
from tests.servers import Servers


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """Real servers, each started when a test first asks for it: `servers.of(seaweedfs)`."""
    started = Servers()
    yield started
    started.stop()


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    """A syncd of its own, over a fresh copy of the shipped Label Studio database."""
    with_everything = Deployment(tmp_path)
    yield with_everything
    with_everything.close()
