"""Puts shared files together: fragments wait on disk by section until all tasks are rendered, then heads, fragments, tails.

Formats with part files have theirs cut by the size of the fragments, so that a part depends on its tasks alone.
"""

import shutil
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path

from syncd.converting.files import place_of, write_own_files
from syncd.formats import Context, Format

PART_BYTES = 6 * 1024 * 1024
"""Of fragments: a few tens of megabytes once a part's library holds it."""
WHOLE_ITEMS, WHOLE_BYTES = 50_000, 64 * 1024 * 1024
"""So many items, and bytes of fragments, go into one file where the format's readers know one by name (`Format.whole`)."""
_BLOCK = 1024 * 1024
_ENTRY = struct.Struct("<qq")
"""Task id and length of its fragment."""


class Sections:
    """The fragments of every section, each in a file in `scratch`, in task order."""

    def __init__(self, scratch: Path, separators: Mapping[str, bytes]) -> None:
        self._separators = separators
        self._places = {name: scratch / f"section.{number}" for number, name in enumerate(separators)}
        self._files = {name: place.open("wb") for name, place in self._places.items()}

    def add(self, fragments: Mapping[str, bytes]) -> None:
        """The joined fragments of tasks that come after all others so far."""
        for name, body in fragments.items():
            file = self._files[name]
            if file.tell():
                file.write(self._separators[name])
            file.write(body)

    def put_together(self, folder: Path, chosen: Format, context: Context, newest: str) -> list[str]:
        """Writes every shared file; their names."""
        self.close()
        written = []
        for shared in chosen.shared_files(context, newest=newest):
            written.append(shared.path)
            with Path(place_of(folder, shared.path)).open("wb") as out:
                for section in shared.sections:
                    out.write(section.head)
                    with self._places[section.name].open("rb") as fragments:
                        shutil.copyfileobj(fragments, out, _BLOCK)
                    out.write(section.tail)
        return written

    def close(self) -> None:
        """No fragment may follow."""
        for file in self._files.values():
            file.close()


class Parts:
    """The fragments of part files, in one file in `scratch` until their number is known."""

    def __init__(self, scratch: Path) -> None:
        self._place = scratch / "parts"
        self._file = self._place.open("wb")
        self._bytes = 0

    def add(self, fragments: list[tuple[int, bytes]]) -> None:
        """Fragments of tasks that come after all others so far."""
        for task, body in fragments:
            self._file.write(_ENTRY.pack(task, len(body)) + body)
            self._bytes += len(body)

    def put_together(self, folder: Path, chosen: Format, context: Context, items: int) -> list[str]:
        """Writes every part; their names. Without a task there is one empty part, so that readers find a file."""
        self.close()
        if chosen.whole and items <= WHOLE_ITEMS and self._bytes <= WHOLE_BYTES:
            write_own_files(folder, {chosen.whole: chosen.part(self._fragments(), context)})
            return [chosen.whole]
        written = []
        for number, fragments in enumerate(self._cut()):
            name = f"part-{number:05d}{chosen.part_suffix}"
            write_own_files(folder, {name: chosen.part(fragments, context)})
            written.append(name)
        return written

    def close(self) -> None:
        """No fragment may follow."""
        self._file.close()

    def _fragments(self) -> Iterator[tuple[int, bytes]]:
        with self._place.open("rb") as file:
            while entry := file.read(_ENTRY.size):
                task, length = _ENTRY.unpack(entry)
                yield task, file.read(length)

    def _cut(self) -> Iterator[list[tuple[int, bytes]]]:
        part: list[tuple[int, bytes]] = []
        size = number = 0
        for task, body in self._fragments():
            part.append((task, body))
            size += len(body)
            if size >= PART_BYTES:
                yield part
                part, size, number = [], 0, number + 1
        if part or not number:
            yield part
