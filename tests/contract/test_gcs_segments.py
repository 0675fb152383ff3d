"""What only Google Cloud Storage has: shared files composed of at most 32 segments a request, which are kept beside them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from syncd.targets import Deleted, Piece, Target, Written
from tests.contract.stores import gcs
from tests.contract.test_targets import SHARED, body_of, joined, piece, put, unchanged
from tests.servers import Servers

SEGMENTS = "_syncd/segments/"


@pytest.fixture
def target(servers: Servers, tmp_path: Path) -> Iterator[Target]:
    opened = gcs.target(servers, tmp_path, "labels")
    opened.open()
    yield opened
    opened.close()


def splice(target: Target, pieces: list[Piece]) -> None:
    assert isinstance(target.splice(SHARED, pieces, content_type="text/csv"), Written)


def segments(target: Target) -> set[str]:
    return {item.key for item in target.list(SEGMENTS)}


def test_more_pieces_than_one_request_takes_are_composed_in_levels(target: Target) -> None:
    pieces = [piece(str(number), 10 + number % 7, chr(97 + number % 26)) for number in range(70)]
    splice(target, pieces)
    assert body_of(target, SHARED) == joined(pieces)

    pieces[41] = piece("41", 99, "X")
    splice(target, [one if number == 41 else unchanged(one) for number, one in enumerate(pieces)])

    assert body_of(target, SHARED) == joined(pieces)


def test_segments_that_are_not_used_any_more_are_cleared_away(target: Target) -> None:
    pieces = [piece(str(number), 10, "a") for number in range(40)]
    splice(target, pieces)
    before = segments(target)

    splice(target, [piece("0", 11, "b"), *map(unchanged, pieces[1:3])])

    after = segments(target)
    assert len(after) == 3
    assert len(after - before) == 1


def test_a_splice_that_changes_nothing_sends_nothing_and_keeps_its_segments(target: Target) -> None:
    pieces = [piece(str(number), 10, "a") for number in range(40)]
    splice(target, pieces)
    before = segments(target)
    splice(target, [unchanged(one) for one in pieces])
    assert segments(target) == before


def test_a_file_that_has_become_small_and_is_put_whole_leaves_no_segments(target: Target) -> None:
    splice(target, [piece("0", 10, "a"), piece("1", 10, "b")])
    put(target, SHARED, b"small")
    assert segments(target) == set()
    assert body_of(target, SHARED) == b"small"


def test_segments_of_other_files_are_left_alone(target: Target) -> None:
    pieces = [piece("0", 10, "a"), piece("1", 10, "b")]
    splice(target, pieces)
    assert isinstance(target.splice("1/csv/result.csv", pieces, content_type="text/csv"), Written)

    assert list(target.delete_many([SHARED])) == [Deleted(SHARED)]

    assert body_of(target, "1/csv/result.csv") == joined(pieces)
    assert len(segments(target)) == 2
