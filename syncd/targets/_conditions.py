"""Which conditions a store honours, found out by trying: emulators and compatible stores claim more than they keep."""

import secrets
from dataclasses import dataclass

from syncd.errors import Unavailable
from syncd.targets import Failed, Object, Outcome, Refused, Target, Written
from syncd.targets._probe import FOLDER, sample


@dataclass(frozen=True, slots=True)
class Conditions:
    """What was refused as it should be; the names are those of `Capabilities`."""

    create_if_absent: bool
    if_match: bool
    conditional_delete: bool


def conditions_seen(target: Target) -> Conditions:
    """Try each condition where it does not hold, under `_syncd/check/`.

    No object is written twice, since some stores slow that down. Raises Unavailable when nothing can be written.
    """
    here, other, missing = (f"{FOLDER}{secrets.token_hex(8)}" for _ in range(3))
    try:
        _written(target, here)
        stale = _written(target, other)
        created = _put(target, sample(here, "again", if_absent=True))
        replaced = _put(target, sample(here, "again", if_match=stale))
        found = _put(target, sample(missing, "again", if_match=stale))
        removed = target.delete_if_match(here, stale)
        return Conditions(
            isinstance(created, Refused),
            isinstance(replaced, Refused) and isinstance(found, Refused),
            isinstance(removed, Refused),
        )
    finally:
        list(target.delete_many([here, other, missing]))


def _written(target: Target, key: str) -> str:
    outcome = _put(target, sample(key, key))
    if isinstance(outcome, Written):
        return outcome.etag or ""
    reason = outcome.reason if isinstance(outcome, Failed) else "the store refused it without a reason"
    raise Unavailable(
        f"{target.where}: cannot write {key} to see what the store can do: {reason}. syncd tries again by itself."
    )


def _put(target: Target, one: Object) -> Outcome:
    (outcome,) = target.put_many([one])
    return outcome
