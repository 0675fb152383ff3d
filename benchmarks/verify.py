"""`syncd verify` over a large folder: how fast it lists, reads and compares, and that its memory stays flat.

    python benchmarks/verify.py [OBJECTS [TASKS]]      default 1,000,000 and 200,000; figures in docs/performance.md

TASKS are labelled tasks of the source, each with its file; the rest of the OBJECTS are foreign, as Label Studio's own target
storage leaves them: one per annotation, named by its id.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _database import grown

SYNCD = str(Path(sys.executable).parent / "syncd")


def main() -> None:
    objects = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    tasks = int(sys.argv[2]) if len(sys.argv) > 2 else 200_000
    with tempfile.TemporaryDirectory(prefix="syncd-bench-", dir=".") as folder:
        place = Path(folder).resolve()
        database = grown(place / "db.sqlite3", tasks)
        (place / "syncd.yaml").write_text(
            f"source: {{type: sqlite, path: {database}}}\n"
            f"targets: [{{name: out, type: local, path: {place}/out, layout: sharded}}]\n"
            f"state: {{path: {place}/syncd.db}}\nlog: {{level: warning}}\n"
        )
        subprocess.run([SYNCD, "sync"], cwd=place, check=True, stdout=subprocess.DEVNULL)
        for n in range(1000, 1000 + objects - tasks):  # beside the folders of projects
            os.close(os.open(place / "out" / str(n), os.O_CREAT | os.O_WRONLY))
        report("verify", objects, *timed(place, "verify"))
        report("verify --foreign --json", objects, *timed(place, "verify", "--foreign", "--json"))
        report("verify --deep", tasks, *timed(place, "verify", "--deep"))
        (place / "syncd.db").rename(place / "lost.db")
        report("verify, the ledger lost", objects, *timed(place, "verify"))


def timed(place: Path, *words: str) -> tuple[float, int]:
    """Seconds, and peak bytes of memory of that process."""
    began = time.perf_counter()
    with subprocess.Popen([SYNCD, *words], cwd=place, stdout=subprocess.DEVNULL) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"syncd {' '.join(words)} ended with {process.returncode}")
    return time.perf_counter() - began, used.ru_maxrss * 1024


def report(what: str, objects: int, seconds: float, memory: int) -> None:
    print(f"{what:26s} {objects / seconds:,.0f} objects/s ({seconds:.1f} s), peak {memory / 1e6:.0f} MB", flush=True)


if __name__ == "__main__":
    main()
