"""Where a media address leads, once Label Studio's own ways of writing addresses are taken apart.

As `label_studio_sdk._extensions.label_studio_tools.core.utils.io.get_local_path` documents them.
"""

import base64
import binascii
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, unquote, unquote_to_bytes, urlsplit

from syncd.errors import SyncdError

_STORES = frozenset({"s3", "gs", "azure-blob"})


class MediaMissing(SyncdError):
    """This one media file cannot be had; the message says why. Labels do not depend on it."""


@dataclass(frozen=True, slots=True)
class Roots:
    """What addresses are relative to; None where it is not known."""

    media_root: Path | None = None
    """Label Studio's media folder, the one that holds `upload/`."""
    document_root: Path | None = None
    """What `/data/local-files/?d=` is below (LOCAL_FILES_DOCUMENT_ROOT)."""
    host: str | None = None
    """Label Studio's own address, `https://labels.example.org`."""


@dataclass(frozen=True, slots=True)
class Local:
    """A file on this machine, below one of the roots."""

    path: Path


@dataclass(frozen=True, slots=True)
class Inline:
    """The content of a data URI."""

    body: bytes


@dataclass(frozen=True, slots=True)
class Web:
    """Something to fetch. `is_label_studio`: from the host that the operator named, with the token."""

    url: str
    is_label_studio: bool = False


@dataclass(frozen=True, slots=True)
class Stored:
    """An object in a bucket or container. `scheme` is s3, gs or azure-blob."""

    scheme: str
    bucket: str
    key: str


Place = Local | Inline | Web | Stored


def place_of(address: str, roots: Roots) -> Place:
    """Raises MediaMissing for an address that leads nowhere, or outside its root."""
    if address[:5].lower() == "data:":
        return Inline(_inline(address))
    scheme, separator, rest = address.partition("://")
    if separator and scheme in _STORES:
        bucket, _, key = rest.partition("/")
        return Stored(scheme, bucket, key)
    if separator and scheme.lower() in {"http", "https"}:
        path = _own_path(address, roots.host)
        return Web(address) if path is None else _of_label_studio(path, roots)
    if separator:
        raise MediaMissing(f"{shown(address)}: addresses of the kind {scheme}:// are not fetched")
    return _of_label_studio(address, roots)


def _own_path(url: str, host: str | None) -> str | None:
    """The path of a URL at the operator's own Label Studio; None of others."""
    if host is None:
        return None
    prefix = host.rstrip("/")
    return url[len(prefix) :] if url.startswith(f"{prefix}/") else None


def _of_label_studio(address: str, roots: Roots) -> Place:
    """A path as Label Studio itself resolves it: to a file where its root is known, else through the host."""
    parts = urlsplit(address)
    query = parse_qs(parts.query)
    path = parts.path
    if path.rstrip("/").endswith("/resolve") and "fileuri" in query:
        return place_of(_fileuri(query["fileuri"][0], address), Roots())
    local = _local(path, query, roots)
    if local is not None and local.is_file():
        return Local(local)
    if roots.host is not None and path.startswith("/"):
        return Web(roots.host.rstrip("/") + address, is_label_studio=True)
    if local is not None:
        raise MediaMissing(f"{shown(address)}: there is no file {local}")
    raise MediaMissing(f"{shown(address)}: no root is known for it; give {_way_out(path)} or --host and --token")


def _local(path: str, query: dict[str, list[str]], roots: Roots) -> Path | None:
    name = unquote(path)
    if name.startswith("/data/local-files") and "d" in query:
        return _below(roots.document_root, query["d"][0])
    if name.startswith("/storage-data/") and "filepath" in query:
        return _uploaded(roots.media_root, query["filepath"][0])
    if name.startswith("/data/"):
        return _uploaded(roots.media_root, name.removeprefix("/data/"))
    return _below(roots.document_root, name)


def _uploaded(root: Path | None, name: str) -> Path | None:
    """Below the media folder; operators also give the data folder that holds it."""
    found = _below(root, name)
    if root is None or found is None or found.is_file() or not (root / "media").is_dir():
        return found
    return _below(root / "media", name)


def _below(root: Path | None, name: str) -> Path | None:
    """The file of a name, links followed. Raises MediaMissing when it stands outside its root."""
    if root is None:
        return None
    if "\0" in name:
        raise MediaMissing(f"{shown(name)}: no file has such a name")
    base = root.resolve()
    found = (base / name.lstrip("/")).resolve()
    if base not in found.parents:
        raise MediaMissing(f"{shown(name)}: stands outside {root}, and nothing there is read")
    return found


def _inline(address: str) -> bytes:
    head, _, body = address.partition(",")
    try:
        return base64.b64decode(unquote(body), validate=True) if head.endswith(";base64") else unquote_to_bytes(body)
    except binascii.Error as error:
        raise MediaMissing(f"{shown(address)}: its base64 is broken") from error


def _fileuri(text: str, address: str) -> str:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise MediaMissing(f"{shown(address)}: its fileuri is no base64") from error


def _way_out(path: str) -> str:
    return "--media-root" if path.startswith(("/data/upload", "/storage-data")) else "--document-root"


def shown(address: str) -> str:
    """An address for a report: no query, which may hold a signature, and not endless."""
    return ascii(address.partition("?")[0])[1:-1][:120]
