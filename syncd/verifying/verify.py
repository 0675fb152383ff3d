"""The whole of `syncd verify`: every target inspected, repaired when asked for, and reported as it is then."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence

from syncd import control, sources
from syncd.config import Config
from syncd.errors import Unavailable
from syncd.ledger import Ledger
from syncd.verifying.inspection import Inspection, inspection
from syncd.verifying.repair import repair


@contextlib.contextmanager
def verified(
    config: Config, *, deep: bool, mend: bool, progress: Callable[[int], None] = lambda _: None
) -> Iterator[tuple[Sequence[Inspection], Mapping[str, str]]]:
    """The targets as they were found, or, with `mend`, as they are after the repair; and why others were not looked at.

    Raises Unavailable when the source is out of reach, Misconfigured when a prefix is another Label Studio's.
    """
    with contextlib.ExitStack() as stack:
        found, lost = stack.enter_context(_inspected(config, deep=deep, progress=progress))
        if mend and repair(config, found):
            stack.close()
            found, lost = stack.enter_context(_inspected(config, deep=deep, progress=progress))
        yield found, lost


@contextlib.contextmanager
def _inspected(
    config: Config, *, deep: bool, progress: Callable[[int], None]
) -> Iterator[tuple[Sequence[Inspection], Mapping[str, str]]]:
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(contextlib.closing(sources.make(config.source_type, config.source)))
        instance = config.root.instance or source.identity()
        ledger = None
        if config.root.state.path.exists():
            ledger = stack.enter_context(contextlib.closing(Ledger(config.root.state.path, read_only=True)))
        is_followed = control.ask(config.root.state.path, {"order": "status"}) is not None
        found: list[Inspection] = []
        lost: dict[str, str] = {}
        for part in config.targets:
            try:
                one = stack.enter_context(inspection(part, config, source, ledger))
                one.inspect(instance, deep=deep, progress=progress)
            except Unavailable as error:
                lost[part.config.name] = str(error)
                continue
            if is_followed:
                one.look_again(deep=deep)
            found.append(one)
        yield found, lost
