"""What an operator reads when Google Cloud Storage cannot be used: a sentence for each cause, with the way out."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from syncd.errors import Unavailable
from tests.certificates import certificates
from tests.fault_proxy import FaultProxy, fault_proxy
from tests.http_wire import Message, response
from tests.servers import Servers
from tests.servers.fake_gcs import FakeGCS, fake_gcs, refusal
from tests.system.service_account import EMAIL, service_account
from tests.system.trouble import NOWHERE, assert_tells_only, checked, made, trouble

PHRASES = {
    "a refused token": "is not accepted (Invalid Credentials)",
    "a revoked key": "no token is given for the credentials",
    "a missing bucket": "there is no such bucket",
    "no write right": "lacks storage.objects.create",
    "a key that cannot be used": "kms_key cannot be used",
    "no credentials": "there are no usable credentials (Your default credentials were not found",
    "a missing file": "there are no usable credentials (File",
    "a dead endpoint": "no answer (Failed to establish a new connection: [Errno 111] Connection refused)",
    "an untrusted certificate": "certificate verify failed",
}

REFUSALS = {
    "a refused token": refusal(401, "authError", "Invalid Credentials"),
    "no write right": refusal(
        403,
        "forbidden",
        f"{EMAIL} does not have storage.objects.create access to the Google Cloud Storage"
        " object. Permission 'storage.objects.create' denied on resource (or it may not exist).",
    ),
    "a key that cannot be used": refusal(
        403, "forbidden", "Permission denied on Cloud KMS key. Please ensure that your Cloud Storage service account"
    ),
}
"""Google's own words."""


@pytest.fixture
def gcs(servers: Servers) -> FakeGCS:
    server = servers.of(fake_gcs)
    bucket = server.bucket("errors")
    if not bucket.exists():
        bucket.create()
    bucket.client.close()
    return server


@pytest.fixture
def google(gcs: FakeGCS, tmp_path: Path) -> Iterator[Callable[[str], FaultProxy]]:
    """Google as it refuses: a proxy that hands out tokens, and answers uploads in its own words."""
    running = ExitStack()

    def refusing(cause: str) -> FaultProxy:
        async def gate(_: FaultProxy, request: Message) -> Message | None:
            if request.path == "/token":
                return _token(revoked=cause == "a revoked key")
            return REFUSALS.get(cause) if request.path.startswith("/upload/") else None

        tls = certificates(tmp_path).server if cause == "an untrusted certificate" else None
        return running.enter_context(fault_proxy(gcs.port, gate=gate, tls=tls))

    with running:
        yield refusing


def _token(*, revoked: bool) -> Message:
    told = {"access_token": "a-token", "expires_in": 3600, "token_type": "Bearer"}
    if revoked:
        told = {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}
    return response(400 if revoked else 200, json.dumps(told).encode(), "application/json")


@pytest.mark.parametrize("cause", PHRASES)
def test_google_names_the_cause(
    google: Callable[[str], FaultProxy], cause: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = google(cause)
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    token_url = f"{google('a token').url}/token" if cause == "an untrusted certificate" else f"{proxy.url}/token"
    signed_in = {"endpoint_url": proxy.url, "credentials_file": service_account(tmp_path, token_url)}
    settings: dict[str, dict[str, str]] = {
        "a missing bucket": {**signed_in, "bucket": "missing"},
        "no credentials": {},
        "a missing file": {"credentials_file": str(tmp_path / "none.json")},
        "a dead endpoint": {"endpoint_url": f"http://{NOWHERE}"},
    }
    error = trouble("gcs", **{"bucket": "errors", **settings.get(cause, signed_in)})
    assert isinstance(error, Unavailable)
    assert_tells_only(error, PHRASES[cause], PHRASES)
    if cause in {"a refused token", "no write right"}:
        assert EMAIL in str(error)


def test_a_missing_google_bucket_is_never_created(gcs: FakeGCS) -> None:
    trouble("gcs", bucket="missing", endpoint_url=gcs.endpoint)
    assert not gcs.bucket("missing").exists()


def test_check_names_the_right_that_google_lacks_and_the_way_to_grant_it(
    google: Callable[[str], FaultProxy], tmp_path: Path
) -> None:
    proxy = google("no write right")
    file = service_account(tmp_path, f"{proxy.url}/token")
    target = made("gcs", bucket="errors", endpoint_url=proxy.url, credentials_file=file)
    findings = checked(target)
    assert "lacks storage.objects.create" in next(one.detail for one in findings if not one.ok)
    assert "gs://errors" in findings[-1].detail
    assert "roles/storage.objectUser" in findings[-1].detail
