"""The Label Studios that the source contract is tried on: one module per kind, with a function `opened`.

`opened(servers, folder)` gives a Label Studio of that kind which nobody else uses: `edits`, the things people do in it, and
`source(**settings)`, a new source on it.
"""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from syncd.sources import Source
from tests.labelstudio_database import LabelStudioDatabase
from tests.servers import Servers


@dataclass(frozen=True, slots=True)
class Studio:
    """A Label Studio of the test's own."""

    edits: LabelStudioDatabase
    source: Callable[..., Source]
    has_identity: bool = True
    """Whether its content says which Label Studio it is."""
    capture: str = ""
    """How its source says that it sees changes, where it says anything."""


def names() -> list[str]:
    """Every kind that there is a module for."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def opened(name: str, servers: Servers, folder: Path) -> Studio:
    found: Studio = importlib.import_module(f"{__name__}.{name}").opened(servers, folder)
    return found
