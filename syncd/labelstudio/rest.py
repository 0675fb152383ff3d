"""Requests to a Label Studio's REST API: its tokens, what is tried again and how long, and what an answer means.

Only what may safely happen twice is sent twice. Answers 429 and 503 are waited out as `Retry-After` says.
"""

import random
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx
import structlog

from syncd import __version__
from syncd.errors import Misconfigured, Unavailable
from syncd.labelstudio.tokens import LegacyToken, PersonalToken
from syncd.model import Json

log = structlog.get_logger()

TRIES = 5
LONGEST_PAUSE = 60.0
_READ_SECONDS = 120.0
_TURNED_AWAY = frozenset({429, 503})
"""Nothing was done: any request may be sent again."""
_CUT_OFF = frozenset({502, 504, 520, 522, 524})
"""Something between us and Label Studio gave up."""


# An export that fails leaves the thread that served it with a database connection that is of no more use (ExportMixin's
# transaction stays open): nothing else should go there.
_ONCE = {"POST": {"Connection": "close"}}


class Refused(Unavailable):
    """Label Studio answered with an error, of which trying again makes nothing better for now."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Broken(Unavailable):
    """No whole answer came: the request may have been carried out, or not."""


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
        is_repeatable = method != "POST"
        pause, is_renewed = 0.5, False
        for left in reversed(range(TRIES)):
            is_last = not left or self._closed.is_set()
            request = self._http.build_request(
                method,
                self.url + path,
                params=query or None,
                json=body,
                headers={"Authorization": self._credential.header(), **_ONCE.get(method, {})},
                timeout=httpx.Timeout(read_seconds, connect=10),
            )
            try:
                response = self._http.send(request, stream=True)
                if response.is_success:
                    if not stream:
                        response.read()
                    return response
                said = response.read()[:500].decode("utf-8", "replace")
                response.close()
            except (httpx.HTTPError, RuntimeError) as error:
                is_unsent = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
                if is_last or not (is_repeatable or is_unsent):
                    raise self._unreachable(error, is_unsent) from error
                wait = pause
            else:
                status = response.status_code
                if status == 401 and not is_renewed and self._credential.renew(request.headers["Authorization"]):
                    is_renewed = True
                    continue
                # A fault of Label Studio's own may have been a task deleted midway; it mostly stays.
                may_pass = status in _CUT_OFF or (status == 500 and left == TRIES - 1)
                if is_last or not (status in _TURNED_AWAY or (is_repeatable and may_pass)):
                    raise self._explained(method, path, status, said, response)
                wait = _retry_after(response) or pause
                log.info("label studio asks to wait", url=self.url + path, status=status, seconds=round(wait, 1))
            self._closed.wait(wait * random.uniform(0.8, 1.2))  # noqa: S311  not for secrets
            pause = min(pause * 2, LONGEST_PAUSE)
        raise Unavailable(f"{self.url} keeps refusing the token")

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
            raise self._unreachable(error, True) from error
        if response.status_code in (401, 403):
            raise Refused(
                f"{self.url} does not take the personal access token: it has expired or was revoked. Nothing is deleted; "
                "make a new one in Label Studio under Account & Settings, and give it as `source.token`",
                response.status_code,
            )
        if not response.is_success:
            raise self._explained("POST", path, response.status_code, response.text[:300], response)
        access: str = self._json(response)["access"]
        return access

    # --- errors --------------------------------------------------------------------------------------------------

    def _unreachable(self, error: Exception, is_unsent: bool) -> Unavailable:
        reason = str(error) or type(error).__name__
        if "CERTIFICATE" in reason.upper():
            return Unavailable(
                f"{self.url} shows a certificate that is not trusted ({reason}); set `source.ca_file` to its authority"
            )
        kind: type[Unavailable] = Unavailable if is_unsent else Broken
        return kind(f"{self.url} cannot be reached ({reason}). Nothing is deleted while it is away; syncd tries again")

    def _explained(self, method: str, path: str, status: int, said: str, response: httpx.Response) -> Unavailable:
        what = f"{method} {self.url}{path}"
        if response.is_redirect:
            place = response.headers.get("Location", "another place")
            return Refused(f"{what} leads to {place}; set `source.url` to where Label Studio itself is", status)
        if status == 401:
            return Refused(
                f"{self.url} does not take the token: it is wrong, expired, or legacy tokens are switched off in the "
                "organization. Nothing is deleted; give a valid one as `source.token`",
                status,
            )
        if status == 403:
            return Refused(
                f"{what} is forbidden for this token ({said[:200]}); syncd needs a user who may change the projects it "
                "reads, since Label Studio asks that of exports",
                status,
            )
        if status in (502, 504):
            return Broken(f"{what}: the way to Label Studio is cut ({status}); syncd tries again")
        return Refused(f"{what} was answered with {status}: {said[:300] or 'no reason given'}", status)


def _trusted(ca_file: Path | None) -> ssl.SSLContext | bool:
    if ca_file is None:
        return True
    try:
        return ssl.create_default_context(cafile=str(ca_file))
    except (OSError, ssl.SSLError) as error:
        raise Misconfigured(f"`source.ca_file` {ca_file} cannot be read as certificates ({error})") from error


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds or a date (RFC 9110, 10.2.3)."""
    said: Any = response.headers.get("Retry-After")
    if not said:
        return None
    try:
        seconds = float(said)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds()
        except (TypeError, ValueError):
            return None
    return min(max(seconds, 0.05), LONGEST_PAUSE)
