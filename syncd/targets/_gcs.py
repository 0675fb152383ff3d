"""The target `gcs`: objects in many threads, each write with its generation, through Google's SDK or its session; shared files
composed.

An etag is an object's generation as text, which every answer of Google tells and every condition takes.
"""

import threading
from base64 import b64decode
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from typing import ClassVar

from google.api_core.exceptions import NotFound, PreconditionFailed, Unauthorized
from google.cloud.storage import Blob

from syncd.targets import (
    Capabilities,
    Deleted,
    Failed,
    Finding,
    Listed,
    Object,
    Outcome,
    Piece,
    Refused,
    Retention,
    Stored,
    Written,
)
from syncd.targets._abreast import Pool
from syncd.targets._conditions import conditions_seen
from syncd.targets._gcs_client import client_of, is_emulator, session_of, sign_in, who
from syncd.targets._gcs_faults import RAISED, Place, answer_of, faults, unavailable
from syncd.targets._gcs_policy import policy
from syncd.targets._gcs_retention import retention
from syncd.targets._gcs_segments import WAITS, Segments, Splice
from syncd.targets._gcs_upload import LARGEST_BYTES, Uploads
from syncd.targets._keys import key_fault
from syncd.targets._probe import probe
from syncd.targets.gcs import Settings

CONNECTIONS = 64
_PAGE = 1000
_LISTED_FIELDS = "nextPageToken,items(name,size,generation,md5Hash)"
_LOOKS = 3


