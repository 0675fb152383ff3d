"""Keys come from data: what may name an object below a prefix, in every store alike."""

import re

LONGEST_BYTES = 1024
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class BadKey(ValueError):
    """The key cannot name an object; the message is the reason."""


def key_fault(key: str) -> str | None:
    """Why no object can be named so, as the end of a sentence; None when one can.

    The length is S3's and Google's limit: the prefix counts, so ask with it.
    """
    segments = key.split("/")
    if not all(segments):
        return "its name has an empty segment"
    if "." in segments or ".." in segments:
        return "its name would leave the target's prefix"
    if _CONTROL.search(key):
        return "its name has a control character"
    if len(key.encode("utf-8", "surrogatepass")) > LONGEST_BYTES:
        return f"its name is longer than {LONGEST_BYTES} bytes"
    return None


def steps(prefix: str) -> list[str]:
    """The folders of a prefix from the configuration, which may have slashes at its ends."""
    return [step for step in prefix.split("/") if step]


def segments_of(key: str) -> list[str]:
    """`1/tasks/2.json` → `["1", "tasks", "2.json"]`. Raises BadKey for what `key_fault` finds."""
    if fault := key_fault(key):
        raise BadKey(f"{key!r} cannot be stored: {fault}")
    return key.split("/")
