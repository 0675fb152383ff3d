"""The wrapper around a target: paced, patient, counted. The targets are real folders whose answers a test spoils."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from syncd.errors import Unavailable
from syncd.targets import Deleted, Object, Outcome, Piece, Refused, Traffic, Written, paced
from syncd.targets._rate import Limiter
from syncd.targets._retry import Backoff, Throttled, Transient
from syncd.targets._wrap import Wrapped
from syncd.targets.local import Local, Settings

QUICK = Backoff(first_seconds=0.001, longest_seconds=0.002)


class Moody(Local):
    """A folder that fails as the test says before it answers, as a store does under load."""

    def __init__(self, path: Path, moods: Sequence[Exception | None]) -> None:
        super().__init__(Settings(path=str(path)))
        self._moods = iter(moods)
        self.batches: list[list[str]] = []
        self.answered = 2  # objects of a batch that have their answer when the fault comes

    def put_many(self, objects: Sequence[Object]) -> Iterator[Outcome]:
        self.batches.append([one.key for one in objects])
        mood = next(self._moods, None)
        yield from super().put_many(objects[: self.answered if mood else None])
        if mood:
            raise mood


@pytest.fixture
def wrapped(tmp_path: Path) -> Iterator[Callable[..., tuple[Wrapped, Moody]]]:
    opened: list[Wrapped] = []

    def wrap(*moods: Exception | None, **limits: float) -> tuple[Wrapped, Moody]:
        inner = Moody(tmp_path / "out", moods)
        target = Wrapped(inner, Limiter(**limits), backoff=QUICK)
        target.open()
        opened.append(target)
        return target, inner

    yield wrap
    for target in opened:
        target.close()


def some(count: int) -> list[Object]:
    return [Object(f"1/tasks/{number}.json", b"12345", "sha256:0") for number in range(count)]


def test_what_got_no_answer_is_sent_again_and_nothing_else(wrapped: Callable[..., tuple[Wrapped, Moody]]) -> None:
    target, inner = wrapped(Transient("reset"), Throttled("slow down"))
    outcomes = list(target.put_many(some(7)))
    assert sorted(outcome.key for outcome in outcomes) == [one.key for one in some(7)]
    assert all(isinstance(outcome, Written) for outcome in outcomes)
    assert [len(batch) for batch in inner.batches] == [7, 5, 3]
    traffic = target.traffic
    assert (traffic.retries, traffic.throttled, traffic.objects["put"], traffic.bytes_written) == (2, 1, 7, 35)


def test_a_store_that_stays_bad_is_given_up_on(wrapped: Callable[..., tuple[Wrapped, Moody]]) -> None:
    target, inner = wrapped(*[Transient("reset")] * 99)
    inner.answered = 0
    with pytest.raises(Transient, match="reset"):
        list(target.put_many(some(5)))
    assert len(inner.batches) == QUICK.attempts


def test_what_an_operator_must_repair_is_told_at_once(wrapped: Callable[..., tuple[Wrapped, Moody]]) -> None:
    target, inner = wrapped(Unavailable("no such bucket"))
    with pytest.raises(Unavailable, match="no such bucket"):
        list(target.put_many(some(5)))
    assert len(inner.batches) == 1


def test_refusals_are_counted_as_conflicts(wrapped: Callable[..., tuple[Wrapped, Moody]]) -> None:
    target, _ = wrapped()
    one = Object("_syncd/writer.json", b"{}", "sha256:0", if_absent=True)
    assert isinstance(next(iter(target.put_many([one]))), Written)
    assert list(target.put_many([one])) == [Refused(one.key)]
    assert list(target.delete_many([one.key])) == [Deleted(one.key)]
    assert target.traffic.conflicts == 1


def test_the_operators_ceiling_holds(wrapped: Callable[..., tuple[Wrapped, Moody]]) -> None:
    target, inner = wrapped(requests_per_second=100)
    began = time.monotonic()
    list(target.put_many(some(60)))
    assert time.monotonic() - began >= 0.55
    assert max(map(len, inner.batches)) <= 25


def test_bytes_have_a_ceiling_too(wrapped: Callable[..., tuple[Wrapped, Moody]]) -> None:
    target, _ = wrapped(bytes_per_second=1_000)
    began = time.monotonic()
    list(target.put_many(some(100)))
    assert time.monotonic() - began >= 0.45


def test_the_pace_halves_when_the_store_says_slow_down_and_recovers() -> None:
    limiter = Limiter(wait=lambda _: None)
    first = limiter.requests_per_second
    limiter.throttled()
    assert limiter.requests_per_second == first / 2
    limiter.throttled()
    assert limiter.requests_per_second == first / 2  # one burst of such answers counts once
    deadline = time.monotonic() + 5
    while limiter.requests_per_second == first / 2 and time.monotonic() < deadline:
        limiter.take(limiter.burst)
        limiter.went_well()
    assert first / 2 < limiter.requests_per_second < first


def test_a_folder_knows_no_ceiling_of_requests(tmp_path: Path) -> None:
    target = paced(Local(Settings(path=str(tmp_path / "out"))), Traffic(), requests_per_second=1)
    target.open()
    began = time.monotonic()
    list(target.put_many(some(40)))
    assert time.monotonic() - began < 10
    target.close()


def test_the_lease_never_waits_behind_documents(tmp_path: Path) -> None:
    target = paced(Local(Settings(path=str(tmp_path / "out"))), Traffic(), bytes_per_second=100)
    target.open()
    list(target.put_many([Object("1/tasks/1.json", b"x" * 100, "")]))
    began = time.monotonic()
    for text in ("one", "two", "three"):
        list(target.put_many([Object("_syncd/writer.json", text.encode() * 100, "")]))
    assert time.monotonic() - began < 1
    target.close()


def test_nothing_is_written_once_the_right_to_write_is_gone(tmp_path: Path) -> None:
    lease = iter([True])
    inner = Local(Settings(path=str(tmp_path / "out")))
    target = paced(inner, Traffic(), may_start=lambda: next(lease, False))
    target.open()
    assert isinstance(next(iter(target.put_many(some(1)))), Written)
    for attempt in (
        lambda: list(target.put_many(some(2))),
        lambda: list(target.delete_many(["1/tasks/0.json"])),
        lambda: target.delete_if_match("1/tasks/0.json", "any"),
        lambda: target.splice("1/coco/result.json", [Piece("0", 1, "", b"x")], content_type="text/plain"),
    ):
        with pytest.raises(Unavailable, match="the right to write ran out"):
            attempt()
    assert isinstance(next(iter(target.put_many([Object("_syncd/state.json", b"{}", "")]))), Written)
    assert {item.key for item in target.list()} == {"1/tasks/0.json", "_syncd/state.json"}
    target.close()


def test_bytes_of_a_splice_are_paced_and_counted(tmp_path: Path) -> None:
    traffic = Traffic()
    target = paced(Local(Settings(path=str(tmp_path / "out"))), traffic, bytes_per_second=1_000)
    target.open()
    began = time.monotonic()
    pieces = [Piece(str(number), 200, str(number), b"x" * 200) for number in range(3)]
    assert isinstance(target.splice("1/coco/result.json", pieces, content_type="text/plain"), Written)
    assert time.monotonic() - began >= 0.3
    assert traffic.bytes_written == 600
    target.close()


def test_waiting_ends_when_the_daemon_stops(tmp_path: Path) -> None:
    inner = Moody(tmp_path / "out", [Transient("reset")] * 9)
    target = Wrapped(inner, Limiter(), wait=lambda _: True)
    target.open()
    with pytest.raises(Transient):
        list(target.put_many(some(5)))
    assert len(inner.batches) == 1
    target.close()
