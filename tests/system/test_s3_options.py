"""What the settings of an S3 target do, seen with boto3 beside it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from syncd.errors import Unavailable
from syncd.targets import Object, Piece, Refused, Target, Written, make, settings_of
from tests.certificates import certificates
from tests.fault_proxy import fault_proxy
from tests.servers import Servers
from tests.servers.moto import moto
from tests.servers.seaweedfs import BUCKET, client, seaweedfs

Open = Callable[..., Target]
MIB = 1024 * 1024


@pytest.fixture
def open_target(tmp_path: Path) -> Iterator[Open]:
    """Opens S3 targets below a prefix of this test's own."""
    opened: list[Target] = []

    def open_at(endpoint: str, **settings: Any) -> Target:
        keys = {} if "profile" in settings else {"access_key_id": "writer", "secret_access_key": "writer-secret"}
        merged = {"bucket": BUCKET, "prefix": tmp_path.name, "endpoint_url": endpoint, **keys, **settings}
        target = make("s3", settings_of("s3")(**merged))
        target.open()
        opened.append(target)
        return target

    yield open_at
    for target in opened:
        target.close()


def document(key: str, body: bytes = b"{}") -> Object:
    return Object(key, body, "sha256:abc", source_version="2026-01-02T03:04:05Z")


def facts(endpoint: str, name: str, bucket: str = BUCKET) -> dict[str, Any]:
    return dict(client(endpoint).head_object(Bucket=bucket, Key=name, ChecksumMode="ENABLED"))


def pieces(*letters: str) -> list[Piece]:
    """Pieces of a little over 5 MiB each."""
    bodies = [letter.encode() * (5 * MIB + 10) for letter in letters]
    return [Piece(f"piece{number}", len(body), f"sha256:{body[:1]!r}", body) for number, body in enumerate(bodies)]


def without_body(one: Piece) -> Piece:
    return Piece(one.id, one.length, one.digest)


def test_an_object_tells_its_type_digest_and_source_version(
    servers: Servers, open_target: Open, tmp_path: Path
) -> None:
    endpoint = servers.of(seaweedfs).endpoint
    list(open_target(endpoint).put_many([document("1/tasks/1.json")]))
    told = facts(endpoint, f"{tmp_path.name}/1/tasks/1.json")
    assert told["ContentType"] == "application/json"
    assert told["Metadata"] == {"digest": "sha256:abc", "source-version": "2026-01-02T03:04:05Z"}


def test_encryption_and_storage_class_reach_the_store(servers: Servers, open_target: Open, tmp_path: Path) -> None:
    endpoint = servers.of(moto)
    client(endpoint).create_bucket(Bucket="encrypted")
    key = "arn:aws:kms:us-east-1:123456789012:key/abcd-1234-efgh-5678"
    target = open_target(endpoint, bucket="encrypted", sse="aws:kms", kms_key_id=key, storage_class="STANDARD_IA")
    assert isinstance(next(iter(target.put_many([document("1/tasks/1.json")]))), Written)
    assert isinstance(target.splice("1/coco/result.json", pieces("a", "b"), content_type="application/json"), Written)

    for name in ("1/tasks/1.json", "1/coco/result.json"):
        told = facts(endpoint, f"{tmp_path.name}/{name}", "encrypted")
        assert (told["ServerSideEncryption"], told["SSEKMSKeyId"], told["StorageClass"]) == (
            "aws:kms",
            key,
            "STANDARD_IA",
        )
        assert told["ContentType"] == "application/json"


def test_checksums_are_kept_with_the_objects_where_asked_for(
    servers: Servers, open_target: Open, tmp_path: Path
) -> None:
    endpoint = servers.of(seaweedfs).endpoint
    target = open_target(endpoint, checksum="when_supported")
    assert isinstance(next(iter(target.put_many([document("1/tasks/1.json")]))), Written)
    assert "ChecksumCRC64NVME" in facts(endpoint, f"{tmp_path.name}/1/tasks/1.json")

    old = pieces("a", "b")
    assert isinstance(target.splice("1/coco/result.json", old, content_type="application/json"), Written)
    spliced = [without_body(old[0]), *pieces("a", "c")[1:]]
    assert isinstance(target.splice("1/coco/result.json", spliced, content_type="application/json"), Written)


