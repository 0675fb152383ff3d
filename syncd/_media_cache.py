"""Fetched media on disk, the least recently used thrown away beyond a size. Processes may share it: files appear whole."""

import os
import tempfile
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path

from syncd._media_place import MediaMissing, shown


class Cache:
    """A folder of files named by the hash of their address."""

    def __init__(self, folder: Path, size_bytes: int, file_bytes: int) -> None:
        self._folder = folder
        self._size = size_bytes
        self._file_bytes = file_bytes
        self._held: int | None = None
        """Bytes in the folder, as far as this process knows."""

    def find(self, address: str) -> Path | None:
        """The file, if it is here; it counts as used now."""
        path = self._path(address)
        try:
            os.utime(path)
        except FileNotFoundError:
            return None
        return path

    def store(self, address: str, blocks: Iterable[bytes]) -> Path:
        """Raises MediaMissing when the file is larger than allowed, or what the blocks raise; nothing is left then."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._path(address)
        with tempfile.NamedTemporaryFile(dir=self._folder, prefix=".", delete=False) as file:
            made = Path(file.name)
            try:
                for block in self._limited(address, blocks):
                    file.write(block)
                size = file.tell()
            except BaseException:
                made.unlink()
                raise
        made.replace(path)
        self._make_room(size, path)
        return path

    def _limited(self, address: str, blocks: Iterable[bytes]) -> Iterator[bytes]:
        left = self._file_bytes
        for block in blocks:
            left -= len(block)
            if left < 0:
                raise MediaMissing(f"{shown(address)}: larger than {self._file_bytes:,} bytes (--media-limit-mb)")
            yield block

    def _path(self, address: str) -> Path:
        return self._folder / sha256(address.encode("utf-8", "surrogatepass")).hexdigest()

    def _make_room(self, added: int, newest: Path) -> None:
        """Looks at the folder only when it may be too large."""
        self._held = None if self._held is None else self._held + added
        if self._held is not None and self._held <= self._size:
            return
        files = [(entry.stat(), Path(entry.path)) for entry in os.scandir(self._folder) if entry.is_file()]
        held = sum(found.st_size for found, _ in files)
        for found, path in sorted(files, key=lambda file: file[0].st_mtime_ns):
            if held <= self._size:
                break
            if path != newest:
                path.unlink(missing_ok=True)
                held -= found.st_size
        self._held = held
