"""What Azure lets a blob be called, and its metadata. Names that Azure would quietly turn into others are refused.

Source: “Naming and Referencing Containers, Blobs, and Metadata” in Azure's REST reference.
"""

import re
from collections.abc import Mapping
from urllib.parse import quote, unquote

from syncd.targets import Object

LONGEST_NAME = 1024
MOST_SEGMENTS = 254
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


_QUOTE = "\u201b"
_TO_NAME = str.maketrans({"\\": "\uff3c", "\uff3c": f"{_QUOTE}\uff3c", _QUOTE: _QUOTE * 2})


def blob_name(key: str) -> str:
    """A key as the blob's name: equal but for a backslash, which Azure would turn into a slash; it becomes U+FF3C.

    The same as rclone does. Letter by letter, so that a key's beginning is its name's beginning.
    """
    return key.translate(_TO_NAME)


def key_of(name: str) -> str:
    """The key that a blob's name stands for."""
    if _QUOTE not in name and "\uff3c" not in name:
        return name
    return re.sub(f"{_QUOTE}(.)|\uff3c", lambda found: found[1] or "\\", name)


def fault_of(name: str) -> str | None:
    """Why no blob can be named so, as the end of a sentence; None when one can."""
    segments = name.split("/")
    faults = {
        f"its name is longer than {LONGEST_NAME} characters": len(name) > LONGEST_NAME,
        f"its name has more than {MOST_SEGMENTS} segments": len(segments) > MOST_SEGMENTS,
        "its name has an empty segment": not all(segments),
        "Azure drops a dot at the end of a segment": any(segment.endswith(".") for segment in segments),
        "its name has a control character": _CONTROL.search(name) is not None,
    }
    return next((reason for reason, found in faults.items() if found), None)


def to_metadata(one: Object) -> dict[str, str]:
    """Names that are identifiers, values that are header text."""
    told = {"digest": one.digest, "source_version": one.source_version}
    return {name: quote(value, safe=" :;,=+/@") for name, value in told.items() if value}


def from_metadata(told: Mapping[str, str]) -> dict[str, str]:
    """Our own names and values again; the case of names is not kept everywhere."""
    lower = {name.lower(): unquote(value) for name, value in told.items()}
    names = {"digest": "digest", "source-version": "source_version"}
    return {ours: lower[theirs] for ours, theirs in names.items() if theirs in lower}
