"""YOLO_WITH_IMAGES: YOLO, and the images beside it."""

from typing import ClassVar

from syncd.formats._with_images import WithImages
from syncd.formats.yolo import Yolo


class YoloWithImages(WithImages, Yolo):
    """The same files, and the images that they speak of."""

    name: ClassVar[str] = "YOLO_WITH_IMAGES"
    summary: ClassVar[str] = "YOLO with the images beside it"


FORMAT = YoloWithImages
