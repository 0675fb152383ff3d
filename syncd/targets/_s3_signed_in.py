"""A bucket that we are signed in to: in its own region, with keys that are read again when they are refused."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from botocore.exceptions import ClientError

from syncd.errors import Misconfigured, Unavailable
from syncd.targets._retry import Transient
from syncd.targets._s3_clients import Clients
from syncd.targets._s3_faults import RAISED, Answer, Place, answer_of, fault, faults
from syncd.targets.s3 import Settings

Answered = TypeVar("Answered")

RENEW_EVERY_SECONDS = 30.0


class SignedIn:
    """The clients of a bucket, replaced by newly signed in ones when the store refuses the keys and others
    are to be had.
    """

    def __init__(self, settings: Settings) -> None:
        """Sign in, look at the prefix, find the region. Raises Unavailable with what is wrong."""
        self._settings = settings
        self._renewing = threading.Lock()
        self._renewed_at = float("-inf")
        self.place = Place(settings, settings.endpoint_url or "Amazon S3", "no credentials")
        self.notes: list[str] = []
        _see_that_it_can_be_read(settings.ca_file)
        with faults("sign in", self.place):
            self.clients = Clients(settings)
        self.place = Place(settings, self.clients.sdk.meta.endpoint_url, self.clients.signs_in_with)
        self.look()
        self._move_to(self._found_region())
        self.clients.use_small()
        self._choose_client()

    def do(self, call: Callable[[Clients], Answered]) -> Answered:
        """The call's answer; asked once more with fresh keys when these are refused. Raises what the clients
        raise.
        """
        clients = self.clients
        try:
            return call(clients)
        except RAISED as error:
            if not answer_of(error).about_keys or not self._renewed(clients):
                raise
        return call(self.clients)

    def look(self) -> None:
        """See that the bucket is there and can be listed. Raises Unavailable when not."""
        with faults("list", self.place):
            prefix = self._settings.prefix.strip("/")
            self.do(
                lambda clients: clients.sdk.list_objects_v2(
                    Bucket=self._settings.bucket, Prefix=f"{prefix}/" if prefix else "", MaxKeys=1
                )
            )

    def close(self) -> None:
        self.clients.close()

    def _renewed(self, refused: Clients) -> bool:
        """Whether there are other keys than the refused ones now."""
        with self._renewing:
            if self.clients is not refused:
                return True
            if time.monotonic() - self._renewed_at < RENEW_EVERY_SECONDS:
                return False
            self._renewed_at = time.monotonic()
            with suppress(*RAISED):
                fresh = Clients(self._settings)
                if not fresh.signs_like(refused):
                    if refused.small:
                        fresh.use_small()
                    self.clients = fresh
                    return True
            return False

    def _move_to(self, region: str) -> None:
        """Sign in anew where the bucket is: the endpoint and every signature name the region."""
        if region != self.clients.sdk.meta.region_name:
            self._settings = self._settings.model_copy(update={"region": region})
            self.clients.close()
            self.clients = Clients(self._settings)
            self.place = Place(self._settings, self.clients.sdk.meta.endpoint_url, self.clients.signs_in_with)

    def _found_region(self) -> str:
        """The bucket's region as the store tells it, else the client's own. Raises Unavailable when another
        was configured.
        """
        try:
            with faults("look at the bucket", self.place):
                told = self.clients.sdk.head_bucket(Bucket=self._settings.bucket)["ResponseMetadata"]["HTTPHeaders"]
        except Unavailable as error:
            if not isinstance(error.__cause__, ClientError) or isinstance(error, Transient):
                raise
            # the right to look at the whole bucket is not needed: a refusal tells the region as well
            told = error.__cause__.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        region = told.get("x-amz-bucket-region")
        if region and self._settings.region not in {None, region}:
            raise fault(Answer("WrongRegion", 0, f"expecting '{region}'"), "sign in", self.place)
        return region or self.clients.sdk.meta.region_name

    def _choose_client(self) -> None:
        """See whether the quick client can reach the store as well, and note why it is not used."""
        if self._settings.checksum == "md5":
            self.notes.append("checksum is md5: every object goes through boto3, at a twentieth of the speed")
        elif self.clients.small and self._settings.ca_file:
            try:
                self.clients.small.head("_syncd/certificate")
            except RAISED as error:
                if answer_of(error).code == "Certificate":
                    self.clients.small = None
                    self.notes.append(
                        "the certificate in ca_file is the server's own, which only boto3 accepts:"
                        " every object goes through it, at a twentieth of the speed; a certificate signed by an"
                        " authority of your own avoids that"
                    )


def _see_that_it_can_be_read(ca_file: Path | None) -> None:
    """Both clients would call a missing file something else. Raises Misconfigured."""
    try:
        if ca_file:
            ca_file.read_bytes()
    except OSError as error:
        raise Misconfigured(
            f"ca_file {ca_file} cannot be read: {error.strerror}. Correct its path or rights."
        ) from error
