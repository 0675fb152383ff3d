"""Stores for benchmarks: each as a target of syncd's configuration, and as puts of the clients beside it.

A store is fresh each time, for emulators slow down as they fill.
"""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import boto3
from _sink import most_in_flight, sink
from azure.core.pipeline.transport import RequestsTransport
from azure.storage.blob import ContainerClient
from botocore.config import Config
from google.auth.credentials import AnonymousCredentials
from google.auth.transport.requests import AuthorizedSession
from google.cloud.storage import Client
from obstore.store import AzureStore, S3Store
from requests import Session
from requests.adapters import HTTPAdapter

from tests.servers import azurite as azurites
from tests.servers import fake_gcs as googles
from tests.servers import seaweedfs as seaweeds

CONNECTIONS = 256
BUCKET = seaweeds.BUCKET

Put = Callable[[str, bytes], object]


@dataclass(frozen=True, slots=True)
class Store:
    """`target` goes into syncd.yaml; `sdk` and `bare` put one object by the vendor's SDK and by obstore, where it can."""

    target: dict[str, Any]
    sdk: Put
    bare: Put | None = None
    in_flight: Callable[[], int] = lambda: 0
    """How many requests waited for their answer at the most, if the store tells."""

    def warm_up(self) -> None:
        """A server's first requests are slow, and those of a client: a second's worth of them."""
        until = time.monotonic() + 1
        while time.monotonic() < until:
            self.sdk("warm/1", b"x" * 2000)
            if self.bare:
                self.bare("warm/2", b"x" * 2000)


@contextlib.contextmanager
def seaweedfs() -> Iterator[Store]:
    with seaweeds.seaweedfs() as server:
        yield s3(server.endpoint)


@contextlib.contextmanager
def s3_sink(seconds: float = 0.0) -> Iterator[Store]:
    with sink(seconds) as endpoint:
        yield replace(s3(endpoint), in_flight=partial(most_in_flight, endpoint))


def s3(endpoint: str) -> Store:
    keys = {"access_key_id": "writer", "secret_access_key": "writer-secret"}
    store = S3Store(BUCKET, endpoint=endpoint, region="us-east-1", **keys, client_options={"allow_http": True})
    sdk = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="writer",
        aws_secret_access_key="writer-secret",
        config=Config(s3={"addressing_style": "path"}, max_pool_connections=CONNECTIONS),
    )
    return Store(
        {"type": "s3", "bucket": BUCKET, "endpoint_url": endpoint, **keys},
        lambda key, body: sdk.put_object(Bucket=BUCKET, Key=key, Body=body),
        lambda key, body: store.put(key, body, use_multipart=False),
    )


@contextlib.contextmanager
def azurite() -> Iterator[Store]:
    with azurites.azurite() as server:
        url, account, key = server.account_url, azurites.ACCOUNT, azurites.KEY
        options = {"account_name": account, "account_key": key, "credential_type": "access_key"}
        store = AzureStore(BUCKET, endpoint=url, **options, client_options={"allow_http": True})
        transport = RequestsTransport(session=pooled(Session()))
        credential = {"account_name": account, "account_key": key}
        with ContainerClient(url, BUCKET, credential=credential, transport=transport) as sdk:
            sdk.create_container()
            yield Store(
                {"type": "azure", "container": BUCKET, "account_url": url, "account_key": key},
                lambda name, body: sdk.upload_blob(name, body, overwrite=True),
                lambda name, body: store.put(name, body, use_multipart=False),
            )


@contextlib.contextmanager
def fake_gcs() -> Iterator[Store]:
    """Not the proxy before it, which tests need and which is slow."""
    with googles.fake_gcs() as server:
        yield gcs(f"http://127.0.0.1:{server.port}")


@contextlib.contextmanager
def gcs_sink(seconds: float = 0.0) -> Iterator[Store]:
    with sink(seconds) as endpoint:
        yield replace(gcs(endpoint), in_flight=partial(most_in_flight, endpoint))


def gcs(endpoint: str) -> Store:
    nobody = AnonymousCredentials()
    session = pooled(AuthorizedSession(nobody))
    client = Client("benchmark", nobody, _http=session, client_options={"api_endpoint": endpoint})
    bucket = client.bucket(BUCKET)
    with contextlib.suppress(Exception):  # the sink has every bucket
        bucket.create()
    return Store(
        {"type": "gcs", "bucket": BUCKET, "endpoint_url": endpoint},
        lambda key, body: bucket.blob(key).upload_from_string(body, "application/json"),
    )


def pooled(session: Any) -> Any:
    session.mount("http://", HTTPAdapter(pool_maxsize=CONNECTIONS))
    return session
