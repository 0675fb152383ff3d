"""Mirrors: what one changed task costs among many, what steady work costs, and a first build beside an export.

    python benchmarks/mirrors.py [--sizes 10000,100000,1000000] [--steady 100000] [--seconds 60] [--bucket]

Into a folder, or with --bucket into a SeaweedFS that it starts. Figures in docs/performance.md.
"""

import argparse
import contextlib
import resource
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import structlog
import yaml
from _database import grown
from straight_line import SYNCD, daemon, edit, say

from syncd.assembly import assembled
from syncd.config import load
from syncd.onepass import one_pass

TWO = ["COCO", "CSV"]
FOUR = ["COCO", "YOLO", "CSV", "JSON_MIN"]


def main() -> None:
    wanted = argparse.ArgumentParser(description="See the module's docstring.")
    wanted.add_argument("--sizes", default="10000,100000")
    wanted.add_argument("--steady", type=int, default=20_000)
    wanted.add_argument("--seconds", type=float, default=60)
    wanted.add_argument("--bucket", action="store_true")
    given = wanted.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    with place_for(bucket=given.bucket) as target:
        for tasks in map(int, filter(None, given.sizes.split(","))):
            one_change_among(tasks, target)
        if given.steady:
            steady(given.steady, target, given.seconds)


@contextlib.contextmanager
def place_for(*, bucket: bool) -> Iterator[dict[str, Any]]:
    """What a target's configuration says of its place; a folder's path is added where it is used."""
    if not bucket:
        yield {"type": "local"}
        return
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from tests.servers.seaweedfs import BUCKET, seaweedfs

    with seaweedfs() as server:
        keys = {"access_key_id": "writer", "secret_access_key": "writer-secret"}
        yield {"type": "s3", "bucket": BUCKET, "endpoint_url": server.endpoint, **keys}


@contextlib.contextmanager
def deployed(tasks: int, target: dict[str, Any]) -> Iterator[Path]:
    """A folder with a database of so many tasks, and a target that has all their files but no mirrors."""
    with tempfile.TemporaryDirectory(prefix="syncd-bench-", dir=".") as folder:
        place = Path(folder).resolve()
        grown(place / "db.sqlite3", tasks)
        configure(place, target, [])
        run("sync", "-c", str(place / "syncd.yaml"))
        yield place


def configure(place: Path, target: dict[str, Any], mirrors: list[str], **more: Any) -> None:
    own = {"path": str(place / "out")} if target["type"] == "local" else {"prefix": place.name}
    config = {
        "source": {"type": "sqlite", "path": str(place / "db.sqlite3")},
        "targets": [{"name": "out", "projects": ["boxes"], "mirrors": mirrors, **target, **own, **more}],
        "state": {"path": str(place / "syncd.db")},
        "log": {"level": "warning"},
    }
    (place / "syncd.yaml").write_text(yaml.safe_dump(config))


def one_change_among(tasks: int, target: dict[str, Any]) -> None:
    with deployed(tasks, target) as place:
        config = str(place / "syncd.yaml")
        idle = run("sync", "-c", config)
        for name in TWO:
            configure(place, target, [*TWO[: TWO.index(name)], name])
            built = run("sync", "-c", config)
            exported = run("export", "boxes", name, "--path", str(place / name), "-c", config)
            first = f"{built.seconds - idle.seconds:.1f} s, {built.cpu - idle.cpu:.1f} s of CPU"
            say(
                f"{tasks:,} tasks, first {name}",
                f"{first}; export {exported.seconds:.1f} s, {exported.cpu:.1f} s of CPU",
            )
        size = sum(path.stat().st_size for name in TWO for path in (place / name).rglob("*") if path.is_file())
        cpu, seconds, sent = publishing_one(place)
        say(
            f"{tasks:,} tasks, one changed",
            f"{cpu:.2f} s of CPU, {seconds:.2f} s, {sent / 1e6:.1f} MB sent of {size / 1e6:.0f} MB in two mirrors",
        )


def publishing_one(place: Path) -> tuple[float, float, int]:
    """(seconds of CPU, seconds, bytes sent) of a batch with one changed task, and of publishing it."""
    database = sqlite3.connect(place / "db.sqlite3")
    shown = "SELECT task_id FROM task_completion WHERE project_id = 1 GROUP BY task_id HAVING max(was_cancelled) = 0"
    tasks = [row[0] for row in database.execute(shown)]
    with assembled(load(place / "syncd.yaml")) as assembly:
        one_pass(assembly)
        (lane,) = assembly.lanes
        edit(database, tasks[len(tasks) // 2])
        for batch in assembly.source.sweep(assembly.ledger, threading.Event()):
            assembly.ledger.record(batch, [lane.lane.id])
        sent, cpu, began = lane.traffic.bytes_written, time.process_time(), time.perf_counter()
        lane.once()
        return time.process_time() - cpu, time.perf_counter() - began, lane.traffic.bytes_written - sent


def steady(tasks: int, target: dict[str, Any], seconds: float) -> None:
    with deployed(tasks, target) as place:
        configure(place, target, FOUR)
        run("sync", "-c", str(place / "syncd.yaml"))
        database = sqlite3.connect(place / "db.sqlite3", timeout=30)
        changing = [
            row[0] for row in database.execute("SELECT id FROM task WHERE project_id = 1 ORDER BY random() LIMIT 5000")
        ]
        with daemon(place) as process:
            sizes = [process.memory_info().rss]
            before, began = cpu_of(process), time.monotonic()
            n = 0
            while time.monotonic() < began + seconds:
                edit(database, changing[n % len(changing)])
                n += 1
                if n % 500 == 0:
                    sizes.append(process.memory_info().rss)
                time.sleep(max(0.0, began + n / 50 - time.monotonic()))
            passed = time.monotonic() - began
            share = (cpu_of(process) - before) / passed
        say(
            f"{n / passed:.0f} changes/s, {tasks:,} tasks, four mirrors",
            f"{share:.0%} of a core; {sizes[0] / 1e6:.0f} MB at first, {max(sizes) / 1e6:.0f} MB at most",
        )


def cpu_of(process: psutil.Process) -> float:
    """Seconds of CPU so far, of the process that writes files too."""
    return sum(sum(each.cpu_times()[:2]) for each in [process, *process.children(recursive=True)])


class Run:
    """What one command took."""

    def __init__(self, words: tuple[str, ...]) -> None:
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        done = subprocess.run([SYNCD, *words], stdout=subprocess.PIPE, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode not in (0, 1):
            raise SystemExit(f"syncd {' '.join(words)} ended with {done.returncode}")
        self.seconds = time.perf_counter() - began
        self.cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def run(*words: str) -> Run:
    return Run(words)


if __name__ == "__main__":
    main()
