"""Memory while converting does not depend on how many tasks there are."""

import json
from pathlib import Path

import pytest

from tests.peaks import ALLOWED_KB, peak_kb_of
from tests.system.converting import BOXES, SYNCD, box, task


def peak_kb(given: Path, name: str, to: Path) -> int:
    config = given.parent / "config.xml"
    config.write_text(BOXES)
    command = [SYNCD, "convert", given, "-f", name, "--path", to, "--label-config", config]
    return peak_kb_of(command)


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
