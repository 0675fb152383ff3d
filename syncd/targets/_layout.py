"""Where the pieces of a spliced object stand, kept so that unchanged ones can be copied, after a restart too.

The layout is an object under `_syncd/splices/`, tied to one version of the spliced object by its etag: a
layout that is lost, late or another writer's is noticed, and then every piece is sent again.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate

from syncd.targets import Piece, Target

FOLDER = "_syncd/splices/"


@dataclass(frozen=True, slots=True)
class Span:
    """A piece as it stood in the last splice: offset and length in bytes."""

    offset: int
    length: int
    digest: str


@dataclass(frozen=True, slots=True)
class Layout:
    """The pieces by id of the version `etag`."""

    etag: str
    spans: Mapping[str, Span]

    def holds(self, piece: Piece) -> Span | None:
        """Where this very piece stands, or None when it is new or other bytes."""
        span = self.spans.get(piece.id)
        return span if span and (span.length, span.digest) == (piece.length, piece.digest) else None


class LostPieceError(LookupError):
    """A piece without body is not in the old object as it is told."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A run of the old object that stays: as many pieces as stand side by side there and here."""

    offset: int
    length: int


def layout_key(key: str) -> str:
    """Where the layout of `key` is kept."""
    return f"{FOLDER}{key}.json"


def extents(pieces: Iterable[Piece], old: Layout | None) -> Iterator[Copy | bytes]:
    """The new object from front to back: ranges of the old one, joined where they touch, and new bytes.

    Raises LostPieceError when a piece without body is not in the old layout.
    """
    run: Copy | None = None
    for piece in pieces:
        if piece.body is not None:
            if run:
                yield run
            run = None
            yield piece.body
            continue
        span = old.holds(piece) if old else None
        if span is None:
            raise LostPieceError(piece.id)
        if run and run.offset + run.length == span.offset:
            run = Copy(run.offset, run.length + span.length)
        else:
            if run:
                yield run
            run = Copy(span.offset, span.length)
    if run:
        yield run


def noted(pieces: Iterable[Piece], passed: list[Piece]) -> Iterator[Piece]:
    """The pieces as they come, and in `passed` what a layout needs of them, so that no body is kept."""
    for piece in pieces:
        passed.append(Piece(piece.id, piece.length if piece.body is None else len(piece.body), piece.digest))
        yield piece


def layout_of(pieces: Iterable[Piece], etag: str) -> Layout:
    """The layout of an object just spliced from these pieces."""
    listed = [(piece.id, piece.length, piece.digest) for piece in pieces]
    offsets = accumulate((length for _, length, _ in listed), initial=0)
    return Layout(etag, {i: Span(at, length, digest) for (i, length, digest), at in zip(listed, offsets, strict=False)})


def to_json(layout: Layout) -> bytes:
    spans = [[name, span.length, span.digest] for name, span in layout.spans.items()]
    return json.dumps({"etag": layout.etag, "pieces": spans}, separators=(",", ":")).encode()


def from_json(body: bytes) -> Layout | None:
    """The layout, or None for what is none: it is a memory aid, so a damaged one counts as lost."""
    try:
        told = json.loads(body)
        pieces = [Piece(str(name), int(length), str(digest)) for name, length, digest in told["pieces"]]
        return layout_of(pieces, str(told["etag"]))
    except (ValueError, KeyError, TypeError):
        return None


class Spliced:
    """Which objects of a target were put together from pieces, and which of them a killed splice may have left parts of."""

    def __init__(self, target: Target, clear_abandoned: Callable[[str], None]) -> None:
        """`clear_abandoned` drops what was begun of the object `key` and never completed."""
        self._target = target
        self._clear_abandoned = clear_abandoned
        self._keys: set[str] | None = None
        self._tidy: set[str] = set()

    def __contains__(self, key: str) -> bool:
        return key in self._known()

    def layout(self, key: str) -> Layout | None:
        """The pieces of the object as it is now; None when nothing is known of this version."""
        told, now = self._target.get(layout_key(key)), self._target.head(key)
        layout = from_json(told.body) if told and told.body else None
        return layout if layout and now and now.etag == layout.etag else None

    def clear_up(self, key: str) -> None:
        """Before a splice or a deletion: drop what earlier ones left, unless the last one is known to have gone well."""
        if key not in self._tidy:
            self._clear_abandoned(key)
        self._tidy.discard(key)

    def went_well(self, key: str) -> None:
        self._known().add(key)
        self._tidy.add(key)

    def _known(self) -> set[str]:
        """A few for each project; listed once."""
        if self._keys is None:
            names = (item.key for item in self._target.list(FOLDER))
            self._keys = {name.removeprefix(FOLDER).removesuffix(".json") for name in names}
        return self._keys
