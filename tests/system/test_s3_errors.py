"""Every way in which S3 can refuse us says something else: the cause, and the way out. No secret is in any of it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from syncd.errors import Misconfigured, SyncdError, Unavailable
from syncd.targets import Target, Written, make, settings_of
from syncd.targets._probe import sample
from syncd.targets._retry import Throttled, Transient
from tests.certificates import certificates
from tests.fault_proxy import FaultProxy, fault_proxy
from tests.http_wire import Message, response
from tests.servers import Servers, free_port
from tests.servers.moto import moto
from tests.servers.seaweedfs import BUCKET, client, seaweedfs

GOOD: dict[str, Any] = {"bucket": BUCKET, "access_key_id": "writer", "secret_access_key": "writer-secret"}


@pytest.fixture(autouse=True)
def nothing_in_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def target(endpoint: str, **settings: Any) -> Target:
    merged = {"prefix": "labels", "endpoint_url": endpoint, **GOOD, **settings}
    return make("s3", settings_of("s3")(**{name: value for name, value in merged.items() if value is not None}))


def message(refused: Target) -> str:
    """What an operator is told when the target is opened and written to."""
    with pytest.raises(SyncdError) as caught:
        refused.open()
        list(refused.put_many([sample("_syncd/check/1", "text")]))
    assert isinstance(caught.value, Unavailable)
    told = str(caught.value)
    assert "secret" not in told.replace("secret_access_key", "").replace("secret access key", "")
    assert told.startswith("s3 target s3://")
    return told


@contextmanager
def answering(status: int, code: str, text: str) -> Iterator[str]:
    """A store that answers every request so."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{text}</Message></Error>".encode()

    async def answer(_: FaultProxy, request: Message) -> Message:
        return response(status, b"" if request.method == "HEAD" else body, "application/xml")

    with fault_proxy(1, gate=answer) as proxy:
        yield proxy.url


def test_a_wrong_access_key(servers: Servers) -> None:
    told = message(target(servers.of(seaweedfs).endpoint, access_key_id="nobody"))
    assert "does not know the access key id" in told
    assert "Correct access_key_id" in told


def test_a_wrong_secret(servers: Servers) -> None:
    told = message(target(servers.of(seaweedfs).endpoint, secret_access_key="another-secret"))
    assert "the secret access key does not belong to the access key id" in told


def test_an_expired_token() -> None:
    with answering(400, "ExpiredToken", "The provided token has expired.") as endpoint:
        told = message(target(endpoint, session_token="token"))
    assert "the session token has expired" in told
    assert "role_arn" in told


def test_a_missing_bucket_is_told_and_never_made(servers: Servers) -> None:
    endpoint = servers.of(seaweedfs).endpoint
    told = message(target(endpoint, bucket="elsewhere", access_key_id="admin", secret_access_key="admin-secret"))
    assert f"there is no bucket 'elsewhere' at {endpoint}" in told
    assert "create it" in told
    names = [bucket["Name"] for bucket in client(endpoint).list_buckets()["Buckets"]]
    assert "elsewhere" not in names


def test_no_right_to_write_names_the_permission(servers: Servers) -> None:
    told = message(target(servers.of(seaweedfs).endpoint, access_key_id="reader", secret_access_key="reader-secret"))
    assert f"the permission s3:PutObject is missing on arn:aws:s3:::{BUCKET}/labels/*" in told
    assert "syncd check" in told


def test_a_wrong_region(servers: Servers) -> None:
    endpoint = servers.of(moto)
    client(endpoint, region="eu-west-1").create_bucket(
        Bucket="bucket-in-europe", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    told = message(target(endpoint, bucket="bucket-in-europe", region="us-east-1"))
    assert "is in another region, eu-west-1. Set region" in told

    found = target(endpoint, bucket="bucket-in-europe")
    found.open()
    found.close()


def test_a_certificate_of_an_unknown_authority(servers: Servers, tmp_path: Path) -> None:
    tls = certificates(tmp_path)
    upstream = int(servers.of(seaweedfs).endpoint.rpartition(":")[2])
    with fault_proxy(upstream, tls=tls.server) as proxy:
        told = message(target(proxy.url))
        assert f"the certificate of {proxy.url} is not trusted. Set ca_file" in told

        trusted = target(proxy.url, ca_file=tls.authority)
        trusted.open()
        assert isinstance(next(iter(trusted.put_many([sample("1/tasks/1.json", "{}")]))), Written)
        assert not [note for note in trusted.capabilities.notes if "boto3" in note]
        trusted.close()


def test_a_missing_ca_file_is_a_mistake_in_the_configuration(servers: Servers, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"ca_file .* cannot be read: No such file"):
        target(servers.of(seaweedfs).endpoint, ca_file=tmp_path / "none.pem").open()


def test_nobody_at_the_endpoint() -> None:
    endpoint = f"http://127.0.0.1:{free_port()}"
    refused = target(endpoint)
    with pytest.raises(Transient) as caught:
        refused.open()
    assert f"{endpoint} does not answer as it should" in str(caught.value)
    assert "endpoint_url" in str(caught.value)


def test_nothing_to_sign_in_with(servers: Servers) -> None:
    told = message(target(servers.of(seaweedfs).endpoint, access_key_id=None, secret_access_key=None))
    assert "there is nothing to sign in with" in told


def test_an_unknown_profile(servers: Servers) -> None:
    told = message(
        target(servers.of(seaweedfs).endpoint, access_key_id=None, secret_access_key=None, profile="annotators")
    )
    assert "Correct the profile" in told
    assert "annotators" in told


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (403, "RequestTimeTooSkewed", "this machine's clock differs"),
        (400, "KMS.DisabledException", "kms:GenerateDataKey"),
        (507, "InsufficientStorage", "the store is full"),
        (403, "InvalidToken", "the session token is not one of this store's"),
    ],
)
def test_other_refusals_have_their_own_words(status: int, code: str, words: str) -> None:
    with answering(status, code, "no") as endpoint:
        assert words in message(target(endpoint))


def test_what_cannot_be_meant_is_a_mistake_in_the_configuration() -> None:
    with answering(400, "InvalidBucketName", "no") as endpoint, pytest.raises(Misconfigured, match="Correct bucket"):
        target(endpoint, bucket="Not_A_Bucket").open()


def test_a_store_that_is_too_busy_asks_for_a_slower_pace() -> None:
    with answering(503, "SlowDown", "Please reduce your request rate.") as endpoint, pytest.raises(Throttled):
        target(endpoint).open()


def test_check_names_the_missing_permission_and_prints_the_policy(servers: Servers) -> None:
    reader = target(servers.of(seaweedfs).endpoint, access_key_id="reader", secret_access_key="reader-secret")
    reader.open()
    findings = {finding.what: finding for finding in reader.check()}
    reader.close()
    assert not findings["write"].ok
    assert "s3:PutObject" in findings["write"].detail
    assert findings["list"].ok
    assert f'"arn:aws:s3:::{BUCKET}/labels/*"' in findings["least privilege"].detail


def test_the_printed_policy_is_the_one_in_deploy() -> None:
    from syncd.targets._s3_policy import policy

    shipped = Path(__file__).parents[2] / "deploy" / "policies" / "aws.json"
    assert policy("BUCKET", "PREFIX") == shipped.read_text()
