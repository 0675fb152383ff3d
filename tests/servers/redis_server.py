"""Redis (Debian's `redis-server`), with a password, appending to a file and evicting nothing unless told otherwise."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers import free_port, program, running

PASSWORD = "pass word/%"  # what must be escaped in a url


@dataclass(frozen=True, slots=True)
class RedisServer:
    """Where the server listens."""

    port: int

    @property
    def url(self) -> str:
        return f"redis://:pass%20word%2F%25@127.0.0.1:{self.port}/0"


@contextmanager
def redis_server(*options: str) -> Iterator[RedisServer]:
    """The server, until the block ends. Options as on its command line: `"--maxmemory-policy", "allkeys-lru"`."""
    port = free_port(beside=10_000)  # a cluster member listens there too
    with tempfile.TemporaryDirectory() as folder:
        command = [
            program("redis-server"), "--bind", "127.0.0.1", "--port", str(port), "--dir", folder, "--save", "",
            "--appendonly", "yes", "--requirepass", PASSWORD, *options,
        ]  # fmt: skip
        with running(command, port=port, log=Path(folder) / "log"):
            yield RedisServer(port)
