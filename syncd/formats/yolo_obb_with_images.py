"""YOLO_OBB_WITH_IMAGES: YOLO_OBB, and the images beside it."""

from typing import ClassVar

from syncd.formats._with_images import WithImages
from syncd.formats.yolo_obb import YoloObb


class YoloObbWithImages(WithImages, YoloObb):
    """The same files, and the images that they speak of."""

    name: ClassVar[str] = "YOLO_OBB_WITH_IMAGES"
    summary: ClassVar[str] = "YOLO_OBB with the images beside it"


FORMAT = YoloObbWithImages
