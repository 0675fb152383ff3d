"""BRUSH_TO_NUMPY: brush masks as NumPy arrays, 1 where the brush was, else 0."""

import io
from typing import ClassVar

import numpy as np

from syncd.formats._brush import BrushFormat
from syncd.masks import Mask


class BrushToNumpy(BrushFormat):
    """`{stem}__t{task}__{label}.npy`: uint8, height × width."""

    name: ClassVar[str] = "BRUSH_TO_NUMPY"
    summary: ClassVar[str] = "brush masks as NumPy arrays (0 and 1), one per image and label"
    own_files: ClassVar[str] = "*.npy"
    suffix: ClassVar[str] = ".npy"

    def body(self, covered: Mask) -> bytes:
        file = io.BytesIO()
        np.lib.format.write_array(file, covered.view(np.uint8), allow_pickle=False)
        return file.getvalue()


FORMAT = BrushToNumpy
