"""Named points at which a test can kill the process, so that every crash is tried for real.

`SYNCD_FAULT=NAME[:N]` in the environment sends SIGKILL to ourselves when point NAME is reached for the N-th time (default 1).
"""

import os
import signal

POINTS = (
    "signals recorded",
    "before in-flight mark",
    "after in-flight mark",
    "after puts",
    "after deletes",
    "after settling",
    "journal stored",
    "state stored",
)

MIRROR_POINTS = (
    "registry grown",
    "mirror files in flight",
    "mirror files put",
    "mirror files deleted",
    "mirror rebuilt",
    "shared file in flight",
    "shared file put",
    "mirror published",
)
"""The points on the way of a mirror: reached only where mirrors are configured."""

_NAME, _, _count = os.environ.get("SYNCD_FAULT", "").partition(":")
_left = {_NAME: int(_count or 1)}


def fault_point(name: str) -> None:
    """Nothing at all, unless a test asked for the kill here."""
    if name == _NAME:
        _left[name] -= 1
        if _left[name] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
