"""The target `redis`: a string for each document, pipelined, and one hash with what is known of them.

Names are those of the other targets with `:` for `/`; a `:` or `%` inside a key is kept as `%3A` or `%25`.
"""

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from itertools import islice
from typing import Any, ClassVar
from urllib.parse import urlsplit

from redis import Redis
from redis.backoff import ExponentialBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from syncd.errors import Misconfigured
from syncd.targets import (
    Capabilities,
    Deleted,
    Failed,
    Finding,
    Listed,
    Object,
    Outcome,
    Piece,
    Refused,
    Retention,
    Stored,
    Written,
)
from syncd.targets._conditions import conditions_seen
from syncd.targets._keys import key_fault
from syncd.targets._probe import probe
from syncd.targets._redis_faults import faults, one_key_fault, unavailable
from syncd.targets._redis_keeping import keeping
from syncd.targets._redis_names import etag_of, facts_of, key_of, name_of, pattern_of, stored_as
from syncd.targets._redis_scripts import DELETE, FACTS, PUT
from syncd.targets.redis import Settings

CONNECT_SECONDS = 5
ANSWER_SECONDS = 10
LARGEST_BYTES = 512 * 1024 * 1024
"""Redis's own limit for a string."""

PIPELINE_BYTES = 8 * 1024 * 1024
PAGE = 200
"""Keys of one step of a listing: each is hashed by Redis, which must not keep others waiting."""

_FACTS = "_syncd:facts"


