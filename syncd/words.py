"""The nearest right word for a wrong one."""

from collections.abc import Iterable
from difflib import get_close_matches

MANY = 40
"""Words that are told when none is near; of more than that, the first."""


def did_you_mean(wrong: str, words: Iterable[str], *, only: bool = False) -> str:
    """` (did you mean 'x'?)`, else the words there are; "" when there is nothing near and `only` near ones are wanted."""
    known = sorted(words)
    near = get_close_matches(wrong, known, n=1, cutoff=0.6)
    if near:
        return f" (did you mean {near[0]!r}?)"
    more = f" and {len(known) - MANY} others" if len(known) > MANY else ""
    return "" if only or not known else f"; there are {', '.join(known[:MANY])}{more}"
