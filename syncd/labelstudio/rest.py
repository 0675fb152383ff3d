"""Requests to a Label Studio's REST API: its tokens, what is tried again and how long, and what an answer means.

Only what may safely happen twice is sent twice. Answers 429 and 503 are waited out as `Retry-After` says.
"""

import random
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import structlog

from syncd import __version__
from syncd.errors import Misconfigured, Unavailable
from syncd.labelstudio.rest_faults import (
    LONGEST_PAUSE,
    Answer,
    Broken,
    Refused,
    explained,
    may_pass,
    retry_after,
    unreachable,
)
from syncd.labelstudio.tokens import LegacyToken, PersonalToken
from syncd.model import Json

log = structlog.get_logger()

TRIES = 5
SHORTEST_PAUSE = 0.5
"""Seconds between two tries, at first."""
_READ_SECONDS = 120.0
# An export that fails leaves the thread that served it with a database connection that is of no more use (ExportMixin's
# transaction stays open): nothing else should go there.
_ONCE = {"POST": {"Connection": "close"}}


class Client:
    """One Label Studio, with the rights of one token. May be used by many threads."""

    def __init__(self, url: str, token: str, *, ca_file: Path | None = None) -> None:
        """`token`: a legacy token, or a personal access token, which is a JWT that buys short-lived ones."""
        self.url = url.rstrip("/")
        self._closed = threading.Event()
        self._http = httpx.Client(
            headers={"User-Agent": f"syncd/{__version__}"},
            timeout=httpx.Timeout(_READ_SECONDS, connect=10),
            verify=_trusted(ca_file),
        )
        self._credential = PersonalToken(token, self._renewed) if token.count(".") == 2 else LegacyToken(token)

    def close(self) -> None:
        self._closed.set()
        self._http.close()

    def get(self, path: str, **query: str | int) -> Json:
        return self._json(self._send("GET", path, query=query))

    def post(self, path: str, body: Json, *, read_seconds: float = _READ_SECONDS) -> Json:
        """Raises Broken when it is not known whether it was done."""
        return self._json(self._send("POST", path, body=body, read_seconds=read_seconds))

    def patch(self, path: str, body: Json) -> Json:
        return self._json(self._send("PATCH", path, body=body))

    def delete(self, path: str, **query: str | int) -> None:
        """Deleting what is not there is fine."""
        try:
            self._send("DELETE", path, query=query).close()
        except Refused as refused:
            if refused.status != 404:
                raise

    @contextmanager
    def download(self, path: str) -> Iterator[Iterator[bytes]]:
        """The body in blocks, as it arrives. Raises Broken, in the block too, when it breaks off."""
        response = self._send("GET", path, stream=True)
        try:
            yield response.iter_bytes(1 << 18)
        except httpx.HTTPError as error:
            raise Broken(f"{self.url}{path} broke off in the middle ({error})") from error
        finally:
            response.close()

    def wait(self, seconds: float) -> None:
        """A pause that ends when the client is closed."""
        self._closed.wait(seconds)

    # --- one request ---------------------------------------------------------------------------------------------

    def _send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int] | None = None,
        body: Json = None,
        stream: bool = False,
        read_seconds: float = _READ_SECONDS,
    ) -> httpx.Response:
        pause, is_renewed = SHORTEST_PAUSE, False
        for left in reversed(range(TRIES)):
            request = self._http.build_request(
                method,
                self.url + path,
                params=query or None,
                json=body,
                headers={"Authorization": self._credential.header(), **_ONCE.get(method, {})},
                timeout=httpx.Timeout(read_seconds, connect=10),
            )
            answer = self._answer(request, stream=stream)
            if isinstance(answer, httpx.Response):
                if answer.is_success:
                    return answer
                if answer.status_code == 401 and not is_renewed:
                    is_renewed = self._credential.renew(request.headers["Authorization"])
                    if is_renewed:
                        continue
            if not left or self._closed.is_set() or not may_pass(method, answer, is_first=left == TRIES - 1):
                raise explained(self.url, method, path, answer) from (answer if isinstance(answer, Exception) else None)
            wait = retry_after(answer) or pause
            log.info("asking label studio again", url=self.url + path, seconds=round(wait, 1))
            self._closed.wait(wait * random.uniform(0.8, 1.2))  # noqa: S311  not for secrets
            pause = min(pause * 2, LONGEST_PAUSE)
        raise Unavailable(f"{self.url} keeps refusing the token")

    def _answer(self, request: httpx.Request, *, stream: bool) -> Answer:
        """A response, its body read unless it is a good one to be streamed; or why there is none."""
        try:
            response = self._http.send(request, stream=True)
            if not (stream and response.is_success):
                response.read()
        except httpx.HTTPError as error:
            return error
        except RuntimeError as error:  # the client was closed in another thread
            return httpx.ConnectError(str(error))
        return response

    def _json(self, response: httpx.Response) -> Json:
        try:
            return response.json() if response.content else None
        except ValueError as error:
            raise Unavailable(
                f"{response.request.url} does not answer with JSON; is `source.url` the address of a Label Studio?"
            ) from error

    def _renewed(self, token: str) -> str:
        """The short-lived token that a personal access token buys."""
        path = "/api/token/refresh/"
        try:
            response = self._http.post(self.url + path, json={"refresh": token})
        except httpx.HTTPError as error:
            raise unreachable(self.url, error) from error
        if response.status_code in (401, 403):
            raise Refused(
                f"{self.url} does not take the personal access token: it has expired or was revoked. Nothing is deleted; "
                "make a new one in Label Studio under Account & Settings, and give it as `source.token`",
                response.status_code,
            )
        if not response.is_success:
            raise explained(self.url, "POST", path, response)
        access: str = self._json(response)["access"]
        return access


def _trusted(ca_file: Path | None) -> ssl.SSLContext | bool:
    if ca_file is None:
        return True
    try:
        return ssl.create_default_context(cafile=str(ca_file))
    except (OSError, ssl.SSLError) as error:
        raise Misconfigured(f"`source.ca_file` {ca_file} cannot be read as certificates ({error})") from error