class RedisTarget:
    """One database's strings under one prefix."""

    type: ClassVar[str] = "redis"
    mirrors: ClassVar[bool] = False
    batch = 500

    def __init__(self, settings: Settings) -> None:
        self._url = settings.url.get_secret_value()
        self._prefix = settings.prefix.strip("/:").replace("/", ":")
        self._opened = ExitStack()
        self._probing = threading.Lock()
        self._capabilities: Capabilities | None = None

    @property
    def where(self) -> str:
        parts = urlsplit(self._url)
        place = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        return f"{place.rstrip('/')} {self._prefix}".strip()

    @property
    def capabilities(self) -> Capabilities:
        with self._probing:
            if self._capabilities is None:
                seen = conditions_seen(self)
                self._capabilities = Capabilities(seen.create_if_absent, seen.if_match, seen.conditional_delete)
            return self._capabilities

    def open(self) -> None:
        retry = Retry(ExponentialBackoff(cap=1, base=0.1), retries=2)
        self._redis: Redis = self._opened.enter_context(
            Redis.from_url(
                self._url, socket_connect_timeout=CONNECT_SECONDS, socket_timeout=ANSWER_SECONDS, retry=retry
            )
        )
        self._put_script = self._redis.register_script(PUT)
        self._delete_script = self._redis.register_script(DELETE)
        self._facts_script = self._redis.register_script(FACTS)
        with self._faults("connect"):
            self._redis.ping()

    def close(self) -> None:
        self._opened.close()

    def check(self) -> Iterable[Finding]:
        yield from probe(self)
        with self._faults("look at its settings"):
            yield from keeping(self._redis, self._prefix)

    def retention(self) -> Retention:
        return Retention()

    # --- writing --------------------------------------------------------------------------------------------

    def put_many(self, objects: Sequence[Object]) -> Iterator[Outcome]:
        for some in _pipelines(objects):
            yield from self._put_together(some)

    def delete_many(self, keys: Sequence[str]) -> Iterator[Outcome]:
        for start in range(0, len(keys), self.batch):
            yield from self._delete_together(keys[start : start + self.batch])

    def delete_if_match(self, key: str, etag: str) -> Outcome:
        (outcome,) = self._delete_together([key], etag)
        return outcome

    def splice(self, key: str, pieces: Sequence[Piece], *, content_type: str) -> Outcome:
        raise Misconfigured(f"redis target {self.where}: there are no shared files in Redis")

    def _put_together(self, objects: Sequence[Object]) -> Iterator[Outcome]:
        sent = []
        with self._redis.pipeline(transaction=False) as pipeline:
            for one in objects:
                if fault := _fault_of(one):
                    yield Failed(one.key, f"{one.key} cannot be stored: {fault}")
                else:
                    condition = "absent" if one.if_absent else one.if_match or ""
                    self._put_script(self._keys(one.key), [one.body, condition, facts_of(one)], client=pipeline)
                    sent.append(one)
            answers = self._answers(pipeline, "write")
        for one, answer in zip(sent, answers, strict=True):
            yield self._outcome(one.key, answer, Written(one.key, etag_of(one.body)), "write")

    def _delete_together(self, keys: Sequence[str], etag: str = "") -> Iterator[Outcome]:
        sent = []
        with self._redis.pipeline(transaction=False) as pipeline:
            for key in keys:
                if fault := key_fault(key):
                    yield Failed(key, f"{key} cannot be deleted: {fault}")
                else:
                    self._delete_script(self._keys(key), [etag], client=pipeline)
                    sent.append(key)
            answers = self._answers(pipeline, "delete")
        for key, answer in zip(sent, answers, strict=True):
            yield self._outcome(key, answer, Deleted(key), "delete")

    def _answers(self, pipeline: Any, doing: str) -> list[Any]:
        with self._faults(doing):
            answers: list[Any] = pipeline.execute(raise_on_error=False)
        return answers

    def _outcome(self, key: str, answer: object, done: Outcome, doing: str) -> Outcome:
        if not isinstance(answer, RedisError):
            return done if answer else Refused(key)
        if reason := one_key_fault(answer):
            return Failed(key, f"cannot {doing} {key}: {reason}")
        raise unavailable(answer, doing, self.where) from answer

    # --- reading --------------------------------------------------------------------------------------------

    def get(self, key: str) -> Stored | None:
        if key_fault(key):
            return None
        name, facts = self._keys(key)
        with self._faults("read"), self._redis.pipeline() as pipeline:
            pipeline.get(name)
            pipeline.hget(facts, name)
            body, told = pipeline.execute()
        return None if body is None else stored_as(key, len(body), etag_of(body), told, body)

    def head(self, key: str) -> Stored | None:
        if key_fault(key):
            return None
        with self._faults("read"):
            found = self._facts_script(self._keys(key))
        return stored_as(key, found[0], found[1].decode(), found[2]) if found else None

    def list(self, prefix: str = "") -> Iterator[Listed]:
        """As the contract says; Redis may tell a key twice while it makes room for more of them."""
        start = self._name("")
        pattern = f"{pattern_of(self._name(prefix))}*"
        with self._faults("list"):
            names = self._redis.scan_iter(match=pattern, count=PAGE, _type="string")
            while page := [*islice(names, PAGE)]:
                with self._redis.pipeline(transaction=False) as pipeline:
                    for name in page:
                        self._facts_script([name, self._name_of_facts], client=pipeline)
                    found = pipeline.execute()
                for name, facts in zip(page, found, strict=True):
                    if facts:
                        key = key_of(name.decode(errors="replace").removeprefix(start))
                        yield Listed(key, facts[0], facts[1].decode())

    # --- the place ------------------------------------------------------------------------------------------

    @property
    def _name_of_facts(self) -> str:
        return f"{self._prefix}:{_FACTS}" if self._prefix else _FACTS

    def _name(self, key: str) -> str:
        return f"{self._prefix}:{name_of(key)}" if self._prefix else name_of(key)

    def _keys(self, key: str) -> Sequence[str]:
        return self._name(key), self._name_of_facts

    def _faults(self, doing: str) -> AbstractContextManager[None]:
        return faults(doing, self.where)


def _fault_of(one: Object) -> str | None:
    too_large = len(one.body) > LARGEST_BYTES
    return key_fault(one.key) or ("it is larger than the 512 MB of a Redis string" if too_large else None)


def _pipelines(objects: Sequence[Object]) -> Iterator[Sequence[Object]]:
    """Runs of objects that together are not too much for one pipeline."""
    some: list[Object] = []
    size = 0
    for one in objects:
        if some and size + len(one.body) > PIPELINE_BYTES:
            yield some
            some, size = [], 0
        some.append(one)
        size += len(one.body)
    if some:
        yield some
