"""Memory while converting does not depend on how many tasks there are."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system.converting import BOXES, SYNCD, box, task

ALLOWED_KB = 8_000
"""What the interpreter's own heap may differ by between two runs."""


LAUNCHER = """import os, subprocess, sys
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, used = os.wait4(child.pid, 0)
print(used.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))"""
"""Linux hands a parent's peak down to its children, so the parent has to be small."""


def peak_kb(given: Path, name: str, to: Path) -> int:
    config = given.parent / "config.xml"
    config.write_text(BOXES)
    command = [SYNCD, "convert", given, "-f", name, "--path", to, "--label-config", config]
    done = subprocess.run([sys.executable, "-c", LAUNCHER, *command], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.parametrize("order", ["ordered", "shuffled"])
@pytest.mark.parametrize("name", ["COCO", "CSV", "JSON"])
def test_memory_does_not_grow_with_the_number_of_tasks(name: str, order: str, tmp_path: Path) -> None:
    peaks = []
    for count in (3_000, 15_000):
        numbers = (
            range(1, count + 1) if order == "ordered" else sorted(range(1, count + 1), key=lambda n: n * 7919 % count)
        )
        given = tmp_path / f"{count}.json"
        given.write_text(json.dumps([task(n, box(), box("Dog")) for n in numbers]))
        peaks.append(peak_kb(given, name, tmp_path / "out"))

    assert peaks[1] - peaks[0] < ALLOWED_KB
