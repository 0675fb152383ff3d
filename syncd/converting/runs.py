"""Runs: what units of tasks give to the files that all tasks share, kept on disk by the process that rendered them.

Between processes travel the places of runs only: their bytes would cost as much to send as some formats cost to render.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple

_BLOCK = 1024 * 1024


class Run(NamedTuple):
    """A stretch of bytes in the file that one process keeps for one section."""

    process: int
    at: int
    length: int


class RunWriter:
    """The runs of this process: a file for each section, made when it is needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, BinaryIO] = {}

    def write(self, section: str, body: bytes) -> Run:
        """Adds a run; it is there for every process when this returns."""
        process = os.getpid()
        file = self._files.get(section)
        if file is None:
            file = self._files[section] = _place(self._folder, section, process).open("xb")
        run = Run(process, file.tell(), len(body))
        file.write(body)
        file.flush()
        return run

    def close(self) -> None:
        """No run may follow."""
        for file in self._files.values():
            file.close()


class Runs:
    """Where the runs of every section stand, in task order; those of one process that touch are one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._runs: dict[str, list[Run]] = {}

    def add(self, runs: Mapping[str, Run]) -> None:
        """The runs of a unit whose tasks come after all others so far."""
        for section, run in runs.items():
            known = self._runs.setdefault(section, [])
            process, at, length = known[-1] if known else (run.process, run.at, 0)
            if process == run.process and at + length == run.at:
                known[-1:] = [Run(process, at, length + run.length)]
            else:
                known.append(run)

    def size(self, section: str) -> int:
        """Bytes of a section."""
        return sum(run.length for run in self._runs.get(section, ()))

    def opened(self, section: str, skip: int = 0) -> Iterator[tuple[BinaryIO, int]]:
        """Every run of a section: its file, standing where it begins, and its bytes; without the first `skip` of them all."""
        for process, at, length in self._runs.get(section, ()):
            with _place(self._folder, section, process).open("rb") as file:
                file.seek(at + skip)
                yield file, length - skip
            skip = 0

    def copy(self, section: str, out: BinaryIO, skip: int = 0) -> None:
        """Writes a section, without its first `skip` bytes."""
        for file, length in self.opened(section, skip):
            for start in range(0, length, _BLOCK):
                out.write(file.read(min(_BLOCK, length - start)))


def _place(folder: Path, section: str, process: int) -> Path:
    return folder / f"{section}.{process}"
