"""Real servers for tests: started when a test first asks, on free ports of the loopback, stopped at the end.

One small file per server: a context manager that yields what a client needs to know. A server that is not installed
is an error, never a skip.
"""

import fcntl
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

Server = TypeVar("Server")

START_SECONDS = 30.0
CACHE = Path(__file__).parents[2] / ".cache"


class Servers:
    """The servers of one test run, each started once: `servers.of(seaweedfs)`."""

    def __init__(self) -> None:
        self._running = ExitStack()
        self._known: dict[Callable[[], Any], Any] = {}

    def of(self, server: Callable[[], AbstractContextManager[Server]]) -> Server:
        """What the server's context manager yields; started now if this is the first test that asks."""
        if server not in self._known:
            self._known[server] = self._running.enter_context(server())
        found: Server = self._known[server]
        return found

    def stop(self) -> None:
        self._running.close()


def program(name: str) -> str:
    """The path of an installed program, this environment's own first."""
    own = Path(sys.executable).parent / name
    found = str(own) if own.exists() else shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    assert found, (
        f"{name} is not installed: the tests need it (DEBIAN in the Makefile; dependency group dev of pyproject.toml)"
    )
    return found


@contextmanager
def alone(what: str) -> Iterator[None]:
    """Only one process at a time is in the block: whatever is made in `.cache/` for all of them is made once."""
    CACHE.mkdir(exist_ok=True)
    with (CACHE / f"{what}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def free_port(*, beside: int = 0) -> int:
    """A port that nobody listens on; with `beside`, the port that far above it is free as well."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
            if not beside:
                return port
        if port + beside < 65536:
            with socket.socket() as second:
                if second.connect_ex(("127.0.0.1", port + beside)):
                    return port


@contextmanager
def running(
    command: Sequence[str], *, port: int, log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A server process, from when its port answers to the end of the block."""
    with log.open("wb") as output:
        server = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment, cwd=log.parent)
        try:
            _wait_for(server, port, log)
            yield server
        finally:
            server.terminate()
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _wait_for(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if server.poll() is not None:
            break
        time.sleep(0.02)
    tail = log.read_text(errors="replace")[-2000:]
    raise AssertionError(f"{server.args!r} did not answer on port {port}; its log ends with:\n{tail}")
