"""`docs/formats.md` tells of every format, every option and every difference that the tests speak of."""

import re
from pathlib import Path

import pytest

from syncd import formats

PAGE = (Path(__file__).parents[2] / "docs" / "formats.md").read_text("utf-8")
DIFFERENCES = set(re.findall(r"^\| `([a-z0-9-]+)` \| ", PAGE.partition("## Every difference")[2], re.MULTILINE))


@pytest.mark.parametrize("name", sorted(formats.available()))
def test_each_format_has_its_section_with_every_option(name: str) -> None:
    section = re.search(rf"^### {name}\n(.*?)(?=^##)", PAGE, re.MULTILINE | re.DOTALL)

    assert section is not None
    missing = [option for option in formats.find(name).Options.model_fields if f"`{option}`" not in section[1]]
    assert missing == []


def test_no_section_is_of_a_format_that_is_gone() -> None:
    sections = re.findall(r"^### ([A-Z0-9_]+)$", PAGE.partition("## Media")[0], re.MULTILINE)

    assert set(sections) == set(formats.available())


def test_every_difference_has_a_reason() -> None:
    rows = [line for line in PAGE.splitlines() if re.match(r"\| `[a-z0-9-]+` \| ", line) and line.count("|") == 5]

    assert len(rows) > 40
    assert [row for row in rows if not row.split("|")[4].strip()] == []
