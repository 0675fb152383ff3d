"""JSONL: what JSON is, one task per line and no array around them, for people who stream."""

from collections.abc import Iterable
from typing import ClassVar

from syncd.formats import Context, Section, SharedFile
from syncd.formats.json import JsonExport


class JsonLines(JsonExport):
    """Every line ends with a line feed, the last one too."""

    name: ClassVar[str] = "JSONL"
    summary: ClassVar[str] = "Label Studio's own export, one task per line"
    line_end: ClassVar[bytes] = b"\n"

    def shared_files(self, context: Context, *, newest: str = "") -> Iterable[SharedFile]:
        return (SharedFile("result.jsonl", (Section("tasks"),)),)


FORMAT = JsonLines
