"""A set of task ids at a bit each: what a sweep has met, to tell what is gone."""

_SPAN = 1 << 13
"""Ids per piece; only pieces that hold something exist."""


class TaskIds:
    """Grows with the range of ids, about an eighth of a byte per id, not with what the tasks hold."""

    def __init__(self) -> None:
        self._pieces: dict[int, bytearray] = {}

    def add(self, task: int) -> None:
        piece, place = divmod(task, _SPAN)
        self._pieces.setdefault(piece, bytearray(_SPAN // 8))[place >> 3] |= 1 << (place & 7)

    def __len__(self) -> int:
        return sum(int.from_bytes(piece).bit_count() for piece in self._pieces.values())

    def __contains__(self, task: int) -> bool:
        piece, place = divmod(task, _SPAN)
        held = self._pieces.get(piece)
        return held is not None and bool(held[place >> 3] & (1 << (place & 7)))
