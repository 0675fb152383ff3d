"""A large shared file in versions, and a process that splices one after the other until it is killed.

    python -m tests.splicing SETTINGS-AS-JSON FIRST-VERSION [STALL-AT-PIECE]

Each version changes three of eight pieces. The process says `begun N` and `done N`; told to stall, it says `halfway` when the
store has been given the pieces before that one, and waits to be killed.
"""

import hashlib
import json
import signal
import sys
from collections.abc import Sequence
from typing import Any

from syncd.targets import Piece, Refused, Target, Written, make, settings_of

KEY = "1/coco/result.json"
PIECES = 8
CHANGED = 3
SMALLEST = 5 * 1024 * 1024


class Version(Sequence[Piece]):
    """The file's version `number`, its bodies made when they are asked for; only what changed has one unless `whole`."""

    def __init__(self, number: int, *, whole: bool, stall_at: int | None = None) -> None:
        self.number = number
        self._whole = whole
        self._stall_at = stall_at

    def __len__(self) -> int:
        return PIECES

    def __getitem__(self, index: Any) -> Any:
        if index >= PIECES:
            raise IndexError(index)
        if index == self._stall_at:
            say("halfway")
            signal.pause()
        changed = self._changed(index)
        seed = hashlib.sha256(f"{index} {changed}".encode())
        length = SMALLEST + 1000 * index + changed
        body = seed.digest() * (length // 32 + 1)
        is_new = self._whole or changed == self.number
        return Piece(f"{index:08}", length, seed.hexdigest(), body[:length] if is_new else None)

    def bytes(self) -> bytes:
        """The file as it has to be."""
        return b"".join(piece.body for piece in Version(self.number, whole=True))

    def _changed(self, index: int) -> int:
        """The newest version up to this one that changed a piece; 0 is the first."""
        for number in range(self.number, 0, -1):
            if (index - number * CHANGED) % PIECES < CHANGED:
                return number
        return 0


def opened(settings: dict[str, Any]) -> Target:
    target = make(settings["type"], settings_of(settings["type"])(**settings))
    target.open()
    return target


def splice(target: Target, number: int, *, stall_at: int | None = None) -> Written:
    """One version; whole where the store does not have what was there before."""
    outcome = target.splice(KEY, Version(number, whole=False, stall_at=stall_at), content_type="application/json")
    if isinstance(outcome, Refused):
        outcome = target.splice(KEY, Version(number, whole=True, stall_at=stall_at), content_type="application/json")
    assert isinstance(outcome, Written), outcome
    return outcome


def say(what: str) -> None:
    print(what, flush=True)


def main(settings: str, first: str, stall_at: str | None = None) -> None:
    target = opened(json.loads(settings))
    for number in range(int(first), int(first) + 1000):
        say(f"begun {number}")
        splice(target, number, stall_at=None if stall_at is None else int(stall_at))
        say(f"done {number}")


if __name__ == "__main__":
    main(*sys.argv[1:])
