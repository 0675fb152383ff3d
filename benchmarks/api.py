"""A Label Studio over REST → a local folder: the first load beside what its own export delivers to curl; a pass without work.

    python benchmarks/api.py [TASKS]      default 5,000

The Label Studio is the tests' own, on SQLite, with the boxes of the shipped database cloned. Its work is most of the time.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))  # the tests' servers are not installed

from tests.contract.labelstudios.api import TOKEN, on_the_shipped_database, opened
from tests.servers import Servers

SYNCD = str(Path(sys.executable).parent / "syncd")
BOXES = 1
ROUNDS = 2


def main() -> None:
    tasks = int(sys.argv[1]) if len(sys.argv) > 1 else 5_000
    servers = Servers()
    try:
        with tempfile.TemporaryDirectory(prefix="syncd-bench-", dir=".") as folder:
            place = Path(folder).resolve()
            opened(servers, place).edits.add_labelled_tasks(BOXES, tasks)
            compare(servers.of(on_the_shipped_database).url, place)
    finally:
        servers.stop()


def compare(url: str, place: Path) -> None:
    """Easy Export and syncd in turn, since a machine is rarely as quick twice."""
    for number in range(ROUNDS):
        exported = place / "export.json"
        easy = timed(partial(curl_export, url, exported))
        megabytes = exported.stat().st_size / 1e6
        out = place / f"round-{number}"
        load, peak = measured_sync(url, out)
        files = sum(1 for _ in out.glob("1/tasks/*.json"))
        idle, _ = measured_sync(url, out)
        print(f"{'Easy Export to curl':32} {megabytes / easy:8.2f} MB/s  {files / easy:8,.0f} tasks/s  ({easy:.1f} s)")
        print(
            f"{'first load':32} {megabytes / load:8.2f} MB/s  {files / load:8,.0f} tasks/s  ({load:.1f} s, {peak} MB)"
        )
        print(f"{'of what the export delivers':32} {100 * easy / load:8.0f} %")
        print(f"{'a pass with nothing to do':32} {'':13}  {files / idle:8,.0f} tasks/s  ({idle:.1f} s)")


def measured_sync(url: str, out: Path) -> tuple[float, int]:
    """Seconds, and megabytes at the most."""
    file = out.with_suffix(".yaml")
    file.write_text(
        f"source: {{type: api, url: '{url}', token: {TOKEN}, projects: [{BOXES}]}}\n"
        f"targets: [{{name: out, type: local, path: {out}}}]\nstate: {{path: {out}.db}}\nlog: {{level: warning}}\n"
    )
    began, peak = time.perf_counter(), 0
    syncd = psutil.Popen([SYNCD, "sync", "-c", file])
    while syncd.poll() is None:
        peak = max(peak, syncd.memory_info().rss)
        time.sleep(0.05)
    assert syncd.returncode == 0
    return time.perf_counter() - began, peak >> 20


def curl_export(url: str, to: Path) -> None:
    address = f"{url}/api/projects/{BOXES}/export?exportType=JSON&download_all_tasks=true"
    subprocess.run(["curl", "-sf", "-H", f"Authorization: Token {TOKEN}", "-o", to, address], check=True)


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
