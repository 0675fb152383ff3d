"""Google Cloud Storage: one bucket, reached as whoever the application default credentials say we are, or by a file.

Here are the settings only; the target itself is in `_gcs`, so that Google's SDK is loaded when it is used.
"""

from typing import Literal, Self

from pydantic import Field, model_validator

from syncd.targets import Settings as TargetSettings
from syncd.targets import Target
from syncd.targets._keys import key_fault, steps


class Settings(TargetSettings):
    """A bucket and a prefix in it. The bucket is never created."""

    type: Literal["gcs"] = "gcs"
    bucket: str = Field(min_length=3, max_length=222, description="The bucket, without gs://")
    prefix: str = Field(default="", description="Everything is kept below this; nothing outside it is ever touched.")
    project: str | None = Field(default=None, description="Which project's quota counts; found by itself if absent.")
    endpoint_url: str | None = Field(
        default=None, description="Another address of the JSON API; http means an emulator."
    )
    credentials_file: str | None = Field(
        default=None, description="JSON of a service account or of workload identity federation."
    )
    kms_key: str | None = Field(default=None, description="projects/…/locations/…/keyRings/…/cryptoKeys/…")
    storage_class: Literal["STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE"] | None = None

    def place(self) -> tuple[str, ...]:
        return ("gcs", self.endpoint_url or "", self.bucket, *steps(self.prefix))

    @model_validator(mode="after")
    def _can_be_meant(self) -> Self:
        if self.prefix.strip("/") and (fault := key_fault(self.prefix.strip("/"))):
            raise ValueError(f"prefix cannot be used: {fault}")
        if self.endpoint_url and not self.endpoint_url.startswith(("http://", "https://")):
            raise ValueError("endpoint_url must start with https:// (or http:// for an emulator)")
        if "/cryptoKeyVersions/" in (self.kms_key or ""):
            raise ValueError("kms_key must name a key, not one of its versions: Google always takes the newest")
        return self


def target(settings: Settings) -> Target:
    """The target, not yet opened."""
    from syncd.targets._gcs import GCS

    return GCS(settings)


TARGET = target
