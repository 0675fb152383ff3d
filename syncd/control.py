"""The local control socket: one JSON object a line each way. Commands that steer talk to the daemon through it."""

import json
import os
import socket
import socketserver
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeAlias

from syncd.errors import SyncdError, Unavailable

Order: TypeAlias = dict[str, Any]
LONGEST_ADDRESS = 100
"""Bytes that the address of a Unix socket may have, on every system."""


def address(state: Path) -> Path:
    """Beside the ledger; for a long path a short name in the temporary folder."""
    beside = state.resolve().with_name(state.name + ".sock")
    if len(os.fsencode(beside)) <= LONGEST_ADDRESS:
        return beside
    return Path(tempfile.gettempdir()) / f"syncd-{sha256(os.fsencode(beside)).hexdigest()[:16]}.sock"


def ask(state: Path, order: Order, *, timeout: float | None = None) -> Order | None:
    """The daemon's answer, or None when no daemon runs. Raises Unavailable when it breaks off."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(timeout)
        try:
            client.connect(str(address(state)))
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        client.sendall(json.dumps(order).encode() + b"\n")
        answer = client.makefile("rb").readline()
    if not answer:
        raise Unavailable("the daemon ended before it answered; ask again, or look at its log")
    found: Order = json.loads(answer)
    return found


@contextmanager
def serve(state: Path, answer: Callable[[Order], Order]) -> Iterator[None]:
    """Answer orders until the block ends; only this user may give them."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            try:
                order = json.loads(self.rfile.readline(65536))
                reply = answer(order) if isinstance(order, dict) else {"error": "an order is one JSON object"}
            except json.JSONDecodeError:
                reply = {"error": "an order is one JSON object"}
            except SyncdError as error:
                reply = {"error": str(error)}
            self.wfile.write(json.dumps(reply).encode() + b"\n")

    class Server(socketserver.ThreadingUnixStreamServer):
        daemon_threads = True

    place = address(state)
    place.unlink(missing_ok=True)
    before = os.umask(0o177)
    try:
        server = Server(str(place), Handler)
    finally:
        os.umask(before)
    thread = threading.Thread(target=server.serve_forever, args=(0.2,), name="control", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        place.unlink(missing_ok=True)
