"""Who does the work on units: this process alone, or several, with their answers in the order of the units."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Protocol

from syncd.converting.crew import Answer, Crew
from syncd.converting.rendering import Bench, Rendered, Surveyed, Wish
from syncd.converting.staging import Staging
from syncd.media import MediaSettings
from syncd.taskfiles.elements import Unit


class Workers(Protocol):
    """Whoever does the work."""

    def survey(self, units: Iterable[Unit]) -> Iterator[Surveyed]: ...

    def render(self, units: Iterable[Unit]) -> Iterator[Rendered]: ...


class Alone:
    """This process."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    def survey(self, units: Iterable[Unit]) -> Iterator[Surveyed]:
        return map(self._bench.survey, units)

    def render(self, units: Iterable[Unit]) -> Iterator[Rendered]:
        return map(self._bench.render, units)


class Abreast:
    """`count` processes, this one among them, each with a bench of its own; at work until `stack` is closed."""

    def __init__(self, count: int, bench: Callable[[], Bench], stack: ExitStack) -> None:
        self._count = count
        self._bench = bench
        self._stack = stack

    def survey(self, units: Iterable[Unit]) -> Iterator[Surveyed]:
        return self._each(lambda: self._stack.enter_context(closing(self._bench())).survey, units)

    def render(self, units: Iterable[Unit]) -> Iterator[Rendered]:
        return self._each(lambda: self._stack.enter_context(closing(self._bench())).render, units)

    def _each(self, begin: Callable[[], Callable[[Unit], Answer]], units: Iterable[Unit]) -> Iterator[Answer]:
        return self._stack.enter_context(closing(Crew(self._count, begin))).each(units)


@contextmanager
def working(count: int, wish: Wish, place: Staging, media: MediaSettings | None) -> Iterator[Workers]:
    """`count` processes that know the wish; with one, this process itself."""
    with ExitStack() as stack:
        if count == 1:
            yield Alone(stack.enter_context(closing(Bench(wish, place, media))))
        else:
            yield Abreast(count, lambda: Bench(wish, place, media), stack)
