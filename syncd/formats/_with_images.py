"""The …_WITH_IMAGES formats: the same files, and `images/` beside them. `export` and `convert` fetch the images.

An image is named as its label file, so that readers that pair them by name find both.
"""

from collections import Counter
from collections.abc import Iterator
from typing import ClassVar

from syncd.formats import Context, Format
from syncd.formats._names import suffix
from syncd.formats._per_image import per_image
from syncd.model import Json, TaskJson

_OF_DATA_URLS = {"image/png": ".png", "image/webp": ".webp", "image/gif": ".gif", "image/bmp": ".bmp"}


class WithImages(Format):
    """A format whose folder has the images too."""

    mirrors: ClassVar[bool] = False
    fetches: ClassVar[bool] = True

    def images(self, task: TaskJson, context: Context) -> Iterator[tuple[str, str]]:
        """Path in this format's folder and address of every image that the task's rendering speaks of."""
        for item in per_image(task, context, Counter()):
            if item.page.address is not None:
                yield image_path(item.name, item.page.address), item.page.address


def image_path(name: str, address: Json) -> str:
    """Where an item's image stands: `images/{name}` with its address's suffix; `.jpg` when it does not tell."""
    text = address if isinstance(address, str) else ""
    kind = text[5:].partition(";")[0] if text.startswith("data:") else ""
    return f"images/{name}{_OF_DATA_URLS.get(kind) or suffix(text) or '.jpg'}"
