"""What an answer from an S3 store, or none, means: whose fault it is, in a sentence with the way out.

Codes are those of “Error responses” in Amazon's S3 reference; compatible stores use the same and add a few.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    NoCredentialsError,
    SSLError,
)
from botocore.exceptions import (
    ConnectionError as NoConnectionError,
)
from obstore.exceptions import BaseError

from syncd.errors import Misconfigured, SyncdError, Unavailable
from syncd.targets._retry import Throttled, Transient
from syncd.targets.s3 import Settings

RAISED = (ClientError, BotoCoreError, BaseError, FileNotFoundError)
"""What the two clients raise. `obstore` says FileNotFoundError for every 404."""

_REFUSES = frozenset({"PreconditionFailed", "ConditionalRequestConflict"})
_ABSENT = frozenset({"NoSuchKey", "NotFound", "404"})
_SLOW_DOWN = frozenset(
    {"SlowDown", "TooManyRequests", "Throttling", "ThrottlingException", "RequestLimitExceeded", "503"}
)
_PASSES = frozenset(
    {"InternalError", "RequestTimeout", "OperationAborted", "BadDigest", "ServiceUnavailable", "IncompleteBody"}
)
_KEYS = frozenset({
    "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired",
    "InvalidToken", "InvalidClientTokenId", "AccessDenied", "Unauthorized", "Forbidden", "403", "401",
})  # fmt: skip
_ONE_OBJECT = {
    "KeyTooLongError": "its name with the prefix is longer than 1,024 bytes",
    "XMinioInvalidObjectName": "the store does not take the characters of its name",
    "InvalidObjectName": "the store does not take the characters of its name",
    "InvalidURI": "the store does not take the characters of its name",
    "EntityTooLarge": "it is larger than the store takes",
    "ObjectLocked": "it is locked against change; its retention has to end first",
}  # fmt: skip
_PERMISSIONS = {
    "write": "s3:PutObject",
    "read": "s3:GetObject",
    "list": "s3:ListBucket",
    "delete": "s3:DeleteObject",
    "splice": "s3:PutObject and s3:GetObject",
}

_SENTENCES = {
    "InvalidAccessKeyId": "the store does not know the access key id ({who}). Correct access_key_id, or choose another"
    " profile or role",
    "SignatureDoesNotMatch": "the secret access key does not belong to the access key id ({who}). Correct"
    " secret_access_key; if it is right, something between here and the store changes requests",
    "ExpiredToken": "the session token has expired ({who}). Put a fresh one in its place, or use role_arn or an instance"
    " role, which renew themselves",
    "InvalidToken": "the session token is not one of this store's ({who}). Correct session_token, or leave it out",
    "AccessDenied": "this identity ({who}) may not {doing} here: the permission {permission} is missing on {resource}."
    " `syncd check` prints a policy with all that syncd needs",
    "NoSuchBucket": "there is no bucket {bucket!r} at {endpoint}. syncd never creates one: create it, or correct bucket"
    " or endpoint_url",
    "WrongRegion": "bucket {bucket!r} is in another region{region}. Set region to it, or leave region out",
    "RequestTimeTooSkewed": "this machine's clock differs from the store's by more than a quarter of an hour. Set it"
    " (NTP)",
    "Certificate": "the certificate of {endpoint} is not trusted. Set ca_file to the PEM file of the authority that"
    " signed it, or correct endpoint_url",
    "NoCredentials": "there is nothing to sign in with. Give access_key_id and secret_access_key or a profile, set"
    " AWS_… in the environment, or run where a role is attached",
    "Profile": "the AWS configuration cannot be used. Correct the profile, or the shared files in ~/.aws",
    "Role": "role_arn cannot be assumed. Let the role's trust policy name this identity (and external_id, if it asks for"
    " one), and give this identity sts:AssumeRole",
    "KMS": "the key of kms_key_id cannot be used ({who}). Give this identity kms:GenerateDataKey and kms:Decrypt on it",
    "Full": "the store is full or its quota is used up. Free space, or raise the quota",
}
_ALIASES = {
    "InvalidClientTokenId": "InvalidAccessKeyId",
    "ExpiredTokenException": "ExpiredToken",
    "TokenRefreshRequired": "ExpiredToken",
    "RequestExpired": "ExpiredToken",
    "Forbidden": "AccessDenied",
    "Unauthorized": "AccessDenied",
    "AllAccessDisabled": "AccessDenied",
    "AccountProblem": "AccessDenied",
    "401": "AccessDenied",
    "403": "AccessDenied",
    "PermanentRedirect": "WrongRegion",
    "TemporaryRedirect": "WrongRegion",
    "AuthorizationHeaderMalformed": "WrongRegion",
    "IllegalLocationConstraintException": "WrongRegion",
    "301": "WrongRegion",
    "QuotaExceeded": "Full",
    "XMinioStorageFull": "Full",
    "InsufficientStorage": "Full",
    "507": "Full",
}
_NEVER = {
    "InvalidBucketName": "{bucket!r} cannot be the name of a bucket. Correct bucket",
    "InvalidStorageClass": "the store has no such storage_class. Correct it",
    "InvalidEncryptionAlgorithmError": "the store has no such encryption. Correct sse",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: S3's code ("" when nothing did), the HTTP status or 0, and the store's own words."""

    code: str
    status: int
    text: str

    @property
    def refuses(self) -> bool:
        """A condition did not hold."""
        return self.code in _REFUSES or self.status == 412

    @property
    def absent(self) -> bool:
        """There is no such object. A 404 without a body says the same of a missing bucket: ask for that then."""
        return self.code in _ABSENT

    @property
    def one_object(self) -> str | None:
        """Why this one object cannot be stored while others can; None when it is everybody's fault."""
        return _ONE_OBJECT.get(self.code)

    @property
    def about_keys(self) -> bool:
        """Whether other credentials could change the answer."""
        return self.code in _KEYS


