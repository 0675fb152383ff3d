"""The target contract, one suite over every store: what a reader and a second writer of a bucket may rely on.

A case that needs what a store may lack (conditions, splicing, metadata) follows its declared capabilities: where it is
declared the promise is checked, where it is not the case has nothing to say.
"""

import hashlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from syncd.targets import Deleted, Failed, Object, Outcome, Piece, Refused, Target, Written, available
from tests.contract import stores
from tests.servers import Servers

Open = Callable[[str], Target]
MIB = 1024 * 1024


@pytest.fixture(params=stores.names())
def open_target(request: pytest.FixtureRequest, servers: Servers, tmp_path: Path) -> Iterator[Open]:
    """Opens targets on prefixes of one place; closes them after the test."""
    opened: list[Target] = []

    def open_at(prefix: str) -> Target:
        target = stores.target(request.param, servers, tmp_path, prefix)
        target.open()
        opened.append(target)
        return target

    yield open_at
    for target in opened:
        target.close()


@pytest.fixture
def target(open_target: Open) -> Target:
    return open_target("labels")


def document(key: str, body: bytes, **conditions: object) -> Object:
    digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
    return Object(key, body, digest, source_version="2026-01-02T03:04:05Z", **conditions)  # type: ignore[arg-type]


def put(target: Target, key: str, body: bytes, **conditions: object) -> Outcome:
    (outcome,) = target.put_many([document(key, body, **conditions)])
    return outcome


def written(target: Target, key: str, body: bytes) -> str:
    """Store it and give the etag."""
    outcome = put(target, key, body)
    assert isinstance(outcome, Written), outcome
    return outcome.etag or ""


def body_of(target: Target, key: str) -> bytes | None:
    found = target.get(key)
    return found and found.body


def keys_of(target: Target, prefix: str = "") -> set[str]:
    """Keys below a prefix; what syncd keeps for itself is left out."""
    return {item.key for item in target.list(prefix) if not item.key.startswith("_syncd/")}


def needs(target: Target, capability: str) -> None:
    if not getattr(target.capabilities, capability):
        pytest.skip(f"{target.type} declares no {capability}")


def test_every_target_has_a_store_in_this_suite() -> None:
    assert set(stores.names()) == set(available())


