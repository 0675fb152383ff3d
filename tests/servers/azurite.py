"""Azurite, Microsoft's emulator of Azure Storage (npm), in memory: it checks signatures, SAS rights, conditions and MD5s.

It is installed into `.cache/` when a test first asks.
"""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from azure.storage.blob import ContainerClient

from tests.servers import CACHE, alone, free_port, program, running

ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Azurite's own account and key, the same everywhere and no secret."""

VERSION = "3.35.0"
_HOME = CACHE / "azurite"


@dataclass(frozen=True, slots=True)
class Azurite:
    """Where the server listens; it has no container at first."""

    port: int
    scheme: str = "http"

    @property
    def account_url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/{ACCOUNT}"

    def container(self, name: str) -> ContainerClient:
        """Azure's own client of a container, to make and inspect it."""
        credential = {"account_name": ACCOUNT, "account_key": KEY}
        return ContainerClient(self.account_url, name, credential=credential)


@contextmanager
def azurite(certificate: Path | None = None) -> Iterator[Azurite]:
    """The server, until the block ends.

    With a certificate, its key in the same PEM file, it speaks TLS and also takes tokens of Entra ID.
    """
    blob_server = _HOME / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
    with alone("azurite"):
        if not blob_server.exists():
            install = ["install", "--no-audit", "--no-fund", "--prefix", str(_HOME), f"azurite@{VERSION}"]
            subprocess.run([program("npm"), *install], check=True)
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = [
            program("node"), str(blob_server), "--silent", "--blobHost", "127.0.0.1", "--blobPort", str(port),
            "--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry",
        ]  # fmt: skip
        if certificate:
            command += ["--cert", str(certificate), "--key", str(certificate), "--oauth", "basic"]
        with running(command, port=port, log=Path(folder) / "log"):
            yield Azurite(port, "https" if certificate else "http")
