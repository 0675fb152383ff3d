"""PostgreSQL → a local folder: backfill, a pass with nothing to do, the looks of the daemon, and commit to signal.

    python benchmarks/postgres.py [TASKS]                default 200,000
    python benchmarks/postgres.py [TASKS] --logical      commit to object by the log, at 200 changes a second

The server is the tests' own (Debian's 15), with the boxes of the corpus cloned.
"""

import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))  # the tests' servers are not installed

from syncd.sources._postgres_database import Database
from syncd.sources._postgres_publication import publication
from syncd.sources._postgres_rows import PostgresRows, QuickLook
from syncd.sources._postgres_versions import Versions
from tests.contract.labelstudios.postgres15 import source
from tests.labelstudio_postgres import LabelStudioPostgres
from tests.servers.postgres import Postgres, postgres15
from tests.watching import Remembered

SYNCD = str(Path(sys.executable).parent / "syncd")


def main() -> None:
    logical = "--logical" in sys.argv
    tasks = next((int(word) for word in sys.argv[1:] if word.isdigit()), 200_000)
    with postgres15() as server, tempfile.TemporaryDirectory(prefix="syncd-bench-", dir=".") as folder:
        database = grown(server, tasks)
        place = Path(folder).resolve()
        (place / "syncd.yaml").write_text(
            f"source: {{type: postgres, dsn: '{database.dsn}', capture: {'logical' if logical else 'poll'}}}\n"
            f"targets: [{{name: out, type: local, path: {place}/out}}]\n"
            f"state: {{path: {place}/syncd.db}}\nlog: {{level: warning}}\n"
        )
        if logical:
            publish(database)
            commits(place, database, a_second=200, seconds=20)
            idle(place, server)
            return
        for what in ("backfill", "a pass with nothing to do"):
            took = timed(lambda: subprocess.run([SYNCD, "sync", "-c", place / "syncd.yaml"], check=True))
            print(f"{what:32} {tasks / took:10,.0f} tasks/s  ({took:.1f} s)")
        looks(database)
        latencies(database, seconds=20)
        idle(place, server)


def grown(server: Postgres, tasks: int) -> LabelStudioPostgres:
    """The corpus with the first project's labelled tasks cloned, times spread over a year."""
    database = LabelStudioPostgres(server)
    models = database.labelled(1)
    first, annotation = database.next_id("task"), database.next_id("task_completion")
    for table, start, own in (("task", first, "id"), ("task_completion", annotation, "task_id")):
        columns = database.ids(
            "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(?) AND attnum > 0 AND NOT attisdropped",
            table,
        )
        times = {"created_at", "updated_at"}
        values = {
            c: f"now() - interval '1 year' + n * interval '2 seconds' AS {c}" if c in times else c for c in columns
        }
        values |= {"id": f"{start} + n", "task_id": f"{first} + n", "unique_id": "gen_random_uuid()"}
        database.run(
            f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(values[c] for c in columns)} FROM "
            f"generate_series(0, {tasks - 1}) AS n JOIN LATERAL (SELECT * FROM {table} WHERE {own} = "
            f"(ARRAY{models})[n % {len(models)} + 1] ORDER BY id LIMIT 1) AS model ON true ORDER BY n"
        )
    database.run("VACUUM ANALYZE")
    return database


def looks(database: LabelStudioPostgres) -> None:
    """What each of the daemon's looks costs, at rest."""
    with closing(Database(database.dsn)) as opened:
        rows, versions = PostgresRows(opened, "all"), Versions(opened)
        quick = QuickLook(rows, rows.moment())
        print(f"{'quick look':32} {timed(lambda: quick.look(rows.moment())) * 1000:10.1f} ms")
        versions.learn()
        print(
            f"{'versions of all rows':32} {timed(lambda: list(versions.differing(threading.Event()))) * 1000:10.1f} ms"
        )


