"""What goes wrong when a target is used, for tests of its messages."""

from typing import Any

import pytest

from syncd.errors import SyncdError
from syncd.targets import Finding, Target, make, settings_of
from syncd.targets._probe import sample

NOWHERE = "127.0.0.1:1"
"""Nobody listens there."""


def made(kind: str, **settings: Any) -> Target:
    """A target, not yet opened."""
    return make(kind, settings_of(kind)(**settings))


def trouble(kind: str, **settings: Any) -> SyncdError:
    """What opening a target, writing one object and deleting it again ends with."""
    target = made(kind, **settings)
    with pytest.raises(SyncdError) as told:
        use(target)
    return told.value


def use(target: Target) -> None:
    """Write one object and delete it again."""
    target.open()
    try:
        list(target.put_many([sample("1/tasks/1.json", "{}")]))
        list(target.delete_many(["1/tasks/1.json"]))
    finally:
        target.close()


def assert_tells_only(error: SyncdError, phrase: str, phrases: dict[str, str]) -> None:
    """Each cause has a phrase of its own: a message holds its own, and none of the others'."""
    assert [one for one in phrases.values() if one in str(error)] == [phrase], error


def checked(target: Target) -> list[Finding]:
    """What `syncd check` says of a target."""
    target.open()
    try:
        return list(target.check())
    finally:
        target.close()
