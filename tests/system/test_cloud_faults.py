"""Azure and Google Cloud Storage behind a network that fails in every way: nothing lost, nothing doubled, nothing guessed."""

import gc
import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from syncd.errors import Unavailable
from syncd.targets import Deleted, Object, Piece, Refused, Target, Written
from syncd.targets._rate import Limiter
from syncd.targets._retry import Backoff, Transient
from syncd.targets._wrap import Wrapped
from tests.fault_proxy import Fault, FaultProxy, fault_proxy
from tests.http_wire import Message
from tests.servers import Servers
from tests.servers.azurite import ACCOUNT, KEY, azurite
from tests.servers.fake_gcs import fake_gcs
from tests.system.trouble import made

Place = tuple[Target, FaultProxy]

pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
"""Both SDKs drop the answer to a failed download unread, and its connection with it; the fixture collects them in time."""


@contextmanager
def azure_through_faults(servers: Servers) -> Iterator[Place]:
    server = servers.of(azurite)
    with server.container("faults") as client:
        if not client.exists():
            client.create_container()
    with fault_proxy(server.port) as proxy:
        url = f"{proxy.url}/{ACCOUNT}"
        yield made("azure", container="faults", prefix="labels", account_url=url, account_key=KEY), proxy


@contextmanager
def gcs_through_faults(servers: Servers) -> Iterator[Place]:
    server = servers.of(fake_gcs)
    bucket = server.bucket("faults")
    if not bucket.exists():
        bucket.create()
    bucket.client.close()
    with fault_proxy(server.checked_port) as proxy:
        yield made("gcs", bucket="faults", prefix="labels", endpoint_url=proxy.url), proxy


@pytest.fixture(params=[azure_through_faults, gcs_through_faults], ids=["azure", "gcs"])
def place(request: pytest.FixtureRequest, servers: Servers) -> Iterator[Place]:
    with request.param(servers) as (target, proxy):
        target.open()
        yield target, proxy
        proxy.forget()
        proxy.fail_at_random(0, seed=0)
        list(target.delete_many([item.key for item in target.list()]))
        target.close()
        gc.collect()


def document(task: int, body: bytes, **conditions: object) -> Object:
    digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
    return Object(f"1/tasks/{task}.json", body, digest, **conditions)  # type: ignore[arg-type]


def is_a_write(request: Message) -> bool:
    return request.method in {"PUT", "POST"}


def test_every_object_arrives_once_when_a_fifth_of_the_requests_fail(place: Place) -> None:
    target, proxy = place
    patient = Wrapped(target, Limiter(), backoff=Backoff(first_seconds=0.01, attempts=50))
    proxy.slow_seconds = 0.02
    proxy.fail_at_random(0.2, seed=7)
    bodies = {f"1/tasks/{task}.json": f'{{"id":{task}}}'.encode() for task in range(300)}

    written = list(patient.put_many([document(task, f'{{"id":{task}}}'.encode()) for task in range(300)]))
    gone = {f"1/tasks/{task}.json" for task in range(0, 300, 3)}
    deleted = list(patient.delete_many(sorted(gone)))

    assert sorted(outcome.key for outcome in written if isinstance(outcome, Written)) == sorted(bodies)
    assert sorted(outcome.key for outcome in deleted if isinstance(outcome, Deleted)) == sorted(gone)
    assert set(proxy.faults) == set(Fault)
    proxy.fail_at_random(0, seed=0)
    left = {item.key: target.get(item.key) for item in target.list("1/")}
    assert {key: found and found.body for key, found in left.items()} == {
        key: body for key, body in bodies.items() if key not in gone
    }


def test_our_own_write_whose_answer_was_lost_can_be_recognised(place: Place) -> None:
    target, proxy = place
    one = document(1, b"{}", if_absent=True)
    proxy.fail(Fault.ANSWER_LOST, when=is_a_write)

    (outcome,) = Wrapped(target, Limiter()).put_many([one])

    assert outcome == Refused(one.key)
    found = target.head(one.key)
    assert found is not None
    assert found.digest == one.digest


def test_a_splice_whose_answer_was_lost_is_refused_and_whole(place: Place) -> None:
    target, proxy = place
    pieces = [Piece(f"{number}", 3, str(number), f"{number}{number}\n".encode()) for number in range(3)]

    def joins_the_pieces(request: Message) -> bool:
        return request.query.get("comp") == "blocklist" or request.path.endswith("/compose")

    proxy.fail(Fault.ANSWER_LOST, when=lambda request: is_a_write(request) and joins_the_pieces(request))

    assert target.splice("1/csv/result.csv", pieces, content_type="text/csv") == Refused("1/csv/result.csv")

    found = target.get("1/csv/result.csv")
    assert found is not None
    assert found.body == b"00\n11\n22\n"


def test_a_dead_store_says_so_and_works_again_when_it_is_back(place: Place) -> None:
    target, proxy = place
    proxy.down()
    with pytest.raises(Unavailable, match="syncd tries again by itself") as told:
        list(target.put_many([document(task, b"{}") for task in range(50)]))
    assert isinstance(told.value, Transient)
    proxy.up()
    assert all(
        isinstance(outcome, Written) for outcome in target.put_many([document(task, b"{}") for task in range(50)])
    )


@pytest.mark.parametrize(
    "read", [lambda t: t.get("1/tasks/1.json"), lambda t: t.head("1/tasks/1.json")], ids=["get", "head"]
)
def test_an_unclear_answer_is_never_taken_for_an_absent_object(place: Place, read: Callable[[Target], object]) -> None:
    target, proxy = place
    list(target.put_many([document(1, b"{}")]))
    for fault in (Fault.UNAVAILABLE, Fault.RESET):
        proxy.fail(fault, times=100)
        with pytest.raises(Unavailable):
            read(target)
        proxy.forget()
    assert read(target) is not None


def test_a_body_that_breaks_off_is_never_taken_for_whole(place: Place) -> None:
    target, proxy = place
    body = b"x" * 100_000
    list(target.put_many([document(1, body)]))
    proxy.fail(Fault.TRUNCATED, when=lambda request: request.method == "GET")
    try:
        found = target.get("1/tasks/1.json")
    except Unavailable:
        found = target.get("1/tasks/1.json")
    assert found is not None
    assert found.body == body
    assert proxy.faults[Fault.TRUNCATED] == 1
