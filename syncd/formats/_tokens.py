"""Token borders of a text, and which of its overlapping spans a one-label-per-token format can keep.

The rules are those of Label Studio's CoNLL export (Penn Treebank's, with its own choice of punctuation), so that a file
looks as users know it; only Han, Hiragana and Katakana differ: one token per character, where Label Studio has one per
run (its issue 1250). Tokens are (start, end) offsets into the text: a format cuts out what it needs.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from typing import NamedTuple

Token = tuple[int, int]
"""Start and end (exclusive) of a token in its text, in characters."""

_SINGLE = r";@#$/%&?!\[\](){}<>\""
_CJK = (
    "\u3005-\u3007\u3041-\u309f\u30a1-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
_ALONE = rf"\.\.\.|--|''|[{_SINGLE}{_CJK}]|[:,](?!\d)"
_TOKEN = re.compile(rf"(?:[^\s{_SINGLE}{_CJK}:,.'\-]++|[:,](?=\d)|\.(?!\.\.)|-(?!-)|'(?!'))++|{_ALONE}")
_ENDING = re.compile(rf"'(?:(?<=[^' ]')(?i:s|m|d|ll|re|ve)?|(?<=[^' ][nN]')(?P<t>[tT]))(?= |\Z|{_ALONE})")
_JOINED = re.compile(
    rf"(?i)\b(?:(can)not|(gon)na|(got)ta|(wan)na(?=\s|\Z|[:,{_SINGLE}]|--)|(gim)me|(lem)me|(d)'ye|(more)'n)\b"
    rf"|(?<![^ :,{_SINGLE}])('t)(?:is|was)\b"
)
_JOINED_WORDS = ("cannot", "gonna", "gotta", "wanna", "gimme", "lemme")
_JOINED_WITH_APOSTROPHE = ("d'ye", "more'n", "'tis", "'twas")
_CLOSERS = "])}>\"'"


def tokens(text: str) -> list[Token]:
    """The tokens of a text, in order, without overlap; every character that is not white space is in exactly one."""
    final = _final_period(text)
    found = [match.span() for match in _TOKEN.finditer(text, 0, final)]
    for at in _contractions(text, final):
        _cut(found, at)
    if final < len(text):
        found.append((final, final + 1))
        found += [match.span() for match in _TOKEN.finditer(text, final + 1)]
    return found


def _contractions(text: str, final: int) -> list[int]:
    """Where words are divided in two before `final`: do|n't, it|'s, 'a|', can|not, gon|na."""
    cuts = []
    folded = text.lower()
    may_join = [word for word in _JOINED_WORDS if word in folded]
    if "'" in text:
        cuts = [match.start() - (match["t"] is not None) for match in _ENDING.finditer(text, 0, final)]
        may_join += [word for word in _JOINED_WITH_APOSTROPHE if word in folded]
    if may_join:
        for match in _JOINED.finditer(text, 0, final):
            cuts += (match.start(), match.end(match.lastindex or 0), match.end())
    return cuts


def _final_period(text: str) -> int:
    """Where the period that ends the whole text stands (brackets and quotes may follow it); else the text's length."""
    last = len(text.rstrip().rstrip(_CLOSERS)) - 1
    ends = last > 0 and text[last] == "." and text[last - 1] != "."
    return last if ends else len(text)


def _cut(found: list[Token], at: int) -> None:
    """Divide the token that holds position `at` strictly inside; none does: nothing changes."""
    i = bisect_left(found, (at, 0)) - 1
    if i >= 0 and at < found[i][1]:
        start, end = found[i]
        found[i : i + 1] = [(start, at), (at, end)]


class Placed(NamedTuple):
    """A span laid over tokens: it touches tokens `first` to `last` (exclusive) and was `length` characters long."""

    first: int
    last: int
    length: int


def place(start: int, end: int, starts: Sequence[int], ends: Sequence[int]) -> Placed:
    """Lay characters start..end over tokens given by their starts and ends; a token touched in part counts."""
    return Placed(bisect_right(ends, start), bisect_left(starts, end), end - start)


def longest_first(placed: Iterable[Placed]) -> list[int]:
    """Indices of the spans to keep, in text order, so that no token is in two of them.

    The longest span (in characters) wins, then the earlier, then the one given first; one without a token never does.
    """
    spans = list(placed)
    order = sorted(range(len(spans)), key=lambda i: (-spans[i].length, spans[i].first, i))
    taken: set[int] = set()
    kept = []
    for i in order:
        covered = range(spans[i].first, spans[i].last)
        if covered and taken.isdisjoint(covered):
            taken.update(covered)
            kept.append(i)
    return sorted(kept, key=lambda i: spans[i].first)