def latencies(database: LabelStudioPostgres, *, seconds: float) -> None:
    """Commit to signal, at two submissions a second."""
    with closing(source(database.dsn, id_sweep_seconds=5, poll_seconds=0.5)) as watched:
        stop, memory, level = threading.Event(), Remembered(), threading.Event()
        seen: dict[int, float] = {}

        def follow() -> None:
            for batch in watched.watch(memory, None, stop):
                memory.keep(batch.signals)
                if level.is_set():
                    seen.update({signal.task: time.monotonic() for signal in batch.signals})
                elif batch.synced:
                    level.set()

        thread = threading.Thread(target=follow)
        thread.start()
        level.wait()
        committed: dict[int, float] = {}
        for task in database.labelled(1)[: int(seconds * 2)]:
            database.annotate(task, "seen")
            committed[task] = time.monotonic()
            time.sleep(0.5)
        time.sleep(1)
        stop.set()
        thread.join()
    took = sorted(seen[task] - at for task, at in committed.items() if task in seen)
    print(
        f"{'commit to signal':32} p50 {statistics.median(took):.2f} s, worst {took[-1]:.2f} s, {len(committed) - len(took)} lost"
    )


def publish(database: LabelStudioPostgres) -> None:
    """What `syncd slot create` prints, as whoever may run it."""
    with closing(Database(database.dsn)) as opened:
        database.run(publication(opened, "syncd").to_create)
    database.run("ALTER ROLE syncd REPLICATION")


def commits(place: Path, database: LabelStudioPostgres, *, a_second: int, seconds: int) -> None:
    """Commit to object: how much later than its commit a file was written."""
    subprocess.run([SYNCD, "sync", "-c", place / "syncd.yaml"], check=True, stdout=subprocess.DEVNULL)
    daemon = subprocess.Popen([SYNCD, "run", "-c", place / "syncd.yaml"])
    committed: dict[int, float] = {}
    try:
        while (
            "logical"
            not in subprocess.run(
                [SYNCD, "status", "-c", place / "syncd.yaml"], capture_output=True, text=True, check=False
            ).stdout
        ):
            time.sleep(0.5)
        time.sleep(10)
        tasks = database.ids(
            "SELECT id FROM task WHERE project_id = 1 AND id IN (SELECT task_id FROM task_completion) ORDER BY random() LIMIT ?",
            a_second * seconds,
        )
        began = time.monotonic()
        with database.server.connect(database.name) as connection:
            for number, task in enumerate(tasks):
                time.sleep(max(0.0, began + number / a_second - time.monotonic()))
                committed[task] = time.time()  # a moment early: the commit itself counts
                with connection.transaction():
                    connection.execute(
                        "UPDATE task_completion SET lead_time = lead_time + 1 WHERE task_id = %s", [task]
                    )
                    connection.execute("UPDATE task SET updated_at = now() WHERE id = %s", [task])
        rate = len(tasks) / (time.monotonic() - began)
        files = {task: place / "out" / "1" / "tasks" / f"{task}.json" for task in committed}
        deadline = time.monotonic() + 60
        while late := [task for task, at in committed.items() if files[task].stat().st_mtime < at]:
            if time.monotonic() > deadline:
                break
            time.sleep(0.5)
    finally:
        daemon.terminate()
        daemon.wait()
    took = sorted(files[task].stat().st_mtime - at for task, at in committed.items())
    print(
        f"{'commit to object':32} p50 {statistics.median(took):.2f} s, p99 {took[len(took) * 99 // 100]:.2f} s "
        f"at {rate:.0f} changes/s, {len(late)} lost"
    )


def idle(place: Path, server: Postgres) -> None:
    """CPU of the database and of syncd while nothing is committed."""
    daemon = subprocess.Popen([SYNCD, "run", "-c", place / "syncd.yaml"])
    try:
        time.sleep(15)
        before = cpu(server), cpu_of(psutil.Process(daemon.pid))
        time.sleep(20)
        print(f"{'idle: database, syncd':32} {(cpu(server) - before[0]) / 20:.1%}, "
              f"{(cpu_of(psutil.Process(daemon.pid)) - before[1]) / 20:.1%} of a core")  # fmt: skip
    finally:
        daemon.terminate()
        daemon.wait()


def cpu(server: Postgres) -> float:
    """Seconds of CPU that the server and all its processes have taken."""
    main = psutil.Process(int((server.folder / "data" / "postmaster.pid").read_text().split()[0]))
    total = 0.0
    for process in (main, *main.children()):
        with suppress(psutil.NoSuchProcess):
            total += cpu_of(process)
    return total


def cpu_of(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def timed(what: Callable[[], object]) -> float:
    began = time.monotonic()
    what()
    return time.monotonic() - began


if __name__ == "__main__":
    main()
