"""What a region covers of its image, in pixels: its outline, or its mask.

Outlines are what the annotator drew, not yet clipped. Masks are where a brush left any alpha, and for outlines the
pixels whose centre lies inside.
"""

import base64
import binascii
import io

import numpy as np
from PIL import Image

from syncd.errors import TaskRejected
from syncd.formats._regions import Region, Shape, numbers, points
from syncd.geometry import Point, corners, ellipse, points_to_pixels, to_pixels
from syncd.masks import Alpha, Mask, rasterise
from syncd.rle_pack import decode_rle

Size = tuple[int, int]
"""Width and height in pixels."""

OUTLINED: frozenset[Shape] = frozenset({"rectangle", "polygon", "ellipse"})
MASKED: frozenset[Shape] = frozenset({"brush", "bitmap"})

_RECTANGLE = ("x", "y", "width", "height", "rotation")
_ELLIPSE = ("x", "y", "radiusX", "radiusY", "rotation")


def outline(region: Region, size: Size, *, task: int) -> list[Point]:
    """The corners of one of OUTLINED, in pixels. Raises TaskRejected for broken coordinates."""
    if region.shape == "polygon":
        return points_to_pixels(points(region, task=task), *size)
    if region.shape == "rectangle":
        x, y, width, height, rotation = numbers(region, _RECTANGLE, task=task)
        return corners(*to_pixels(x, y, width, height, *size), rotation)
    x, y, radius_x, radius_y, rotation = numbers(region, _ELLIPSE, task=task)
    return ellipse(*to_pixels(x, y, radius_x, radius_y, *size), rotation)


def mask(region: Region, size: Size, *, task: int) -> Mask:
    """The pixels (height × width) of one of OUTLINED or MASKED. Raises TaskRejected for what is broken."""
    if region.shape in MASKED:
        return alpha(region, size, task=task) > 0
    return rasterise(outline(region, size, task=task), *size)


def alpha(region: Region, size: Size, *, task: int) -> Alpha:
    """The alpha channel (height × width) of one of MASKED. Raises TaskRejected when it is broken."""
    try:
        if region.shape == "brush":
            return decode_rle(region.value.get("rle", ()), *size)
        return _bitmap(region.value.get("imageDataURL"), size)
    except ValueError as error:
        raise TaskRejected(f"broken mask: {error}", task=task, region=region.id) from error


def _bitmap(address: object, size: Size) -> Alpha:
    """A Bitmask region's `imageDataURL`: a picture of the image's size, set where alpha (else brightness) is."""
    if not isinstance(address, str) or not address.startswith("data:image/"):
        raise ValueError("imageDataURL is no data URL of an image")
    try:
        picture = Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2], validate=True)))
        if picture.size != size:
            raise ValueError(f"its picture has {picture.size} pixels, its image {size}")
        return np.asarray(picture.convert("RGBA").getchannel("A") if _fades(picture) else picture.convert("L"))
    except (binascii.Error, OSError, Image.DecompressionBombError) as error:
        raise ValueError(f"its picture cannot be read: {error}") from error


def _fades(picture: Image.Image) -> bool:
    return picture.mode in {"RGBA", "LA", "PA"} or "transparency" in picture.info
