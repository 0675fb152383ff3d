"""Which storage account, and how we sign in there, from the settings. Nothing is asked of Azure here."""

import binascii
from base64 import b64decode
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True, slots=True)
class Account:
    """A storage account's blob endpoint and at most one of key and SAS token; with neither, Entra ID is asked."""

    url: str
    name: str
    key: str | None = field(default=None, repr=False)
    sas: str | None = field(default=None, repr=False)

    @property
    def signs_in_with(self) -> str:
        if self.key:
            return "the account key"
        return "the SAS token" if self.sas else "Entra ID (DefaultAzureCredential)"

    def sas_ended(self, now: datetime) -> str | None:
        """The moment when the SAS token expired, as it stands in the token; None while it is good or names none."""
        end = parse_qs(self.sas or "").get("se", [""])[0]
        try:
            moment = datetime.fromisoformat(end.replace("Z", "+00:00"))
        except ValueError:
            return None
        return end if moment.replace(tzinfo=moment.tzinfo or UTC) < now else None


def account_at(url: str, key: str | None = None, sas: str | None = None) -> Account:
    """The account behind `https://NAME.blob.core.windows.net`, or `http://HOST:PORT/NAME` as emulators have it.

    A query in the address counts as the SAS token. Raises ValueError with a sentence that quotes no secret.
    """
    parts = urlsplit(url.strip())
    path = parts.path.strip("/")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("account_url must be an address like https://NAME.blob.core.windows.net")
    if "/" in path:
        raise ValueError("account_url must end with the account; the container has a setting of its own")
    if key:
        _refuse_broken_key(key)
    token = (sas or parts.query).strip().lstrip("?")
    name = path or parts.hostname.split(".")[0]
    return Account(f"{parts.scheme}://{parts.netloc}/{path}".rstrip("/"), name, key or None, token or None)


def account_in(connection_string: str) -> Account:
    """The account of a connection string as the Azure portal shows it. Raises ValueError with a sentence."""
    parts = (part.partition("=") for part in connection_string.strip().split(";"))
    fields = {name.strip(): value.strip() for name, _, value in parts}
    key, sas, name = fields.get("AccountKey"), fields.get("SharedAccessSignature"), fields.get("AccountName")
    url = fields.get("BlobEndpoint")
    if url is None and name:
        protocol = fields.get("DefaultEndpointsProtocol", "https")
        url = f"{protocol}://{name}.blob.{fields.get('EndpointSuffix', 'core.windows.net')}"
    if url is None or not (key or sas):
        raise ValueError(
            "connection_string needs AccountName or BlobEndpoint, and AccountKey or SharedAccessSignature:"
            " copy it whole from the storage account's page “Access keys”"
        )
    found = account_at(url, key, sas)
    return Account(found.url, name or found.name, found.key, found.sas)


def _refuse_broken_key(key: str) -> None:
    try:
        b64decode(key, validate=True)
    except binascii.Error:
        raise ValueError("the account key is not base64: copy it whole, with the = at its end") from None
