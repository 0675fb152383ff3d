"""A wire between a client and a server that can be cut as networks are: nothing passes any more, and nobody is told."""

import contextlib
import socket
import threading
from collections.abc import Iterator


class Wire:
    """Passes bytes on to a local port while it is whole. Connections outlive a cut, and new ones are still taken."""

    def __init__(self, upstream: int) -> None:
        self._upstream = upstream
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._whole = threading.Event()
        self._whole.set()
        self._ends: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    def cut(self) -> None:
        self._whole.clear()

    def mend(self) -> None:
        """What was on its way arrives now."""
        self._whole.set()

    def close(self) -> None:
        for end in (self._listener, *self._ends):
            end.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._upstream))
                self._ends += (client, server)
                for one, other in ((client, server), (server, client)):
                    threading.Thread(target=self._pass, args=(one, other), daemon=True).start()

    def _pass(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                self._whole.wait()
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def wire(upstream: int) -> Iterator[Wire]:
    laid = Wire(upstream)
    try:
        yield laid
    finally:
        laid.mend()
        laid.close()
