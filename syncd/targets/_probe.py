"""A real write, read, conditional write, list and delete in `_syncd/check/`: what `syncd check` shows of a
target.
"""

import hashlib
import secrets
from collections.abc import Iterator

from syncd.errors import SyncdError
from syncd.targets import Deleted, Failed, Finding, Object, Outcome, Refused, Target, Written

FOLDER = "_syncd/check/"


def sample(key: str, text: str, *, if_absent: bool = False, if_match: str | None = None) -> Object:
    """A small object to try a store with."""
    body = text.encode()
    digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
    return Object(key, body, digest, "text/plain", if_absent=if_absent, if_match=if_match)


def probe(target: Target) -> Iterator[Finding]:
    """One finding per right, in the order of their need; when writing fails, only clearing up is tried.

    Promises a target makes in its capabilities are tried as well: one that is not kept is a failure.
    """
    key = f"{FOLDER}{secrets.token_hex(8)}"
    try:
        yield from _tries(target, key)
    except SyncdError as error:
        yield Finding("use the target", ok=False, detail=str(error))
    try:
        outcome = next(iter(target.delete_many([key])))
        yield _expect("delete", outcome, Deleted)
    except SyncdError as error:
        yield Finding("delete", ok=False, detail=str(error))


def _tries(target: Target, key: str) -> Iterator[Finding]:
    first = sample(key, "first")
    outcome = _put(target, first)
    yield _expect("write", outcome, Written)
    if not isinstance(outcome, Written):
        return
    found = target.get(key)
    read = found is not None and found.body == first.body
    yield Finding("read", ok=read, detail="" if read else f"{key} does not read back as it was written")
    listed = any(item.key == key for item in target.list(FOLDER))
    yield Finding("list", ok=listed, detail="" if listed else f"{key} was written and is missing in the listing")
    yield from _conditions(target, key, outcome.etag or "")


def _conditions(target: Target, key: str, etag: str) -> Iterator[Finding]:
    can = target.capabilities
    if can.create_if_absent:
        yield _expect("create only if absent", _put(target, sample(key, "second", if_absent=True)), Refused)
    if can.if_match:
        outcome = _put(target, sample(key, "third", if_match=etag))
        yield _expect("replace only what was seen", outcome, Written)
        yield _expect("refuse a stale replace", _put(target, sample(key, "fourth", if_match=etag)), Refused)
    else:
        yield Finding(
            "conditional writes",
            ok=True,
            warning=True,
            detail="this store does not honour them: run one syncd on this prefix, never two",
        )
    if can.conditional_delete:
        yield _expect("refuse a stale delete", target.delete_if_match(key, etag), Refused)


def _put(target: Target, one: Object) -> Outcome:
    return next(iter(target.put_many([one])))


def _expect(what: str, outcome: Outcome, wanted: type[Outcome]) -> Finding:
    if isinstance(outcome, wanted):
        return Finding(what, ok=True)
    detail = outcome.reason if isinstance(outcome, Failed) else f"the store answered {type(outcome).__name__.lower()}"
    return Finding(what, ok=False, detail=detail)