# --- whole objects ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 2_000, 300_000, 6 * MIB], ids=lambda size: f"{size}B")
def test_an_object_reads_back_as_it_was_written(target: Target, size: int) -> None:
    body = bytes(i * 7 % 251 for i in range(min(size, 251))) * (size // 251 + 1)
    body = body[:size]
    etag = written(target, "1/tasks/1.json", body)

    found = target.get("1/tasks/1.json")

    assert found is not None
    assert (found.key, found.size, found.body) == ("1/tasks/1.json", size, body)
    assert found.etag == (etag or None)


def test_a_document_of_50_megabytes_reads_back(target: Target) -> None:
    body = hashlib.sha256(b"seed").digest() * (50 * MIB // 32)
    written(target, "1/tasks/1.json", body)
    assert body_of(target, "1/tasks/1.json") == body


def test_facts_are_told_without_the_body(target: Target) -> None:
    body = b'{"id":1}'
    etag = written(target, "1/tasks/1.json", body)

    facts = target.head("1/tasks/1.json")

    assert facts is not None
    assert facts.body is None
    assert (facts.size, facts.etag) == (8, etag or None)
    assert facts.digest == f"sha256:{hashlib.sha256(body).hexdigest()}"


def test_metadata_comes_back(target: Target) -> None:
    needs(target, "metadata")
    written(target, "1/tasks/1.json", b"{}")
    facts = target.head("1/tasks/1.json")
    assert facts is not None
    assert facts.metadata["source-version"] == "2026-01-02T03:04:05Z"


def test_what_is_not_there_is_none(target: Target) -> None:
    written(target, "1/tasks/12.json", b"{}")
    for absent in ("1/tasks/1.json", "1/tasks", "1/tasks/", "1", "2/tasks/1.json", "1/tasks/12.json/x"):
        assert target.get(absent) is None, absent
        assert target.head(absent) is None, absent


def test_a_rewrite_replaces_the_body_and_changes_the_etag(target: Target) -> None:
    etags = {written(target, "1/tasks/1.json", body) for body in (b"one", b"two", b"six")}
    assert body_of(target, "1/tasks/1.json") == b"six"
    assert len(etags) == 3 or etags == {""}


def test_a_reader_never_sees_a_torn_object(target: Target) -> None:
    versions = {bytes([letter]) * 300_000 for letter in b"ab"}
    written(target, "1/tasks/1.json", b"a" * 300_000)
    done = threading.Event()

    def rewrite() -> None:
        for _ in range(10):
            for body in versions:
                written(target, "1/tasks/1.json", body)
        done.set()

    with ThreadPoolExecutor(1) as writer:
        rewriting = writer.submit(rewrite)
        while not done.is_set() and not rewriting.done():
            assert body_of(target, "1/tasks/1.json") in versions
        rewriting.result()


# --- many -------------------------------------------------------------------------------------------------------------


def test_a_batch_has_one_outcome_for_each_object(target: Target) -> None:
    bodies = {f"{project}/tasks/{task}.json": f"{project}-{task}".encode() for project in (1, 2) for task in range(100)}

    outcomes = list(target.put_many([document(key, body) for key, body in bodies.items()]))

    assert sorted(outcome.key for outcome in outcomes) == sorted(bodies)
    assert all(isinstance(outcome, Written) for outcome in outcomes)
    listed = {item.key: item for item in target.list() if not item.key.startswith("_syncd/")}
    assert {key: item.size for key, item in listed.items()} == {key: len(body) for key, body in bodies.items()}
    for outcome in outcomes:
        assert isinstance(outcome, Written)
        assert listed[outcome.key].etag in (outcome.etag, None)
        assert listed[outcome.key].md5 in (hashlib.md5(bodies[outcome.key]).hexdigest(), None)


def test_an_empty_batch_is_nothing(target: Target) -> None:
    assert list(target.put_many([])) == []
    assert list(target.delete_many([])) == []


def test_more_objects_than_a_page_are_listed_and_deleted(target: Target) -> None:
    keys = {f"1/tasks/{task}.json" for task in range(1_200)}
    assert all(
        isinstance(outcome, Written) for outcome in target.put_many([document(key, b"{}") for key in sorted(keys)])
    )
    assert keys_of(target) == keys

    outcomes = list(target.delete_many(sorted(keys)))

    assert {outcome.key for outcome in outcomes} == keys
    assert all(isinstance(outcome, Deleted) for outcome in outcomes)
    assert keys_of(target) == set()


def test_deleting_what_is_absent_is_fine(target: Target) -> None:
    written(target, "1/tasks/1.json", b"{}")
    outcomes = list(target.delete_many(["1/tasks/1.json", "1/tasks/2.json", "9/tasks/1.json"]))
    assert {outcome.key for outcome in outcomes if isinstance(outcome, Deleted)} == {
        "1/tasks/1.json",
        "1/tasks/2.json",
        "9/tasks/1.json",
    }
    assert target.get("1/tasks/1.json") is None


def test_one_impossible_key_costs_the_others_nothing(target: Target) -> None:
    outcomes = list(target.put_many([document("1/../../escape.json", b"x"), document("1/tasks/1.json", b"{}")]))

    by_key = {outcome.key: outcome for outcome in outcomes}
    assert isinstance(by_key["1/tasks/1.json"], Written)
    refusal = by_key["1/../../escape.json"]
    assert isinstance(refusal, Failed)
    assert "escape.json" in refusal.reason


IMPOSSIBLE = [
    "../up.json",
    "/etc/passwd",
    "1/../../up.json",
    "1//empty.json",
    "1/./here.json",
    "..",
    ".",
    "",
    "1/",
    "1/\0",
]


def test_no_key_leaves_the_prefix(open_target: Open) -> None:
    outer, target = open_target("outer"), open_target("outer/inner")
    for key in IMPOSSIBLE:
        (outcome,) = target.put_many([document(key, b"x")])
        assert isinstance(outcome, Failed), key
        assert target.get(key) is None, key
        (outcome,) = target.delete_many([key])
        assert isinstance(outcome, Failed | Deleted), key
    assert not {item.key for item in outer.list() if "_syncd/" not in item.key}


ODD = [
    "a b",
    "a+b",
    "100%",
    "%2F",
    "what?",
    "#1",
    "ä€語🎉",
    "a&b=c",
    "'\"`$",
    "~tilde",
    "-dash",
    "a;b,c",
    "[x]{y}",
    "*",
]


def test_names_of_odd_characters_are_kept(target: Target) -> None:
    keys = {f"1/yolo {name}/labels/{name}.txt": name.encode() for name in ODD}
    for key, body in keys.items():
        written(target, key, body)
    for key, body in keys.items():
        assert body_of(target, key) == body
        assert [item.key for item in target.list(key[:-3])] == [key]
    assert keys_of(target) == set(keys)
    assert set(target.delete_many([*keys])) == {Deleted(key) for key in keys}
    assert keys_of(target) == set()


def test_prefixes_of_odd_characters_work(open_target: Open) -> None:
    target = open_target("a b+ü%2F/c'd")
    written(target, "1/tasks/1.json", b"{}")
    assert keys_of(target) == {"1/tasks/1.json"}


def test_a_listing_keeps_to_its_prefix(target: Target) -> None:
    everything = {"1/tasks/1.json", "1/tasks/12.json", "1/tasks2/1.json", "1/project.json", "11/tasks/1.json"}
    for key in everything:
        written(target, key, b"{}")
    assert keys_of(target) == everything
    assert keys_of(target, "1/") == everything - {"11/tasks/1.json"}
    assert keys_of(target, "1/tasks/") == {"1/tasks/1.json", "1/tasks/12.json"}
    assert keys_of(target, "1/tasks/1") == {"1/tasks/1.json", "1/tasks/12.json"}
    assert keys_of(target, "1/tasks") == {"1/tasks/1.json", "1/tasks/12.json", "1/tasks2/1.json"}
    assert keys_of(target, "3/") == set()


def test_a_neighbours_objects_are_neither_seen_nor_touched(open_target: Open) -> None:
    ours, theirs = open_target("labels"), open_target("labels2")
    written(ours, "1/tasks/1.json", b"ours")
    written(theirs, "1/tasks/1.json", b"theirs")

    assert keys_of(ours) == {"1/tasks/1.json"}
    list(ours.delete_many(["1/tasks/1.json"]))

    assert body_of(theirs, "1/tasks/1.json") == b"theirs"


def test_objects_outlive_the_client(open_target: Open) -> None:
    etag = written(open_target("labels"), "1/tasks/1.json", b"{}")
    found = open_target("labels").get("1/tasks/1.json")
    assert found is not None
    assert (found.body, found.etag) == (b"{}", etag or None)


@pytest.mark.parametrize("name", stores.names())
def test_a_target_that_was_never_opened_may_be_closed(name: str, servers: Servers, tmp_path: Path) -> None:
    stores.target(name, servers, tmp_path, "labels").close()


def test_calls_may_come_from_several_threads(target: Target) -> None:
    def write(worker: int) -> list[Outcome]:
        return list(target.put_many([document(f"{worker}/tasks/{task}.json", b"{}") for task in range(20)]))

    with ThreadPoolExecutor(8) as workers:
        outcomes = [outcome for done in workers.map(write, range(8)) for outcome in done]

    assert all(isinstance(outcome, Written) for outcome in outcomes)
    assert len(keys_of(target)) == 160


# --- conditions -------------------------------------------------------------------------------------------------------


def test_create_only_if_absent(target: Target) -> None:
    needs(target, "create_if_absent")
    assert isinstance(put(target, "_syncd/journal/1.jsonl", b"first", if_absent=True), Written)
    assert put(target, "_syncd/journal/1.jsonl", b"second", if_absent=True) == Refused("_syncd/journal/1.jsonl")
    assert body_of(target, "_syncd/journal/1.jsonl") == b"first"


def test_of_many_creators_one_wins(open_target: Open) -> None:
    clients = [open_target("labels"), open_target("labels")]
    needs(clients[0], "create_if_absent")

    def create(number: int) -> Outcome:
        return put(clients[number % 2], "_syncd/writer.json", str(number).encode(), if_absent=True)

    with ThreadPoolExecutor(16) as rivals:
        outcomes = list(rivals.map(create, range(16)))

    winners = [number for number, outcome in enumerate(outcomes) if isinstance(outcome, Written)]
    assert len(winners) == 1
    assert body_of(clients[0], "_syncd/writer.json") == str(winners[0]).encode()


def test_replace_only_what_was_seen(target: Target) -> None:
    needs(target, "if_match")
    first = written(target, "_syncd/writer.json", b"first")

    second = put(target, "_syncd/writer.json", b"second", if_match=first)

    assert isinstance(second, Written)
    assert put(target, "_syncd/writer.json", b"third", if_match=first) == Refused("_syncd/writer.json")
    assert body_of(target, "_syncd/writer.json") == b"second"
    assert put(target, "_syncd/absent.json", b"x", if_match=first) == Refused("_syncd/absent.json")
    assert target.get("_syncd/absent.json") is None


def test_of_many_replacers_one_wins(open_target: Open) -> None:
    clients = [open_target("labels"), open_target("labels")]
    needs(clients[0], "if_match")
    seen = written(clients[0], "_syncd/writer.json", b"nobody")

    def replace(number: int) -> Outcome:
        return put(clients[number % 2], "_syncd/writer.json", f"holder {number:2}".encode(), if_match=seen)

    with ThreadPoolExecutor(16) as rivals:
        outcomes = list(rivals.map(replace, range(16)))

    winners = [number for number, outcome in enumerate(outcomes) if isinstance(outcome, Written)]
    assert len(winners) == 1
    assert body_of(clients[0], "_syncd/writer.json") == f"holder {winners[0]:2}".encode()


def test_a_batch_mixes_conditions(target: Target) -> None:
    needs(target, "create_if_absent")
    needs(target, "if_match")
    seen = written(target, "1/tasks/1.json", b"old")
    batch = [
        document("1/tasks/1.json", b"new", if_match=seen),
        document("1/tasks/2.json", b"new", if_match=seen),
        document("1/tasks/3.json", b"new", if_absent=True),
        document("1/tasks/4.json", b"new"),
    ]
    outcomes = {outcome.key: type(outcome) for outcome in target.put_many(batch)}
    assert outcomes == {
        "1/tasks/1.json": Written,
        "1/tasks/2.json": Refused,
        "1/tasks/3.json": Written,
        "1/tasks/4.json": Written,
    }


def test_delete_only_what_was_seen(target: Target) -> None:
    needs(target, "conditional_delete")
    first = written(target, "1/tasks/1.json", b"first")
    second = written(target, "1/tasks/1.json", b"second")

    assert target.delete_if_match("1/tasks/1.json", first) == Refused("1/tasks/1.json")
    assert body_of(target, "1/tasks/1.json") == b"second"
    assert target.delete_if_match("1/tasks/1.json", second) == Deleted("1/tasks/1.json")
    assert target.get("1/tasks/1.json") is None
    assert target.delete_if_match("1/tasks/1.json", second) == Deleted("1/tasks/1.json")


# --- splicing ---------------------------------------------------------------------------------------------------------

SHARED = "1/coco/result.json"


def piece(name: str, size: int, fill: str) -> Piece:
    body = (fill * size)[:size].encode()
    return Piece(f"{name:>08}", size, hashlib.sha256(body).hexdigest(), body)


def unchanged(one: Piece) -> Piece:
    return Piece(one.id, one.length, one.digest)


def spliced(target: Target, pieces: list[Piece]) -> None:
    outcome = target.splice(SHARED, pieces, content_type="application/json")
    assert isinstance(outcome, Written), outcome
    facts = target.head(SHARED)
    assert facts is not None
    assert facts.etag == outcome.etag


def joined(pieces: list[Piece]) -> bytes:
    return b"".join(one.body or b"" for one in pieces)


def large(fill: str = "abc") -> list[Piece]:
    """A head, three segments of a little over 5 MiB, and a tail, as a mirror cuts a file."""
    segments = [piece(f"s{number}", 5 * MIB + 100 + number, letter) for number, letter in enumerate(fill)]
    return [piece("head", 20, "h"), *segments, piece("tail", 300, "t")]


def test_a_spliced_object_is_its_pieces_in_order(target: Target) -> None:
    needs(target, "splice")
    pieces = large()
    spliced(target, pieces)
    assert body_of(target, SHARED) == joined(pieces)
    assert keys_of(target) == {SHARED}


def test_unchanged_pieces_need_not_be_sent(open_target: Open) -> None:
    target = open_target("labels")
    needs(target, "splice")
    old = large()
    spliced(target, old)
    new = [old[0], old[1], piece("s1", 5 * MIB + 77, "x"), old[3], piece("tail", 10, "u")]

    spliced(target, [unchanged(new[0]), unchanged(new[1]), new[2], unchanged(new[3]), new[4]])
    assert body_of(target, SHARED) == joined(new)

    again = open_target("labels")
    last = [new[0], new[1], new[2], piece("s2", 5 * MIB + 1, "y"), piece("tail", 11, "v")]
    spliced(again, [*map(unchanged, last[:3]), *last[3:]])
    assert body_of(target, SHARED) == joined(last)


def test_pieces_may_come_and_go(target: Target) -> None:
    needs(target, "splice")
    old = large()
    spliced(target, old)
    grown = [old[0], old[2], piece("s8", 5 * MIB, "n"), old[3], old[4]]
    spliced(target, [unchanged(old[0]), unchanged(old[2]), grown[2], unchanged(old[3]), unchanged(old[4])])
    assert body_of(target, SHARED) == joined(grown)
    shrunk = [old[0], old[3]]
    spliced(target, [unchanged(one) for one in shrunk])
    assert body_of(target, SHARED) == joined(shrunk)


def test_small_pieces_are_spliced_too(target: Target) -> None:
    needs(target, "splice")
    old = [piece(str(number), 1_000 + number, letter) for number, letter in enumerate("abcd")]
    spliced(target, old)
    new = [old[0], piece("1", 500, "x"), old[2], old[3]]
    spliced(target, [unchanged(new[0]), new[1], unchanged(new[2]), unchanged(new[3])])
    assert body_of(target, SHARED) == joined(new)


def test_a_piece_that_the_store_never_had_is_refused(target: Target) -> None:
    needs(target, "splice")
    old = large("ab")
    spliced(target, old)
    strange = piece("zz", 100, "z")
    outcome = target.splice(SHARED, [unchanged(old[0]), unchanged(strange)], content_type="application/json")
    assert outcome == Refused(SHARED)
    assert body_of(target, SHARED) == joined(old)


def test_nothing_is_kept_of_an_object_that_another_writer_replaced(open_target: Open) -> None:
    ours, theirs = open_target("labels"), open_target("labels")
    needs(ours, "splice")
    old = large("ab")
    spliced(ours, old)
    written(theirs, SHARED, b"something else")

    outcome = ours.splice(SHARED, [unchanged(one) for one in old], content_type="application/json")

    assert outcome == Refused(SHARED)
    assert body_of(ours, SHARED) == b"something else"
    spliced(ours, old)
    assert body_of(ours, SHARED) == joined(old)


def test_a_deleted_spliced_object_leaves_nothing(target: Target) -> None:
    needs(target, "splice")
    pieces = [piece("0", 2_000, "a"), piece("1", 3_000, "b")]
    spliced(target, pieces)
    assert list(target.delete_many([SHARED])) == [Deleted(SHARED)]
    assert [item.key for item in target.list()] == []


# --- what an operator sees --------------------------------------------------------------------------------------------


def test_check_tries_every_right_and_leaves_nothing(target: Target) -> None:
    findings = list(target.check())
    assert findings
    assert [finding for finding in findings if not finding.ok] == []
    assert {"write", "read", "list", "delete"} <= {finding.what for finding in findings}
    assert list(target.list("_syncd/check/")) == []


def test_the_place_is_told_without_a_secret(target: Target) -> None:
    assert "labels" in target.where
    assert "secret" not in target.where
    assert "password" not in target.where


def test_opening_leaves_nothing_behind(target: Target) -> None:
    assert [item.key for item in target.list()] == []
