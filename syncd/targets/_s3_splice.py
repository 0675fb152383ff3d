"""A large object put together in the store: unchanged ranges are copied there, only new bytes travel.

Every part but the last must have 5 MiB, so what is shorter is filled up from the old object's next bytes. The
old object must still be the version that the pieces were laid out in, at each copy and again at the end.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from syncd.targets._layout import Copy
from syncd.targets._s3_clients import Clients

SMALLEST_PART = 5 * 1024 * 1024
SENT_PART = 8 * 1024 * 1024
LARGEST_COPY = 5 * 1024**3


class Upload:
    """One new object, front to back. Nothing is visible before `finish`; an upload that fails leaves nothing
    behind.
    """

    def __init__(self, clients: Clients, bucket: str, name: str, content_type: str, old_etag: str | None) -> None:
        """`old_etag`: the version to copy from and to replace; None to replace whatever is there."""
        self._sdk = clients.sdk
        self._place: Any = {"Bucket": bucket, "Key": name}
        self._new: dict[str, Any] = {"ContentType": content_type, **clients.extra()}
        self._old = f'"{old_etag}"' if old_etag else ""
        self._upload: dict[str, Any] = {}
        self._parts: list[Any] = []
        self._waiting = bytearray()

    def add(self, part: Copy | bytes) -> None:
        """Append new bytes or a range of the old object. Raises what boto3 raises."""
        if isinstance(part, bytes):
            self._append(part)
            return
        offset, length = part.offset, part.length
        if self._waiting:
            filling = min(length, max(0, SMALLEST_PART - len(self._waiting)))
            self._append(self._old_bytes(offset, filling))
            offset, length = offset + filling, length - filling
        if length < SMALLEST_PART:
            self._append(self._old_bytes(offset, length))
            return
        if self._waiting:
            self._send(len(self._waiting))
        for start, size in _cut(offset, length):
            self.copy(start, size)

    def finish(self) -> str:
        """Make the object visible; gives its etag. Raises ClientError 412 when the old one is another by now."""
        condition: dict[str, Any] = {"IfMatch": self._old} if self._old else {}
        if not self._upload:
            stored = self._sdk.put_object(**self._place, **self._new, Body=bytes(self._waiting), **condition)
            return stored["ETag"].strip('"')
        if self._waiting:
            self._send(len(self._waiting))
        completed = self._sdk.complete_multipart_upload(
            **self._begun(), MultipartUpload={"Parts": self._parts}, **condition
        )
        return completed["ETag"].strip('"')

    def abort(self) -> None:
        """Drop the parts, which the store would bill for ever; a store that is out of reach keeps them till
        its lifecycle rule.
        """
        if self._upload:
            with suppress(ClientError, BotoCoreError):
                self._sdk.abort_multipart_upload(**self._begun())

    def _append(self, body: bytes) -> None:
        """Hold bytes back until they make a part, and the rest of them one that may be followed."""
        self._waiting += body
        while len(self._waiting) >= SENT_PART + SMALLEST_PART:
            self._send(SENT_PART)

    def _begun(self) -> dict[str, Any]:
        if not self._upload:
            told = self._sdk.create_multipart_upload(**self._place, **self._new)
            self._upload = {**self._place, "UploadId": told["UploadId"]}
        return self._upload

    def _send(self, size: int) -> None:
        body = bytes(self._waiting[:size])
        number = len(self._parts) + 1
        told = self._sdk.upload_part(**self._begun(), PartNumber=number, Body=body)
        self._note(number, dict(told))
        del self._waiting[:size]

    def copy(self, offset: int, length: int) -> bool:
        """Make a part of the old object's range; False when the store answers as if it had, and has not."""
        number = len(self._parts) + 1
        condition: dict[str, Any] = {"CopySourceIfMatch": self._old} if self._old else {}
        told = self._sdk.upload_part_copy(
            **self._begun(),
            PartNumber=number,
            CopySource=self._place,
            CopySourceRange=f"bytes={offset}-{offset + length - 1}",
            **condition,
        )
        self._note(number, dict(told["CopyPartResult"]))
        return "ETag" in told["CopyPartResult"]

    def _note(self, number: int, told: dict[str, Any]) -> None:
        """A part as the completion wants it: with whatever checksum the store gave for it."""
        kept = {name: value for name, value in told.items() if name == "ETag" or name.startswith("Checksum")}
        self._parts.append({"PartNumber": number, **kept})

    def _old_bytes(self, offset: int, length: int) -> bytes:
        if not length:
            return b""
        wanted = f"bytes={offset}-{offset + length - 1}"
        return self._sdk.get_object(**self._place, Range=wanted, IfMatch=self._old)["Body"].read()


@contextmanager
def upload(clients: Clients, bucket: str, name: str, content_type: str, old_etag: str | None) -> Iterator[Upload]:
    """An upload that is aborted when the block fails."""
    begun = Upload(clients, bucket, name, content_type, old_etag)
    try:
        yield begun
    except BaseException:
        begun.abort()
        raise


def clear_abandoned(clients: Clients, bucket: str, name: str) -> None:
    """Abort the uploads of this very object that a killed process left behind; one writer has none under way but these.

    Without the right to list them nothing happens: the bucket's lifecycle rule has to clear them away.
    """
    place: Any = {"Bucket": bucket, "Key": name}
    with suppress(ClientError):
        for page in clients.sdk.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=name):
            for found in page.get("Uploads", []):
                if found["Key"] == name:
                    clients.sdk.abort_multipart_upload(**place, UploadId=found["UploadId"])


def copies_ranges(clients: Clients, bucket: str, name: str) -> bool:
    """Whether the store copies a range of the small object `name`. Raises ClientError when it answers
    otherwise.
    """
    with upload(clients, bucket, name, "text/plain", None) as trial:
        copied = trial.copy(0, 1)
        trial.abort()
    return copied


def _cut(offset: int, length: int) -> Iterator[tuple[int, int]]:
    """Ranges that one copy may take, about equal, so that none is too short."""
    count = -(-length // LARGEST_COPY)
    for number in range(count):
        start, end = length * number // count, length * (number + 1) // count
        yield offset + start, end - start
