"""Packs an output folder into a zip whose bytes depend on the files alone: fixed times, given order."""

import shutil
import zipfile
from pathlib import Path

_TIME = (1980, 1, 1, 0, 0, 0)
"""The earliest a zip can tell."""
_BLOCK = 1024 * 1024
_PACKED_ALREADY = frozenset({".png", ".jpg", ".jpeg", ".webp", ".parquet"})


def pack(folder: Path, files: Path, packed: Path) -> None:
    """The files named in `files` (one a line, relative to `folder`), in that order."""
    with zipfile.ZipFile(packed, "w") as archive, files.open(encoding="utf-8") as names:
        for line in names:
            name = line.rstrip("\n")
            entry = zipfile.ZipInfo(name, _TIME)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_STORED if Path(name).suffix in _PACKED_ALREADY else zipfile.ZIP_DEFLATED
            with (folder / name).open("rb") as file, archive.open(entry, "w", force_zip64=False) as out:
                shutil.copyfileobj(file, out, _BLOCK)
