"""What an answer of Label Studio's REST API means, or none: whether to ask again, and whose fault it is, with the way out."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import INTERNAL_SERVER_ERROR
from typing import Any, TypeAlias

import httpx

from syncd.errors import Unavailable

Answer: TypeAlias = httpx.Response | httpx.HTTPError

LONGEST_PAUSE = 60.0
"""Seconds between two tries."""
_TURNED_AWAY = frozenset({429, 503})
"""Nothing was done: any request may be sent again."""
_CUT_OFF = frozenset({502, 504, 520, 522, 524})
"""Something between us and Label Studio gave up."""


_UNSENT = (httpx.ConnectError, httpx.ConnectTimeout)
"""The request never arrived."""


class Refused(Unavailable):
    """Label Studio answered with an error, of which trying again makes nothing better for now."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Broken(Unavailable):
    """No whole answer came: the request may have been carried out, or not."""


def unreachable(url: str, error: httpx.HTTPError) -> Unavailable:
    reason = str(error) or type(error).__name__
    if "CERTIFICATE" in reason.upper():
        return Unavailable(
            f"{url} shows a certificate that is not trusted ({reason}); set `source.ca_file` to its authority"
        )
    kind: type[Unavailable] = Unavailable if isinstance(error, _UNSENT) else Broken
    return kind(f"{url} cannot be reached ({reason}). Nothing is deleted while it is away; syncd tries again")


def explained(url: str, method: str, path: str, answer: Answer) -> Unavailable:
    if isinstance(answer, httpx.HTTPError):
        return unreachable(url, answer)
    what, status, said = f"{method} {url}{path}", answer.status_code, answer.text[:300]
    if answer.is_redirect:
        place = answer.headers.get("Location", "another place")
        return Refused(f"{what} leads to {place}; set `source.url` to where Label Studio itself is", status)
    if status == 401:
        return Refused(
            f"{url} does not take the token: it is wrong, expired, or legacy tokens are switched off in the "
            "organization. Nothing is deleted; give a valid one as `source.token`",
            status,
        )
    if status == 403:
        return Refused(
            f"{what} is forbidden for this token ({said}); syncd needs a user who may change the projects it "
            "reads, since Label Studio asks that of exports",
            status,
        )
    if status in (502, 504):
        return Broken(f"{what}: the way to Label Studio is cut ({status}); syncd tries again")
    return Refused(f"{what} was answered with {status}: {said or 'no reason given'}", status)


def may_pass(method: str, answer: Answer, *, is_first: bool) -> bool:
    """Whether to ask again: where nothing was done, or where it may be done twice and the fault may be a passing one."""
    if isinstance(answer, httpx.HTTPError):
        return method != "POST" or isinstance(answer, _UNSENT)
    status = answer.status_code
    # A fault of Label Studio's own may have been a task deleted midway; mostly it stays.
    is_passing = status in _CUT_OFF or (status == INTERNAL_SERVER_ERROR and is_first)
    return status in _TURNED_AWAY or (method != "POST" and is_passing)


def retry_after(answer: Answer) -> float | None:
    """Seconds or a date (RFC 9110, 10.2.3)."""
    said: Any = answer.headers.get("Retry-After") if isinstance(answer, httpx.Response) else None
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
