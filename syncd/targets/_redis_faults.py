"""What Redis's answer, or none, means: whose fault it is, in a sentence with the way out."""

from collections.abc import Iterator
from contextlib import contextmanager

from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ClusterError,
    MasterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.exceptions import ConnectionError as NoConnection
from redis.exceptions import TimeoutError as NoAnswer

from syncd.errors import Misconfigured, SyncdError, Unavailable
from syncd.targets._retry import Transient

_OUTAGES: dict[type[RedisError], str] = {
    AuthenticationError: "Redis does not accept the user or password in the url ({text}): correct it, or the server's ACL",
    NoPermissionError: "the user in the url lacks a right ({text}): grant it, as `syncd check` shows",
    OutOfMemoryError: "Redis is full (maxmemory): give it more memory, or free some",
    ReadOnlyError: "this Redis is a read-only replica: point the url to the primary",
    BusyLoadingError: "Redis is still loading its data",
    MasterDownError: "the replica has lost its primary, and serves nothing until it is back",
}
_WORDS = {
    "MISCONF": "Redis cannot write its snapshot and refuses writes: look at its log and disk",
    "NOREPLICAS": "too few replicas are connected, so Redis refuses writes: bring them back",
    "NOAUTH": "Redis wants a password: put it into the url",
    "HELLO must be called": "Redis wants a password: put it into the url",
    "unknown command": "this server lacks a command that syncd needs ({text}): use Redis 6 or later, or Valkey",
}
_SOON = (BusyLoadingError, MasterDownError)


def unavailable(error: RedisError, doing: str, where: str) -> SyncdError:
    """The error for what keeps every document from being read or written."""
    text = str(error).strip()
    place = f"redis target {where}: cannot {doing}:"
    if isinstance(error, ClusterError) or text.startswith(("MOVED", "CROSSSLOT")):
        return Misconfigured(f"{place} this is a Redis Cluster, which spreads keys; give the url of a single Redis")
    why = next((sentence for words, sentence in _WORDS.items() if words in text), None)
    why = why or next((sentence for kind, sentence in _OUTAGES.items() if isinstance(error, kind)), None)
    if isinstance(error, _SOON) or (why is None and isinstance(error, NoConnection | NoAnswer)):
        kind: type[Unavailable] = Unavailable if "SSL" in text else Transient
    else:
        kind = Unavailable
    return kind(f"{place} {(why or _why_in_general(error)).format(text=text)}. syncd tries again by itself.")


@contextmanager
def faults(doing: str, where: str) -> Iterator[None]:
    """Map whatever the client raises."""
    try:
        yield
    except RedisError as error:
        raise unavailable(error, doing, where) from error


def one_key_fault(error: RedisError) -> str | None:
    """Why this one key cannot be used while others can; None when it is everybody's fault."""
    if isinstance(error, ResponseError) and "WRONGTYPE" in str(error):
        return "something else than a string is kept there"
    return None


def _why_in_general(error: RedisError) -> str:
    if "SSL" in str(error):
        return "the secure connection failed ({text}): check the server's certificate and this machine's trusted ones"
    if isinstance(error, NoConnection | NoAnswer):
        return "no answer ({text}): check the url (redis:// or rediss://), name resolution and network"
    return "Redis answered: {text}"
