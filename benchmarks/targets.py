"""How fast a local folder takes small files, beside a bare loop of file writes. Object stores are in stores.py.

    python benchmarks/targets.py [OBJECTS]      default 10,000; run from the top of the repository

Every figure stands beside its bare limit from the same run; shares matter, not the figures: disks and servers vary.
"""

import contextlib
import ctypes
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from syncd.targets import Object, Target, Traffic, Written, make, paced, settings_of

BODY = os.urandom(1_000) + b"x" * 1_000
BATCH = 512


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory(prefix="syncd-bench-", dir=".") as place:
        bare = timed(count, lambda: bare_files(Path(place, "bare"), count))
        say("files, bare batches with syncfs", count, bare)
        with opened("local", path=f"{place}/out") as target:
            say("files, target local", count, timed(count, lambda: put(target, documents(count))), bare)


@contextlib.contextmanager
def opened(kind: str, **settings: str) -> Iterator[Target]:
    target = paced(make(kind, settings_of(kind)(**settings)), Traffic())
    target.open()
    try:
        yield target
    finally:
        target.close()


def documents(count: int) -> list[Object]:
    return [Object(f"1/tasks/{number}.json", BODY, "sha256:" + "0" * 64) for number in range(count)]


def put(target: Target, objects: Sequence[Object]) -> None:
    for start in range(0, len(objects), BATCH):
        assert all(isinstance(outcome, Written) for outcome in target.put_many(objects[start : start + BATCH]))


def bare_files(place: Path, count: int) -> None:
    """What `local` does, without keys, conditions, locks and errors."""
    syncfs = ctypes.CDLL(None).syncfs
    (place / "tmp").mkdir(parents=True)
    temporary, final = (os.open(path, os.O_RDONLY) for path in (place / "tmp", place))
    for start in range(0, count, BATCH):
        names = [f"{number}.json" for number in range(start, min(start + BATCH, count))]
        for name in names:
            file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, dir_fd=temporary)
            os.write(file, BODY)
            os.close(file)
        syncfs(temporary)
        for name in names:
            os.rename(name, name, src_dir_fd=temporary, dst_dir_fd=final)
        syncfs(final)


def timed(count: int, work: Callable[[], object]) -> tuple[float, float]:
    """Objects a second, and milliseconds of this process's CPU for each."""
    began, cpu = time.perf_counter(), time.process_time()
    work()
    return count / (time.perf_counter() - began), (time.process_time() - cpu) / count * 1000


def say(what: str, count: int, measured: tuple[float, float], bare: tuple[float, float] | None = None) -> None:
    share = f", {measured[0] / bare[0]:.0%} of bare" if bare else ""
    print(f"{what:36s} {count:6d}: {measured[0]:8,.0f} a second, {measured[1]:.3f} ms of CPU{share}", flush=True)


if __name__ == "__main__":
    main()
