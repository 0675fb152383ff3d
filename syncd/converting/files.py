"""Writes the files of its own that a task gives. Their names come from data: none may leave the folder."""

import os
from collections.abc import Mapping
from pathlib import Path

_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC


def write_own_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Each file, its folders made as needed. Raises ValueError for a path that would leave the folder."""
    for path, body in files.items():
        place = place_of(folder, path)
        try:
            file = os.open(place, _FLAGS, 0o666)
        except FileNotFoundError:
            Path(place).parent.mkdir(parents=True, exist_ok=True)
            file = os.open(place, _FLAGS, 0o666)
        try:
            at = os.write(file, body)
            while at < len(body):
                at += os.write(file, body[at:])
        finally:
            os.close(file)


def place_of(folder: Path, path: str) -> str:
    """Where a relative path stands. Raises ValueError when it would leave the folder."""
    if path.startswith("/") or ".." in path.split("/"):
        raise ValueError(f"{path!r} leaves the output folder")
    return f"{folder}/{path}"
