"""Whoever reaches the port may try what they like: nothing crashes, nothing grows without end, and no secret gets out."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import psutil
import pytest

from syncd.web._access import shows
from tests.deployment import Deployment, eventually
from tests.system.asking import address, ask, with_http

TOKEN = "t0ken-that-nobody-may-see"
SECRET_KEY = "s3cret-key-that-nobody-may-see"
OWN = {"Authorization": f"Token {TOKEN}"}


@pytest.fixture
def guarded(deployment: Deployment) -> Deployment:
    """A syncd with a token, and a dead target whose settings hold a secret."""
    dead = {"name": "dead", "type": "s3", "bucket": "b", "endpoint_url": f"http://{SECRET_KEY}.invalid:1"}
    dead |= {"access_key_id": "id-of-it", "secret_access_key": SECRET_KEY}
    out = {"name": "out", "type": "local", "path": str(deployment.target)}
    with_http(deployment, token=TOKEN, targets=[dead, out])
    deployment.start()
    address(deployment)
    return deployment


def connected(deployment: Deployment, said: bytes = b"") -> socket.socket:
    """A connection to the port, on which that was said."""
    host, _, port = address(deployment).removeprefix("http://").partition(":")
    made = socket.create_connection((host, int(port)), timeout=40)
    made.sendall(said)
    return made


def answer(connection: socket.socket) -> bytes:
    """What comes until the other side ends it."""
    found = b""
    while block := connection.recv(65536):
        found += block
    return found


# --- who may ask ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/api/status", "/pages/status.js", "/nothing", "/api/projects/1/export"])
def test_without_the_token_nothing_is_told_not_even_what_is_there(guarded: Deployment, path: str) -> None:
    refused = ask(guarded, path)
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"].startswith("Basic")
    assert refused.json() == {"detail": "the token is missing or wrong"}


@pytest.mark.parametrize(
    "authorization", [f"Token {TOKEN}", f"Bearer {TOKEN}", "Basic YW55Ym9keTp0MGtlbi10aGF0LW5vYm9keS1tYXktc2Vl"]
)
def test_a_token_is_shown_as_scripts_and_browsers_do(authorization: str) -> None:
    assert shows(authorization, TOKEN)


@pytest.mark.parametrize(
    "authorization",
    ["", "Token", f"Token {TOKEN}x", TOKEN, f"Digest {TOKEN}", "Basic !", "Basic /w==", "Bearer ünïcode"],
)
def test_anything_else_is_no_token(authorization: str) -> None:
    assert not shows(authorization, TOKEN)


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8780", "127.0.0.1.evil.example", "127.0.0.1@evil.example"]
)
def test_without_a_token_a_name_that_anybody_can_point_here_is_refused(deployment: Deployment, host: str) -> None:
    with_http(deployment)
    deployment.start()
    assert ask(deployment, "/api/status", headers={"Host": host}).status_code == 403
    assert ask(deployment, "/livez", headers={"Host": host}).status_code == 200
    for own in ("localhost", "127.0.0.1:1", "[::1]:8780", "syncd:8780"):
        assert ask(deployment, "/api/status", headers={"Host": own}).status_code == 200, own


def test_a_page_of_another_site_orders_nothing(guarded: Deployment) -> None:
    for foreign in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}):
        assert ask(guarded, "/quarantine/retry", "POST", headers=OWN | foreign).status_code == 403
    own = {"Origin": address(guarded), "Sec-Fetch-Site": "same-origin"}
    assert ask(guarded, "/quarantine/retry", "POST", headers=OWN | own).status_code == 303


# --- what comes out --------------------------------------------------------------------------------------------------------


def test_no_answer_holds_a_secret(guarded: Deployment) -> None:
    eventually(lambda: ask(guarded, "/api/status", headers=OWN).json()["targets"]["dead"]["error"])
    for path in ("/", "/api/status", "/metrics", "/livez", "/readyz", "/api/openapi.json", "/nothing"):
        told = ask(guarded, path, headers=OWN)
        assert TOKEN not in told.text + str(told.headers), path
        assert SECRET_KEY not in told.text, path


def test_every_answer_carries_the_headers_that_browsers_need(guarded: Deployment) -> None:
    for path in ("/", "/api/status", "/livez", "/nothing"):
        headers = ask(guarded, path, headers=OWN).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert "server" not in headers


# --- too much, too slow, too many --------------------------------------------------------------------------------------------


def test_a_body_that_is_too_large_is_not_read(guarded: Deployment) -> None:
    assert ask(guarded, "/quarantine/retry", "POST", headers=OWN, content=b"x" * 2_000_000).status_code == 413

    def blocks() -> Iterator[bytes]:
        yield from [b"x" * 65536] * 32

    assert ask(guarded, "/quarantine/retry", "POST", headers=OWN, content=blocks()).status_code == 413


def test_a_head_without_end_is_cut_off(guarded: Deployment) -> None:
    head = b"GET / HTTP/1.1\r\nX: " + b"x" * 200_000
    with suppress(ConnectionError), closing(connected(guarded, head)) as endless:  # it is cut off while we still write
        assert answer(endless).startswith(b"HTTP/1.1 400")
    assert ask(guarded, "/livez").status_code == 200


def test_slow_callers_are_shown_the_door(guarded: Deployment) -> None:
    silent = connected(guarded)
    half = connected(guarded, b"GET /livez HTTP/1.1\r\nHost: x\r\n")
    post = f"POST /quarantine/retry HTTP/1.1\r\nHost: x\r\nAuthorization: Token {TOKEN}\r\nContent-Length: 9\r\n\r\nta"
    body = connected(guarded, post.encode())
    with closing(silent), closing(half), closing(body):
        assert answer(silent) == answer(half) == b""
        assert answer(body).startswith(b"HTTP/1.1 408")


def test_five_hundred_connections_keep_no_probe_from_its_answer_and_no_memory(guarded: Deployment) -> None:
    daemon = psutil.Process(guarded.holder() or 0)
    ask(guarded, "/", headers=OWN)
    before = daemon.memory_info().rss
    with ExitStack() as open_ones:
        for n in range(500):
            said = b"" if n % 2 else b"GET /api/status HTTP/1.1\r\nHost: x\r\nX-Slow: "
            open_ones.enter_context(closing(connected(guarded, said)))
            if n % 50 == 0:
                assert ask(guarded, "/livez").status_code == 200
        assert ask(guarded, "/livez").status_code == 200
        assert daemon.num_fds() < 400
        assert daemon.memory_info().rss - before < 64 * 1024 * 1024
    eventually(lambda: daemon.num_fds() < 150, daemon.num_fds)


def test_what_the_description_promises_holds_for_whatever_is_sent(guarded: Deployment, tmp_path: Path) -> None:
    command = [str(Path(sys.executable).with_name("schemathesis")), "run", address(guarded) + "/api/openapi.json"]
    command += ["-H", f"Authorization: Token {TOKEN}", "--max-examples", "8", "--seed", "1", "--no-color"]
    # Which formats apply is the project's affair, and fields of newer Label Studios are let pass.
    command += ["--exclude-checks", "positive_data_acceptance,negative_data_rejection"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
    assert ask(guarded, "/livez").status_code == 200
    assert not [event for event in guarded.logged() if event["event"] in ("request failed", "thread failed")]
