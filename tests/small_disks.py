"""Real file systems that a test may fill or make read-only, and processes that permissions bind though root starts them."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(place: Path, *, kilobytes: int) -> Iterator[Path]:
    """A file system of its own at `place`, in memory. Skips the test where mounting is not allowed."""
    place.mkdir(exist_ok=True)
    _mount_or_skip("-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(place))
    try:
        yield place
    finally:
        detach(place)


@contextmanager
def attached(disk: Path, place: Path) -> Iterator[None]:
    """Have the folder `disk` mounted at `place`, as an external disk. Skips the test where mounting is not allowed."""
    _mount_or_skip("--bind", str(disk), str(place))
    try:
        yield
    finally:
        detach(place)


def detach(place: Path) -> None:
    """Unplug it, in use or not."""
    subprocess.run(["umount", "--lazy", place], check=True)


def make_read_only(place: Path, read_only: bool = True) -> None:
    """As the kernel does with a disk that fails."""
    subprocess.run(["mount", "-o", f"remount,{'ro' if read_only else 'rw'}", place], check=True)


def fill_up(place: Path) -> Path:
    """Use every byte that is left; returns the file that holds them."""
    filler = place / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
    return filler


def bound_by_permissions() -> Sequence[str]:
    """What a command starts with to be refused what its user has no right to; skips the test where that cannot be had."""
    if os.geteuid() != 0:
        return ()
    if shutil.which("setpriv") is None:
        pytest.skip("root reads everything, and there is no setpriv to give that up")
    return ("setpriv", "--bounding-set=-dac_override,-dac_read_search")


def _mount_or_skip(*words: str) -> None:
    done = subprocess.run(["mount", *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"mounting a small file system is not allowed here: {done.stderr.strip()}")
