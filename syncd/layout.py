"""Where things lie in the bucket. Keys are relative to the target's prefix."""

import re
from typing import Literal

Layout = Literal["project", "sharded"]

OURS = "_syncd/"
MARKER = OURS + "instance.json"
LEASE = OURS + "writer.json"
STATE = OURS + "state.json"
QUARANTINE = OURS + "quarantine.json"
JOURNAL = OURS + "journal/"
TOMBSTONES = OURS + "deleted/"

LAYOUT_VERSION = 1

JOURNAL_LINES = 5000
"""Lines per journal object at most: about one megabyte."""
_JOURNAL_KEY = re.compile(rf"{JOURNAL}(\d{{20}})-(\d{{20}})\.jsonl")


def task_key(project: int, task: int, layout: Layout) -> str:
    """`{project}/tasks/{task}.json`; sharded: two hexadecimal digits that spread consecutive ids over 256 prefixes."""
    if layout == "sharded":
        # Fibonacci hashing: consecutive ids land far apart, and everybody can compute it.
        return f"{project}/tasks/{(task * 2654435769 >> 24) & 0xFF:02x}/{task}.json"
    return f"{project}/tasks/{task}.json"


def task_of_key(key: str) -> tuple[int, int] | None:
    """(project, task) of a task object's key in either layout; None for any other key."""
    parts = key.split("/")
    name = parts[-1].removesuffix(".json")
    if len(parts) not in (3, 4) or parts[1] != "tasks" or name == parts[-1]:
        return None
    if not (parts[0].isdecimal() and name.isdecimal()):
        return None
    project, task = int(parts[0]), int(name)
    return (project, task) if key in (task_key(project, task, "project"), task_key(project, task, "sharded")) else None


def project_key(project: int) -> str:
    return f"{project}/project.json"


def project_of_key(key: str) -> int | None:
    """The project of a project.json's key; None for any other key."""
    project = key.removesuffix("/project.json")
    return int(project) if project.isdecimal() and key == project_key(int(project)) else None


def journal_key(first: int, last: int) -> str:
    return f"{JOURNAL}{first:020}-{last:020}.jsonl"


def journal_numbers(key: str) -> tuple[int, int] | None:
    """(first, last) number in a journal object's key; None for any other key."""
    match = _JOURNAL_KEY.fullmatch(key)
    return (int(match[1]), int(match[2])) if match else None


def tombstone_key(project: int, task: int) -> str:
    return f"{TOMBSTONES}{project}/{task}.json"
