"""Easy Export over HTTP from a fresh COCO mirror: time to the first byte, and megabytes a second on loopback.

    python benchmarks/exports.py [TASKS]      default 100,000; figures in docs/performance.md

The same export rendered by `syncd export` stands beside it.
"""

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
from _database import grown

SYNCD = str(Path(sys.executable).parent / "syncd")
ROUNDS = 5


def main() -> None:
    tasks = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory(prefix="syncd-bench-", dir=".") as folder:
        place = Path(folder).resolve()
        database = grown(place / "db.sqlite3", tasks)
        (place / "syncd.yaml").write_text(
            f"source: {{type: sqlite, path: {database}}}\n"
            f"targets: [{{name: out, type: local, path: {place}/out, mirrors: [COCO]}}]\n"
            f"state: {{path: {place}/syncd.db}}\nhttp: {{listen: '127.0.0.1:0'}}\nlog: {{format: json}}\n"
        )
        command(place, "sync")
        began = time.perf_counter()
        command(place, "export", "boxes", "COCO", "--path", str(place / "exported"))
        rendered = time.perf_counter() - began
        project = json.loads(command(place, "status", "--json"))["source"]["titles"]
        number = next(id_ for id_, title in project.items() if title == "boxes")
        with daemon(place) as url:
            found = [asked(f"{url}/api/projects/{number}/export?exportType=COCO") for _ in range(ROUNDS)]
        first, speed, size = (sorted(column)[ROUNDS // 2] for column in zip(*found, strict=True))
        print(f"{tasks:,} tasks, COCO of {size / 1e6:.0f} MB, median of {ROUNDS}")
        print(f"{'first byte':28s} {first * 1000:.0f} ms")
        print(f"{'from the mirror, loopback':28s} {speed / 1e6:,.0f} MB/s")
        print(f"{'rendered by syncd export':28s} {rendered:.1f} s")


def command(place: Path, *words: str) -> str:
    arguments = [SYNCD, words[0], *words[1:], "-c", str(place / "syncd.yaml")]
    return subprocess.run(arguments, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout


@contextlib.contextmanager
def daemon(place: Path) -> Iterator[str]:
    """`syncd run`, once it is true; its address."""
    log = place / "log"
    with log.open("wb") as file:
        process = psutil.Popen([SYNCD, "run", "-c", str(place / "syncd.yaml")], stderr=file)
    try:
        command(place, "wait", "--timeout", "300")
        yield next(
            one["url"] for one in map(json.loads, log.read_text().splitlines()) if one["event"] == "listening"
        ).rstrip("/")
    finally:
        process.terminate()
        process.wait(60)


def asked(url: str) -> tuple[float, float, int]:
    """Seconds to the first byte, bytes a second over all, and bytes."""
    began, first, size = time.perf_counter(), 0.0, 0
    with httpx.stream("GET", url, timeout=300, trust_env=False) as answer:
        for chunk in answer.iter_raw():
            first = first or time.perf_counter() - began
            size += len(chunk)
    return first, size / (time.perf_counter() - began), size


if __name__ == "__main__":
    main()
