"""The two clients of a container, signed in alike: `obstore` for the many small objects, Azure's SDK for the rest.

`obstore` needs a twentieth of the SDK's CPU per object, but knows neither encryption scopes nor block lists.
"""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypedDict

from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential
from azure.core.pipeline.transport import RequestsTransport
from azure.identity import DefaultAzureCredential
from azure.storage.blob import BlobServiceClient, LinearRetry
from obstore.store import AzureStore
from requests import Session
from requests.adapters import HTTPAdapter

from syncd.targets import Object
from syncd.targets._azure_account import Account
from syncd.targets._azure_names import to_metadata

CONNECT_SECONDS = 5
REQUEST_SECONDS = 30
RETRIES = 2  # what takes longer is for those who pace all requests
_WHOLE_BYTES = 256 * 1024 * 1024  # up to here one Put Blob, for which Azure stores the MD5
_SCOPE = "https://storage.azure.com/.default"


logging.getLogger("azure.identity").setLevel(logging.ERROR)  # its page of advice at each try is one sentence here


class _Token(TypedDict):
    token: str
    expires_at: datetime


class Clients:
    """Both clients of one container. Made after any fork: `obstore` hangs in a child of a process that used it."""

    def __init__(self, account: Account, container: str, *, connections: int) -> None:
        self._entra = None if account.key or account.sas else DefaultAzureCredential()
        self.service = self._service_client(account, connections)
        self.sdk = self.service.get_container_client(container)
        self.small = self._small_client(account, container)

    def close(self) -> None:
        self.service.close()
        if self._entra:
            self._entra.close()

    def _service_client(self, account: Account, connections: int) -> BlobServiceClient:
        credential: AzureNamedKeyCredential | AzureSasCredential | DefaultAzureCredential | None = self._entra
        if account.key:
            credential = AzureNamedKeyCredential(account.name, account.key)
        elif account.sas:
            credential = AzureSasCredential(account.sas)
        session = Session()
        session.mount("https://", HTTPAdapter(pool_maxsize=connections))
        session.mount("http://", HTTPAdapter(pool_maxsize=connections))
        return BlobServiceClient(
            account.url,
            credential=credential,
            transport=RequestsTransport(session=session),
            connection_timeout=CONNECT_SECONDS,
            read_timeout=REQUEST_SECONDS,
            retry_policy=LinearRetry(backoff=1, retry_total=RETRIES, random_jitter_range=1),
            max_single_put_size=_WHOLE_BYTES,
        )

    def _small_client(self, account: Account, container: str) -> AzureStore:
        sign_in: dict[str, Any]  # the type is named, since obstore would prefer a key that it finds in the environment
        if account.key:
            sign_in = {"account_key": account.key, "credential_type": "access_key"}
        elif account.sas:
            sign_in = {"sas_key": account.sas, "credential_type": "sas_token"}
        else:
            sign_in = {"credential_provider": _provider(self._entra or DefaultAzureCredential())}
        return AzureStore(
            container,
            account_name=account.name,
            endpoint=account.url,
            client_options={
                "allow_http": account.url.startswith("http:"),
                "connect_timeout": timedelta(seconds=CONNECT_SECONDS),
                "timeout": timedelta(seconds=REQUEST_SECONDS),
            },
            retry_config={
                "max_retries": RETRIES,
                "retry_timeout": timedelta(seconds=REQUEST_SECONDS),
                "backoff": {
                    "init_backoff": timedelta(milliseconds=100),
                    "max_backoff": timedelta(seconds=2),
                    "base": 2,
                },
            },
            **sign_in,
        )


def put_options(one: Object, tier: str | None) -> dict[str, Any]:
    """An object's condition, content type and tier in the words of `obstore`; always one request, so that it is whole."""
    mode: str | dict[str, str] = "create" if one.if_absent else "overwrite"
    if one.if_match:
        mode = {"e_tag": f'"{one.if_match}"'}
    attributes = {"Content-Type": one.content_type, **to_metadata(one)}
    if tier:
        attributes["Storage-Class"] = tier
    return {"attributes": attributes, "mode": mode, "use_multipart": False}


def _provider(credential: DefaultAzureCredential) -> Callable[[], _Token]:
    def provide() -> _Token:
        token = credential.get_token(_SCOPE)
        return {"token": token.token, "expires_at": datetime.fromtimestamp(token.expires_on, UTC)}

    return provide
