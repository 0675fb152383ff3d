"""What is known of the cloud targets before anything is asked of a cloud."""

import json
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from google.auth.credentials import AnonymousCredentials, Credentials
from google.auth.exceptions import RefreshError
from google.auth.transport.requests import Request
from pydantic import ValidationError

from syncd.targets import Object, _gcs_client
from syncd.targets._azure_account import account_at, account_in
from syncd.targets._azure_names import blob_name, fault_of, key_of
from syncd.targets._azure_policy import policy as azure_policy
from syncd.targets._gcs_policy import policy as gcs_policy
from syncd.targets._gcs_upload import Uploads
from syncd.targets._reasons import plain_reason
from syncd.targets.gcs import Settings as GCSSettings

POLICIES = Path(__file__).parents[2] / "deploy" / "policies"
KEY = "bm90IGEga2V5"


@pytest.mark.parametrize("kind", ["azure", "gcs", "redis"])
def test_reading_a_configuration_loads_no_sdk(kind: str) -> None:
    program = f"import sys, syncd.targets as t; t.settings_of({kind!r}); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert not {"azure.core", "obstore", "google.auth", "google.cloud.storage", "requests", "redis"} & set(loaded)


def test_the_policies_in_deploy_are_what_check_prints() -> None:
    assert (POLICIES / "azure.txt").read_text() == azure_policy("ACCOUNT", "CONTAINER", "PREFIX")
    assert (POLICIES / "gcs.txt").read_text() == gcs_policy("BUCKET", "PREFIX")


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://lake.blob.core.windows.net", "lake"),
        ("https://lake.blob.core.windows.net/", "lake"),
        ("https://lake.blob.core.usgovcloudapi.net", "lake"),
        ("http://127.0.0.1:10000/devstoreaccount1", "devstoreaccount1"),
    ],
)
def test_an_address_names_the_account(url: str, name: str) -> None:
    found = account_at(url, key=KEY)
    assert (found.name, found.url, found.key) == (name, url.rstrip("/"), KEY)


def test_a_connection_string_names_account_and_key() -> None:
    found = account_in(
        f"DefaultEndpointsProtocol=https;AccountName=lake;AccountKey={KEY}==;EndpointSuffix=core.windows.net"
    )
    assert (found.url, found.name, found.key) == ("https://lake.blob.core.windows.net", "lake", f"{KEY}==")


def test_a_connection_string_may_hold_an_endpoint_and_a_token() -> None:
    found = account_in("BlobEndpoint=https://lake.blob.core.windows.net/;SharedAccessSignature=?sv=1&sig=a%3D")
    assert (found.url, found.name, found.sas) == ("https://lake.blob.core.windows.net", "lake", "sv=1&sig=a%3D")


def test_a_token_in_the_address_is_taken_out_of_it() -> None:
    found = account_at("https://lake.blob.core.windows.net/?sv=1&sig=a%3D")
    assert (found.url, found.sas) == ("https://lake.blob.core.windows.net", "sv=1&sig=a%3D")


@pytest.mark.parametrize(
    ("end", "told"),
    [("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"), ("2025-12-31", "2025-12-31"), ("2027-01-01", None), ("", None)],
)
def test_a_tokens_own_end_is_read(end: str, told: str | None) -> None:
    account = account_at("https://lake.blob.core.windows.net", sas=f"se={end.replace(':', '%3A')}&sig=x")
    assert account.sas_ended(datetime(2026, 6, 1, tzinfo=UTC)) == told


@pytest.mark.parametrize("key", ["1/tasks/1.json", "a\\b", "a\uff3cb", "\u201b\uff3c\\", "\u201b", "\\\\"])
def test_a_backslash_survives_azure_and_no_two_keys_share_a_blob(key: str) -> None:
    assert key_of(blob_name(key)) == key
    assert "\\" not in blob_name(key)


@pytest.mark.parametrize("name", ["a./b", "a.", "x" * 1025, "/".join("a" * 255)])
def test_names_that_azure_would_change_or_refuse_are_told(name: str) -> None:
    assert fault_of(name)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "HTTPSConnectionPool(host='a', port=443): Max retries exceeded with url: /c?se=1&sig=secret (Caused by"
            " NewConnectionError(\"HTTPSConnection(host='a', port=443): Failed to establish a new connection: [Errno 111]"
            ' Connection refused"))',
            "Failed to establish a new connection: [Errno 111] Connection refused",
        ),
        ("HTTPConnectionPool(host='a', port=1): Read timed out. (read timeout=5)", "Read timed out. (read timeout=5)"),
        ("no luck with https://a/c?se=1&sig=secret today\nand more", "no luck with https://a/c?… today"),
        ("('Connection aborted.', ConnectionResetError(104, 'Connection reset by peer'))", None),
    ],
)
def test_a_reason_is_short_and_shows_no_signature(text: str, reason: str | None) -> None:
    assert plain_reason(text) == (reason or text)


def test_an_account_never_prints_its_secrets() -> None:
    assert KEY not in repr(account_at("https://lake.blob.core.windows.net", key=KEY))
    assert "secret" not in repr(account_at("https://lake.blob.core.windows.net", sas="sig=secret"))


def test_many_requests_wait_once_for_a_token_that_does_not_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, all_here = [], threading.Barrier(8, timeout=10)

    def read(path: str) -> Credentials:
        asked.append(path)
        time.sleep(0.2)
        raise RefreshError("no answer")

    key = tmp_path / "key.json"
    key.write_text(
        json.dumps({"type": "authorized_user", "client_id": "a", "client_secret": "b", "refresh_token": "c"})
    )
    credentials = _gcs_client.FromFile(str(key))
    monkeypatch.setattr(_gcs_client, "_read", read)

    def refresh(_: int) -> None:
        all_here.wait()
        credentials.refresh(Request())

    with ThreadPoolExecutor(8) as pool:
        faults = [one.exception() for one in [pool.submit(refresh, number) for number in range(8)]]
    assert [str(fault) for fault in faults] == ["no answer"] * 8
    assert len(asked) == 1


def test_a_token_is_waited_for_as_long_as_an_answer() -> None:
    asked = []

    class Impatient(AnonymousCredentials):
        def before_request(self, request: Any, method: str, url: str, headers: Any) -> None:
            asked.append(request.keywords)
            raise RefreshError("no answer")

    settings = GCSSettings(bucket="bucket", endpoint_url="http://127.0.0.1:1")
    session = _gcs_client.session_of(Impatient(), connections=1)
    uploads = Uploads(settings, Impatient(), session, "http://127.0.0.1:1")
    with pytest.raises(RefreshError):
        uploads.put("name", Object("key", b"{}", "sha256:0"), {}, None)
    assert asked[0] == {"timeout": _gcs_client.TIMEOUT}


def test_a_version_of_a_google_key_is_refused() -> None:
    with pytest.raises(ValidationError, match="not one of its versions"):
        GCSSettings(bucket="bucket", kms_key="projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1")
