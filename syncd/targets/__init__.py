"""The target contract: a flat store of whole objects under one prefix. Keys are relative to it,
`/`-separated.

Every member keeps the same promises, checked by one suite (tests/contract/test_targets.py): an object is
there whole or not at all, a reader never sees a torn one, deleting what is absent is fine, nothing outside
the prefix is ever touched, and listing order is the store's own. Calls may come from several threads at once.
What a store can do is probed (`capabilities`), never assumed.

Adding a target is adding one file here, named by its `type` in the configuration: `Settings` and `TARGET`.
"""

import importlib
import pkgutil
import time
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from syncd.errors import Misconfigured
from syncd.targets._rate import Limiter
from syncd.targets._traffic import BOUNDS as BOUNDS
from syncd.targets._traffic import Traffic as Traffic

JSON_TYPE = "application/json"


class Settings(BaseModel):
    """What a target is configured with: each target's own keys. Unknown ones are refused by name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @abstractmethod
    def place(self) -> tuple[str, ...]:
        """Where the objects lie, in steps from the outside in. No target may lie within another one's place."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What this store, as configured, was seen to honour."""

    create_if_absent: bool = False
    """A put with `if_absent` on an existing key is refused, also when two race."""
    if_match: bool = False
    """A put with `if_match` on another version, or on a missing key, is refused."""
    conditional_delete: bool = False
    splice: bool = False
    """Unchanged pieces of a large object are kept without sending them again."""
    metadata: bool = True
    """User metadata (`digest`, `source-version`) comes back from `head`."""
    notes: tuple[str, ...] = ()
    """What `check` tells the operator, one sentence each (which path is taken and why)."""


@dataclass(frozen=True, slots=True)
class Object:
    """One object to store. `digest` is "sha256:…" of the body; `source_version` tells the source's state it
    shows.

    At most one condition: `if_absent`, or `if_match` with the etag that must still be there.
    """

    key: str
    body: bytes
    digest: str
    content_type: str = JSON_TYPE
    source_version: str = ""
    if_absent: bool = False
    if_match: str | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """The object is there, whole and durable. `etag` names this version for `if_match` (None where there is
    none).
    """

    key: str
    etag: str | None


@dataclass(frozen=True, slots=True)
class Refused:
    """The condition did not hold: somebody else's version is there (or ours, whose answer was lost: look)."""

    key: str


@dataclass(frozen=True, slots=True)
class Failed:
    """This one object cannot be stored or deleted, and others can. `reason` is a sentence.

    Nothing is known of the old object.
    """

    key: str
    reason: str


@dataclass(frozen=True, slots=True)
class Deleted:
    """The key is absent now."""

    key: str


Outcome = Written | Refused | Failed | Deleted


@dataclass(frozen=True, slots=True)
class Listed:
    """One object as a listing shows it. `md5` is lower-case hex where the listing proves the bytes."""

    key: str
    size: int
    etag: str | None = None
    md5: str | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """One object's facts, and its body when it was asked for."""

    key: str
    size: int
    etag: str | None
    metadata: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None

    @property
    def digest(self) -> str | None:
        return self.metadata.get("digest")


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of a spliced object: `id` is stable and equal in length for all pieces of an object.

    `body` is None when the piece is as it was in the last splice.
    """

    id: str
    length: int
    digest: str
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of `syncd check`: what was tried, whether it worked, and the way out when it did not."""

    what: str
    ok: bool
    detail: str = ""
    warning: bool = False


@dataclass(frozen=True, slots=True)
class Retention:
    """What a store keeps, and bills, of objects that were replaced or deleted.

    `days`: for how long; 0 when nothing is kept, infinity when nothing ends it, None when it cannot be told. `because` is a
    sentence: which setting of the bucket it is, or what keeps us from knowing.
    """

    days: float | None = 0
    because: str = ""


