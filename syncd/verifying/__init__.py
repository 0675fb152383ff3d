"""`syncd verify`: source against target. What is to be there and what is there meet in a temporary SQLite file; SQL compares.

    list the target ─▶ read the source, render the mirrors ─▶ compare ─▶ look where a listing cannot tell ─▶ repair

Memory does not grow with the number of objects: whatever is per object lies in that file (in $TMPDIR).
"""

from dataclasses import dataclass
from typing import Literal

Mark = Literal["+", "-", "*", "!"]
"""Missing in the target, only in the target, different, not to be told."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """An object that is to be there. `md5` only when it was asked for; `task` when one task alone is shown in it."""

    key: str
    size: int
    digest: bytes
    md5: str | None = None
    task: int | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """One object that is not as it is to be; `reason` is a phrase."""

    mark: Mark
    key: str
    reason: str
    task: int | None = None
