"""The straight line: Label Studio's SQLite → a local folder. Backfill, a pass with nothing to do, memory, latency, and what
an annotator notices.

    python benchmarks/straight_line.py [TASKS]      default 200,000; figures in docs/performance.md

The bare limits are measured in the same run: a loop that only reads and hashes, and one that only writes files in batches.
"""

import contextlib
import hashlib
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
from _database import grown

from syncd.model import DocumentShape
from syncd.sources.sqlite import Settings, SqliteSource
from syncd.targets import Object, make, settings_of

SYNCD = str(Path(sys.executable).parent / "syncd")


def main() -> None:
    tasks = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    with tempfile.TemporaryDirectory(prefix="syncd-bench-", dir=".") as folder:
        place, beside = Path(folder, "first").resolve(), Path(folder, "second").resolve()
        database = grown(Path(folder, "db.sqlite3").resolve(), tasks)
        configured(place, database)
        read = bare_read(database)
        write = bare_write(place / "bare", min(tasks, 20_000))
        first, memory = timed_sync(place)
        again, _ = timed_sync(place)
        say("bare read and hash", f"{tasks / read:,.0f} tasks/s")
        say("bare batched file writes", f"{write:,.0f} files/s")
        say("backfill", f"{tasks / first:,.0f} tasks/s ({first:.1f} s), {tasks / first / write:.0%} of the bare writer")
        say("a pass with nothing to do", f"{tasks / again:,.0f} tasks/s ({again:.1f} s)")
        say("peak memory of the backfill", f"{memory / 1e6:.0f} MB")
        with daemon(place) as process:
            say("idle CPU", f"{idle_cpu(process):.1%} of a core")
            report("commit to file, 50 changes/s", latencies(database, place / "out", 50, 20))
        configured(beside, database)
        with daemon(beside, wait=False):
            held_up = latencies(database, beside / "out", 50, 10, small=True)
        report("the same, another project loading", held_up)
        quiet = commit_times(database, 500)
        with sweeping(place):
            swept = commit_times(database, 500)
        p99 = [statistics.quantiles(times, n=100)[98] * 1000 for times in (quiet, swept)]
        say("a writer's commit, p99", f"{p99[0]:.1f} ms alone, {p99[1]:.1f} ms while syncd sweeps")


def configured(place: Path, database: Path) -> None:
    """A folder with a configuration, a ledger and a target of its own."""
    place.mkdir()
    (place / "syncd.yaml").write_text(
        f"source: {{type: sqlite, path: {database}}}\n"
        f"targets: [{{name: out, type: local, path: {place}/out}}]\n"
        f"state: {{path: {place}/syncd.db}}\nlog: {{level: warning}}\n"
    )


def say(what: str, figure: str) -> None:
    print(f"{what:34s} {figure}", flush=True)


def report(what: str, seconds: list[float]) -> None:
    cuts = statistics.quantiles(seconds, n=100)
    say(what, f"p50 {cuts[49]:.2f} s, p99 {cuts[98]:.2f} s ({len(seconds)} changes)")


def bare_read(database: Path) -> float:
    """Seconds to read every document and hash it, in one thread."""
    source = SqliteSource(Settings(type="sqlite", path=database))
    with contextlib.closing(source), contextlib.closing(sqlite3.connect(database)) as db:
        ids = [row[0] for row in db.execute("SELECT id FROM task ORDER BY id")]
        began = time.perf_counter()
        for document in source.read(ids, DocumentShape()):
            hashlib.sha256(getattr(document, "body", None) or b"").digest()
        return time.perf_counter() - began


def bare_write(folder: Path, files: int) -> float:
    """Durable files a second, two kilobytes each, through the local target alone."""
    target = make("local", settings_of("local")(type="local", path=str(folder)))
    target.open()
    body = b"x" * 2000
    digest = "sha256:" + hashlib.sha256(body).hexdigest()
    began = time.perf_counter()
    for at in range(0, files, target.batch):
        list(target.put_many([Object(f"1/tasks/{n}.json", body, digest) for n in range(at, at + target.batch)]))
    speed = files / (time.perf_counter() - began)
    target.close()
    return speed


