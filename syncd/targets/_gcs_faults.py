"""What an answer from Google Cloud Storage, or none, means: whose fault it is, in a sentence with the way out.

Reasons are those of “HTTP status and error codes for JSON” in Google's reference; a 403 names the missing permission itself.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from google.api_core.exceptions import GoogleAPICallError, GoogleAPIError, RetryError
from google.auth.exceptions import GoogleAuthError, RefreshError, TransportError
from google.cloud.storage.exceptions import DataCorruption
from requests.exceptions import RequestException, SSLError

from syncd.errors import Misconfigured, SyncdError, Unavailable
from syncd.targets._reasons import plain_reason
from syncd.targets._retry import Throttled, Transient

RAISED = (GoogleAPIError, GoogleAuthError, RequestException, DataCorruption)
"""What the SDK raises."""

_SLOW_DOWN = frozenset({"rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded"})

_ONE_OBJECT = {
    "retentionPolicyNotMet": "the bucket's retention policy keeps the old one; it can be replaced or deleted later",
    "objectUnderActiveHold": "a hold is on it; release that",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: HTTP status (0 when nothing did), Google's reason or "", and its own words."""

    status: int
    reason: str
    text: str

    @property
    def one_object(self) -> str | None:
        """Why this one object cannot be written or deleted while others can; None when it is everybody's fault."""
        return _ONE_OBJECT.get(self.reason)


@dataclass(frozen=True, slots=True)
class Place:
    """The bucket and who asks, for messages."""

    bucket: str
    who: str


def answer_of(error: Exception) -> Answer:
    """The answer inside the SDK's error."""
    if isinstance(error, RetryError) and isinstance(error.cause, Exception):
        return answer_of(error.cause)
    if not isinstance(error, GoogleAPICallError):
        return Answer(0, "", plain_reason(str(error)))
    reason, message = _told(error)
    return Answer(int(error.code or 0), reason, message)


def unavailable(error: Exception, doing: str, place: Place) -> SyncdError:
    """The error for what keeps every object from being read or written."""
    answer = answer_of(error)
    where = f"gcs target gs://{place.bucket}: cannot {doing}:"
    if answer.status == 400 and "storage class" in answer.text.lower():
        return Misconfigured(f"{where} the bucket does not take this storage_class ({answer.text})")
    why = _why_no_answer(error, answer) if answer.status == 0 else _why(answer, place)
    return _kind(error, answer)(f"{where} {why}. syncd tries again by itself.")


@contextmanager
def faults(doing: str, place: Place) -> Iterator[None]:
    """Map whatever the SDK raises."""
    try:
        yield
    except RAISED as error:
        raise unavailable(error, doing, place) from error


def _told(error: GoogleAPICallError) -> tuple[str, str]:
    """Reason and message of an error's body; uploads and downloads keep that in the response only."""
    try:
        told = error.response.json()["error"]
        return str(told["errors"][0]["reason"]), str(told["message"])
    except (AttributeError, ValueError, LookupError, TypeError):
        return "", str(error.message).partition("\n")[0]


def _kind(error: Exception, answer: Answer) -> type[Unavailable]:
    """How soon it may pass by itself."""
    if answer.status in {429, 503} or answer.reason in _SLOW_DOWN:
        return Throttled
    cause = error.cause if isinstance(error, RetryError) else error
    if isinstance(cause, SSLError) or (isinstance(cause, GoogleAuthError) and not isinstance(cause, TransportError)):
        return Unavailable
    return Transient if answer.status in {0, 408, 500, 502, 504} else Unavailable


def _why(answer: Answer, place: Place) -> str:
    if answer.status == 401:
        return f"{place.who} is not accepted ({answer.text}): renew the credentials, and see that this machine's clock is right"
    if answer.status in {429, 503} or answer.reason in _SLOW_DOWN:
        return f"Google asks for fewer requests ({answer.text})"
    if "kms" in answer.text.lower():
        return f"kms_key cannot be used ({answer.text}): let the bucket's service agent encrypt and decrypt with it"
    if answer.status == 403:
        return _why_forbidden(answer.text, place)
    if answer.status == 404:
        return "there is no such bucket: create it, or correct the setting; syncd never creates one"
    return f"Google answered {answer.status} {answer.reason} ({answer.text})"


def _why_forbidden(text: str, place: Place) -> str:
    permission = re.search(r"storage\.\w+\.\w+", text)
    if permission:
        return f"{place.who} lacks {permission[0]}: grant roles/storage.objectUser on the bucket"
    return f"{place.who} is refused ({text}): see the bucket's permissions, and the project's billing"


def _why_no_answer(error: Exception, answer: Answer) -> str:
    cause = error.cause if isinstance(error, RetryError) else error
    if isinstance(cause, SSLError):
        return f"the secure connection failed ({answer.text}): check the server's certificate and this machine's trusted ones"
    if isinstance(cause, RefreshError):
        return f"no token is given for the credentials ({answer.text}): renew them, and see that this machine's clock is right"
    if isinstance(cause, GoogleAuthError) and not isinstance(cause, TransportError):
        return f"there are no usable credentials ({answer.text}): give credentials_file, or sign this machine in to Google Cloud"
    return f"no answer ({answer.text}): check endpoint_url, name resolution, network and proxy"
