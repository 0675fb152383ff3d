"""Whole passes into object stores: Label Studio's SQLite database, read, hashed, put and settled by `syncd sync`, beside clients
that only put the same documents.

    python benchmarks/stores.py [STORE…]      default all of STORES; run from the top of the repository

Every figure is of a fresh server that was warmed up, and of the same documents, for servers slow down as they fill; clients and
passes take turns, and medians are told. A pass is the command as it is; what it needs for a handful of tasks, its start, is
measured apart and taken off. Only the ceiling of 3,000 requests a second, which a target has unless it is configured otherwise,
is lifted: `requests_per_second: null`.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import yaml
from _database import documents_of, grown
from _puts import Measured, best, put_all
from _stores import Store, azurite, fake_gcs, gcs_sink, s3_sink, seaweedfs

SYNCD = str(Path(sys.executable).parent / "syncd")
ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Case:
    """A store, how many objects go there, and with how many threads the other clients are tried."""

    store: Callable[[], AbstractContextManager[Store]]
    objects: int
    sdk: Sequence[int]
    bare: Sequence[int] = ()


STORES = {
    "seaweedfs": Case(seaweedfs, 10_000, sdk=(4, 16), bare=(16, 64)),
    "azurite": Case(azurite, 4_000, sdk=(4, 16), bare=(8, 32)),
    "fake-gcs": Case(fake_gcs, 4_000, sdk=(1, 2, 4, 16)),
    "s3-sink": Case(s3_sink, 40_000, sdk=(1, 8), bare=(4, 16, 64)),
    "s3-sink-20ms": Case(partial(s3_sink, 0.02), 20_000, sdk=(128,), bare=(128,)),
    "gcs-sink": Case(gcs_sink, 6_000, sdk=(1, 4, 16)),
    "gcs-sink-20ms": Case(partial(gcs_sink, 0.02), 6_000, sdk=(32, 64, 128)),
}


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="syncd-bench-", dir=".") as folder:
        place = Path(folder).resolve()
        few = grown(place / "few.sqlite3", 0)
        for name in sys.argv[1:] or STORES:
            beside(name, STORES[name], few, grown(place / f"{name}.sqlite3", STORES[name].objects))


def beside(name: str, case: Case, few: Path, database: Path) -> None:
    """One store: each other client at its best width, then all of them and whole passes in turn, with all documents each."""
    documents = documents_of(database)
    count, some = len(documents), documents[: max(1_000, min(5_000, len(documents) // 4))]
    print(f"{name}: {count:,} objects of {sum(map(len, documents)) / count:,.0f} bytes", flush=True)
    others = {"SDK": (lambda store: store.sdk, case.sdk), "bare obstore": (lambda store: store.bare, case.bare)}
    widths = {who: best(case.store, client, some, tried) for who, (client, tried) in others.items() if tried}
    start = middle([timed_pass(case.store, few) for _ in range(ROUNDS)])
    passes, puts = [], {who: [] for who in widths}
    for _ in range(ROUNDS):
        for who, width in widths.items():
            with case.store() as store:
                store.warm_up()
                puts[who].append(put_all(others[who][0](store), documents, width))
        passes.append(timed_pass(case.store, database))
    whole, beyond = middle(passes), count - len(documents_of(few))
    own = Measured(beyond, whole.seconds - start.seconds, whole.cpu - start.cpu, whole.in_flight)
    shares = []
    for who, measured in puts.items():
        other = middle(measured)
        say(f"{who}, {widths[who]} threads", other)
        shares.append(f"{own.speed / other.speed:.2f} x {who}")
    if own.in_flight:
        shares.append(f"{own.in_flight} in flight")
    say("syncd sync", own, *shares, f"start {start.seconds:.1f} s, {start.cpu:.1f} s of CPU taken off")


def timed_pass(fresh: Callable[[], AbstractContextManager[Store]], database: Path) -> Measured:
    """One `syncd sync` into an empty store, its start included."""
    with fresh() as store, tempfile.TemporaryDirectory(dir=database.parent) as folder:
        store.warm_up()
        config = Path(folder, "syncd.yaml")
        source = {"type": "sqlite", "path": str(database)}
        target = {"name": "out", "prefix": "ours", "rate": {"requests_per_second": None}, **store.target}
        state, log = {"path": f"{folder}/syncd.db"}, {"level": "warning"}
        config.write_text(yaml.safe_dump({"source": source, "targets": [target], "state": state, "log": log}))
        began = time.perf_counter()
        with subprocess.Popen([SYNCD, "sync", "-c", str(config)], stdout=subprocess.DEVNULL) as process:
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - began
        if process.returncode != 0:
            raise SystemExit(f"syncd sync ended with {process.returncode}")
        return Measured(1, seconds, used.ru_utime + used.ru_stime, store.in_flight())


def middle(measured: Sequence[Measured]) -> Measured:
    """The one of median speed."""
    return sorted(measured, key=lambda one: one.seconds)[len(measured) // 2]


def say(what: str, one: Measured, *more: str) -> None:
    figures = f"{one.speed:8,.0f} a second, {one.cpu / one.objects * 1000:.3f} ms of CPU"
    print(f"  {what:26s}" + ", ".join([figures, *more]), flush=True)


if __name__ == "__main__":
    main()
