"""The fault proxy fails as it says, and passes everything else on unchanged."""

import http.client
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.fault_proxy import EVERY_FAULT, Fault, FaultProxy, fault_proxy
from tests.http_wire import Message


class Shelf(ThreadingHTTPServer):
    """A store of bodies by path, counting what was done."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), ShelfRequest)
        self.kept: dict[str, bytes] = {}


class ShelfRequest(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Shelf

    def do_PUT(self) -> None:
        self.server.kept[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
        self._say(b"")

    def do_GET(self) -> None:
        self._say(self.server.kept.get(self.path, b""))

    def do_HEAD(self) -> None:
        self._say(self.server.kept.get(self.path, b""))

    def _say(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: the test's output is the test's."""


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    with Shelf() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def proxy(shelf: Shelf) -> Iterator[FaultProxy]:
    with fault_proxy(shelf.server_address[1]) as running:
        yield running


def send(proxy: FaultProxy, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=10)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_what_meets_no_fault_passes_unchanged(proxy: FaultProxy, shelf: Shelf) -> None:
    body = bytes(range(256)) * 1000
    assert send(proxy, "PUT", "/a%20b?c=d", body) == (200, b"")
    assert shelf.kept == {"/a%20b?c=d": body}
    assert send(proxy, "GET", "/a%20b?c=d") == (200, body)
    assert send(proxy, "HEAD", "/a%20b?c=d") == (200, b"")
    assert proxy.requests == 3
    assert [one.method for one in proxy.seen] == ["PUT", "GET", "HEAD"]


def test_a_connection_serves_many_requests(proxy: FaultProxy) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=10)
    for number in range(5):
        connection.request("PUT", f"/{number}", b"x")
        assert connection.getresponse().read() == b""
    connection.close()
    assert proxy.requests == 5


@pytest.mark.parametrize(("fault", "status"), [(Fault.UNAVAILABLE, 503), (Fault.TOO_MANY, 429)])
def test_a_burst_of_refusals_ends(proxy: FaultProxy, shelf: Shelf, fault: Fault, status: int) -> None:
    proxy.fail(fault, times=2)
    assert [send(proxy, "PUT", "/a", b"x")[0] for _ in range(3)] == [status, status, 200]
    assert proxy.faults == {fault: 2}
    assert shelf.kept == {"/a": b"x"}


def test_only_the_requests_meant_fail(proxy: FaultProxy) -> None:
    def is_a_put(request: Message) -> bool:
        return request.method == "PUT"

    proxy.fail(Fault.UNAVAILABLE, times=5, when=is_a_put)
    assert send(proxy, "GET", "/a")[0] == 200
    assert send(proxy, "PUT", "/a", b"x")[0] == 503


def test_a_reset_does_nothing(proxy: FaultProxy, shelf: Shelf) -> None:
    proxy.fail(Fault.RESET)
    with pytest.raises(ConnectionError):
        send(proxy, "PUT", "/a", b"x")
    assert shelf.kept == {}


def test_a_lost_answer_has_done_its_work(proxy: FaultProxy, shelf: Shelf) -> None:
    proxy.fail(Fault.ANSWER_LOST)
    with pytest.raises(ConnectionError):
        send(proxy, "PUT", "/a", b"x")
    assert shelf.kept == {"/a": b"x"}


def test_a_truncated_answer_breaks_off(proxy: FaultProxy, shelf: Shelf) -> None:
    shelf.kept["/a"] = b"x" * 1000
    proxy.fail(Fault.TRUNCATED)
    with pytest.raises(http.client.IncompleteRead) as broken:
        send(proxy, "GET", "/a")
    assert 0 < len(broken.value.partial) < 1000


def test_a_slow_body_comes_in_the_end(proxy: FaultProxy, shelf: Shelf) -> None:
    shelf.kept["/a"] = b"x" * 1000
    proxy.slow_seconds = 0.08
    proxy.fail(Fault.SLOW_BODY)
    assert send(proxy, "GET", "/a") == (200, b"x" * 1000)
    assert proxy.faults == {Fault.SLOW_BODY: 1}


def test_a_store_that_is_down_comes_back_on_the_same_port(proxy: FaultProxy) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=10)
    connection.request("GET", "/a")
    connection.getresponse().read()

    proxy.down()

    with pytest.raises((ConnectionError, http.client.RemoteDisconnected)):
        connection.request("GET", "/a")
        connection.getresponse()
    with pytest.raises(ConnectionRefusedError):
        send(proxy, "GET", "/a")
    proxy.up()
    assert send(proxy, "GET", "/a")[0] == 200


def test_the_stores_clock_can_be_wrong(proxy: FaultProxy) -> None:
    def told() -> float:
        connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=10)
        connection.request("GET", "/a")
        answer = connection.getresponse()
        answer.read()
        connection.close()
        (date,) = answer.headers.get_all("Date") or []
        return parsedate_to_datetime(date).timestamp()

    right = told()
    proxy.clock_skew_seconds = 3600
    assert 3590 < told() - right < 3610


def test_the_same_seed_picks_the_same_faults(shelf: Shelf) -> None:
    def outcomes(seed: int) -> list[Fault]:
        with fault_proxy(shelf.server_address[1]) as proxy:
            proxy.slow_seconds = 0.0
            proxy.fail_at_random(0.5, seed=seed)
            for _ in range(40):
                try:
                    send(proxy, "PUT", "/a", b"x")
                except (ConnectionError, http.client.HTTPException):
                    continue
            return list(proxy.faults.elements())

    assert outcomes(1) == outcomes(1) != outcomes(2)
    assert set(outcomes(1)) == set(EVERY_FAULT)


def test_many_threads_wait_together_for_a_distant_store(proxy: FaultProxy) -> None:
    proxy.delay_seconds = 0.05
    with ThreadPoolExecutor(32) as many:
        answers = list(many.map(lambda number: send(proxy, "PUT", f"/{number}", b"x")[0], range(64)))
    assert answers == [200] * 64
    assert proxy.requests == 64
