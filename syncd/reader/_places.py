"""From an address to a store that can be read. Clouds are read through the targets' own clients, so they sign in alike;
a folder is read as files, since a reader may have no right to write there.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Protocol
from urllib.parse import urlsplit

from pydantic import ValidationError

from syncd import targets
from syncd.errors import Misconfigured, Unavailable
from syncd.targets import Listed, Stored, Traffic
from syncd.targets._folder import etag_of

_CLOUDS = {"s3": ("s3", "bucket"), "gs": ("gcs", "bucket"), "azure": ("azure", "container")}
"""Scheme → target type, and the setting that the address's first part is."""


_TEMPORARY = ("_syncd", "tmp")


class Store(Protocol):
    """What is read of a bucket. Calls may come from several threads at once; raises Unavailable."""

    @property
    def where(self) -> str: ...

    def get(self, key: str) -> Stored | None: ...

    def list(self, prefix: str = "") -> Iterator[Listed]: ...

    def close(self) -> None: ...


def open_store(address: str, settings: Mapping[str, object]) -> Store:
    """The store at an address, opened. Raises Misconfigured or Unavailable."""
    parts = urlsplit(address)
    if parts.scheme in {"", "file"}:
        if settings:
            raise Misconfigured(f"{address} is a folder and has no settings: {', '.join(settings)}")
        return Folder(Path(parts.path if parts.scheme else address))
    if parts.scheme in {"http", "https"}:  # Azure's own way of writing a place
        container, _, prefix = parts.path.strip("/").partition("/")
        account = f"{parts.scheme}://{parts.netloc}"
        return _cloud(address, "azure", {"account_url": account, "container": container, "prefix": prefix, **settings})
    if parts.scheme not in _CLOUDS:
        raise Misconfigured(
            f"{address} cannot be read: give a folder, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, azure://CONTAINER/PREFIX or "
            "https://ACCOUNT.blob.core.windows.net/CONTAINER/PREFIX"
        )
    kind, first = _CLOUDS[parts.scheme]
    prefix = address.split("://", 1)[1].partition("/")[2].strip("/")  # not `path`: a prefix may have `?` and `#`
    return _cloud(address, kind, {first: parts.netloc, "prefix": prefix, **settings})


def _cloud(address: str, kind: str, settings: Mapping[str, object]) -> Store:
    try:
        checked = targets.settings_of(kind).model_validate(settings)
    except ValidationError as error:
        wrong = [".".join(map(str, e["loc"])) + ": " + e["msg"] for e in error.errors(include_url=False)]
        raise Misconfigured(f"{address} cannot be read: {'; '.join(wrong)}") from None
    store = targets.paced(targets.make(kind, checked), Traffic())
    store.open()
    return store


class Folder:
    """A local target, read as files: nothing is opened, locked or left behind there."""

    def __init__(self, root: Path) -> None:
        self._root = root.expanduser().absolute()
        if not self._root.is_dir():
            raise Unavailable(f"there is no folder {self._root}: is its disk mounted, has syncd written there?")

    @property
    def where(self) -> str:
        return str(self._root)

    def get(self, key: str) -> Stored | None:
        try:
            with self._path(key).open("rb") as file:
                body, facts = file.read(), os.fstat(file.fileno())
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except OSError as error:
            raise Unavailable(f"{self._root / key} cannot be read: {error.strerror}") from error
        return Stored(key, len(body), etag_of(facts), body=body)

    def list(self, prefix: str = "") -> Iterator[Listed]:
        folder = self._path(prefix.rpartition("/")[0])
        yield from (found for found in self._below(folder) if found.key.startswith(prefix))

    def close(self) -> None:
        """Nothing is held open."""

    def _below(self, folder: Path) -> Iterator[Listed]:
        try:
            paths = list(folder.iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise Unavailable(f"{folder} cannot be listed: {error.strerror}") from error
        for path in paths:
            key = path.relative_to(self._root)
            if path.is_dir():
                if key.parts != _TEMPORARY:
                    yield from self._below(path)
                continue
            with suppress(FileNotFoundError):  # deleted since the folder was listed
                facts = path.stat()
                yield Listed(key.as_posix(), facts.st_size, etag_of(facts))

    def _path(self, key: str) -> Path:
        """Raises Misconfigured for a key that leads out of the folder."""
        if ".." in PurePosixPath(key).parts or key.startswith("/"):
            raise Misconfigured(f"{key!r} is no key of {self._root}")
        return self._root / key
