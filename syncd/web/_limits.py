"""What one caller can cost: bodies have a size, waiting has an end, and every answer carries its headers."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LARGEST_BODY = 1024 * 1024
"""Bytes. What people send us are orders and names, not data."""
BODY_SECONDS = 20.0
"""How long a body may take to come, whole."""
SEND_SECONDS = 60.0
"""How long a caller may take to read the next piece of an answer."""

HEADERS: Mapping[str, str] = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
"""On every answer, where a route does not say otherwise."""
CLOSE = {"connection": "close"}


class CallerGoneError(Exception):
    """Nobody reads the answer."""


class Limits:
    """ASGI middleware, the outermost one. `largest` has paths that take more or less than LARGEST_BODY."""

    def __init__(self, app: ASGIApp, largest: Mapping[str, int]) -> None:
        self._app = app
        self._largest = largest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        call = _Call(receive, send, self._largest.get(scope["path"], LARGEST_BODY))
        length = Headers(scope=scope).get("content-length", "")
        if length.isdecimal() and int(length) > call.largest:
            await call.discard()
            app: ASGIApp = JSONResponse({"detail": call.too_large}, 413, CLOSE)
        else:
            app = self._app
        with suppress(CallerGoneError):
            await app(scope, call.receive, call.send)


class _Call:
    """One request and its answer."""

    def __init__(self, receive: Receive, send: Send, largest: int) -> None:
        self._receive, self._send = receive, send
        self.largest = largest
        self.too_large = f"a body has {largest} bytes at most here"
        self._came = 0
        self._whole = False
        self._until = asyncio.get_running_loop().time() + BODY_SECONDS

    async def receive(self) -> Message:
        """The next piece of the body. Raises HTTPException when it is too late or too much."""
        if self._whole:
            return await self._receive()  # waits for the caller to leave, which may take as long as the answer
        try:
            async with asyncio.timeout_at(self._until):
                message = await self._receive()
        except TimeoutError:
            raise HTTPException(408, f"the body did not come within {BODY_SECONDS:.0f} s", CLOSE) from None
        self._came += len(message.get("body", b""))
        self._whole = not message.get("more_body", False)
        if self._came > self.largest:
            await self.discard()
            raise HTTPException(413, self.too_large, CLOSE)
        return message

    async def discard(self) -> None:
        """Let the rest of the body come, for as long as it may: who is cut off while sending does not see the answer."""
        with suppress(TimeoutError):
            async with asyncio.timeout_at(self._until):
                while not self._whole:
                    self._whole = not (await self._receive()).get("more_body", False)

    async def send(self, message: Message) -> None:
        """Pass on a piece of the answer. Raises CallerGoneError when it is not taken."""
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await self._send(message)
        except TimeoutError:
            raise CallerGoneError from None
