"""Whole HTTP/1.1 messages off a stream, byte for byte as they came: what a proxy needs that must not disturb signatures."""

from asyncio import IncompleteReadError, StreamReader
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

NO_BODY = {204, 304}


@dataclass(frozen=True, slots=True)
class Message:
    """A request or response: first line, header lines and body as sent (a chunked body with its chunk heads)."""

    first: bytes
    headers: tuple[bytes, ...]
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """The value of a header, by name in any case."""
        wanted = name.lower().encode()
        found = (line.partition(b":") for line in self.headers)
        return next((value.strip().decode("latin-1") for key, _, value in found if key.lower() == wanted), None)

    def without(self, *names: str) -> "Message":
        """The same message, lacking these headers."""
        dropped = {name.lower().encode() for name in names}
        kept = tuple(line for line in self.headers if line.partition(b":")[0].lower() not in dropped)
        return Message(self.first, kept, self.body)

    def adding(self, name: str, value: str) -> "Message":
        """The same message with one more header."""
        return Message(self.first, (*self.headers, f"{name}: {value}".encode("latin-1")), self.body)

    @property
    def method(self) -> str:
        return self.first.split(b" ")[0].decode()

    @property
    def target(self) -> str:
        return self.first.split(b" ")[1].decode("latin-1")

    @property
    def path(self) -> str:
        """A request's path, still percent-encoded."""
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    @property
    def status(self) -> int:
        return int(self.first.split(b" ")[1])

    @property
    def head(self) -> bytes:
        return b"\r\n".join((self.first, *self.headers, b"", b""))

    def __bytes__(self) -> bytes:
        return self.head + self.body


def response(status: int, body: bytes = b"", content_type: str = "text/plain", **headers: str) -> Message:
    """A response of our own; `retry_after="1"` becomes `Retry-After: 1`."""
    told = {"Content-Type": content_type, "Content-Length": str(len(body))}
    told |= {name.replace("_", "-").title(): value for name, value in headers.items()}
    lines = tuple(f"{name}: {value}".encode() for name, value in told.items())
    return Message(f"HTTP/1.1 {status} Made by the proxy".encode(), lines, body)


async def read_head(stream: StreamReader) -> Message | None:
    """First line and headers; None when the other side has closed."""
    try:
        head = await stream.readuntil(b"\r\n\r\n")
    except (IncompleteReadError, ConnectionError):
        return None
    first, *headers = head[:-4].split(b"\r\n")
    return Message(first, tuple(headers))


async def read_body(stream: StreamReader, head: Message, *, answers: str | None = None) -> Message:
    """The whole message behind a head; `answers` is the method of the request that a response answers."""
    if answers == "HEAD" or (answers and (head.status in NO_BODY or head.status < 200)):
        return head
    if (head.header("Transfer-Encoding") or "").lower() == "chunked":
        return Message(head.first, head.headers, await _read_chunks(stream))
    length = head.header("Content-Length")
    if length is not None:
        return Message(head.first, head.headers, await stream.readexactly(int(length)))
    return Message(head.first, head.headers, await stream.read() if answers else b"")


async def _read_chunks(stream: StreamReader) -> bytes:
    taken = bytearray()
    size = -1
    while size:
        line = await stream.readline()
        size = int(line.split(b";")[0], 16)
        taken += line + await stream.readexactly(size + 2 if size else 0)
    while (line := await stream.readline()) not in {b"\r\n", b""}:
        taken += line
    return bytes(taken + b"\r\n")
