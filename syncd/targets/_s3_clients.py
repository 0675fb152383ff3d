"""The two clients of a bucket, signed in alike: `obstore` for the many small objects, boto3 for the rest.

`obstore` needs a twentieth of boto3's CPU per object, but copies no ranges, sends no Content-MD5, and does
not accept every certificate that boto3 does.
"""

import base64
import hashlib
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal
from urllib.parse import urlsplit

from botocore.config import Config
from obstore.store import S3Store

from syncd.targets import Object, Stored
from syncd.targets._s3_credentials import provider, session_of, signs_in_with
from syncd.targets.s3 import Settings

CONNECTIONS = 128
CONNECT_SECONDS = 5
REQUEST_SECONDS = 30
ATTEMPTS = 3
LARGE_BYTES = 8 * 1024 * 1024
"""From here on boto3 sends an object: its time-out is per read, so that a slow line may take its time."""

_METADATA = ("digest", "source-version")
_FIRST_BACKOFF = timedelta(milliseconds=100)
_LONGEST_BACKOFF = timedelta(seconds=2)


class Clients:
    """Both clients of one bucket. Made after any fork: `obstore` hangs in a child of a process that used it."""

    def __init__(self, settings: Settings) -> None:
        """Sign in. Raises botocore's errors when there is nothing to sign in with."""
        self._settings = settings
        session = session_of(settings)
        self.signs_in_with = signs_in_with(session)
        style = _style(settings)
        self.sdk = session.client(
            "s3",
            endpoint_url=settings.endpoint_url,
            region_name=settings.region or session.region_name or "us-east-1",
            verify=str(settings.ca_file) if settings.ca_file else None,
            config=Config(
                connect_timeout=CONNECT_SECONDS,
                read_timeout=REQUEST_SECONDS,
                max_pool_connections=CONNECTIONS,
                retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
                request_checksum_calculation=self._checksum,
                response_checksum_validation=self._checksum,
                s3={"addressing_style": style},
            ),
        )
        self._virtual = style == "virtual" or (style == "auto" and "." not in settings.bucket)
        self._keys = provider(session)
        self.small: S3Store | None = None

    def use_small(self) -> None:
        """Make the quick client, unless an option needs boto3 for every object."""
        if self._settings.checksum != "md5":
            self.small = self._small()

    def put(self, name: str, one: Object) -> str | None:
        """Store an object in one request; gives the etag."""
        if self.small is None or len(one.body) >= LARGE_BYTES:
            return bare(self._put_by_sdk(name, one))
        attributes = self._attributes(one)
        told = self.small.put(name, one.body, attributes=attributes, mode=_mode(one), use_multipart=False)
        return bare(told["e_tag"])

    def read(self, key: str, name: str, *, body: bool) -> Stored:
        """An object, with its body or without."""
        small = _read_small(self.small, key, name, body=body) if self.small else None
        return small or self._read_by_sdk(key, name, body=body)

    def _read_by_sdk(self, key: str, name: str, *, body: bool) -> Stored:
        place: dict[str, Any] = {"Bucket": self._settings.bucket, "Key": name}
        if body:
            found = self.sdk.get_object(**place)
            content = found["Body"].read()
            return Stored(key, len(content), bare(found["ETag"]), own_metadata(found["Metadata"]), content)
        facts = self.sdk.head_object(**place)
        return Stored(key, facts["ContentLength"], bare(facts["ETag"]), own_metadata(facts["Metadata"]))

    def _put_by_sdk(self, name: str, one: Object) -> str:
        extra = self.extra()
        if one.if_absent:
            extra["IfNoneMatch"] = "*"
        if one.if_match is not None:
            extra["IfMatch"] = f'"{one.if_match}"'
        if self._settings.checksum == "md5":
            digest = hashlib.md5(one.body, usedforsecurity=False).digest()
            extra["ContentMD5"] = base64.b64encode(digest).decode()
        return self.sdk.put_object(
            Bucket=self._settings.bucket,
            Key=name,
            Body=one.body,
            ContentType=one.content_type,
            Metadata=metadata_of(one),
            **extra,
        )["ETag"]

    def extra(self) -> dict[str, Any]:
        """What every new object gets from the settings, in boto3's words."""
        told = {
            "ServerSideEncryption": self._settings.sse,
            "SSEKMSKeyId": self._settings.kms_key_id,
            "StorageClass": self._settings.storage_class,
        }
        return {name: value for name, value in told.items() if value}

    def signs_like(self, other: "Clients") -> bool:
        """Whether both have the same keys by now."""
        mine, others = self._keys(), other._keys()
        return (mine["access_key_id"], mine.get("token")) == (others["access_key_id"], others.get("token")) and (
            mine["secret_access_key"] == others["secret_access_key"]
        )

    def close(self) -> None:
        self.sdk.close()

    @property
    def _checksum(self) -> Literal["when_supported", "when_required"]:
        chosen = self._settings.checksum or ("when_required" if self._settings.endpoint_url else "when_supported")
        return "when_required" if chosen == "md5" else chosen

    def _attributes(self, one: Object) -> dict[str, str]:
        attributes = {"Content-Type": one.content_type, **metadata_of(one)}
        if self._settings.storage_class:
            attributes["Storage-Class"] = self._settings.storage_class
        return attributes

    def _connection(self, scheme: str) -> Any:
        options = {
            "allow_http": scheme == "http",
            "connect_timeout": timedelta(seconds=CONNECT_SECONDS),
            "timeout": timedelta(seconds=REQUEST_SECONDS),
        }
        trusted = self._settings.ca_file
        return {**options, "root_certificate": trusted.read_bytes()} if trusted else options

    def _small(self) -> S3Store:
        address = urlsplit(self.sdk.meta.endpoint_url)
        host = f"{self._settings.bucket}.{address.netloc}" if self._virtual else address.netloc
        options: dict[str, Any] = {}
        if self._settings.sse:
            options["server_side_encryption"] = self._settings.sse
        if self._settings.kms_key_id:
            options["sse_kms_key_id"] = self._settings.kms_key_id
        if self._checksum == "when_supported":
            options["checksum_algorithm"] = "CRC64NVME"
        return S3Store(
            self._settings.bucket,
            endpoint=f"{address.scheme}://{host}{address.path}".rstrip("/"),
            region=self.sdk.meta.region_name,
            virtual_hosted_style_request=self._virtual,
            credential_provider=self._keys,
            client_options=self._connection(address.scheme),
            retry_config={
                "max_retries": ATTEMPTS - 1,
                "retry_timeout": timedelta(seconds=REQUEST_SECONDS),
                "backoff": {"init_backoff": _FIRST_BACKOFF, "max_backoff": _LONGEST_BACKOFF, "base": 2},
            },
            **options,
        )


