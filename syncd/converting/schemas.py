"""Where the labelling configuration comes from: a file, a project of the source, or `project.json` beside the tasks."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from syncd.errors import Misconfigured
from syncd.labelstudio.labelconfig import parse_label_config
from syncd.model import LabelSchema, Project
from syncd.sources import Source, named


def schema_of_file(path: Path) -> LabelSchema:
    """Raises Misconfigured when it cannot be read or is no labelling configuration."""
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise Misconfigured(f"the labelling configuration {path} cannot be read: {reason}") from error
    try:
        return parse_label_config(text)
    except Misconfigured as error:
        raise Misconfigured(f"{path}: {error}") from error


def schema_of_project(config: Path | None, project: str) -> LabelSchema:
    """The schema of a project of the configured source, by id or title."""
    source = open_source(config)
    try:
        return parse_label_config(find_project(source, project).label_config)
    finally:
        source.close()


def open_source(config: Path | None) -> Source:
    """The source of the configuration."""
    from syncd import sources
    from syncd.config import find, load

    loaded = load(find(config))
    return sources.make(loaded.source_type, loaded.source)


def find_project(source: Source, wanted: str) -> Project:
    """The project with this id, else this title. Raises Misconfigured with the nearest titles."""
    return named(wanted, source.projects(), source.where)


@dataclass(frozen=True, slots=True)
class Published:
    """What a `project.json` of the bucket's layout tells: the labelling configuration and the published class numbers."""

    schema: LabelSchema
    classes: Mapping[str, int]


def published_beside(tasks: Path) -> Published | None:
    """The `project.json` in a folder of tasks or beside it; None when there is none that can be read."""
    for place in (tasks / "project.json", tasks.parent / "project.json"):
        try:
            found = json.loads(place.read_bytes())
            classes = {str(entry["name"]): int(entry["id"]) for entry in found.get("classes") or ()}
            return Published(parse_label_config(found["label_config"]), classes)
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            continue
    return None


def described(tasks: Path, label_config: Path | None) -> Published:
    """What is known of the tasks' project: the given configuration, and what stands in a `project.json` beside them."""
    beside = published_beside(tasks)
    if label_config is not None:
        return Published(schema_of_file(label_config), beside.classes if beside else {})
    return beside or Published(parse_label_config(""), {})
