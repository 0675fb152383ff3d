"""Errors are named by what happens next, so that a caller never has to guess.

SyncdError
 ├─ Unavailable     try again later; the thing is out of reach, nobody's data is at fault
 ├─ TaskRejected    set this one task aside (quarantine) and go on with the others
 └─ Misconfigured   stop and say so; trying again changes nothing

Messages are one paragraph: what, which, why, and the way out. Plug-ins map foreign exceptions to these at their edge.
"""


class SyncdError(Exception):
    """The root: everything syncd raises on purpose."""


class Unavailable(SyncdError):
    """A source or target cannot be reached or refuses everybody: the lane pauses with back-off. Exit code 3."""


class TaskRejected(SyncdError):
    """One task cannot be read, rendered or written. It is quarantined and costs nobody else anything."""

    def __init__(self, message: str, *, task: int, region: str | None = None, token: bytes = b"") -> None:
        super().__init__(message)
        self.task = task
        self.region = region
        self.token = token
        """The state of the task that was rejected, when a source knows it."""


class Misconfigured(SyncdError):
    """The configuration, a marker or the operator's wish cannot be followed. Exit code 2."""
