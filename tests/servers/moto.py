"""moto's server: S3 from memory. It tells a missing bucket and a wrong region, and checks no signatures."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers import free_port, program, running


@contextmanager
def moto() -> Iterator[str]:
    """The server's URL. It has no bucket at first."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = [program("moto_server"), "-H", "127.0.0.1", "-p", str(port)]
        with running(command, port=port, log=Path(folder) / "log"):
            yield f"http://127.0.0.1:{port}"
