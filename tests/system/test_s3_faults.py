"""An S3 store that fails one request in five in every way still ends up with exactly what was written to it."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from syncd.targets import Deleted, Object, Refused, Written, make, settings_of
from syncd.targets._rate import Limiter
from syncd.targets._retry import Backoff, Transient
from syncd.targets._wrap import Wrapped
from tests.fault_proxy import Fault, FaultProxy, fault_proxy
from tests.servers import Servers
from tests.servers.seaweedfs import BUCKET, seaweedfs


@pytest.fixture
def proxy(servers: Servers) -> Iterator[FaultProxy]:
    with fault_proxy(int(servers.of(seaweedfs).endpoint.rpartition(":")[2])) as before:
        before.slow_seconds = 0.02
        yield before


@pytest.fixture
def target(proxy: FaultProxy, tmp_path: Path) -> Iterator[Wrapped]:
    settings = settings_of("s3")(
        bucket=BUCKET,
        prefix=tmp_path.name,
        endpoint_url=proxy.url,
        access_key_id="writer",
        secret_access_key="writer-secret",
    )
    wrapped = Wrapped(
        make("s3", settings), Limiter(), backoff=Backoff(first_seconds=0.02, longest_seconds=0.2, attempts=8)
    )
    wrapped.open()
    yield wrapped
    wrapped.close()


def document(number: int, text: str, **condition: bool) -> Object:
    body = f'{{"id":{number},"text":"{text}"}}'.encode()
    return Object(f"1/tasks/{number}.json", body, f"sha256:{hashlib.sha256(body).hexdigest()}", **condition)


def test_nothing_is_lost_and_nothing_doubled(proxy: FaultProxy, target: Wrapped) -> None:
    proxy.fail_at_random(0.2, seed=7)
    first = [document(number, "first") for number in range(300)]
    edited = [document(number, "second, and longer") for number in range(0, 300, 3)]
    gone = [f"1/tasks/{number}.json" for number in range(0, 300, 5)]

    outcomes = [*target.put_many(first), *target.put_many(edited)]
    deleted = list(target.delete_many(gone))
    proxy.fail_at_random(0, seed=7)

    assert [type(outcome) for outcome in outcomes] == [Written] * 400
    assert {outcome.key for outcome in deleted if isinstance(outcome, Deleted)} == set(gone)
    wanted = {one.key: one for one in (*first, *edited) if one.key not in gone}
    listed = {item.key: item for item in target.list("1/")}
    assert listed.keys() == wanted.keys()
    assert {key: item.md5 for key, item in listed.items()} == {
        key: hashlib.md5(one.body).hexdigest() for key, one in wanted.items()
    }
    assert set(proxy.faults) == set(Fault)
    assert target.traffic.retries > 0


def test_a_lost_answer_to_a_conditional_write_is_refused_and_a_look_tells_why(
    proxy: FaultProxy, target: Wrapped
) -> None:
    proxy.fail(Fault.ANSWER_LOST, when=lambda request: request.method == "PUT")
    one = document(1, "first", if_absent=True)
    assert list(target.put_many([one])) == [Refused(one.key)]
    there = target.head(one.key)
    assert there is not None
    assert there.digest == one.digest


def test_a_store_that_comes_back_is_used_again(proxy: FaultProxy, target: Wrapped) -> None:
    proxy.down()
    with pytest.raises(Transient, match="does not answer as it should"):
        list(target.put_many([document(1, "first")]))
    proxy.up()
    assert isinstance(next(iter(target.put_many([document(1, "first")]))), Written)
