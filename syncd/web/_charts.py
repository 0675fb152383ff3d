"""Small charts of the last hour, as points in a box of WIDTH × HEIGHT units; the page draws them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from syncd.rates import Sample
from syncd.web import _words as words

WIDTH, HEIGHT = 120, 36
"""Units of the drawing, which is stretched to its place."""


@dataclass(frozen=True, slots=True)
class Chart:
    """One curve. `line` and `area` are points as SVG has them; both are empty until two samples are there."""

    title: str
    now: str
    most: str
    line: str = ""
    area: str = ""


def charts_of(samples: Sequence[Sample]) -> tuple[Chart, ...]:
    """Objects written a second, tasks due, and how far behind it was; oldest sample first."""
    pairs = list(pairwise(samples))
    written = [max(0.0, (b.written - a.written) / max(b.at - a.at, 1e-3)) for a, b in pairs]
    return (
        _chart("written", written, lambda rate: f"{words.count(rate)}/s"),
        _chart("due", [float(s.due) for s in samples], words.count),
        _chart("behind", [s.lag_seconds for s in samples if s.lag_seconds is not None], words.age),
    )


def span(samples: Sequence[Sample]) -> str:
    """The time that the charts show."""
    return words.age(samples[-1].at - samples[0].at) if len(samples) > 1 else ""


def _chart(title: str, values: Sequence[float], said: Callable[[float], str]) -> Chart:
    if len(values) < 2:
        return Chart(title, said(values[-1]) if values else "–", said(values[-1]) if values else "–")
    peaks, most = _peaks(values), max(values)
    step = WIDTH / (len(peaks) - 1)
    points = [f"{n * step:.1f},{HEIGHT - 1 - value / (most or 1) * (HEIGHT - 3):.1f}" for n, value in enumerate(peaks)]
    line = " ".join(points)
    return Chart(title, said(values[-1]), said(most), line, f"0,{HEIGHT} {line} {WIDTH},{HEIGHT}")


def _peaks(values: Sequence[float]) -> list[float]:
    """At most WIDTH values: the highest of each stretch, so that no peak is lost."""
    stretch = -(-len(values) // WIDTH)
    return [max(values[at : at + stretch]) for at in range(0, len(values), stretch)]
