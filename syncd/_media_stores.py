"""Reads media objects from S3, Google Cloud Storage and Azure, with each SDK's own chain of credentials."""

import os
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from syncd._media_place import MediaMissing, Stored

_BLOCK = 256 * 1024


def read(place: Stored) -> Iterator[bytes]:
    """The object in blocks. Raises MediaMissing when it is not there, or not for us."""
    return _READERS[place.scheme](place.bucket, place.key)


def _s3(bucket: str, key: str) -> Iterator[bytes]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        body = _s3_client().get_object(Bucket=bucket, Key=key)["Body"]
        yield from body.iter_chunks(_BLOCK)
    except (BotoCoreError, ClientError) as error:
        raise MediaMissing(f"s3://{bucket}/{key}: {error}") from error


@lru_cache(1)
def _s3_client() -> Any:
    import boto3

    return boto3.client("s3")


def _gcs(bucket: str, key: str) -> Iterator[bytes]:
    from google.api_core.exceptions import GoogleAPIError
    from google.auth.exceptions import GoogleAuthError

    try:
        with _gcs_client().bucket(bucket).blob(key).open("rb", chunk_size=_BLOCK) as file:
            while block := file.read(_BLOCK):
                yield block
    except (GoogleAPIError, GoogleAuthError) as error:
        raise MediaMissing(f"gs://{bucket}/{key}: {error}") from error


@lru_cache(1)
def _gcs_client() -> Any:
    from google.cloud import storage

    return storage.Client()


def _azure(container: str, key: str) -> Iterator[bytes]:
    from azure.core.exceptions import AzureError

    try:
        yield from _azure_client().get_blob_client(container, key).download_blob().chunks()
    except AzureError as error:
        raise MediaMissing(f"azure-blob://{container}/{key}: {error.message}") from error


@lru_cache(1)
def _azure_client() -> Any:
    """From a connection string, or Label Studio's own variables for account and key."""
    from azure.storage.blob import BlobServiceClient

    connection = os.environ.get("AZURE_STORAGE_CONNECTION_STRING")
    if connection:
        return BlobServiceClient.from_connection_string(connection)
    account = os.environ.get("AZURE_BLOB_ACCOUNT_NAME")
    if not account:
        raise MediaMissing(
            "azure-blob:// needs AZURE_STORAGE_CONNECTION_STRING, or AZURE_BLOB_ACCOUNT_NAME with its key"
        )
    return BlobServiceClient(f"https://{account}.blob.core.windows.net", credential=_azure_credential())


def _azure_credential() -> Any:
    key = os.environ.get("AZURE_BLOB_ACCOUNT_KEY")
    if key:
        return key
    from azure.identity import DefaultAzureCredential

    return DefaultAzureCredential()


_READERS: dict[str, Callable[[str, str], Iterator[bytes]]] = {"s3": _s3, "gs": _gcs, "azure-blob": _azure}