def test_md5_goes_through_boto3_and_check_says_so(servers: Servers, open_target: Open) -> None:
    target = open_target(servers.of(seaweedfs).endpoint, checksum="md5")
    assert any("checksum is md5" in note for note in target.capabilities.notes)
    outcome = next(iter(target.put_many([document("1/tasks/1.json")])))
    assert isinstance(outcome, Written)
    found = target.get("1/tasks/1.json")
    assert found is not None
    assert (found.body, found.etag, found.digest) == (b"{}", outcome.etag, "sha256:abc")
    assert [finding for finding in target.check() if not finding.ok] == []


def test_a_role_is_assumed_with_the_given_keys(
    servers: Servers, open_target: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = servers.of(moto)
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", endpoint)
    client(endpoint).create_bucket(Bucket="in-role")
    target = open_target(
        endpoint, bucket="in-role", role_arn="arn:aws:iam::123456789012:role/annotations", external_id="ours"
    )
    assert "signs in with the role in the configuration" in target.capabilities.notes
    assert isinstance(next(iter(target.put_many([document("1/tasks/1.json")]))), Written)


def test_rotated_keys_are_read_again_when_the_old_ones_are_refused(
    servers: Servers, open_target: Open, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shared = tmp_path / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(shared))
    shared.write_text("[ours]\naws_access_key_id = reader\naws_secret_access_key = reader-secret\n")
    target = open_target(servers.of(seaweedfs).endpoint, profile="ours")

    shared.write_text("[ours]\naws_access_key_id = writer\naws_secret_access_key = writer-secret\n")

    assert isinstance(next(iter(target.put_many([document("1/tasks/1.json")]))), Written)


def test_a_servers_own_certificate_may_be_the_ca_file(servers: Servers, open_target: Open, tmp_path: Path) -> None:
    tls = certificates(tmp_path, self_signed=True)
    upstream = int(servers.of(seaweedfs).endpoint.rpartition(":")[2])
    with fault_proxy(upstream, tls=tls.server) as proxy:
        target = open_target(proxy.url, ca_file=tls.authority)
        assert any("only boto3 accepts" in note for note in target.capabilities.notes)
        assert isinstance(next(iter(target.put_many([document("1/tasks/1.json")]))), Written)


def test_a_splice_that_fails_leaves_no_parts_behind(servers: Servers, open_target: Open, tmp_path: Path) -> None:
    endpoint = servers.of(seaweedfs).endpoint
    target = open_target(endpoint)
    old = pieces("a", "b", "c")
    assert isinstance(target.splice("1/coco/result.json", old, content_type="application/json"), Written)
    lost = Piece("never-sent", 9, "sha256:none")
    again = [without_body(old[0]), *pieces("x", "y")[1:], *pieces("x", "y", "z")[2:], lost]
    assert target.splice("1/coco/result.json", again, content_type="application/json") == Refused("1/coco/result.json")
    uploads = client(endpoint).list_multipart_uploads(Bucket=BUCKET, Prefix=tmp_path.name)
    assert uploads.get("Uploads", []) == []


def test_unchanged_pieces_do_not_travel(servers: Servers, open_target: Open) -> None:
    upstream = int(servers.of(seaweedfs).endpoint.rpartition(":")[2])
    with fault_proxy(upstream) as proxy:
        target = open_target(proxy.url)
        old = pieces("a", "b", "c", "d")
        assert isinstance(target.splice("1/coco/result.json", old, content_type="application/json"), Written)
        proxy.seen.clear()
        new = pieces("a", "b", "x", "d")
        again = [without_body(old[0]), without_body(old[1]), new[2], without_body(old[3])]
        assert isinstance(target.splice("1/coco/result.json", again, content_type="application/json"), Written)
        sent = sum(int(one.header("Content-Length") or 0) for one in proxy.seen)
        copied = [one for one in proxy.seen if one.header("x-amz-copy-source")]
        found = target.get("1/coco/result.json")
    assert found is not None
    assert found.body == b"".join(one.body or b"" for one in new)
    assert sent < 6 * MIB
    assert len(copied) == 2  # pieces side by side are one part


def test_a_target_that_may_not_write_is_unavailable_not_broken(servers: Servers, open_target: Open) -> None:
    target = open_target(servers.of(seaweedfs).endpoint, access_key_id="reader", secret_access_key="reader-secret")
    with pytest.raises(Unavailable, match="s3:PutObject"):
        list(target.put_many([document(f"1/tasks/{number}.json") for number in range(300)]))
    assert target.get("1/tasks/1.json") is None
