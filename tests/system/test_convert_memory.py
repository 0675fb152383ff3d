"""Memory while converting does not depend on how many tasks there are."""

import json
from pathlib import Path

import pytest

from tests.peaks import ALLOWED_KB, peak_kb_of
from tests.system.converting import BOXES, SYNCD, box, task

TEXTS = (
    '<View><Text name="text" value="$text"/><Choices name="about" toName="text"><Choice value="a"/></Choices></View>'
)


def peak_kb(given: Path, name: str, to: Path, label_config: str = BOXES) -> int:
    config = given.parent / "config.xml"
    config.write_text(label_config)
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


def test_one_file_of_many_spacy_documents_takes_no_more_memory_than_one_of_few(tmp_path: Path) -> None:
    peaks = []
    for count in (500, 8_000):
        given = tmp_path / f"{count}.json"
        text = "Ann met Bob at number {}, and " + "paid for both of them in Berlin. " * 12
        given.write_text(json.dumps([task(n, text=text.format(n)) for n in range(1, count + 1)]))
        peaks.append(peak_kb(given, "SPACY", tmp_path / "out", TEXTS))

    assert peaks[1] - peaks[0] < 2 * ALLOWED_KB
