"""How much memory a command takes at most."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ALLOWED_KB = 8_000
"""What the interpreter's own heap may differ by between two runs."""

LAUNCHER = """import os, subprocess, sys
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, used = os.wait4(child.pid, 0)
print(used.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))"""
"""Linux hands a parent's peak down to its children, so the parent has to be small."""


def peak_kb_of(command: Sequence[str | Path], folder: Path | None = None) -> int:
    """The peak of a command, which has to succeed, in KiB."""
    launched = [sys.executable, "-c", LAUNCHER, *command]
    return int(subprocess.run(launched, cwd=folder, capture_output=True, text=True, check=True).stdout)
