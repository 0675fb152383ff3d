"""Reads a YAML file into plain values, with the line of every key, variables put in and secrets read."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from syncd.errors import Misconfigured

Place: TypeAlias = tuple[str | int, ...]
"""Where a value stands: ("targets", 0, "bucket")."""

SECRET_KEYS = frozenset(
    {
        "token",
        "dsn",
        "secret_access_key",
        "session_token",
        "access_key_id",
        "account_key",
        "sas_token",
        "connection_string",
        "external_id",
    }
)
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


@dataclass(frozen=True, slots=True)
class Tree:
    """A file's values, the line of each, and what must never be shown."""

    path: Path
    value: dict[str, Any]
    lines: dict[Place, int]
    secrets: tuple[str, ...]

    def existing(self, place: Place) -> Place:
        """The longest beginning of a place that stands in the file."""
        while place and place not in self.lines:
            place = place[:-1]
        return place

    def at(self, place: Place) -> str:
        return f"{self.path}:{self.lines.get(self.existing(place), 1)}"


def read_tree(path: Path) -> Tree:
    """Raises Misconfigured when the file cannot be read, is no YAML mapping, or names a variable or file that is not there."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise Misconfigured(f"the configuration {path} cannot be read: {reason}") from error
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise Misconfigured(f"{path}:{line}: this is not YAML: {error.problem}") from error
    reader = _Reader(path)
    value = reader.value(node, ()) if node is not None else {}
    if not isinstance(value, dict):
        raise Misconfigured(f"{path}:1: the file must hold keys and values (source: …, targets: …)")
    return Tree(path, value, reader.lines, tuple(sorted(reader.secrets, key=len, reverse=True)))


class _Reader:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: dict[Place, int] = {}
        self.secrets: set[str] = set()
        self._scalars = yaml.constructor.SafeConstructor()

    def value(self, node: yaml.Node, place: Place) -> Any:
        self.lines.setdefault(place, node.start_mark.line + 1)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*place, n)) for n, item in enumerate(node.value)]
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, place)
        found = self._scalars.construct_object(node)
        if isinstance(found, str):
            found = _VARIABLE.sub(lambda match: self._variable(match, place), found)
            self._note_secret(found, place)
        return found

    def _mapping(self, node: yaml.MappingNode, place: Place) -> Any:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(self._scalars.construct_object(key_node))
            self.lines[(*place, key)] = key_node.start_mark.line + 1
            if key in found:
                raise Misconfigured(f"{self.path}:{key_node.start_mark.line + 1}: {key}: stands here twice")
            found[key] = self.value(value_node, (*place, key))
        if place and list(found) == ["file"] and isinstance(found["file"], str):
            return self._secret_file(Path(found["file"]), place)
        return found

    def _secret_file(self, path: Path, place: Place) -> str:
        try:
            secret = path.read_text("utf-8").strip()
        except OSError as error:
            key = ".".join(str(p) for p in place)
            raise Misconfigured(
                f"{self.path}:{self.lines[place]}: {key}: the file {path} cannot be read: {error.strerror}"
            ) from error
        if not secret:
            key = ".".join(str(p) for p in place)
            raise Misconfigured(f"{self.path}:{self.lines[place]}: {key}: the file {path} is empty")
        self.secrets.add(secret)
        return secret

    def _variable(self, match: re.Match[str], place: Place) -> str:
        name, default = match.groups()
        found = os.environ.get(name, default)
        if found is None:
            key = ".".join(str(p) for p in place)
            raise Misconfigured(
                f"{self.path}:{self.lines[place]}: {key}: the environment variable {name} is not set; "
                f"set it, or give a default with ${{{name}:-…}}"
            )
        return found

    def _note_secret(self, found: str, place: Place) -> None:
        if place and place[-1] in SECRET_KEYS and found:
            self.secrets.add(found)
        password = re.match(r"^[a-z0-9+]+://[^:@/]*:([^@]+)@", found)
        if password:
            self.secrets.add(password[1])
