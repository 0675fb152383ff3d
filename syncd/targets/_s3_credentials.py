"""Who we are to S3: boto3's own chain, explicit keys, or a role assumed with either. All of them renew
themselves.

A new session reads files, profiles and the environment anew, so a rotated key is found by making one.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NotRequired, TypedDict

import boto3
from botocore.credentials import CredentialProvider, Credentials, DeferredRefreshableCredentials
from botocore.exceptions import NoCredentialsError
from botocore.session import Session as CoreSession
from pydantic import SecretStr

from syncd.targets.s3 import Settings

RENEWED_AFTER = timedelta(minutes=5)
_ROLE = "syncd-role"


class Keys(TypedDict):
    """Credentials as `obstore` asks for them."""

    access_key_id: str
    secret_access_key: str
    token: NotRequired[str | None]
    expires_at: datetime | None


def session_of(settings: Settings) -> boto3.Session:
    """A session that signs as the settings say. Raises NoCredentialsError when there is nothing to sign with."""
    own = boto3.Session(
        aws_access_key_id=settings.access_key_id,
        aws_secret_access_key=_plain(settings.secret_access_key),
        aws_session_token=_plain(settings.session_token),
        profile_name=settings.profile,
        region_name=settings.region,
    )
    session = _in_role(own, settings.role_arn, settings.external_id) if settings.role_arn else own
    if session.get_credentials() is None:
        raise NoCredentialsError
    return session


def signs_in_with(session: boto3.Session) -> str:
    """Where the credentials come from, for a person: no secret in it."""
    method = _credentials(session).method
    return {"explicit": "the keys in the configuration", _ROLE: "the role in the configuration"}.get(method, method)


def provider(session: boto3.Session) -> Callable[[], Keys]:
    """Gives the keys that are good now; asked again after five minutes, in which boto3 renews what is about
    to expire.
    """

    def provide() -> Keys:
        frozen = _credentials(session).get_frozen_credentials()
        return {
            "access_key_id": frozen.access_key or "",
            "secret_access_key": frozen.secret_key or "",
            "token": frozen.token,
            "expires_at": datetime.now(UTC) + RENEWED_AFTER,
        }

    return provide


def _credentials(session: boto3.Session) -> Credentials:
    found = session.get_credentials()
    if found is None:
        raise NoCredentialsError
    return found


def _in_role(own: boto3.Session, role: str, external_id: str | None) -> boto3.Session:
    core = CoreSession()
    core.get_component("credential_provider").insert_before("env", _AssumedRole(own, role, external_id))
    return boto3.Session(botocore_session=core, region_name=own.region_name)


class _AssumedRole(CredentialProvider):
    METHOD = _ROLE
    CANONICAL_NAME = _ROLE

    def __init__(self, own: boto3.Session, role: str, external_id: str | None) -> None:
        super().__init__()
        self._own = own
        self._request = {"RoleArn": role, "RoleSessionName": "syncd"}
        if external_id:
            self._request["ExternalId"] = external_id

    def load(self) -> DeferredRefreshableCredentials:
        return DeferredRefreshableCredentials(refresh_using=self._assume, method=_ROLE)

    def _assume(self) -> dict[str, str]:
        region = self._own.region_name or "us-east-1"  # without one, signing for STS fails
        given = self._own.client("sts", region_name=region).assume_role(**self._request)["Credentials"]
        return {
            "access_key": given["AccessKeyId"],
            "secret_key": given["SecretAccessKey"],
            "token": given["SessionToken"],
            "expiry_time": given["Expiration"].isoformat(),
        }


def _plain(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None
