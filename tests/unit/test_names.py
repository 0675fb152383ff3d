"""Names of files: readable, the same everywhere, and never outside their folder, whatever the address says."""

import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from syncd.formats._names import LONGEST_STEM, file_name, item_name, safe, suffix

ADDRESSES = st.text() | st.text(alphabet="./\\%2fF:?#&=ax\u0301\ud800 ", max_size=40)


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("/data/upload/3/ab-c.jpg", "ab-c__t7"),
        ("https://example.com/p/caf%C3%A9.png?X-Amz-Signature=1", "caf\u00e9__t7"),
        ("https://example.com/p/100%2525.png", "100%25__t7"),
        ("s3://bucket/k/im.v1.jpg", "im.v1__t7"),
        ("s3://bucket/k/a#1.jpg", "a#1__t7"),
        ("/data/local-files/?d=cars%2Fred%20car.jpg", "red car__t7"),
        ("/storage-data/uploaded/?filepath=upload/3/ab.jpg", "ab__t7"),
        ("C:\\images\\a.png", "C__images_a__t7"),
        ("../../etc/passwd", "passwd__t7"),
        ("data:image/png;base64,AAAA", "task__t7"),
        ("https://example.com/", "task__t7"),
        (None, "task__t7"),
        (["a", "b"], "task__t7"),
    ],
)
def test_a_name_is_the_readable_end_of_the_address_and_the_task(address: object, name: str) -> None:
    assert item_name(address, 7) == name


def test_pages_have_names_of_their_own() -> None:
    assert item_name("a.png", 7, 0) == "a__t7_p0"


def test_composed_and_decomposed_letters_are_one_name() -> None:
    assert item_name("cafe\u0301.jpg", 7) == item_name("caf\u00e9.jpg", 7)


def test_a_name_of_300_bytes_is_cut_between_two_characters() -> None:
    name = item_name("\u00e9" * 150 + ".jpg", 7)
    assert name == "\u00e9" * 60 + "__t7"


@given(ADDRESSES, st.integers(1))
@example("..%2f..%2fetc", 1)
@example("a" * 119 + "\u00e9.jpg", 1)
def test_no_address_leads_out_of_the_folder_or_to_a_name_no_disk_takes(address: str, task: int) -> None:
    name = item_name(address, task) + suffix(address)
    assert not set(name) & set('/\\<>:"|?*\0')
    assert name not in {"", ".", ".."}
    assert name.endswith(f"__t{task}{suffix(address)}")
    assert len(name.encode()) <= LONGEST_STEM + len(f"__t{task}") + 11
    assert unicodedata.is_normalized("NFC", name)


@given(ADDRESSES, st.integers(1))
@example("./C:/windows", 1)
def test_a_file_name_stays_below_the_images_folder(address: str, task: int) -> None:
    path = file_name(address, task)
    assert path.encode()
    assert "\\" not in path
    assert not {"", ".", ".."} & set(path.split("/"))
    assert not re.match("[A-Za-z]:", path), "Windows takes it for a drive"


@given(ADDRESSES)
def test_a_safe_name_is_one_component_and_safe_again(name: str) -> None:
    once = safe(name)
    assert "/" not in once
    assert safe(once) == once
    assert len(once.encode()) <= LONGEST_STEM + 11
