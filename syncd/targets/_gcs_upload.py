"""One small object by one request of Google's JSON API, over the SDK's own session: less than half of the SDK's CPU.

Connections, proxies, trusted certificates, credentials, errors and retries are those of the SDK; what falls away is its layers
of objects for each request.
"""

import secrets
from base64 import b64encode
from functools import partial
from hashlib import md5
from typing import Any
from urllib.parse import quote, urlencode

import orjson
from google.api_core.exceptions import from_http_response
from google.auth.credentials import Credentials
from google.auth.transport.requests import AuthorizedSession, Request
from requests import PreparedRequest
from requests.structures import CaseInsensitiveDict

from syncd.targets import Object
from syncd.targets._gcs_client import RETRY, TIMEOUT
from syncd.targets.gcs import Settings

LARGEST_BYTES = 8 * 1024 * 1024
"""Up to here Google takes an object in one request; the SDK sends a larger one in several."""


class Uploads:
    """Puts objects into one bucket. Calls may come from several threads at once."""

    def __init__(self, settings: Settings, credentials: Credentials, session: AuthorizedSession, endpoint: str) -> None:
        self._credentials = credentials
        self._session = session
        self._url = f"{endpoint}/upload/storage/v1/b/{quote(settings.bucket, safe='')}/o"
        self._environment = session.merge_environment_settings(self._url, {}, None, None, None)
        self._asked = {"uploadType": "multipart"}
        if settings.kms_key:
            self._asked["kmsKeyName"] = settings.kms_key
        self._storage_class = {"storageClass": settings.storage_class} if settings.storage_class else {}
        self._border = secrets.token_hex(16)  # nobody can have put it into a document
        self._for_tokens = partial(Request(), timeout=TIMEOUT)

    def put(self, name: str, one: Object, metadata: dict[str, str], generation: int | None) -> str:
        """Store an object whole if the one there has this generation (0: none; None: whatever is there); gives the new one.

        Raises what the SDK raises, and Unauthorized at once: renewing a token that was refused is left to the SDK.
        """
        asked = self._asked if generation is None else {**self._asked, "ifGenerationMatch": str(generation)}
        body = self._body(name, one, metadata)
        return str(RETRY(self._send)(f"{self._url}?{urlencode(asked)}", body))

    def _send(self, url: str, body: bytes) -> Any:
        kind = f'multipart/related; boundary="{self._border}"'
        headers = CaseInsensitiveDict[str | bytes]({"Content-Type": kind, "Content-Length": str(len(body))})
        self._credentials.before_request(self._for_tokens, "POST", url, headers)
        request = PreparedRequest()
        request.method, request.url, request.headers, request.body = "POST", url, headers, body
        answer = self._session.get_adapter(url).send(request, timeout=TIMEOUT, **self._environment)
        if answer.status_code != 200:
            raise from_http_response(answer)
        return answer.json().get("generation")

    def _body(self, name: str, one: Object, metadata: dict[str, str]) -> bytes:
        """Facts, then bytes. Google compares the MD5 and takes no object that was damaged on its way."""
        border = self._border.encode()
        checksum = b64encode(md5(one.body, usedforsecurity=False).digest()).decode()
        facts = {"name": name, "metadata": metadata, "md5Hash": checksum, **self._storage_class}
        return (
            b"--%b\r\nContent-Type: application/json\r\n\r\n%b\r\n--%b\r\nContent-Type: %b\r\n\r\n%b\r\n--%b--\r\n"
            % (border, orjson.dumps(facts), border, one.content_type.encode(), one.body, border)
        )
