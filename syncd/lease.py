"""The lease of the one writer: `_syncd/writer.json`, renewed with conditional writes.

Another daemon stands by, and takes over when the object's version has not moved for one lease time on its *own* monotonic
clock, so clocks need not agree. The holder writes nothing once less than MARGIN_SECONDS of its lease are left. The same ledger
takes its own lease back at once.
"""

import os
import socket
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import orjson
import structlog

from syncd.errors import Misconfigured, SyncdError
from syncd.layout import LEASE
from syncd.targets import Object, Refused, Stored, Target, Written

log = structlog.get_logger()

LEASE_SECONDS = 20.0
MARGIN_SECONDS = 6.0


class Lease:
    """One target's lease, as this ledger sees it.

    Used by the lane's thread and by the one that renews; `may_write` and `remaining` by any.
    """

    def __init__(
        self,
        target: Target,
        holder: str,
        *,
        seconds: float = LEASE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._target = target
        self._holder = holder
        self._seconds = seconds
        self._clock = clock
        self._etag: str | None = None
        self._until = 0.0
        self._watched: tuple[object, float] | None = None
        self.other = ""
        """Who holds it, when it is not us."""
        self._last: object = None

    @property
    def taken_over(self) -> bool:
        """Whether our ledger may not know what is there: another one wrote last, or the lease is gone and more may be.

        Stored with the lease until `know_all` is said, so that it outlives a crash.
        """
        return self._last != self._holder

    def know_all(self) -> None:
        """Our ledger knows now what is there; the next renewal says so."""
        self._last = self._holder

    def remaining(self) -> float:
        """Seconds for which nobody else can have taken over."""
        return self._until - self._clock()

    def may_write(self) -> bool:
        return self.remaining() > MARGIN_SECONDS

    def take(self) -> bool:
        """Try once to become the writer; False while another one is alive."""
        found = self._target.get(LEASE)
        if found is None:
            self._last = None
            return self._put(None)
        says = _contents(found)
        self._last = says.get("last", says.get("holder"))
        if says.get("holder") in (self._holder, None):
            return self._put(found)
        self.other = f"{says.get('host')} (pid {says.get('pid')})"
        version = found.etag or found.body
        if self._watched is None or self._watched[0] != version:
            self._watched = (version, self._clock())
            return False
        if self._clock() - self._watched[1] <= self._seconds:
            return False
        return self._put(found)

    def renew(self) -> bool:
        """Hold it for another lease time; False when it is somebody else's now."""
        can = self._target.capabilities
        if can.if_match and self._etag is not None:
            return self._write(if_match=self._etag)
        found = self._target.get(LEASE)
        if found is not None and _contents(found).get("holder") != self._holder:
            self._until = 0.0
            return False
        return self._write()

    def release(self) -> None:
        """Let the next one in at once. Only when we hold it."""
        if self.remaining() > 0:
            self._until = 0.0
            self._write(holder=None, if_match=self._etag if self._target.capabilities.if_match else None)
            self._until = 0.0

    def _put(self, found: Stored | None) -> bool:
        can = self._target.capabilities
        if found is None:
            return self._write(if_absent=can.create_if_absent)
        return self._write(if_match=found.etag if can.if_match else None)

    def _write(self, *, if_absent: bool = False, if_match: str | None = None, holder: str | None = "self") -> bool:
        began = self._clock()
        body = self._body(holder and self._holder)
        digest = f"sha256:{sha256(body).hexdigest()}"
        written = Object(LEASE, body, digest, if_absent=if_absent, if_match=if_match)
        answer = next(iter(self._target.put_many([written])))
        if isinstance(answer, Refused):
            found = self._target.get(LEASE)
            if found is None or found.body != body:
                self._until = 0.0
                return False
            answer = Written(LEASE, found.etag)  # our own write, whose answer was lost
        if not isinstance(answer, Written):
            raise Misconfigured(f"the lease {LEASE} cannot be written in {self._target.where}: {answer}")
        self._etag, self._until, self._watched = answer.etag, began + self._seconds, None
        return True

    def _body(self, holder: str | None) -> bytes:
        expires = datetime.now(UTC) + timedelta(seconds=self._seconds if holder else 0)
        return orjson.dumps(
            {
                "holder": holder,
                "last": self._last,
                "host": socket.gethostname(),
                "pid": os.getpid(),
                "expires": expires.isoformat().replace("+00:00", "Z"),
            }
        )


class Heartbeat:
    """Renews a lease from a thread of its own, so that a long batch does not lose it. Starting it twice is fine."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self._done = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._done.clear()
            self._thread = threading.Thread(target=self._beat, name="lease", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        self._done.set()
        if self._thread is not None:
            self._thread.join()

    def _beat(self) -> None:
        while not self._done.wait(LEASE_SECONDS / 4):
            try:
                if not self._lease.renew():
                    log.warning("lease lost", writer=self._lease.other)
                    return
            except SyncdError as error:
                log.warning("lease not renewed", reason=str(error))


def _contents(found: Stored) -> dict[str, object]:
    try:
        says = orjson.loads(found.body or b"{}")
    except orjson.JSONDecodeError:
        return {}
    return says if isinstance(says, dict) else {}