class Target(Protocol):
    """A store.

    Raises Unavailable when it is out of reach or refuses us as a whole, Misconfigured when retrying is vain.
    `open` is called once, after any fork, before anything else.
    """

    @property
    def type(self) -> str:
        """Its name in the configuration."""

    @property
    def batch(self) -> int:
        """How many objects one `put_many` takes best."""

    @property
    def mirrors(self) -> bool:
        """False where converted files make no sense (redis)."""

    @property
    def capabilities(self) -> Capabilities: ...

    @property
    def where(self) -> str:
        """The place as a person would write it: `s3://bucket/prefix`, `/data/out`. No secret in it."""

    def open(self) -> None:
        """Connect and probe. Never creates a bucket; may create the local folder."""

    def put_many(self, objects: Sequence[Object]) -> Iterator[Outcome]:
        """Store each object; one outcome per object, in any order: Written, Refused or Failed.

        Durable when Written is yielded. When Unavailable is raised midway, nothing is known of objects
        without an outcome.
        """

    def get(self, key: str) -> Stored | None:
        """The object with its body, or None when it is absent."""

    def head(self, key: str) -> Stored | None:
        """The object's facts without its body, or None when it is absent."""

    def delete_many(self, keys: Sequence[str]) -> Iterator[Outcome]:
        """Delete each key; Deleted (also when it was absent) or Failed, one per key, in any order."""

    def delete_if_match(self, key: str, etag: str) -> Outcome:
        """Delete this version only: Deleted, or Refused when another one is there."""

    def list(self, prefix: str = "") -> Iterator[Listed]:
        """Every object whose key starts with `prefix`, streamed: memory does not grow with their number."""

    def splice(self, key: str, pieces: Sequence[Piece], *, content_type: str) -> Outcome:
        """Replace one object by the pieces in order; see ARCHITECTURE. Only when `capabilities.splice`.

        Written; or Refused when a piece without body is not there as it was (another writer, a lost layout):
        send every body then. Bodies are taken one at a time and once, so `pieces` may load them as they are
        asked for.
        """

    def check(self) -> Iterable[Finding]:
        """A real write, read, conditional write, list and delete in `_syncd/check/`; names what fails."""

    def retention(self) -> Retention:
        """What the bucket keeps of replaced and deleted objects; only looks. A missing right is an answer, no error."""

    def close(self) -> None:
        """Let go of connections. No call may follow."""


def available() -> dict[str, str]:
    """Target type → module. Modules that start with `_` are shared code."""
    return {m.name: f"{__name__}.{m.name}" for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_")}


def settings_of(kind: str) -> type[Settings]:
    """The settings model of a target type; its SDK is not imported by this."""
    found: type[Settings] = importlib.import_module(available()[kind]).Settings
    return found


def paced(
    target: Target,
    traffic: Traffic,
    *,
    requests_per_second: float | None = None,
    bytes_per_second: float | None = None,
    may_start: Callable[[], bool] = lambda: True,
    wait: Callable[[float], bool | None] = time.sleep,
    remake: Callable[[], Target] | None = None,
    beat: Callable[[], None] | None = None,
) -> Target:
    """The target with its requests paced, tried again after transient faults, and counted in `traffic`.

    The pace follows the store's answers below the ceilings; a folder and Redis know only the ceiling of bytes. Before
    each request for data `may_start` is asked (the lease): Unavailable when it says no. `wait` sleeps between attempts
    and tells whether to give up, as a stop event's own `wait` does. What syncd keeps for itself (`_syncd/`) never waits.
    `remake` makes the target anew each time it is opened again, so that rotated credentials are read. `beat` is called
    whenever something came of a request for data: a long call that gets on is told from one that hangs.
    """
    from syncd.targets._wrap import Wrapped

    ramping = target.type not in {"local", "redis"}
    limiter = Limiter(
        requests_per_second=requests_per_second if ramping else None,
        bytes_per_second=bytes_per_second,
        ramping=ramping,
        wait=wait,
    )
    return Wrapped(target, limiter, traffic=traffic, may_start=may_start, wait=wait, remake=remake, beat=beat)


def make(kind: str, settings: Settings) -> Target:
    """A target, not yet opened."""
    if kind not in available():
        raise Misconfigured(f"unknown target type {kind!r}; there are {', '.join(sorted(available()))}")
    made: Target = importlib.import_module(available()[kind]).TARGET(settings)
    return made