class GCS:
    """One bucket's objects under one prefix."""

    type: ClassVar[str] = "gcs"
    mirrors: ClassVar[bool] = True
    batch = 512

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._prefix = settings.prefix.strip("/")
        self._place = Place(settings.bucket, "nobody")
        self._opened = ExitStack()
        self._probing = threading.Lock()
        self._capabilities: Capabilities | None = None

    @property
    def where(self) -> str:
        return f"gs://{self._settings.bucket}/{self._prefix}".rstrip("/")

    @property
    def capabilities(self) -> Capabilities:
        with self._probing:
            if self._capabilities is None:
                self._capabilities = self._probed()
            return self._capabilities

    def open(self) -> None:
        with self._faults("sign in"):
            credentials = sign_in(self._settings)
        self._place = Place(self._settings.bucket, who(credentials))
        with ExitStack() as opening:
            session = session_of(credentials, connections=CONNECTIONS)
            client = client_of(self._settings, credentials, session)
            opening.callback(client.close)
            self._uploads = Uploads(self._settings, credentials, session, client.api_endpoint)
            self._bucket = client.bucket(self._settings.bucket)
            self._segments = Segments(self._bucket, self._name(""))
            self._pool = Pool(CONNECTIONS, "gcs")
            opening.callback(self._pool.close)
            with self._faults("list"):
                self._look_at_bucket()
            self._opened = opening.pop_all()

    def close(self) -> None:
        self._opened.close()

    def check(self) -> Iterable[Finding]:
        lacking = False
        for finding in probe(self):
            lacking |= not finding.ok
            yield finding
        if lacking:
            yield Finding("least privilege", ok=True, detail=policy(self._settings.bucket, self._prefix))

    def retention(self) -> Retention:
        with self._faults("look at the bucket"):
            return retention(self._bucket)

    # --- writing --------------------------------------------------------------------------------------------

    def put_many(self, objects: Sequence[Object]) -> Iterator[Outcome]:
        return self._pool.each(self._put, objects)

    def delete_many(self, keys: Sequence[str]) -> Iterator[Outcome]:
        return self._pool.each(self._delete, keys)

    def delete_if_match(self, key: str, etag: str) -> Outcome:
        outcome = self._delete(key, _generation(etag))
        if isinstance(outcome, Refused) and self.head(key) is None:
            return Deleted(key)  # to Google an absent object is a stale one
        return outcome

    def splice(self, key: str, pieces: Sequence[Piece], *, content_type: str) -> Outcome:
        if fault := self._fault_of(key):
            return Failed(key, f"{key} cannot be stored: {fault}")
        try:
            splice = Splice(self._bucket, self._segments.folder(key), self._blob)
            generation = splice.compose(self._name(key), pieces, content_type)
        except NotFound as error:
            self._raise_unless_absent(error)
            return Refused(key)  # another writer cleared a segment away
        except RAISED as error:
            return self._set_aside(key, "write", error)
        return Written(key, str(generation)) if generation else Refused(key)

    def _put(self, one: Object) -> Outcome:
        if fault := self._fault_of(one.key):
            return Failed(one.key, f"{one.key} cannot be stored: {fault}")
        try:
            generation = self._uploaded(self._name(one.key), one)
        except RAISED as error:
            return self._set_aside(one.key, "write", error)
        with self._faults("delete"):
            self._segments.clear(one.key)
        return Written(one.key, generation)

    def _uploaded(self, name: str, one: Object) -> str:
        told = {"digest": one.digest, "source-version": one.source_version}
        metadata = {name: value for name, value in told.items() if value}
        generation = 0 if one.if_absent else _generation(one.if_match) if one.if_match else None
        if len(one.body) <= LARGEST_BYTES:
            with suppress(Unauthorized):
                return self._uploads.put(name, one, metadata, generation)
        blob = self._blob(name)
        blob.metadata = metadata
        blob.upload_from_string(one.body, one.content_type, if_generation_match=generation, **WAITS)
        return str(blob.generation)

    def _delete(self, key: str, generation: int | None = None) -> Outcome:
        if fault := self._fault_of(key):
            return Failed(key, f"{key} cannot be deleted: {fault}")
        try:
            self._bucket.blob(self._name(key)).delete(if_generation_match=generation, **WAITS)
        except NotFound as error:
            self._raise_unless_absent(error)
        except RAISED as error:
            return self._set_aside(key, "delete", error)
        with self._faults("delete"):
            self._segments.clear(key)
        return Deleted(key)

    def _set_aside(self, key: str, doing: str, error: Exception) -> Outcome:
        """Refused or Failed where the answer is about this object; else raises what it means for all."""
        if isinstance(error, PreconditionFailed):
            return Refused(key)
        if reason := answer_of(error).one_object:
            return Failed(key, f"cannot {doing} {key}: {reason}")
        raise unavailable(error, doing, self._place) from error

    # --- reading --------------------------------------------------------------------------------------------

    def get(self, key: str) -> Stored | None:
        if self._fault_of(key):
            return None
        with self._faults("read"):
            for _ in range(_LOOKS):
                blob = self._bucket.blob(self._name(key))
                try:
                    body = blob.download_as_bytes(**WAITS)
                except NotFound as error:
                    self._raise_unless_absent(error)
                    return None
                facts = self.head(key)
                if facts and facts.etag == str(blob.generation):
                    return Stored(key, len(body), facts.etag, facts.metadata, body)
            return Stored(key, len(body), str(blob.generation), {}, body)  # rewritten all the time

    def head(self, key: str) -> Stored | None:
        if self._fault_of(key):
            return None
        blob = self._bucket.blob(self._name(key))
        with self._faults("read"):
            try:
                blob.reload(**WAITS)
            except NotFound as error:
                self._raise_unless_absent(error)
                return None
        return Stored(key, int(blob.size), str(blob.generation), dict(blob.metadata or {}))

    def list(self, prefix: str = "") -> Iterator[Listed]:
        with self._faults("list"):
            found = self._bucket.list_blobs(prefix=self._name(prefix), page_size=_PAGE, fields=_LISTED_FIELDS, **WAITS)
            for blob in found:
                key = blob.name.removeprefix(self._name(""))
                yield Listed(key, int(blob.size), str(blob.generation), _hex(blob.md5_hash))

    def _raise_unless_absent(self, error: NotFound) -> None:
        """A 404 is about the object or the bucket; not every server says which."""
        if "No such object" not in str(error):
            with self._faults("read"):
                self._look_at_bucket()

    # --- the place ------------------------------------------------------------------------------------------

    def _name(self, key: str) -> str:
        return f"{self._prefix}/{key}" if self._prefix else key

    def _fault_of(self, key: str) -> str | None:
        return key_fault(self._name(key))

    def _blob(self, name: str) -> Blob:
        blob = self._bucket.blob(name, kms_key_name=self._settings.kms_key)
        if self._settings.storage_class:
            blob.storage_class = self._settings.storage_class
        return blob

    def _look_at_bucket(self) -> None:
        for _ in self._bucket.list_blobs(prefix=self._name(""), max_results=1, fields=_LISTED_FIELDS, **WAITS):
            return

    def _faults(self, doing: str) -> AbstractContextManager[None]:
        return faults(doing, self._place)

    def _probed(self) -> Capabilities:
        seen = conditions_seen(self)
        notes = [f"signs in as {self._place.who}"]
        if is_emulator(self._settings) and not self._settings.credentials_file:
            notes.append("endpoint_url is http: no credentials are sent there")
        if self._settings.kms_key:
            notes.append("kms_key is set: shared files are sent whole, since Google composes without it")
        return Capabilities(
            seen.create_if_absent,
            seen.if_match,
            seen.conditional_delete,
            splice=not self._settings.kms_key,
            notes=tuple(notes),
        )


def _generation(etag: str) -> int:
    """The generation that an etag is. One that is none was never given here and matches nothing."""
    return int(etag) if etag.isdigit() else 1


def _hex(md5: str | None) -> str | None:
    return b64decode(md5).hex() if md5 else None
