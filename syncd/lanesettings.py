"""What a target's configuration says to its lane."""

from dataclasses import dataclass, field
from typing import Literal

from syncd.layout import Layout
from syncd.mirrors.settings import MirrorSettings
from syncd.model import DocumentShape
from syncd.sources import ProjectChoice

Deletes = Literal["delete", "tombstone", "keep"]


@dataclass(frozen=True, slots=True)
class LaneSettings:
    """What a target's configuration says to the pipeline."""

    name: str
    shape: DocumentShape = field(default_factory=DocumentShape)
    projects: ProjectChoice = "all"
    layout: Layout = "project"
    deletes: Deletes = "delete"
    max_delete_ratio: float = 0.2
    mirrors: tuple[MirrorSettings, ...] = ()
    publish_seconds: float = 30

    @property
    def selection(self) -> str:
        """Changes when other documents, or other keys, are asked for: then every task is looked at again."""
        return repr((self.shape, self.projects, self.layout))


@dataclass(frozen=True, slots=True)
class Rate:
    """Ceilings for one target; None: as fast as the store lets us."""

    requests_per_second: float | None = None
    bytes_per_second: float | None = None


NO_LIMIT = Rate()
