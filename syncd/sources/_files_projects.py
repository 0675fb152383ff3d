"""What a folder says of its projects: `project.json` (id, title, label_config, as in a bucket of syncd) and `label_config.xml`.

A `label_config.xml` belongs to the project of the `project.json` beside it, else to the one that its folder is named after, else,
in the folder that was configured, to every project without one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

import orjson
import structlog

from syncd.model import Project

log = structlog.get_logger()

DESCRIPTION, LABEL_CONFIG = "project.json", "label_config.xml"
PAPERS = frozenset({DESCRIPTION, LABEL_CONFIG})


@dataclass(frozen=True, slots=True)
class Described:
    """What is said of projects: by id, and of those of which nothing is said."""

    titles: Mapping[int, str] = field(default_factory=dict)
    label_configs: Mapping[int, str] = field(default_factory=dict)
    updated: Mapping[int, str] = field(default_factory=dict)
    default_label_config: str = ""

    def project(self, id_: int) -> Project:
        title = self.titles.get(id_, f"Project {id_}")
        label_config = self.label_configs.get(id_) or self.default_label_config
        version = blake2b(repr((id_, title, label_config)).encode("utf-8", "replace"), digest_size=8).hexdigest()
        return Project(id_, title, label_config, version, self.updated.get(id_, ""))


def described(papers: Iterable[Path], root: Path, before: Described) -> Described:
    """Read them all. One that cannot be read leaves what was known `before`."""
    titles: dict[int, str] = {}
    configs: dict[int, str] = {}
    updated: dict[int, str] = {}
    default = ""
    by_folder: dict[Path, set[str]] = {}
    for paper in papers:
        by_folder.setdefault(paper.parent, set()).add(paper.name)
    for folder, names in sorted(by_folder.items()):
        id_ = int(folder.name) if folder.name.isdecimal() else None
        try:
            if DESCRIPTION in names:
                said = orjson.loads((folder / DESCRIPTION).read_bytes())
                id_ = int(said["id"])
                titles[id_] = str(said.get("title") or f"Project {id_}")
                configs[id_] = str(said.get("label_config") or "")
                updated[id_] = str(said.get("updated_at") or "")
            if LABEL_CONFIG in names:
                text = (folder / LABEL_CONFIG).read_text("utf-8")
                if id_ is not None:
                    configs[id_] = configs.get(id_) or text
                elif folder == root:
                    default = text
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            log.warning("description of a project not read", folder=str(folder), reason=str(error))
            titles = {**before.titles, **titles}
            configs = {**before.label_configs, **configs}
            updated = {**before.updated, **updated}
            default = default or before.default_label_config
    return Described(titles, configs, updated, default)
