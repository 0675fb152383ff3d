"""The target `azure`: small blobs through `obstore`, the rest through Azure's SDK.

The SDK lists, deletes in batches, and puts shared files together from blocks.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Any, ClassVar

from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobProperties

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
from syncd.targets._azure_blocks import Extras, only_if, put_whole, splice_blocks
from syncd.targets._azure_clients import Clients, put_options
from syncd.targets._azure_faults import RAISED, answer_of, faults, unavailable
from syncd.targets._azure_names import blob_name, fault_of, from_metadata, key_of, to_metadata
from syncd.targets._azure_policy import policy
from syncd.targets._azure_retention import retention
from syncd.targets._conditions import conditions_seen
from syncd.targets._probe import probe
from syncd.targets.azure import Settings

CONNECTIONS = 128
DELETES_PER_REQUEST = 256
"""What one Blob Batch request takes at most."""

_GONE = 404
_ACCEPTED = 202
_FOLDER_MARK = "hdi_isfolder"


class Azure:
    """One container's blobs under one prefix."""

    type: ClassVar[str] = "azure"
    mirrors: ClassVar[bool] = True
    batch = 512

    def __init__(self, settings: Settings) -> None:
        self._account = settings.account()
        self._container = settings.container
        self._prefix = settings.prefix.strip("/")
        self._extras = Extras(settings.encryption_scope, settings.tier)
        self._opened = ExitStack()
        self._probing = threading.Lock()
        self._capabilities: Capabilities | None = None

    @property
    def where(self) -> str:
        return "/".join(part for part in (self._account.url, self._container, self._prefix) if part)

    @property
    def capabilities(self) -> Capabilities:
        with self._probing:
            if self._capabilities is None:
                self._capabilities = self._probed()
            return self._capabilities

    def open(self) -> None:
        with ExitStack() as opening:
            self._clients = Clients(self._account, self._container, connections=CONNECTIONS)
            opening.callback(self._clients.close)
            self._pool = Pool(CONNECTIONS, "azure")
            opening.callback(self._pool.close)
            with self._faults("list"):
                next(self._clients.sdk.list_blobs(name_starts_with=self._name(""), results_per_page=1), None)
            self._opened = opening.pop_all()

    def close(self) -> None:
        self._opened.close()

    def check(self) -> Iterable[Finding]:
        lacking = False
        for finding in probe(self):
            lacking |= not finding.ok
            yield finding
        if lacking:
            yield Finding("least privilege", ok=True, detail=policy(self._account.name, self._container, self._prefix))

    def retention(self) -> Retention:
        with self._faults("look at the account"):
            return retention(self._clients.sdk, self._clients.service, self._name("_syncd/instance.json"))

    # --- writing --------------------------------------------------------------------------------------------

    def put_many(self, objects: Sequence[Object]) -> Iterator[Outcome]:
        return self._pool.each(self._put, objects)

    def delete_many(self, keys: Sequence[str]) -> Iterator[Outcome]:
        for start in range(0, len(keys), DELETES_PER_REQUEST):
            yield from self._delete_together(keys[start : start + DELETES_PER_REQUEST])

    def delete_if_match(self, key: str, etag: str) -> Outcome:
        outcome = self._delete(key, only_if(etag))
        if isinstance(outcome, Refused) and self.head(key) is None:
            return Deleted(key)  # to Azure an absent blob is a stale one
        return outcome

    def splice(self, key: str, pieces: Sequence[Piece], *, content_type: str) -> Outcome:
        def write() -> str | None:
            blob = self._clients.sdk.get_blob_client(self._name(key))
            return splice_blocks(blob, pieces, content_type, self._extras)

        return self._write(key, write)

    def _put(self, one: Object) -> Outcome:
        return self._write(
            one.key, lambda: self._put_by_sdk(one) if self._extras.encryption_scope else self._put_small(one)
        )

    def _put_small(self, one: Object) -> str | None:
        told = self._clients.small.put(self._name(one.key), one.body, **put_options(one, self._extras.tier))
        return told["e_tag"]

    def _put_by_sdk(self, one: Object) -> str:
        return put_whole(self._clients.sdk.get_blob_client(self._name(one.key)), one, to_metadata(one), self._extras)

    def _write(self, key: str, write: Callable[[], str | None]) -> Outcome:
        if fault := fault_of(self._name(key)):
            return Failed(key, f"{key} cannot be stored: {fault}")
        try:
            etag = write()
        except RAISED as error:
            return self._set_aside(key, "write", error)
        return Written(key, _bare(etag)) if etag else Refused(key)

    def _delete_together(self, keys: Sequence[str]) -> Iterator[Outcome]:
        """One batch request; where that says anything but deleted or absent, each key alone, to hear why."""
        names = [self._name(key) for key in keys]
        if len(names) > 1 and not any(map(fault_of, names)):
            with self._faults("delete"):
                told = self._clients.sdk.delete_blobs(*names, raise_on_any_failure=False)
                if all(part.status_code in {_ACCEPTED, _GONE} for part in told):
                    yield from map(Deleted, keys)
                    return
        yield from self._pool.each(self._delete, keys)

    def _delete(self, key: str, condition: Mapping[str, Any] | None = None) -> Outcome:
        if fault := fault_of(self._name(key)):
            return Failed(key, f"{key} cannot be deleted: {fault}")
        try:
            self._clients.sdk.delete_blob(self._name(key), **(condition or {}))
        except HttpResponseError as error:
            if answer_of(error).code != "BlobNotFound":
                return self._set_aside(key, "delete", error)
        except RAISED as error:
            return self._set_aside(key, "delete", error)
        return Deleted(key)

    def _set_aside(self, key: str, doing: str, error: Exception) -> Outcome:
        """Refused or Failed where the answer is about this blob; else raises what it means for all."""
        answer = answer_of(error)
        if answer.refuses:
            return Refused(key)
        if answer.one_blob:
            return Failed(key, f"cannot {doing} {key}: {answer.one_blob}")
        raise unavailable(answer, doing, self._account, self._container) from error

    # --- reading --------------------------------------------------------------------------------------------

    def get(self, key: str) -> Stored | None:
        if fault_of(self._name(key)):
            return None
        try:
            found = self._clients.small.get(self._name(key))
            body = bytes(found.bytes())
        except RAISED as error:
            self._raise_unless_absent(error)
            return None
        return Stored(key, len(body), _bare(found.meta["e_tag"]), from_metadata(found.attributes), body)

    def head(self, key: str) -> Stored | None:
        if fault_of(self._name(key)):
            return None
        try:
            facts = self._clients.sdk.get_blob_client(self._name(key)).get_blob_properties()
        except RAISED as error:
            self._raise_unless_absent(error)
            return None
        return Stored(key, facts.size, _bare(facts.etag), from_metadata(facts.metadata))

    def list(self, prefix: str = "") -> Iterator[Listed]:
        # metadata is asked for only because accounts with folders list these as well, marked there
        with self._faults("list"):
            for blob in self._clients.sdk.list_blobs(name_starts_with=self._name(prefix), include=["metadata"]):
                if _FOLDER_MARK not in (blob.metadata or {}):
                    yield self._listed(blob)

    def _listed(self, blob: BlobProperties) -> Listed:
        md5 = blob.content_settings.content_md5
        key = key_of(blob.name.removeprefix(self._name("")))
        return Listed(key, blob.size, _bare(blob.etag), bytes(md5).hex() if md5 else None)

    def _raise_unless_absent(self, error: Exception) -> None:
        answer = answer_of(error)
        if answer.code != "BlobNotFound":
            raise unavailable(answer, "read", self._account, self._container) from error

    # --- the place ------------------------------------------------------------------------------------------

    def _name(self, key: str) -> str:
        return blob_name(f"{self._prefix}/{key}" if self._prefix else key)

    def _faults(self, doing: str) -> AbstractContextManager[None]:
        return faults(doing, self._account, self._container)

    def _probed(self) -> Capabilities:
        seen = conditions_seen(self)
        notes = [f"signs in with {self._account.signs_in_with}"]
        if self._extras.encryption_scope:
            notes.append("encryption_scope is set: every blob goes through Azure's SDK, at a tenth of the speed")
        return Capabilities(
            seen.create_if_absent,
            seen.if_match,
            seen.conditional_delete,
            splice=True,
            metadata=True,
            notes=tuple(notes),
        )


def _bare(etag: str | None) -> str | None:
    """An etag without the quotes that only some answers have."""
    return etag.strip('"') if etag else None
