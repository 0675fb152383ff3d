"""The HTTP port while much is due: how long /metrics, /api/status and the status page take.

    python benchmarks/web.py [TASKS]      default 1,000,000

A ledger is filled so that every task is due in one target, held in another, and set aside in none but a few; the targets cannot
be reached, so nothing moves while it is measured. Times are what a client on the same machine sees, one request at a time.
"""

import contextlib
import json
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil

from syncd.ledger import Ledger
from syncd.ledger.lane import LaneLedger
from syncd.model import Project
from syncd.sources import Signal, Signals

SYNCD = str(Path(sys.executable).parent / "syncd")
PATHS = ("/livez", "/metrics", "/api/status", "/")
PROJECTS = 100
NOW = "2026-11-23T12:00:00.000Z"
REQUESTS = 100
ASIDE = 10_000


def main() -> None:
    tasks = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory(prefix="syncd-bench-", dir=".") as folder:
        place = Path(folder).resolve()
        port = free_port()
        (place / "syncd.yaml").write_text(
            f"source: {{type: sqlite, path: {place}/absent.sqlite3}}\n"
            f"targets:\n- {{name: one, type: local, path: {place}/one}}\n- {{name: two, type: local, path: {place}/two}}\n"
            f"state: {{path: {place}/syncd.db}}\nhttp: {{listen: '127.0.0.1:{port}'}}\nlog: {{level: error}}\n"
        )
        fill(place, tasks)
        with daemon(place, port) as process:
            for path in PATHS:
                times = [timed(port, path) for _ in range(REQUESTS)]
                cuts = statistics.quantiles(times, n=100)
                print(
                    f"{path:12s} {tasks:,} tasks due: p50 {cuts[49] * 1000:.1f} ms, p99 {cuts[98] * 1000:.1f} ms",
                    flush=True,
                )
            print(f"memory       {process.memory_info().rss / 1e6:.0f} MB")


def fill(place: Path, tasks: int) -> None:
    """Every task due in `one`, held in `two`, and some set aside there."""
    ledger = Ledger(place / "syncd.db")
    lanes = [LaneLedger(ledger, ledger.lane(name, where=str(place / name))[0]) for name in ("one", "two")]
    for first in range(1, tasks + 1, 50_000):
        signals = [Signal(task, task % PROJECTS + 1, b"") for task in range(first, min(first + 50_000, tasks + 1))]
        ledger.record(Signals(signals), [lane.id for lane in lanes])
    ledger.record(Signals(projects=[Project(n, f"project {n}", "<View/>", "1") for n in range(1, PROJECTS + 1)]), [])
    claimed = {"synced_through": NOW, "tasks": tasks // PROJECTS, "held_deletes": 0, "mirrors": {}}
    state = {"synced_through": NOW, "swept_through": NOW, "projects": dict.fromkeys(range(1, PROJECTS + 1), claimed)}
    for lane in lanes:
        lane.keep(state=json.dumps(state))
    with ledger.transaction() as t:
        t.execute(f"UPDATE dirty_{lanes[1].id} SET held = 1")
        t.execute(
            f"INSERT INTO quarantine_{lanes[1].id} SELECT task, project, 'a reason', '', 1, 9e18 FROM dirty_{lanes[1].id} "
            "LIMIT ?",
            (ASIDE,),
        )
    ledger.close()


@contextlib.contextmanager
def daemon(place: Path, port: int) -> Iterator[psutil.Process]:
    """`syncd run`, once it answers."""
    process = psutil.Popen([SYNCD, "run", "-c", str(place / "syncd.yaml")], stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            with contextlib.suppress(OSError):
                timed(port, "/livez")
                break
            time.sleep(0.1)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def timed(port: int, path: str) -> float:
    """Seconds of one request, connection included; spaced so that each is a look of its own."""
    time.sleep(0.3 if path != "/livez" else 0)
    began = time.perf_counter()
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"http://127.0.0.1:{port}{path}") as answer:
        answer.read()
    return time.perf_counter() - began


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


if __name__ == "__main__":
    main()
