"""The target `s3`: small objects through `obstore`, the rest through boto3.

boto3 lists, deletes in batches, and puts shared files together from copied ranges.
"""

import re
import secrets
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from syncd.errors import SyncdError
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
from syncd.targets._keys import key_fault
from syncd.targets._layout import LostPieceError, Spliced, extents, layout_key, layout_of, noted, to_json
from syncd.targets._probe import FOLDER as CHECKS
from syncd.targets._probe import probe, sample
from syncd.targets._s3_clients import CONNECTIONS
from syncd.targets._s3_faults import RAISED, Answer, answer_of, fault, faults
from syncd.targets._s3_policy import policy
from syncd.targets._s3_retention import retention
from syncd.targets._s3_signed_in import SignedIn
from syncd.targets._s3_splice import clear_abandoned, copies_ranges, upload
from syncd.targets.s3 import Settings

DELETES_PER_REQUEST = 1_000
_MD5 = re.compile(r"[0-9a-f]{32}")
_NO_BATCH_DELETE = frozenset({"NotImplemented", "MethodNotAllowed", "MissingContentMD5", "InvalidRequest"})

_NOT_THERE = frozenset({400, 404, 405, 501})
"""How stores answer a request that they do not know."""


class S3:
    """One bucket's objects under one prefix."""

    type: ClassVar[str] = "s3"
    mirrors: ClassVar[bool] = True
    batch = 512

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._bucket = settings.bucket
        self._prefix = settings.prefix.strip("/")
        self._opened = ExitStack()
        self._probing = threading.Lock()
        self._capabilities: Capabilities | None = None
        self._spliced = Spliced(self, self._clear_abandoned)

    @property
    def where(self) -> str:
        return f"s3://{self._bucket}/{self._prefix}".rstrip("/")

    @property
    def capabilities(self) -> Capabilities:
        with self._probing:
            if self._capabilities is None:
                self._capabilities = self._probed()
            return self._capabilities

    def open(self) -> None:
        self._signed = SignedIn(self._settings)
        self._opened.callback(self._signed.close)
        self._pool = Pool(CONNECTIONS, "s3")
        self._opened.callback(self._pool.close)

    def close(self) -> None:
        self._opened.close()

    def check(self) -> Iterable[Finding]:
        lacking = False
        for finding in probe(self):
            lacking |= not finding.ok
            yield finding
        if lacking:
            yield Finding("least privilege", ok=True, detail=policy(self._bucket, self._prefix))

    def retention(self) -> Retention:
        with self._faults("look at the bucket"):
            return retention(self._signed.clients, self._bucket, self._prefix)

    # --- writing --------------------------------------------------------------------------------------------

    def put_many(self, objects: Sequence[Object]) -> Iterator[Outcome]:
        return self._pool.each(self._put, objects)

    def delete_many(self, keys: Sequence[str]) -> Iterator[Outcome]:
        spliced = [key for key in keys if key in self._spliced]
        for key in spliced:
            self._spliced.clear_up(key)
        beside = set(map(layout_key, spliced))
        wanted = [*keys, *beside]
        for start in range(0, len(wanted), DELETES_PER_REQUEST):
            for outcome in self._delete_together(wanted[start : start + DELETES_PER_REQUEST]):
                if outcome.key not in beside:
                    yield outcome

    def delete_if_match(self, key: str, etag: str) -> Outcome:
        outcome = self._delete(key, {"IfMatch": f'"{etag}"'})
        if isinstance(outcome, Refused) and self.head(key) is None:  # some stores refuse what is absent already
            return Deleted(key)
        return outcome

    def splice(self, key: str, pieces: Sequence[Piece], *, content_type: str) -> Outcome:
        if reason := key_fault(self._name(key)):
            return Failed(key, f"{key} cannot be stored: {reason}")
        self._spliced.clear_up(key)
        old, passed = self._spliced.layout(key), list[Piece]()
        try:
            with upload(
                self._signed.clients, self._bucket, self._name(key), content_type, old.etag if old else None
            ) as new:
                for part in extents(noted(pieces, passed), old):
                    new.add(part)
                etag = new.finish()
        except LostPieceError:
            return Refused(key)
        except RAISED as error:
            return self._set_aside(key, "splice", error)
        layout = layout_of(passed, etag)
        self._put(Object(layout_key(key), to_json(layout), ""))
        self._spliced.went_well(key)
        return Written(key, etag)

    def _put(self, one: Object) -> Outcome:
        name = self._name(one.key)
        if reason := key_fault(name):
            return Failed(one.key, f"{one.key} cannot be stored: {reason}")
        try:
            return Written(one.key, self._signed.do(lambda clients: clients.put(name, one)))
        except RAISED as error:
            return self._set_aside(one.key, "write", error)

    def _delete_together(self, keys: Sequence[str]) -> Iterator[Outcome]:
        """One request for all; one for each where a store has no such request."""
        names = {self._name(key): key for key in keys if not key_fault(self._name(key))}
        yield from (Deleted(key) for key in keys if key_fault(self._name(key)))
        if not names:
            return
        wanted: Any = {"Objects": [{"Key": name} for name in names], "Quiet": True}
        try:
            told = self._signed.do(lambda clients: clients.sdk.delete_objects(Bucket=self._bucket, Delete=wanted))
        except ClientError as error:
            if answer_of(error).code not in _NO_BATCH_DELETE:
                raise self._fault(answer_of(error), "delete") from error
            yield from self._pool.each(self._delete, [*names.values()])
            return
        except RAISED as error:
            raise self._fault(answer_of(error), "delete") from error
        yield from self._told_of_deletes(names, told.get("Errors", []))

    def _told_of_deletes(self, names: Mapping[str, str], errors: Sequence[Mapping[str, Any]]) -> Iterator[Outcome]:
        answers = {error["Key"]: Answer(error.get("Code", ""), 0, error.get("Message", "")) for error in errors}
        worst: Answer | None = None
        for name, key in names.items():
            answer = answers.get(name)
            if answer is None or answer.absent:
                yield Deleted(key)
            elif answer.one_object:
                yield Failed(key, f"{key} cannot be deleted: {answer.one_object}")
            else:
                worst = answer
        if worst:
            raise self._fault(worst, "delete")

    def _delete(self, key: str, condition: Mapping[str, Any] | None = None) -> Outcome:
        name = self._name(key)
        if key_fault(name):
            return Deleted(key)
        try:
            self._signed.do(
                lambda clients: clients.sdk.delete_object(Bucket=self._bucket, Key=name, **(condition or {}))
            )
        except RAISED as error:
            if not answer_of(error).absent:
                return self._set_aside(key, "delete", error)
        return Deleted(key)

    def _set_aside(self, key: str, doing: str, error: Exception) -> Outcome:
        """Refused or Failed where the answer is about this object; else raises what it means for all."""
        answer = answer_of(error)
        if answer.refuses or answer.absent:  # a replacement of what is not there is answered 404
            return Refused(key)
        if answer.one_object:
            return Failed(key, f"cannot {doing} {key}: {answer.one_object}")
        raise self._fault(answer, doing) from error

    # --- reading --------------------------------------------------------------------------------------------

    def get(self, key: str) -> Stored | None:
        return self._read(key, body=True)

    def head(self, key: str) -> Stored | None:
        return self._read(key, body=False)

    def list(self, prefix: str = "") -> Iterator[Listed]:
        with self._faults("list"):
            pages = self._signed.clients.sdk.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._name(prefix)):
                for item in page.get("Contents", []):
                    if not item["Key"].endswith("/"):  # a mark that some tools leave for an empty folder
                        yield self._listed(item["Key"], item["Size"], item["ETag"].strip('"'))

    def _read(self, key: str, *, body: bool) -> Stored | None:
        name = self._name(key)
        if key_fault(name):
            return None
        try:
            return self._signed.do(lambda clients: clients.read(key, name, body=body))
        except RAISED as error:
            answer = answer_of(error)
            if not answer.absent:
                raise self._fault(answer, "read") from error
        if answer.code == "404":  # without a body it may be the bucket that is missing
            self._signed.look()
        return None

    def _listed(self, name: str, size: int, etag: str) -> Listed:
        plain = not (self._settings.sse or "").startswith("aws:kms") and _MD5.fullmatch(etag)
        return Listed(name.removeprefix(self._name("")), size, etag, etag if plain else None)

    # --- the place ------------------------------------------------------------------------------------------

    def _clear_abandoned(self, key: str) -> None:
        with self._faults("clear up"):
            clear_abandoned(self._signed.clients, self._bucket, self._name(key))

    def _name(self, key: str) -> str:
        return f"{self._prefix}/{key}" if self._prefix else key

    def _fault(self, answer: Answer, doing: str) -> SyncdError:
        return fault(answer, doing, self._signed.place)

    def _faults(self, doing: str) -> AbstractContextManager[None]:
        return faults(doing, self._signed.place)

    def _probed(self) -> Capabilities:
        seen = conditions_seen(self)
        clients = self._signed.clients
        notes = [f"signs in with {clients.signs_in_with}", *self._signed.notes]
        return Capabilities(
            seen.create_if_absent,
            seen.if_match,
            seen.conditional_delete,
            splice=seen.if_match and self._copies_ranges(),
            metadata=True,
            notes=tuple(notes),
        )

    def _copies_ranges(self) -> bool:
        """Whether a part of a new object can be copied from an old one, tried and dropped."""
        one = sample(f"{CHECKS}{secrets.token_hex(8)}", "copied")
        self._put(one)
        name = self._name(one.key)
        try:
            return copies_ranges(self._signed.clients, self._bucket, name)
        except ClientError as error:
            answer = answer_of(error)
            if answer.status in _NOT_THERE:
                return False
            raise self._fault(answer, "splice") from error
        finally:
            list(self.delete_many([one.key]))
