"""Objects composed of segments: Google joins up to 32 objects per request without sending their bytes again.

Each piece is an object of its own under `_syncd/segments/{hash of the key}/`, named by id and digest and never altered, so a
changed piece is another object. Runs of 32 are joined first where there are more, and kept as well: they are mostly the same
the next time.
"""

import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from google.api_core.exceptions import NotFound, PreconditionFailed
from google.cloud.storage import Blob, Bucket

from syncd.targets import Piece
from syncd.targets._gcs_client import RETRY, TIMEOUT

FOLDER = "_syncd/segments/"
SOURCES_PER_REQUEST = 32
MARK = "spliced"
"""Metadata that tells a composed object from one that another writer put there whole."""

WAITS: dict[str, Any] = {"timeout": TIMEOUT, "retry": RETRY}


class Segments:
    """Which objects under a prefix have segments. Listed once, since no delete of a task may cost a listing."""

    def __init__(self, bucket: Bucket, prefix: str) -> None:
        self._bucket = bucket
        self._home = f"{prefix}{FOLDER}"
        self._listing = threading.Lock()
        self._folders: set[str] | None = None

    def folder(self, key: str) -> str:
        """Where an object's segments are about to be put."""
        name = self._name(key)
        self._known().add(name)
        return name

    def clear(self, key: str) -> None:
        """Delete an object's segments, if it has any."""
        name = self._name(key)
        if name not in self._known():
            return
        for blob in self._bucket.list_blobs(prefix=name, **WAITS):
            remove(self._bucket.blob(blob.name))
        self._known().discard(name)

    def _name(self, key: str) -> str:
        return f"{self._home}{hashlib.sha256(key.encode()).hexdigest()[:32]}/"

    def _known(self) -> set[str]:
        with self._listing:
            if self._folders is None:
                found = self._bucket.list_blobs(prefix=self._home, delimiter="/", **WAITS)
                for _ in found.pages:
                    pass  # the folders are told page by page
                self._folders = set(found.prefixes)
            return self._folders


@dataclass
class Splice:
    """One object's segments: `folder` is how their names begin, `make` an object by name, ready to be written."""

    bucket: Bucket
    folder: str
    make: Callable[[str], Blob]
    there: dict[str, int] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    def compose(self, name: str, pieces: Sequence[Piece], content_type: str) -> int | None:
        """Replace the object and give its new generation; None when a piece without body is not there as it was.

        Only segments that are missing are sent. Raises PreconditionFailed when another writer was quicker.
        """
        seen = self.bucket.get_blob(name, **WAITS)
        ours = seen is not None and MARK in (seen.metadata or {})
        self.there = {blob.name: blob.size for blob in self.bucket.list_blobs(prefix=self.folder, **WAITS)}
        names = []
        for piece in pieces:
            if piece.body is None and not (ours and self._has(piece)):
                return None
            names.append(self._stored(piece))
        whole = self.make(name)
        whole.metadata = {MARK: str(len(names))}
        whole.content_type = content_type
        self._join(whole, self._gathered(names), seen.generation if seen else 0)
        self._clean()
        return int(whole.generation)

    def _has(self, piece: Piece) -> bool:
        return self.there.get(self._segment(piece.id, piece.digest)) == piece.length

    def _stored(self, piece: Piece) -> str:
        name = self._segment(piece.id, piece.digest)
        if piece.body is not None and not self._has(piece):
            _absent_before(lambda: self.make(name).upload_from_string(piece.body, if_generation_match=0, **WAITS))
        self.used.add(name)
        return name

    def _gathered(self, names: list[str]) -> list[str]:
        """At most 32 names that stand for all of them in order."""
        while len(names) > SOURCES_PER_REQUEST:
            names = [self._joined(group) for group in _groups(names)]
        return names

    def _joined(self, names: Sequence[str]) -> str:
        joined = self._segment(*names)
        if joined not in self.there:
            _absent_before(lambda: self._join(self.make(joined), names, 0))
        self.used.add(joined)
        return joined

    def _join(self, into: Blob, names: Sequence[str], generation: int) -> None:
        # fresh blobs, since one that was looked at sends its checksums along and is refused
        into.compose([self.bucket.blob(name) for name in names], if_generation_match=generation, **WAITS)

    def _segment(self, *parts: str) -> str:
        return f"{self.folder}{hashlib.sha256(chr(10).join(parts).encode()).hexdigest()[:40]}"

    def _clean(self) -> None:
        for name in self.there.keys() - self.used:
            remove(self.bucket.blob(name))


def remove(blob: Blob) -> None:
    """Delete an object; one that is absent is fine."""
    try:
        blob.delete(**WAITS)
    except NotFound:
        return


def _absent_before(write: Callable[[], object]) -> None:
    """Write what is named by its content: when it is there already, it is the same."""
    try:
        write()
    except PreconditionFailed:
        return


def _groups(names: Sequence[str]) -> Iterator[Sequence[str]]:
    return (names[start : start + SOURCES_PER_REQUEST] for start in range(0, len(names), SOURCES_PER_REQUEST))
