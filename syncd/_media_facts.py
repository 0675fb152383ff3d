"""Size of an image and length of a sound, from the beginning of their files. Nothing is decoded."""

import warnings
from pathlib import Path

from syncd.formats import MediaFact

_ORIENTATION = 274
_TURNED = frozenset({5, 6, 7, 8})
"""EXIF orientations in which a viewer shows width as height (Label Studio #6608)."""


def fact_of(path: Path) -> MediaFact | None:
    """What the file tells; None when it is neither an image nor a sound that we read."""
    return _image(path) or _sound(path)


def _image(path: Path) -> MediaFact | None:
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            # Only the header is read, so an image that would be too large to decode tells its size all the same.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                width, height = image.size
                if image.getexif().get(_ORIENTATION) in _TURNED:
                    width, height = height, width
                return MediaFact(width=width, height=height)
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError):
        return None


def _sound(path: Path) -> MediaFact | None:
    from tinytag import TinyTag, TinyTagException

    try:
        with path.open("rb") as file:
            duration = TinyTag.get(file_obj=file, tags=False).duration
    except (TinyTagException, OSError):
        return None
    return MediaFact(duration=duration) if duration else None
