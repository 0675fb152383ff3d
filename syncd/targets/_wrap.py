"""Any target, paced, patient and counted: the wrapper that the daemon puts around what `make` gives.

An object that was asked for again after an unclear answer may have been written by the first request: a condition then
answers Refused for our own write. Callers look before they call that a conflict, as the contract says.
"""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any, TypeVar

from syncd.errors import Unavailable
from syncd.targets import (
    Capabilities,
    Failed,
    Finding,
    Listed,
    Object,
    Outcome,
    Piece,
    Refused,
    Retention,
    Stored,
    Target,
)
from syncd.targets._rate import Limiter
from syncd.targets._retry import Backoff, Throttled, Transient
from syncd.targets._traffic import Traffic

Answer = TypeVar("Answer")
Item = TypeVar("Item")
OURS = "_syncd/"


class Wrapped:
    """A target whose requests wait for the limiter, are tried again after transient faults, and are counted.

    The parameters are those of `syncd.targets.paced`.
    """

    def __init__(
        self,
        target: Target,
        limiter: Limiter,
        *,
        backoff: Backoff | None = None,
        traffic: Traffic | None = None,
        may_start: Callable[[], bool] = lambda: True,
        wait: Callable[[float], bool | None] = time.sleep,
        remake: Callable[[], Target] | None = None,
        beat: Callable[[], None] | None = None,
    ) -> None:
        self._target = target
        self._beat = beat or _nothing
        self._remake = remake
        self._used = False
        self._limiter = limiter
        self._backoff = backoff or Backoff()
        self._may_start = may_start
        self._wait = wait
        self.traffic = traffic or Traffic()

    @property
    def type(self) -> str:
        return self._target.type

    @property
    def batch(self) -> int:
        return self._target.batch

    @property
    def mirrors(self) -> bool:
        return self._target.mirrors

    @property
    def capabilities(self) -> Capabilities:
        return self._target.capabilities

    @property
    def where(self) -> str:
        return self._target.where

    def open(self) -> None:
        """Opened again, it is made anew, with credentials as they are now."""
        if self._used and self._remake is not None:
            self._target.close()
            self._target = self._remake()
        self._used = True
        self._one("open", self._target.open)

    def close(self) -> None:
        self._target.close()

    def check(self) -> Iterable[Finding]:
        return self._target.check()

    def retention(self) -> Retention:
        return self._target.retention()

    def put_many(self, objects: Sequence[Object]) -> Iterator[Outcome]:
        return self._many("put", self._target.put_many, {one.key: one for one in objects}, lambda one: len(one.body))

    def delete_many(self, keys: Sequence[str]) -> Iterator[Outcome]:
        return self._many("delete", self._target.delete_many, {key: key for key in keys}, lambda _: 0)

    def delete_if_match(self, key: str, etag: str) -> Outcome:
        def delete() -> Outcome:
            self._check(key)
            return self._target.delete_if_match(key, etag)

        outcome = self._one("delete", delete, key)
        self._count_one("delete", outcome)
        return outcome

    def get(self, key: str) -> Stored | None:
        found = self._one("get", lambda: self._target.get(key), key)
        self.traffic.passed("get", read=found.size if found else 0)
        return found

    def head(self, key: str) -> Stored | None:
        found = self._one("head", lambda: self._target.head(key), key)
        self.traffic.passed("head")
        return found

    def splice(self, key: str, pieces: Sequence[Piece], *, content_type: str) -> Outcome:
        def splice() -> Outcome:
            self._check(key)
            return self._target.splice(key, _Passing(pieces, self._pass_body), content_type=content_type)

        outcome = self._one("splice", splice)
        self._count_one("splice", outcome)
        return outcome

    def list(self, prefix: str = "") -> Iterator[Listed]:
        """As the target lists. What was listed once is not listed again, so only the start is tried again."""

        def start() -> Iterator[Listed]:
            items = self._target.list(prefix)
            return chain([*islice(items, 1)], items)

        for item in self._one("list", start, prefix):
            self.traffic.passed("list")
            self._beat()
            yield item

    def _many(
        self,
        operation: str,
        call: Callable[[Sequence[Item]], Iterator[Outcome]],
        waiting: dict[str, Item],
        size: Callable[[Item], int],
    ) -> Iterator[Outcome]:
        """Slices of what still has no outcome, until all have one. An attempt that gets anywhere starts the count anew."""
        attempt = 0
        while waiting:
            some = {key: waiting[key] for key in islice(waiting, self._limiter.burst)}
            self._pace(some, sum(map(size, some.values())))
            self._check(*some)
            began, left, done, beat = time.monotonic(), len(waiting), 0, self._beat_for(some)
            try:
                for outcome in call([*some.values()]):
                    done += size(waiting.pop(outcome.key))
                    self._count_refusal(outcome)
                    beat()
                    yield outcome
            except Transient as error:
                attempt = 1 if len(waiting) < left else attempt + 1
                self._pause(error, attempt)
            else:
                attempt = 0
                self._limiter.went_well()
            finally:
                self.traffic.passed(operation, objects=left - len(waiting), written=done)
            self.traffic.took(operation, time.monotonic() - began)

    def _one(self, operation: str, call: Callable[[], Answer], *keys: str) -> Answer:
        attempt = 0
        while True:
            self._pace(keys)
            began = time.monotonic()
            try:
                answer = call()
            except Transient as error:
                attempt += 1
                self._pause(error, attempt)
            else:
                self._limiter.went_well()
                self._beat_for(keys)()
                return answer
            finally:
                self.traffic.took(operation, time.monotonic() - began)

    def _pace(self, keys: Collection[str], size: int = 0) -> None:
        """Wait for this request's turn. Our own few objects need none: a lease cannot wait behind a large document."""
        if not _ours(keys):
            self._limiter.take(len(keys), size)

    def _check(self, *keys: str) -> None:
        """Raises Unavailable when nothing may be written any more; our own objects guard themselves."""
        if not _ours(keys) and not self._may_start():
            raise Unavailable(
                f"{self.where}: the right to write ran out while requests waited; they are tried again later."
            )

    def _beat_for(self, keys: Collection[str]) -> Callable[[], None]:
        """What to call when something came of a request; our own few objects prove nothing, another thread renews the lease."""
        return _nothing if _ours(keys) else self._beat

    def _pass_body(self, size: int) -> None:
        self._limiter.take(0, size)
        self.traffic.sent(size)
        self._beat()

    def _pause(self, error: Transient, attempt: int) -> None:
        """Wait before the next attempt. Raises the error when there is to be none."""
        if isinstance(error, Throttled):
            self._limiter.throttled()
        if attempt >= self._backoff.attempts or self._wait(self._backoff.seconds(attempt)):
            raise error
        self.traffic.tried_again(throttled=isinstance(error, Throttled))

    def _count_one(self, operation: str, outcome: Outcome) -> None:
        self.traffic.passed(operation)
        self._count_refusal(outcome)

    def _count_refusal(self, outcome: Outcome) -> None:
        if isinstance(outcome, Refused | Failed):
            self.traffic.refused(conflict=isinstance(outcome, Refused))


class _Passing(Sequence[Piece]):
    """The pieces of a splice; each body that is about to be sent is told of when it is asked for."""

    def __init__(self, pieces: Sequence[Piece], tell: Callable[[int], None]) -> None:
        self._pieces = pieces
        self._tell = tell

    def __len__(self) -> int:
        return len(self._pieces)

    def __getitem__(self, index: Any) -> Any:
        return self._pieces[index]

    def __iter__(self) -> Iterator[Piece]:
        for piece in self._pieces:
            if piece.body is not None:
                self._tell(len(piece.body))
            yield piece


def _nothing() -> None:
    """Nobody is told."""


def _ours(keys: Collection[str]) -> bool:
    return all(key.startswith(OURS) for key in keys)
