"""The stores that the target contract is tried on: one module per target type, named as it is, with a function `target`.

`target(servers, folder, prefix)` gives a target of that type, not yet opened, on `prefix` of a place of this test's own:
calling it again with the same folder and another prefix gives a neighbour in the same place, with the same one a second client.
"""

import importlib
import pkgutil
from pathlib import Path
from types import ModuleType

from syncd.targets import Target
from tests.servers import Servers


def names() -> list[str]:
    """Every store that there is a module for."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def target(name: str, servers: Servers, folder: Path, prefix: str) -> Target:
    """A target of the named store, not yet opened."""
    module: ModuleType = importlib.import_module(f"{__name__}.{name}")
    made: Target = module.target(servers, folder, prefix)
    return made
