"""What other programs find in the stores, and what the options of a target do to it, seen through the stores' own clients."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from redis import Redis

from syncd.targets import Object, Piece, Refused, Target, Written
from tests.fault_proxy import fault_proxy
from tests.servers import Servers
from tests.servers.azurite import KEY, Azurite, azurite
from tests.servers.fake_gcs import FakeGCS, fake_gcs
from tests.servers.redis_server import redis_server
from tests.system.trouble import made

BODY = b'{"id":1}'
DIGEST = f"sha256:{hashlib.sha256(BODY).hexdigest()}"
DOCUMENT = Object("1/tasks/1.json", BODY, DIGEST, source_version="2026-01-02T03:04:05Z ü%")
PIECES = [
    Piece(f"{number}", 4, hashlib.sha256(body).hexdigest(), body) for number, body in enumerate((b"a,b\n", b"1,2\n"))
]


@contextmanager
def opened(kind: str, **settings: str | None) -> Iterator[Target]:
    target = made(kind, **settings)
    target.open()
    try:
        yield target
    finally:
        target.close()


def put(target: Target, one: Object = DOCUMENT) -> Written:
    (outcome,) = target.put_many([one])
    assert isinstance(outcome, Written)
    return outcome


# --- Azure ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def azure(servers: Servers) -> Azurite:
    server = servers.of(azurite)
    with server.container("options") as client:
        if not client.exists():
            client.create_container()
    return server


def test_a_blob_says_what_it_is(azure: Azurite) -> None:
    with opened("azure", container="options", prefix="a/b", account_url=azure.account_url, account_key=KEY) as target:
        put(target)
    with azure.container("options") as client:
        blob = client.get_blob_client("a/b/1/tasks/1.json").get_blob_properties()
    assert blob.content_settings.content_type == "application/json"
    assert bytes(blob.content_settings.content_md5 or b"") == hashlib.md5(BODY).digest()
    assert blob.metadata["digest"] == DIGEST


@pytest.mark.parametrize("scope", [None, "audit"])
def test_blobs_go_to_the_tier_asked_for_by_either_client(azure: Azurite, scope: str | None) -> None:
    settings = {"account_url": azure.account_url, "account_key": KEY, "tier": "Cool", "encryption_scope": scope}
    prefix = f"tier-{scope}"
    with opened("azure", container="options", prefix=prefix, **settings) as target:
        put(target)
        assert isinstance(target.splice("1/csv/result.csv", PIECES, content_type="text/csv"), Written)
        assert any("encryption_scope" in note for note in target.capabilities.notes) == bool(scope)
    with azure.container("options") as client:
        for name in ("1/tasks/1.json", "1/csv/result.csv"):
            assert client.get_blob_client(f"{prefix}/{name}").get_blob_properties().blob_tier == "Cool"


def test_an_encryption_scope_travels_with_every_write(azure: Azurite) -> None:
    with fault_proxy(azure.port) as proxy:
        url = azure.account_url.replace(str(azure.port), str(proxy.port))
        with opened("azure", container="options", account_url=url, account_key=KEY, encryption_scope="audit") as target:
            seen = put(target)
            target.splice("1/csv/result.csv", PIECES, content_type="text/csv")
            (again,) = target.put_many([Object(DOCUMENT.key, BODY, DIGEST, if_match=seen.etag)])
            assert isinstance(again, Written)
            (stale,) = target.put_many([Object(DOCUMENT.key, BODY, DIGEST, if_match=seen.etag)])
            assert isinstance(stale, Refused)
        writes = [request for request in proxy.seen if request.method == "PUT"]
    assert len(writes) == 6
    assert {request.header("x-ms-encryption-scope") for request in writes} == {"audit"}


# --- Google Cloud Storage ---------------------------------------------------------------------------------------------


@pytest.fixture
def gcs(servers: Servers) -> FakeGCS:
    server = servers.of(fake_gcs)
    bucket = server.bucket("options")
    if not bucket.exists():
        bucket.create()
    bucket.client.close()
    return server


def test_an_object_says_what_it_is_and_lies_in_its_class(gcs: FakeGCS) -> None:
    with opened("gcs", bucket="options", prefix="a/b", endpoint_url=gcs.endpoint, storage_class="NEARLINE") as target:
        put(target)
        assert isinstance(target.splice("1/csv/result.csv", PIECES, content_type="text/csv"), Written)
    bucket = gcs.bucket("options")
    document, shared = (bucket.get_blob(f"a/b/{key}") for key in ("1/tasks/1.json", "1/csv/result.csv"))
    bucket.client.close()
    assert (document.content_type, document.metadata["digest"]) == ("application/json", DIGEST)
    assert document.storage_class == "NEARLINE"
    assert shared.content_type == "text/csv"


def test_a_key_of_ones_own_travels_with_every_upload_and_shared_files_go_whole(gcs: FakeGCS) -> None:
    key = "projects/p/locations/eu/keyRings/r/cryptoKeys/k"
    with (
        fault_proxy(gcs.checked_port) as proxy,
        opened("gcs", bucket="options", endpoint_url=proxy.url, kms_key=key) as target,
    ):
        put(target)
        uploads = [request for request in proxy.seen if request.path.startswith("/upload/")]
        assert {request.query.get("kmsKeyName") for request in uploads} == {key}
        assert not target.capabilities.splice
        assert any("kms_key" in note for note in target.capabilities.notes)


# --- Redis ------------------------------------------------------------------------------------------------------------


def test_a_redis_key_holds_the_documents_json_as_label_studio_writes_it(servers: Servers) -> None:
    server = servers.of(redis_server)
    with opened("redis", url=server.url, prefix="label-studio/lake") as target:
        put(target)
    with Redis.from_url(server.url) as client:
        assert client.get("label-studio:lake:1:tasks:1.json") == BODY
        assert json.loads(BODY) == {"id": 1}


def test_a_document_that_somebody_else_overwrote_in_redis_is_noticed(servers: Servers) -> None:
    server = servers.of(redis_server)
    with opened("redis", url=server.url, prefix="noticed") as target, Redis.from_url(server.url) as client:
        etag = put(target).etag
        client.set("noticed:1:tasks:1.json", b"[]")

        found = target.head(DOCUMENT.key)
        (refused,) = target.put_many([Object(DOCUMENT.key, BODY, DIGEST, if_match=etag)])

    assert found is not None
    assert (found.etag != etag, found.digest) == (True, None)
    assert isinstance(refused, Refused)


def test_keys_of_other_kinds_are_neither_listed_nor_lost(servers: Servers) -> None:
    server = servers.of(redis_server)
    with opened("redis", url=server.url, prefix="kinds") as target, Redis.from_url(server.url) as client:
        client.lpush("kinds:queue", "job")
        put(target)
        assert [item.key for item in target.list()] == [DOCUMENT.key]
        assert client.lrange("kinds:queue", 0, -1) == [b"job"]
