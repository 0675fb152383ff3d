"""Which names a blob can have. Azure and its clients quietly turn some into others, so those are refused instead.

Source: “Naming and Referencing Containers, Blobs, and Metadata” in Azure's REST reference. A backslash arrives as a slash.
"""

LONGEST_NAME = 1024
MOST_SEGMENTS = 254


def fault_of(name: str) -> str | None:
    """Why no blob can be named so, as the end of a sentence; None when one can."""
    segments = name.split("/")
    if len(name) > LONGEST_NAME:
        return f"its name is longer than {LONGEST_NAME} characters"
    if len(segments) > MOST_SEGMENTS:
        return f"its name has more than {MOST_SEGMENTS} segments"
    if not all(segments):
        return "its name has an empty segment"
    if any(segment.endswith(".") for segment in segments):
        return "Azure drops a dot at the end of a segment"
    if "\\" in name:
        return "Azure takes a backslash for a slash"
    if any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in name):
        return "its name has a control character"
    return None
