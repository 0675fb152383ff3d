"""What an operator reads when Azure cannot be used: a sentence for each cause, with the way out and no secret."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from azure.storage.blob import BlobServiceClient, generate_container_sas

from syncd.errors import Unavailable
from syncd.targets import settings_of
from tests.certificates import certificates
from tests.fault_proxy import fault_proxy
from tests.servers import Servers
from tests.servers.azurite import ACCOUNT, KEY, Azurite, azurite
from tests.system.trouble import NOWHERE, assert_tells_only, checked, made, trouble

PHRASES = {
    "a wrong key": "the account key is not accepted",
    "an expired token": "the SAS token expired at",
    "a missing container": "there is no container missing",
    "no write right": "the SAS token lacks the right to write",
    "no list right": "the SAS token lacks the right to list",
    "no delete right": "the SAS token lacks the right to delete",
    "a dead endpoint": "no answer (Failed to establish a new connection: [Errno 111] Connection refused)",
    "an untrusted certificate": "certificate verify failed",
    "no identity": "no identity was found",
}


@pytest.fixture
def azure(servers: Servers) -> Azurite:
    server = servers.of(azurite)
    container = server.container("errors")
    if not container.exists():
        container.create_container()
    container.close()
    return server


@pytest.fixture
def secured(azure: Azurite, tmp_path: Path) -> Iterator[str]:
    """The account behind a certificate that nobody trusts."""
    with fault_proxy(azure.port, tls=certificates(tmp_path).server) as proxy:
        yield f"{proxy.url}/{ACCOUNT}"


def sas(rights: str, *, hours: float = 1) -> str:
    until = datetime.now(UTC) + timedelta(hours=hours)
    token: str = generate_container_sas(ACCOUNT, "errors", account_key=KEY, permission=rights, expiry=until)
    return token


@pytest.mark.parametrize("cause", PHRASES)
def test_azure_names_the_cause(azure: Azurite, secured: str, cause: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
    url = azure.account_url
    settings: dict[str, dict[str, str]] = {
        "a wrong key": {"account_url": url, "account_key": "bm90IHRoZSBrZXk="},
        "an expired token": {"account_url": url, "sas_token": sas("racwdl", hours=-1)},
        "a missing container": {"account_url": url, "account_key": KEY, "container": "missing"},
        "no write right": {"account_url": url, "sas_token": sas("rl")},
        "no list right": {"account_url": url, "sas_token": sas("racwd")},
        "no delete right": {"account_url": url, "sas_token": sas("racwl")},
        "a dead endpoint": {"account_url": f"http://{NOWHERE}/{ACCOUNT}", "sas_token": sas("racwdl")},
        "an untrusted certificate": {"account_url": secured, "account_key": KEY},
        "no identity": {"account_url": secured},
    }
    error = trouble("azure", **{"container": "errors", **settings[cause]})
    assert isinstance(error, Unavailable)
    assert_tells_only(error, PHRASES[cause], PHRASES)
    assert KEY not in str(error)
    assert "sig=" not in str(error)
    assert f"/{settings[cause].get('container', 'errors')}" in str(error)


def test_a_missing_azure_container_is_never_created(azure: Azurite) -> None:
    trouble("azure", container="missing", account_url=azure.account_url, account_key=KEY)
    with BlobServiceClient(azure.account_url, {"account_name": ACCOUNT, "account_key": KEY}) as service:
        assert "missing" not in {one.name for one in service.list_containers()}


def test_check_names_the_right_that_azure_lacks_and_the_way_to_grant_it(azure: Azurite) -> None:
    target = made("azure", container="errors", account_url=azure.account_url, sas_token=sas("rl"))
    findings = checked(target)
    assert "lacks the right to write" in next(one.detail for one in findings if not one.ok)
    assert "Storage Blob Data Contributor" in findings[-1].detail
    assert f"--account-name {ACCOUNT} --name errors" in findings[-1].detail


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "account_url or connection_string"),
        ({"account_url": "nonsense"}, "account_url must be an address"),
        ({"account_url": "https://a.blob.core.windows.net/container/x"}, "container has a setting of its own"),
        ({"account_url": "https://a.blob.core.windows.net", "account_key": "cut off"}, "not base64"),
        ({"account_url": "http://a.blob.core.windows.net"}, "must be https to sign in with Entra ID"),
        ({"connection_string": "AccountName=a"}, "copy it whole"),
        ({"account_url": "https://a.blob.core.windows.net", "prefix": "a/../b"}, "prefix cannot be used"),
    ],
)
def test_azure_settings_that_cannot_be_meant_are_refused(settings: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        settings_of("azure")(**{"container": "errors", **settings})