def timed_sync(place: Path) -> tuple[float, int]:
    """(seconds, peak resident bytes) of one `syncd sync`, its start included."""
    began, peak = time.perf_counter(), 0
    process = psutil.Popen([SYNCD, "sync", "-c", str(place / "syncd.yaml")], stdout=subprocess.DEVNULL)
    while process.poll() is None:
        with contextlib.suppress(psutil.Error):
            peak = max(peak, sum(p.memory_info().rss for p in [process, *process.children(recursive=True)]))
        time.sleep(0.05)
    if process.returncode != 0:
        raise SystemExit(f"syncd sync ended with {process.returncode}")
    return time.perf_counter() - began, peak


@contextlib.contextmanager
def daemon(place: Path, *, wait: bool = True) -> Iterator[psutil.Process]:
    """`syncd run`, once it is true, or at least once it writes."""
    process = psutil.Popen([SYNCD, "run", "-c", str(place / "syncd.yaml")])
    if wait:
        subprocess.run([SYNCD, "wait", "-c", str(place / "syncd.yaml"), "--timeout", "120"], check=True)
    while not (place / "out" / "_syncd" / "state.json").exists():
        time.sleep(0.05)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def idle_cpu(process: psutil.Process, seconds: float = 20) -> float:
    """Share of one core while nothing happens."""
    before, began = sum(process.cpu_times()[:2]), time.monotonic()
    time.sleep(seconds)
    return (sum(process.cpu_times()[:2]) - before) / (time.monotonic() - began)


def latencies(database: Path, out: Path, per_second: int, seconds: float, *, small: bool = False) -> list[float]:
    """Seconds from a commit, made as Label Studio makes it, to the file that shows it; of small projects only, if asked."""
    db = sqlite3.connect(database, timeout=30)
    few = "(SELECT project_id FROM task GROUP BY project_id HAVING count(*) < 100)"
    sql = (
        f"SELECT id FROM task WHERE {f'project_id IN {few}' if small else '1'} AND id IN "
        "(SELECT task_id FROM task_completion) ORDER BY random() LIMIT 2000"
    )
    tasks = [row[0] for row in db.execute(sql)]
    waiting: dict[Path, tuple[bytes, float]] = {}
    found: list[float] = []
    done = threading.Event()

    def look() -> None:
        while not done.is_set() or waiting:
            for path, (mark, when) in list(waiting.items()):
                with contextlib.suppress(FileNotFoundError):
                    if mark in path.read_bytes():
                        found.append(time.monotonic() - when)
                        del waiting[path]
            time.sleep(0.002)

    looking = threading.Thread(target=look)
    looking.start()
    began = time.monotonic()
    for n in range(int(per_second * seconds)):
        time.sleep(max(0.0, began + n / per_second - time.monotonic()))
        task = tasks[n % len(tasks)]
        (project,) = db.execute("SELECT project_id FROM task WHERE id = ?", (task,)).fetchone()
        mark = edit(db, task)
        waiting[out / str(project) / "tasks" / f"{task}.json"] = (mark, time.monotonic())
    done.set()
    looking.join(60)
    db.close()
    return found


def edit(db: sqlite3.Connection, task: int) -> bytes:
    """An annotation saved again: its row, then its task's; returns what the document will hold."""
    now = time.time()
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1e6):06}"
    which = "(SELECT max(id) FROM task_completion WHERE task_id = ?)"
    db.execute(f"UPDATE task_completion SET updated_at = ?, lead_time = ? WHERE id = {which}", (stamp, now, task))
    db.commit()
    db.execute("UPDATE task SET updated_at = ? WHERE id = ?", (stamp, task))
    db.commit()
    return repr(now).encode()


def commit_times(database: Path, commits: int) -> list[float]:
    """Seconds that each of a writer's commits takes, twenty a second or so."""
    db = sqlite3.connect(database, timeout=30)
    tasks = [row[0] for row in db.execute("SELECT id FROM task ORDER BY random() LIMIT ?", (commits,))]
    times = []
    for task in tasks:
        db.execute("UPDATE task SET overlap = overlap + 1 WHERE id = ?", (task,))
        began = time.perf_counter()
        db.commit()
        times.append(time.perf_counter() - began)
        time.sleep(0.01)
    db.close()
    return times


@contextlib.contextmanager
def sweeping(place: Path) -> Iterator[None]:
    """Full passes, one after another, for as long as the block runs."""
    done = threading.Event()

    def passes() -> None:
        while not done.is_set():
            timed_sync(place)

    thread = threading.Thread(target=passes)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


if __name__ == "__main__":
    main()
