"""The one HTTP port: health, metrics, status, hooks, exports. Off unless the configuration has an `http` section.

A module without `_` is one group of routes, found by itself: its `routes(site)` gives them, `OPEN = True` says that they need no
token, `LARGEST_BODY` how many bytes a body may have there (else a mebibyte), and `PATHS` describes them as OpenAPI does. A
handler must not block the loop: what waits for a disk or a lock is a plain function, which Starlette runs in a thread, or awaits
one.
"""

import asyncio
import importlib
import pkgutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any, Protocol

from syncd.assembly import Assembly
from syncd.control import Order
from syncd.health import Health

MOMENT_SECONDS = 0.25
"""How old a status may be that several ask for at once."""


class Running(Protocol):
    """The daemon as the routes see it."""

    @property
    def assembly(self) -> Assembly:
        """Configuration, source, ledger and lanes as they are now; ask anew each time."""

    @property
    def configured_at(self) -> float:
        """When the configuration that runs was loaded, in seconds since the epoch."""

    def status(self) -> dict[str, Any]:
        """What `syncd status --json` prints, without secrets."""

    def health(self) -> Health:
        """Whether we live and have started; touches neither disk nor network."""

    def order(self, order: Order) -> Order:
        """Carry out an order, as the control socket does. Raises SyncdError."""


class Site:
    """What the routes share: the daemon, and one look at its ledger for however many ask at once."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self._looking = ThreadPoolExecutor(1, thread_name_prefix="looking")
        self._found: asyncio.Future[dict[str, Any]] | None = None
        self._began = 0.0

    async def status(self) -> dict[str, Any]:
        """The daemon's status as it was a moment ago at most; not to be changed."""
        now = time.monotonic()
        if self._found is None or (self._found.done() and now - self._began > MOMENT_SECONDS):
            self._began = now
            self._found = asyncio.get_running_loop().run_in_executor(self._looking, self.running.status)
        return await asyncio.shield(self._found)

    def look_again(self) -> None:
        """Something was ordered: the next status is a fresh one."""
        self._found = None

    def close(self) -> None:
        self._looking.shutdown()


def groups() -> Iterator[ModuleType]:
    """The modules that have routes, by name."""
    for name in sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_")):
        yield importlib.import_module(f"{__name__}.{name}")
