"""What an answer from Azure, or none, means: whose fault it is, in a sentence with the way out.

The SDK and `obstore` say the same in different clothes; both are read into an `Answer` first. Codes are those of
“Blob Storage error codes” in Azure's REST reference.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from azure.core.exceptions import AzureError, HttpResponseError
from obstore.exceptions import BaseError

from syncd.errors import Misconfigured, SyncdError, Unavailable
from syncd.targets._azure_account import Account
from syncd.targets._reasons import plain_reason
from syncd.targets._retry import Throttled, Transient

RAISED = (AzureError, BaseError, FileNotFoundError)
"""What the two clients raise; `obstore` uses the builtin error for what is missing."""

_CONDITION = frozenset({"BlobAlreadyExists", "ConditionNotMet", "TargetConditionNotMet"})

_ONE_BLOB = {
    "InvalidBlobType": "an append or page blob of that name is there; delete it",
    "BlobTypeNotSupported": "an append or page blob of that name is there; delete it",
    "SnapshotsPresent": "it has snapshots, which syncd leaves alone; delete them",
    "BlobImmutableDueToPolicy": "an immutability policy or legal hold keeps it as it is",
    "BlobArchived": "it lies in the archive tier; rehydrate or delete it",
    "BlobBeingRehydrated": "it is being rehydrated from the archive tier",
    "LeaseIdMissing": "somebody holds a lease on it; break the lease",
    "RequestBodyTooLarge": "it is larger than Azure takes in one request",
    "PathConflict": "a folder of that name is there (hierarchical namespace)",
    "ResourceTypeMismatch": "a folder of that name is there (hierarchical namespace)",
}

_GRANT = "grant Storage Blob Data Contributor on the container, or a SAS token with the rights racwdl"
_CREATE = "there is no container {container}: create it, or correct the setting; syncd never creates one"
_WHO = "Azure wants to know who we are: give account_key or sas_token, or sign this machine in to Entra ID"

_EVERYBODY = {
    "AuthenticationFailed": "{credential} is not accepted: check that it belongs to account {account} and was not"
    " rotated, and that this machine's clock is right",
    "AuthorizationFailure": "{credential} is not accepted, or the account's network rules keep this machine out:"
    " check that it belongs to account {account} and was not rotated, then the account's page “Networking”",
    "AuthorizationPermissionMismatch": "{credential} lacks the right to {doing}: " + _GRANT,
    "InsufficientAccountPermissions": "{credential} lacks the right to {doing}: " + _GRANT,
    "UnauthorizedBlobOverwrite": "{credential} may create but not replace: " + _GRANT,
    "AuthorizationResourceTypeMismatch": "{credential} is made for other things: " + _GRANT,
    "AuthorizationServiceMismatch": "{credential} is not made for the blob service: " + _GRANT,
    "AuthorizationProtocolMismatch": "{credential} wants https: change account_url",
    "AuthorizationSourceIPMismatch": "{credential} is bound to other IP addresses than this machine's",
    "KeyBasedAuthenticationNotPermitted": "the account forbids account keys: leave account_key out and sign in"
    " with Entra ID",
    "InvalidAuthenticationInfo": "the token of Entra ID is not accepted: check that the identity belongs to the"
    " account's tenant",
    "NoAuthenticationInformation": _WHO,
    "PublicAccessNotPermitted": _WHO,
    "ContainerNotFound": _CREATE,
    "FilesystemNotFound": _CREATE,
    "ContainerBeingDeleted": "container {container} is being deleted: create it again, or correct the setting",
    "ContainerDisabled": "container {container} is disabled: enable it again",
    "AccountIsDisabled": "account {account} is disabled: see its subscription in the portal",
    "EncryptionScopeNotFound": "account {account} has no such encryption_scope: create it, or correct the setting",
    "EncryptionScopeDisabled": "the encryption_scope is disabled: enable it in the portal",
    "ServerBusy": "Azure asks for fewer requests",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: HTTP status (0 when nothing did), Azure's error code or "", and the client's own words."""

    status: int
    code: str
    text: str

    @property
    def refuses(self) -> bool:
        """Whether a condition that we set did not hold."""
        return self.code in _CONDITION

    @property
    def one_blob(self) -> str | None:
        """Why this one blob cannot be written or deleted while others can; None when it is everybody's fault."""
        return _ONE_BLOB.get(self.code)


def answer_of(error: Exception) -> Answer:
    """The answer inside either client's error."""
    text = str(error)
    first = text.partition("\n")[0].strip()
    if isinstance(error, AzureError):
        status = error.status_code if isinstance(error, HttpResponseError) else 0
        code = getattr(error, "error_code", None) or ""
        return Answer(status or 0, str(getattr(code, "value", code)), first if status else plain_reason(text))
    found = re.search(r"status code: (\d{3})", text)
    named = re.search(r"<Code>(\w+)</Code>", text)
    causes = [] if found else re.findall(r'^\s+(?:error: |message: )?"(.+)",?$', text, re.MULTILINE)
    return Answer(int(found[1]) if found else 0, named[1] if named else "", ": ".join([first, *causes]))


def unavailable(answer: Answer, doing: str, account: Account, container: str) -> SyncdError:
    """The error for what keeps every blob from being read or written."""
    place = f"azure target {account.url}/{container}: cannot {doing}:"
    if answer.code == "InvalidHeaderValue" and "tier" in answer.text:
        return Misconfigured(f"{place} Azure knows no such tier; take Hot, Cool, Cold or Archive")
    why = _EVERYBODY.get(answer.code) or _why_in_general(answer)
    ended = account.sas_ended(datetime.now(UTC))
    if answer.status in {401, 403} and ended:
        why = f"the SAS token expired at {ended}: make a new one"
    elif "time frame" in answer.text:
        why = "{credential} is not valid now: see its start and end, and this machine's clock"
    told = why.format(credential=account.signs_in_with, account=account.name, container=container, doing=doing)
    return _kind(answer)(f"{place} {told}. syncd tries again by itself.")


@contextmanager
def faults(doing: str, account: Account, container: str) -> Iterator[None]:
    """Map whatever either client raises."""
    try:
        yield
    except RAISED as error:
        raise unavailable(answer_of(error), doing, account, container) from error


def _kind(answer: Answer) -> type[Unavailable]:
    """How soon it may pass by itself."""
    if answer.status in {429, 503}:
        return Throttled
    unheard = answer.status == 0 and not _is_about_trust(answer.text)
    return Transient if unheard or answer.status in {408, 500, 502, 504} else Unavailable


def _is_about_trust(text: str) -> bool:
    return any(word in text.lower() for word in ("certificate", "ssl", "credential"))


def _why_in_general(answer: Answer) -> str:
    text = answer.text.replace("{", "{{").replace("}", "}}")
    lower = text.lower()
    if "certificate" in lower or "ssl" in lower:
        return f"the secure connection failed ({text}): check the server's certificate and this machine's trusted ones"
    if "credential" in lower and answer.status in {0, 400, 401}:
        return f"no identity was found ({text}): give account_key or sas_token, or sign this machine in to Entra ID"
    if answer.status == 0:
        return f"no answer ({text}): check account_url, name resolution, network and proxy"
    if answer.status == 404 and not answer.code:
        return "{account} does not know the container or the address: check account_url and container"
    return f"Azure answered {answer.status} {answer.code} ({text})"
