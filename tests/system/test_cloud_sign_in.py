"""Every way in which syncd signs in to Azure and Google Cloud Storage, against servers that ask for it."""

import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import generate_container_sas

from syncd.targets import Target, Written
from syncd.targets._probe import sample
from tests.certificates import certificates
from tests.fault_proxy import FaultProxy, fault_proxy
from tests.http_wire import Message, response
from tests.servers import Servers
from tests.servers.azurite import ACCOUNT, KEY, Azurite, azurite
from tests.servers.fake_gcs import fake_gcs
from tests.system.service_account import service_account
from tests.system.trouble import made

CONTAINER = "sign-in"


def assert_works(target: Target) -> None:
    """Small objects and the SDK's requests go through, with the same identity."""
    target.open()
    try:
        outcomes = list(target.put_many([sample(f"1/tasks/{task}.json", "{}") for task in range(3)]))
        assert all(isinstance(outcome, Written) for outcome in outcomes)
        assert len(list(target.list("1/"))) == 3
        assert not [finding for finding in target.check() if not finding.ok]
    finally:
        target.close()


# --- Azure ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def azure(servers: Servers) -> Azurite:
    return with_container(servers.of(azurite))


def with_container(server: Azurite) -> Azurite:
    with server.container(CONTAINER) as client:
        if not client.exists():
            client.create_container()
    return server


def token_of_entra() -> str:
    """What Entra ID gives for Azure Storage; Azurite checks everything but the signature."""
    now = int(time.time())
    claims = {
        "aud": "https://storage.azure.com",
        "iss": "https://sts.windows.net/ab1f708d-50f6-404c-a006-d71b2ac7a606/",
        "iat": now - 10,
        "nbf": now - 10,
        "exp": now + 3600,
    }
    return ".".join(
        urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in ({"alg": "none"}, claims, "")
    )


@pytest.fixture
def machine_with_an_identity(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultProxy]:
    """The endpoint from which programs on an Azure machine get tokens of the machine's managed identity."""

    async def give(_: FaultProxy, request: Message) -> Message:
        if request.header("X-IDENTITY-HEADER") != "this-machine":
            return response(401)
        told = {"access_token": token_of_entra(), "expires_on": str(int(time.time()) + 3600), "token_type": "Bearer"}
        return response(200, json.dumps(told).encode(), "application/json")

    with fault_proxy(1, gate=give) as endpoint:
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{endpoint.url}/token")
        monkeypatch.setenv("IDENTITY_HEADER", "this-machine")
        yield endpoint


def test_azure_by_managed_identity(
    machine_with_an_identity: FaultProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusted = certificates(tmp_path).authority
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(trusted))
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", KEY)  # somebody else's, which must not be taken
    with azurite(tmp_path / "server.pem") as server:
        with_container(server)
        assert_works(made("azure", container=CONTAINER, account_url=server.account_url))
    assert machine_with_an_identity.requests == 1


def test_azure_by_key(azure: Azurite) -> None:
    assert_works(made("azure", container=CONTAINER, account_url=azure.account_url, account_key=KEY))


def test_azure_by_connection_string(azure: Azurite) -> None:
    told = f"AccountName={ACCOUNT};AccountKey={KEY};BlobEndpoint={azure.account_url};"
    assert_works(made("azure", container=CONTAINER, connection_string=told))


def test_azure_by_sas_token_even_where_the_environment_has_a_key(
    azure: Azurite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "bm90IHRoZSBrZXk=")
    until = datetime.now(UTC) + timedelta(hours=1)
    token = generate_container_sas(ACCOUNT, CONTAINER, account_key=KEY, permission="racwdl", expiry=until)
    assert_works(made("azure", container=CONTAINER, account_url=azure.account_url, sas_token=token))


# --- Google Cloud Storage ---------------------------------------------------------------------------------------------


@pytest.fixture
def google(servers: Servers) -> Iterator[FaultProxy]:
    """Google as it asks for a token and gives them; other requests are the emulator's."""
    server = servers.of(fake_gcs)
    bucket = server.bucket("sign-in")
    if not bucket.exists():
        bucket.create()
    bucket.client.close()

    async def ask(_: FaultProxy, request: Message) -> Message | None:
        if request.path == "/token":
            kind = "urn:ietf:params:oauth:token-type:access_token"
            told: dict[str, Any] = {"access_token": "a-token", "issued_token_type": kind, "token_type": "Bearer"}
            return response(200, json.dumps({**told, "expires_in": 3600}).encode(), "application/json")
        return None if request.header("Authorization") == "Bearer a-token" else response(401)

    with fault_proxy(server.checked_port, gate=ask) as proxy:
        yield proxy


def test_google_by_service_account(google: FaultProxy, tmp_path: Path) -> None:
    file = service_account(tmp_path, f"{google.url}/token")
    assert_works(made("gcs", bucket="sign-in", endpoint_url=google.url, credentials_file=file))


def test_a_rotated_key_file_is_taken_up_while_syncd_runs(servers: Servers, tmp_path: Path) -> None:
    server = servers.of(fake_gcs)
    bucket = server.bucket("sign-in")
    if not bucket.exists():
        bucket.create()
    bucket.client.close()
    good = ["/old-key"]

    async def ask(_: FaultProxy, request: Message) -> Message | None:
        if request.path in {"/old-key", "/new-key"}:
            if request.path not in good:
                return response(400, b'{"error":"invalid_grant"}', "application/json")
            told = {"access_token": request.path, "expires_in": 3600, "token_type": "Bearer"}
            return response(200, json.dumps(told).encode(), "application/json")
        return None if request.header("Authorization") == f"Bearer {good[0]}" else response(401)

    with fault_proxy(server.checked_port, gate=ask) as google:
        file = service_account(tmp_path, f"{google.url}/old-key")
        target = made("gcs", bucket="sign-in", endpoint_url=google.url, credentials_file=file)
        target.open()
        assert list(target.list("rotated/")) == []
        good[:] = ["/new-key"]
        service_account(tmp_path, f"{google.url}/new-key")
        (outcome,) = target.put_many([sample("rotated/1", "x")])
        target.close()
    assert isinstance(outcome, Written)


def test_google_by_workload_identity_federation(google: FaultProxy, tmp_path: Path) -> None:
    (tmp_path / "kubernetes-token").write_text("told by the cluster")
    file = tmp_path / "federation.json"
    told = {
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/k",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{google.url}/token",
        "credential_source": {"file": str(tmp_path / "kubernetes-token")},
    }
    file.write_text(json.dumps(told))
    assert_works(made("gcs", bucket="sign-in", endpoint_url=google.url, credentials_file=str(file)))


def test_google_by_application_default_credentials(
    google: FaultProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust = certificates(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(trust.authority))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", service_account(tmp_path, f"{google.url}/token"))
    with fault_proxy(google.port, tls=trust.server) as secured:
        assert_works(made("gcs", bucket="sign-in", endpoint_url=secured.url))


def test_no_token_goes_to_an_emulator_in_clear(
    google: FaultProxy, servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", service_account(tmp_path, f"{google.url}/token"))
    with fault_proxy(servers.of(fake_gcs).checked_port) as emulator:
        assert_works(made("gcs", bucket="sign-in", endpoint_url=emulator.url))
        assert {request.header("Authorization") for request in emulator.seen} == {None}
