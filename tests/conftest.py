"""What every test may ask for."""

from collections.abc import Iterator

import pytest

from tests.servers import Servers


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """Real servers, each started when a test first asks for it: `servers.of(seaweedfs)`."""
    started = Servers()
    yield started
    started.stop()