def _style(settings: Settings) -> Literal["path", "virtual", "auto"]:
    if settings.path_style is None:
        return "path" if settings.endpoint_url else "auto"
    return "path" if settings.path_style else "virtual"


def metadata_of(one: Object) -> dict[str, str]:
    """An object's metadata: its digest, and which state of the source it shows."""
    return {"digest": one.digest, "source-version": one.source_version}


def _read_small(client: S3Store, key: str, name: str, *, body: bool) -> Stored | None:
    found = client.get(name, options={"head": not body})
    if body and found.meta["size"] >= LARGE_BYTES:
        return None
    content = bytes(found.bytes()) if body else None
    return Stored(key, found.meta["size"], bare(found.meta["e_tag"]), own_metadata(found.attributes), content)


def own_metadata(told: Mapping[str, str]) -> dict[str, str]:
    """What `metadata_of` wrote, out of all that a store tells of an object."""
    return {name: told[name] for name in _METADATA if name in told}


def bare(etag: str | None) -> str | None:
    """An etag without the quotes that only some answers have."""
    return etag.strip('"') if etag else None


def _mode(one: Object) -> Any:
    """An object's condition in the words of `obstore`."""
    if one.if_match is not None:
        return {"e_tag": f'"{one.if_match}"'}
    return "create" if one.if_absent else "overwrite"
