"""A real write, read, conditional write, list and delete in `_syncd/check/`: what `syncd check` shows of a target."""

import hashlib
import secrets
from collections.abc import Callable, Iterator

from syncd.errors import SyncdError
from syncd.targets import Deleted, Failed, Finding, Object, Outcome, Refused, Target, Written

FOLDER = "_syncd/check/"


def sample(key: str, text: str, *, if_absent: bool = False, if_match: str | None = None) -> Object:
    """A small object to try a store with."""
    body = text.encode()
    digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
    return Object(key, body, digest, "text/plain", if_absent=if_absent, if_match=if_match)


def probe(target: Target) -> Iterator[Finding]:
    """One finding per right. What needs a written object is left out when writing fails.

    Promises a target makes in its capabilities are tried as well: one that is not kept is a failure.
    """
    key = f"{FOLDER}{secrets.token_hex(8)}"
    first = sample(key, "first")
    written = _tried("write", lambda: _is(Written, _put(target, first)))
    yield written
    yield _tried("list", lambda: _lists(target, key if written.ok else None))
    if written.ok:
        yield _tried("read", lambda: _reads(target, first))
        yield from _conditions(target, key)
        yield _tried("delete", lambda: _is(Deleted, next(iter(target.delete_many([key])))))


def _conditions(target: Target, key: str) -> Iterator[Finding]:
    def put(text: str, **condition: str | bool) -> Outcome:
        return _put(target, sample(key, text, **condition))  # type: ignore[arg-type]  # one of sample's two

    found = target.head(key)
    etag = (found and found.etag) or ""
    can = target.capabilities
    if can.create_if_absent:
        yield _tried("create only if absent", lambda: _is(Refused, put("second", if_absent=True)))
    if can.if_match:
        yield _tried("replace only what was seen", lambda: _is(Written, put("third", if_match=etag)))
        yield _tried("refuse a stale replace", lambda: _is(Refused, put("fourth", if_match=etag)))
    else:
        alone = "this store does not honour them: run one syncd on this prefix, never two"
        yield Finding("conditional writes", ok=True, detail=alone, warning=True)
    if can.conditional_delete:
        yield _tried("refuse a stale delete", lambda: _is(Refused, target.delete_if_match(key, etag)))


def _tried(what: str, attempt: Callable[[], str]) -> Finding:
    """`attempt` tells what is wrong, or "" when all is well."""
    try:
        wrong = attempt()
    except SyncdError as error:
        wrong = str(error)
    return Finding(what, ok=not wrong, detail=wrong)


def _is(wanted: type[Outcome], outcome: Outcome) -> str:
    if isinstance(outcome, wanted):
        return ""
    return outcome.reason if isinstance(outcome, Failed) else f"the store answered {type(outcome).__name__.lower()}"


def _lists(target: Target, key: str | None) -> str:
    listed = {item.key for item in target.list(FOLDER)}
    return "" if key is None or key in listed else f"{key} was written and is missing in the listing"


def _reads(target: Target, one: Object) -> str:
    found = target.get(one.key)
    return "" if found and found.body == one.body else f"{one.key} does not read back as it was written"


def _put(target: Target, one: Object) -> Outcome:
    return next(iter(target.put_many([one])))
