"""PgBouncer (Debian's) in transaction mode: each transaction may meet another connection of the server."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers import free_port, program, running
from tests.servers.postgres import PASSWORD, Postgres


@contextmanager
def pgbouncer(server: Postgres) -> Iterator[Postgres]:
    """The pooler before a server, until the block ends; it answers like the server, on its own port."""
    port = free_port()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "users").write_text(f'"syncd" "{PASSWORD}"\n')
        (folder / "pgbouncer.ini").write_text(
            f"[databases]\n* = host=127.0.0.1 port={server.port}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
            f"auth_type = plain\nauth_file = {folder}/users\npool_mode = transaction\ndefault_pool_size = 2\n"
        )
        command = [program("pgbouncer"), str(folder / "pgbouncer.ini")]
        if os.geteuid() == 0:
            for path in (folder, *folder.iterdir()):
                os.chown(path, 65534, 65534)
            command += ["-u", "nobody"]
        with running(command, port=port, log=folder / "log"):
            yield Postgres(server.programs, server.folder, port)
