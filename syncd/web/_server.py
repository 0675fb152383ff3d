"""uvicorn on a thread of its own. The port is taken before anything else starts: one in use stops syncd with a sentence."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
import uvicorn

from syncd.config import Http
from syncd.errors import Misconfigured
from syncd.web import Running, Site
from syncd.web._app import application
from syncd.web._connections import Connection

log = structlog.get_logger()

BACKLOG = 512
"""Connections that the kernel holds until they are taken."""


@contextmanager
def served(running: Running, http: Http) -> Iterator[None]:
    """Answer HTTP until the block ends. Raises Misconfigured when the port cannot be had."""
    listening = _listening(http.listen)
    site = Site(running)
    server = uvicorn.Server(
        uvicorn.Config(
            application(site),
            http=Connection,
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=2,
        )
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="http", daemon=True)
    thread.start()
    host, port = listening.getsockname()[:2]
    log.info("listening", url=f"http://{f'[{host}]' if ':' in host else host}:{port}/")
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()
        site.close()
        listening.close()


def _listening(listen: str) -> socket.socket:
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            host or "127.0.0.1", int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        made = socket.socket(family, kind)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        raise Misconfigured(
            f"http.listen: {listen} cannot be listened on ({error}); choose another address or port, 0 for a free one"
        ) from error
    return made
