"""Puts shared files together from the runs of all units: heads, sections, tails.

Formats with part files have theirs cut by the size of the fragments, so that a part depends on its tasks alone.
"""

import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

from syncd.converting.files import place_of, write_own_files
from syncd.converting.runs import Runs
from syncd.formats import Context, Format

PART = "part"
"""The section of part files; each of its fragments is led by an entry."""
PART_BYTES = 6 * 1024 * 1024
"""Of fragments: a few tens of megabytes once a part's library holds it."""
WHOLE_ITEMS, WHOLE_BYTES = 50_000, 48 * 1024 * 1024
"""So many items, and bytes of fragments, go into one file where the format's readers know one by name (`Format.whole`)."""
_ENTRY = struct.Struct("<qq")
"""Task id and length of its fragment."""


def section_of(fragments: Iterable[bytes], separator: bytes) -> bytes:
    """A run of fragments, each led by a separator: so runs of any two units can follow one another."""
    return b"".join([separator + fragment for fragment in fragments])


def part_of(fragments: Iterable[tuple[int, bytes]]) -> bytes:
    """A run of fragments of part files, by task."""
    return b"".join([_ENTRY.pack(task, len(fragment)) + fragment for task, fragment in fragments])


def shared_files(folder: Path, runs: Runs, chosen: Format, context: Context, newest: str) -> list[str]:
    """Writes every file that all tasks share; their names."""
    written = []
    for shared in chosen.shared_files(context, newest=newest):
        written.append(shared.path)
        with Path(place_of(folder, shared.path)).open("wb") as out:
            for section in shared.sections:
                out.write(section.head)
                runs.copy(section.name, out, skip=len(section.separator))
                out.write(section.tail)
    return written


def part_files(folder: Path, runs: Runs, chosen: Format, context: Context, items: int) -> list[str]:
    """Writes every part; their names. Without a task there is one empty part, so that readers find a file."""
    if chosen.whole and items <= WHOLE_ITEMS and runs.size(PART) <= WHOLE_BYTES:
        write_own_files(folder, {chosen.whole: chosen.part(_fragments(runs), context)})
        return [chosen.whole]
    written = []
    for number, fragments in enumerate(_cut(_fragments(runs))):
        name = f"part-{number:05d}{chosen.part_suffix}"
        write_own_files(folder, {name: chosen.part(fragments, context)})
        written.append(name)
    return written


def _fragments(runs: Runs) -> Iterator[tuple[int, bytes]]:
    for file, length in runs.opened(PART):
        end = file.tell() + length
        while file.tell() < end:
            task, size = _ENTRY.unpack(file.read(_ENTRY.size))
            yield task, file.read(size)


def _cut(fragments: Iterator[tuple[int, bytes]]) -> Iterator[list[tuple[int, bytes]]]:
    part: list[tuple[int, bytes]] = []
    size = number = 0
    for task, body in fragments:
        part.append((task, body))
        size += len(body)
        if size >= PART_BYTES:
            yield part
            part, size, number = [], 0, number + 1
    if part or not number:
        yield part
