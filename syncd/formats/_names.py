"""Names of files made from media addresses: readable, safe on every file system, never outside their folder.

An address is percent-decoded once, put into Unicode form NFC and loses its query string; the task id makes a
name unique.
"""

import base64
import binascii
import re
import unicodedata
from urllib.parse import parse_qs, unquote

LONGEST_STEM = 120
"""Bytes of UTF-8. File systems take 255, of which writers of temporary files and suffixes need some."""

_UNSAFE = re.compile(r'[\x00-\x1f\x7f-\x9f\ud800-\udfff<>:"/\\|?*]')
_NOT_IN_PATHS = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\\]")
_DRIVE = re.compile(r"(?<=^[A-Za-z]):")
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,10}")
_PATH_PARAMETERS = ("d", "filepath")


def stem(address: object) -> str:
    """The readable part of an address: its last name without suffix, cut to LONGEST_STEM; else "task"."""
    return _cut(_split_suffix(_last_name(address))[0], LONGEST_STEM) or "task"


def suffix(address: object) -> str:
    """The suffix of a media address with its dot (`.jpg`), as written; "" when none."""
    return _split_suffix(_last_name(address))[1]


def item_name(address: object, task: int, page: int | None = None) -> str:
    """`{stem}__t{task}`, the name of what a task gives; `…_p{page}` for one of several pages."""
    name = f"{stem(address)}__t{task}"
    return name if page is None else f"{name}_p{page}"


def file_name(address: object, task: int) -> str:
    """The relative path a reader can join with its images folder; `t{task}` for data URIs and nothing at all.

    Of uploads: below the upload folder; of local files: below the document root; of object stores: the key;
    of web addresses: the path. Never absolute, never upwards; else as the file is called, however long.
    """
    path = _path(address) if isinstance(address, str) else ""
    path = _NOT_IN_PATHS.sub("_", unicodedata.normalize("NFC", path))
    path = "/".join(name for name in path.split("/") if name not in {"", ".", ".."})
    return _DRIVE.sub("_", path) or f"t{task}"


def safe(name: str) -> str:
    """One path component, NFC, cut: no separators, control characters, surrogates, nor dots at its ends."""
    text, dot_suffix = _split_suffix(_clean(name))
    return _cut(text, LONGEST_STEM) + dot_suffix


def _clean(name: str) -> str:
    return _UNSAFE.sub("_", unicodedata.normalize("NFC", name)).strip(" .")


def _last_name(address: object) -> str:
    path = _path(address) if isinstance(address, str) else ""
    return _clean(path.rstrip("/").rpartition("/")[2])


def _path(address: str) -> str:
    """An address decoded, without scheme, host, bucket, query and Label Studio's prefix; "" of data URIs."""
    if address[:5].lower() == "data:":
        return ""
    scheme, separator, rest = address.partition("://")
    path = rest.partition("/")[2] if separator else address
    if scheme in {"http", "https"}:
        path = path.partition("#")[0]
    path, _, query = path.partition("?")
    if query:
        named = _named_in_query(path, parse_qs(query))
        if named is not None:
            return named
    return unquote(path).removeprefix("/").removeprefix("data/upload/")


def _named_in_query(path: str, query: dict[str, list[str]]) -> str | None:
    """The path that one of Label Studio's own addresses names in its query; None for other addresses."""
    if path.strip("/") == "data/local-files" or "storage-data/" in path:
        return next((query[key][0] for key in _PATH_PARAMETERS if key in query), "").removeprefix("upload/")
    if "fileuri" in query and path.rstrip("/").endswith("/resolve"):
        return _path(_decoded(query["fileuri"][0]))
    return None


def _decoded(fileuri: str) -> str:
    """The storage address inside one of Label Studio's proxy addresses (`/tasks/7/resolve/?fileuri=…`)."""
    try:
        return base64.urlsafe_b64decode(fileuri + "=" * (-len(fileuri) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _split_suffix(name: str) -> tuple[str, str]:
    text, dot, ending = name.rpartition(".")
    if text and _SUFFIX.fullmatch(dot + ending):
        return text, dot + ending
    return name, ""


def _cut(text: str, size: int) -> str:
    """The longest beginning of at most `size` bytes of UTF-8 that ends between two characters."""
    encoded = text.encode()
    return text if len(encoded) <= size else encoded[:size].decode(errors="ignore").rstrip(" .")