@dataclass(frozen=True, slots=True)
class Place:
    """The bucket and who asks, for messages."""

    settings: Settings
    endpoint: str
    who: str


def answer_of(error: Exception) -> Answer:
    """The answer inside either client's error."""
    if isinstance(error, ClientError):
        if error.operation_name.startswith("AssumeRole"):
            return Answer("Role", 0, str(error))
        told = error.response.get("Error", {})
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return Answer(told.get("Code", ""), status, told.get("Message", ""))
    if isinstance(error, BotoCoreError):
        return Answer(_sdk_code(error), 0, str(error))
    text = str(error)
    code, message = (re.search(f"<{tag}>(.*?)</{tag}>", text) for tag in ("Code", "Message"))
    told_status = re.search(r"status code: (\d+)", text)
    if "InvalidCertificate" in text or "UnknownIssuer" in text:
        return Answer("Certificate", 0, "the certificate was not accepted")
    number = told_status[1] if told_status else ""
    return Answer(code[1] if code else number, int(number or 0), message[1] if message else _first_line(text))


def fault(answer: Answer, doing: str, place: Place) -> SyncdError:
    """The error that the answer means for every object: what, why and the way out."""
    where = f"s3 target s3://{place.settings.bucket}/{place.settings.prefix}".rstrip("/")
    said = f" (the store said: {answer.code} {answer.text})" if answer.status else f" ({answer.text})"
    if answer.code in _NEVER:
        return Misconfigured(f"{where}: {_NEVER[answer.code].format(bucket=place.settings.bucket)}{said}.")
    if sentence := _SENTENCES.get(_ALIASES.get(answer.code, answer.code.partition(".")[0])):
        return Unavailable(f"{where}: {_filled(sentence, doing, place, answer)}{said}. syncd tries again by itself.")
    if answer.code in _SLOW_DOWN or answer.status in {429, 503}:
        return Throttled(f"{where}: the store asks to slow down{said}.")
    if not answer.code or answer.code in _PASSES or answer.status >= 500:
        return Transient(
            f"{where}: {place.endpoint} does not answer as it should: {answer.text or answer.code}. Look at"
            " endpoint_url, the network and the store itself. syncd tries again by itself."
        )
    return Unavailable(f"{where}: cannot {doing}{said}. syncd tries again by itself.")


@contextmanager
def faults(doing: str, place: Place) -> Iterator[None]:
    """Maps whatever a client raises in the block to what it means for every object."""
    try:
        yield
    except RAISED as error:
        raise fault(answer_of(error), doing, place) from error


def _sdk_code(error: BotoCoreError) -> str:
    if isinstance(error, SSLError):
        return "Certificate"
    if isinstance(error, NoCredentialsError):
        return "NoCredentials"
    if isinstance(error, HTTPClientError | NoConnectionError):
        return ""
    return "Profile"


def _filled(sentence: str, doing: str, place: Place, answer: Answer) -> str:
    bucket, prefix = place.settings.bucket, place.settings.prefix.strip("/")
    region = re.search(r"expecting '?([a-z0-9-]+)", answer.text)
    return sentence.format(
        who=place.who,
        doing=doing,
        permission=_PERMISSIONS.get(doing, "s3:*"),
        resource=f"arn:aws:s3:::{bucket}" if doing == "list" else f"arn:aws:s3:::{bucket}/{prefix and prefix + '/'}*",
        bucket=bucket,
        endpoint=place.endpoint,
        region=f", {region[1]}" if region else "",
    )


def _first_line(text: str) -> str:
    return text.partition("\n")[0]
