"""Whether Redis keeps what it is given: eviction and persistence, which a cache's settings usually lack."""

from collections.abc import Iterator
from typing import Any

from redis import Redis
from redis.exceptions import ResponseError

from syncd.targets import Finding

RIGHTS = (
    "+get +set +unlink +hget +hset +hdel +scan +eval +evalsha +script|load +script|exists +multi +exec +ping"
    " +info +config|get +select +hello"
)
"""The commands syncd uses."""


def keeping(client: Redis, prefix: str) -> Iterator[Finding]:
    """Warnings about what Redis may throw away, and the least that a user needs."""
    info: dict[str, Any] = {}
    for section in ("memory", "persistence"):
        info.update(client.info(section))
    yield _eviction(str(info.get("maxmemory_policy", "noeviction")))
    yield _persistence(bool(info.get("aof_enabled")), _snapshots(client))
    names = f"{prefix}:*" if prefix else "*"
    yield Finding("least privilege", ok=True, detail=f"ACL SETUSER syncd on >PASSWORD ~{names} {RIGHTS}")


def _eviction(policy: str) -> Finding:
    if not policy.startswith("allkeys"):
        return Finding("eviction", ok=True, detail=f"maxmemory-policy is {policy}: documents stay")
    detail = f"maxmemory-policy is {policy}: Redis throws documents away when its memory is full; set noeviction"
    return Finding("eviction", ok=True, warning=True, detail=detail)


def _persistence(appends: bool, snapshots: bool | None) -> Finding:
    if appends:
        return Finding("persistence", ok=True, detail="every write is appended to a file (appendonly yes)")
    if snapshots:
        detail = "there are snapshots only: a crash loses the writes since the last; set appendonly yes"
    elif snapshots is None:
        detail = "appendonly is off, and whether there are snapshots is not told here: set appendonly yes"
    else:
        detail = "there is neither an append-only file nor a snapshot: a restart loses everything; set appendonly yes"
    return Finding("persistence", ok=True, warning=True, detail=detail)


def _snapshots(client: Redis) -> bool | None:
    """Whether snapshots are taken; None where the server keeps its settings to itself, as managed ones do."""
    try:
        return bool(client.config_get("save").get("save"))
    except ResponseError:
        return None
