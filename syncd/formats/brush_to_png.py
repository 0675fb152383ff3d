"""BRUSH_TO_PNG: brush masks as grey PNG, 255 where the brush was, else 0."""

from typing import ClassVar

import numpy as np

from syncd.formats._brush import BrushFormat
from syncd.masks import Mask
from syncd.png import grey_png


class BrushToPng(BrushFormat):
    """`{stem}__t{task}__{label}.png`."""

    name: ClassVar[str] = "BRUSH_TO_PNG"
    summary: ClassVar[str] = "brush masks as PNG (0 and 255), one per image and label"
    own_files: ClassVar[str] = "*.png"
    suffix: ClassVar[str] = ".png"

    def body(self, covered: Mask) -> bytes:
        return grey_png(covered.view(np.uint8) * np.uint8(255))


FORMAT = BrushToPng
