"""One changed segment in a large shared file: what is sent and how long it takes, beside sending it whole.

    python benchmarks/splicing.py [MB [s3|gcs|azure|local]…]      default 300, every store; run from the top of the repository

A proxy counts what goes to the store; its own share of the time is in both figures.
"""

import hashlib
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).parents[1]))

from syncd.targets import Piece, Target, Written
from tests.fault_proxy import FaultProxy, fault_proxy
from tests.http_wire import Message
from tests.places import PLACES
from tests.servers import Servers
from tests.splicing import KEY, opened

SEGMENT = 6_500_000


class File(Sequence[Piece]):
    """A file of segments whose bytes are made when they are asked for; one of them in another version."""

    def __init__(self, segments: int, changed: int | None = None) -> None:
        self._segments = segments
        self._changed = changed

    def __len__(self) -> int:
        return self._segments

    def __getitem__(self, index: Any) -> Any:
        if index >= self._segments:
            raise IndexError(index)
        seed = hashlib.sha256(f"{index} {index == self._changed}".encode())
        is_new = self._changed in {None, index}
        body = seed.digest() * (SEGMENT // 32) if is_new else None
        return Piece(f"{index:08}", SEGMENT // 32 * 32, seed.hexdigest(), body)


def main() -> None:
    megabytes = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    servers = Servers()
    try:
        for kind in sys.argv[2:] or sorted(PLACES):
            with tempfile.TemporaryDirectory(prefix="syncd-bench-", dir=".") as folder:
                settings = dict(PLACES[kind](servers, Path(folder).resolve()).target)
                measure(kind, settings, max(3, megabytes * 1_000_000 // SEGMENT))
    finally:
        servers.stop()


def measure(kind: str, settings: dict[str, Any], segments: int) -> None:
    if kind == "local":
        with closing(opened(settings)) as target:
            report(kind, timed(target, File(segments)), timed(target, File(segments, segments // 2)))
            check(target, segments)
        return
    sent: list[int] = []

    async def count(_: FaultProxy, request: Message) -> None:
        sent.append(len(request.body))

    address = "account_url" if kind == "azure" else "endpoint_url"
    parts = urlsplit(settings[address])
    with fault_proxy(parts.port or 0, gate=count) as proxy:
        settings[address] = parts._replace(netloc=f"127.0.0.1:{proxy.port}").geturl()
        with closing(opened(settings)) as target:
            whole = timed(target, File(segments)), list(sent)
            sent.clear()
            spliced = timed(target, File(segments, segments // 2)), list(sent)
            report(kind, whole[0], spliced[0])
            print(f"       sent {sum(whole[1]) / 1e6:.1f} MB in {len(whole[1])} requests whole, ", end="")
            print(f"{sum(spliced[1]) / 1e6:.1f} MB in {len(spliced[1])} requests spliced", flush=True)
            check(target, segments)


def timed(target: Target, file: File) -> tuple[float, float]:
    """Seconds of the clock and of this process's CPU."""
    began, used = time.perf_counter(), time.process_time()
    outcome = target.splice(KEY, file, content_type="application/json")
    assert isinstance(outcome, Written), outcome
    return time.perf_counter() - began, time.process_time() - used


def report(kind: str, whole: tuple[float, float], spliced: tuple[float, float]) -> None:
    times = f"{whole[0]:.2f} s ({whole[1]:.2f} s CPU), one segment {spliced[0]:.2f} s ({spliced[1]:.2f} s CPU)"
    print(f"{kind:6s} whole {times}", flush=True)


def check(target: Target, segments: int) -> None:
    """The bytes are those of the second version."""
    found = target.get(KEY)
    changed = segments // 2
    wanted = hashlib.sha256()
    for index in range(segments):
        digest = hashlib.sha256(f"{index} {index == changed}".encode()).digest()
        wanted.update(digest * (SEGMENT // 32))
    assert found and found.body and hashlib.sha256(found.body).digest() == wanted.digest(), "other bytes"


if __name__ == "__main__":
    main()
