"""Media by the addresses that tasks hold: their facts (size, duration), and the files themselves.

Addresses come from data, so nothing is believed of them: files only below the roots that were given, the network only
where `syncd._media_web` allows it, nothing above the limit. What came over the network is kept in a cache on disk.
"""

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from syncd import _media_stores, _media_web
from syncd._media_cache import Cache
from syncd._media_facts import fact_of
from syncd._media_place import Inline, Local, MediaMissing, Roots, Stored, Web, place_of, shown
from syncd._media_web import WebLimits
from syncd.formats import MediaFact

__all__ = ["MEGABYTE", "Media", "MediaMissing", "MediaSettings", "Roots", "WebLimits", "roots_of", "token_of"]

MEGABYTE = 1_000_000
REMEMBERED = 4_096
"""Addresses whose facts, or whose absence, a process remembers."""


@dataclass(frozen=True, slots=True)
class MediaSettings:
    """Where media are, and what fetching may take. Bytes and seconds."""

    roots: Roots = field(default_factory=Roots)
    token: str | None = field(default=None, repr=False)
    """Label Studio's, sent to `roots.host` only."""
    web: WebLimits = field(default_factory=WebLimits)
    is_remote: bool = True
    """False: local files only, nothing is fetched."""
    file_bytes: int = 512_000_000
    cache: Path = field(default_factory=lambda: _cache_folder(os.environ))
    cache_bytes: int = 4_000_000_000


def roots_of(
    environment: Mapping[str, str],
    media_root: Path | None = None,
    document_root: Path | None = None,
    host: str | None = None,
) -> Roots:
    """What was given; else what Label Studio's own environment variables say."""
    data = environment.get("LABEL_STUDIO_BASE_DATA_DIR")
    documents = _first(environment, "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT", "LOCAL_FILES_DOCUMENT_ROOT")
    return Roots(
        media_root or (Path(data, "media") if data else None),
        document_root or (Path(documents) if documents else None),
        host or _first(environment, "LABEL_STUDIO_URL", "LABEL_STUDIO_HOST"),
    )


def token_of(environment: Mapping[str, str], token: str | None = None) -> str | None:
    """The token that was given; else Label Studio's own variable."""
    return token or _first(environment, "LABEL_STUDIO_API_KEY", "LABEL_STUDIO_ACCESS_TOKEN")


def _first(environment: Mapping[str, str], *names: str) -> str | None:
    return next((environment[name] for name in names if environment.get(name)), None)


def _cache_folder(environment: Mapping[str, str]) -> Path:
    return Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache", "syncd", "media")


class Media:
    """Media files by address. Threads may share it."""

    def __init__(self, settings: MediaSettings) -> None:
        self._settings = settings
        self._cache = Cache(settings.cache, settings.cache_bytes, settings.file_bytes)
        self._fact = lru_cache(REMEMBERED)(self._look)

    def fact(self, address: str) -> MediaFact | None:
        """Size or duration; None when the file cannot be had or says neither."""
        return self._fact(address)

    def copy(self, address: str, to: Path) -> None:
        """The file, whole, at `to`. Raises MediaMissing; `to` is not there then."""
        found = self._file(address)
        to.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copyfile(found, to)
        except OSError as error:
            to.unlink(missing_ok=True)
            raise MediaMissing(f"{shown(address)}: {error.strerror}") from error

    def _look(self, address: str) -> MediaFact | None:
        try:
            return fact_of(self._file(address))
        except MediaMissing:
            return None

    def _file(self, address: str) -> Path:
        place = place_of(address, self._settings.roots)
        if isinstance(place, Local):
            if place.path.stat().st_size > self._settings.file_bytes:
                raise MediaMissing(
                    f"{shown(address)}: larger than {self._settings.file_bytes:,} bytes (--media-limit-mb)"
                )
            return place.path
        if not (self._settings.is_remote or isinstance(place, Inline)):
            raise MediaMissing(f"{shown(address)}: is not on this machine")
        return self._cache.find(address) or self._cache.store(address, self._blocks(place))

    def _blocks(self, place: Inline | Web | Stored) -> Iterator[bytes]:
        if isinstance(place, Inline):
            return iter((place.body,))
        if isinstance(place, Web):
            limits, authorization = self._settings.web, None
            if place.is_label_studio:
                limits = _media_web.allowing(limits, place.url)
                authorization = _authorization(self._settings.token)
            return _media_web.fetch(place.url, limits, authorization)
        return _media_stores.read(place)


def _authorization(token: str | None) -> str | None:
    """Label Studio's header: legacy tokens are 40 hexadecimal digits, newer ones are JSON web tokens."""
    if token is None:
        return None
    return f"Bearer {token}" if token.count(".") == 2 else f"Token {token}"
