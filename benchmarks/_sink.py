"""An HTTP server that takes every object and keeps none: what is left is the work of whoever puts them.

    python benchmarks/_sink.py PORT SECONDS      answers each request after so many seconds

It speaks as much of S3 and of Google's JSON API as syncd asks for. Only objects under `_syncd/` are kept, with their conditions:
the lease needs them. `GET /in-flight` tells how many requests waited for their answer at the most.
"""

import json
import re
import select
import socket
import sys
import tempfile
import time
import urllib.request
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.servers import free_port, running

OURS = b"_syncd/"
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
CONDITION = re.compile(rb"\r\nif-(?:none-)?match: *\"?([^\"\r]+)|[?&]ifGenerationMatch=(\d+)", re.IGNORECASE)
NAME = re.compile(rb'"name": *"([^"]+)"')
EMPTY = b'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IsTruncated>false</IsTruncated></ListBucketResult>'


def response(status: str, body: bytes = b"", version: int = 1) -> bytes:
    kind = b"application/json" if body[:1] == b"{" else b"application/xml"
    return (
        b'HTTP/1.1 %s\r\nETag: "%d"\r\nLast-Modified: Mon, 01 Jan 2024 00:00:00 GMT\r\nx-goog-generation: %d\r\n'
        b"Content-Type: %s\r\nContent-Length: %d\r\n\r\n"
    ) % (status.encode(), version, version, kind, len(body)) + body


def facts(name: str, version: int = 1, size: int = 0) -> bytes:
    return json.dumps({"kind": "storage#object", "name": name, "generation": str(version), "size": str(size)}).encode()


TAKEN = {b"PUT": response("200 OK"), b"POS": response("200 OK", facts("taken"))}


class Sink:
    def __init__(self, port: int, seconds: float) -> None:
        self._seconds = seconds
        self._waiting: deque[tuple[float, socket.socket, bytes]] = deque()
        self._most = 0
        self._kept: dict[str, tuple[int, bytes]] = {}
        self._versions = 1
        self._poll = select.epoll()
        self._listener = socket.create_server(("127.0.0.1", port), backlog=1024)
        self._poll.register(self._listener, select.EPOLLIN)
        self._open: dict[int, tuple[socket.socket, bytearray]] = {}

    def serve(self) -> None:
        while True:
            patience = max(0.0, self._waiting[0][0] - time.monotonic()) if self._waiting else None
            for number, _ in self._poll.poll(patience):
                if number in self._open:
                    self._read(number, *self._open[number])
                else:
                    caller, _ = self._listener.accept()
                    caller.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self._open[caller.fileno()] = caller, bytearray()
                    self._poll.register(caller, select.EPOLLIN)
            now = time.monotonic()
            while self._waiting and self._waiting[0][0] <= now:
                _, caller, answer = self._waiting.popleft()
                self._send(caller, answer)

    def _read(self, number: int, caller: socket.socket, buffer: bytearray) -> None:
        try:
            came = caller.recv(1 << 18)
        except ConnectionError:
            came = b""
        if not came:
            del self._open[number]
            caller.close()
            return
        buffer += came
        end = buffer.find(b"\r\n\r\n") + 4
        told = LENGTH.search(buffer, 0, end) if end > 3 else None
        size = end + (int(told[1]) if told else 0)
        if end < 4 or len(buffer) < size:
            if b"100-continue" in buffer and len(buffer) == end:
                self._send(caller, b"HTTP/1.1 100 Continue\r\n\r\n")
            return
        answer = self._answer(bytes(buffer[:end]), bytes(buffer[end:size]))
        buffer.clear()
        if self._seconds:
            self._waiting.append((time.monotonic() + self._seconds, caller, answer))
            self._most = max(self._most, len(self._waiting))
        else:
            self._send(caller, answer)

    def _send(self, caller: socket.socket, answer: bytes) -> None:
        if caller.fileno() >= 0:  # it may have hung up
            caller.sendall(answer)

    def _answer(self, head: bytes, body: bytes) -> bytes:
        line = head[: head.index(b"\r\n")]
        if line[:3] in TAKEN and OURS not in line and OURS not in body[:500] and line.find(b"?delete") < 0:
            return TAKEN[line[:3]]
        method, target, _ = line.decode().split(" ")
        if target == "/in-flight":
            return response("200 OK", str(self._most).encode())
        if method == "GET" and ("list-type=2" in target or re.search(r"/o(\?|$)", target)):
            return response("200 OK", b"{}" if "/o" in target and "list-type" not in target else EMPTY)
        named = NAME.search(body) if method == "POST" else None
        key = named[1].decode() if named else unquote(target.partition("?")[0])
        key = key[key.find(OURS.decode()) :]
        condition = CONDITION.search(head)
        return self._keep(method, target, key, body, (condition[1] or condition[2]).decode() if condition else None)

    def _keep(self, method: str, target: str, key: str, body: bytes, condition: str | None) -> bytes:
        """What is under `_syncd/`."""
        version, there = self._kept.get(key, (0, b""))
        is_json = "/storage/v1/" in target
        if method in {"GET", "HEAD"}:
            if not version:
                return response("404 Not Found", b'{"error": {"message": "No such object"}}' if is_json else b"")
            if is_json and "alt=media" not in target:
                return response("200 OK", facts(key, version, len(there)), version)
            return response("200 OK", there, version)
        if condition is not None and condition != str(version) and not (condition == "*" and not version):
            return response("412 Precondition Failed", version=version)
        if method == "DELETE":
            self._kept.pop(key, None)
            return response("204 No Content")
        if "?delete" in target:
            return response("200 OK", b"<DeleteResult/>")
        if "?uploads" in target:
            return response("501 Not Implemented", b"<Error><Code>NotImplemented</Code></Error>")
        self._versions += 1
        if is_json:  # a multipart body: its second part is the object
            body = body.split(b"\r\n\r\n", 2)[2].rpartition(b"\r\n--")[0]
        self._kept[key] = self._versions, body
        return response("200 OK", facts(key, self._versions, len(body)) if is_json else b"", self._versions)


@contextmanager
def sink(seconds: float = 0.0) -> Iterator[str]:
    """The server's URL, until the block ends."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, str(port), str(seconds)]
        with running(command, port=port, log=Path(folder) / "log"):
            yield f"http://127.0.0.1:{port}"


def most_in_flight(endpoint: str) -> int:
    with urllib.request.urlopen(f"{endpoint}/in-flight") as answer:
        return int(answer.read())


if __name__ == "__main__":
    Sink(int(sys.argv[1]), float(sys.argv[2])).serve()
