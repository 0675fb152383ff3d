"""Amazon S3 and what speaks its language: SeaweedFS, MinIO, Ceph, R2 and others, reached by `endpoint_url`.

Here are the settings only; the target itself is in `_s3`, so that the SDK is loaded when it is used.
"""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from syncd.targets import Settings as TargetSettings
from syncd.targets import Target
from syncd.targets._keys import BadKey, segments_of, steps


class Settings(TargetSettings):
    """A bucket and a prefix in it. The bucket is never created. Credentials come from boto3's own chain
    unless given: environment, shared files and profiles, web identity, container and instance roles.
    """

    type: Literal["s3"] = "s3"
    bucket: str = Field(min_length=1, max_length=255, description="The bucket.")
    prefix: str = Field(default="", description="Everything is kept below this; nothing outside it is ever touched.")
    endpoint_url: str | None = Field(
        default=None, pattern=r"^https?://", description="The address of a store other than AWS's own."
    )
    region: str | None = Field(default=None, description="The bucket's region; found out if absent.")
    profile: str | None = Field(default=None, description="A profile of the shared AWS configuration.")
    role_arn: str | None = Field(
        default=None, description="A role to assume with these credentials; renewed by itself."
    )
    external_id: str | None = Field(default=None, description="What the role's owner asks for, to go with role_arn.")
    access_key_id: str | None = None
    secret_access_key: SecretStr | None = None
    session_token: SecretStr | None = Field(default=None, description="Goes with temporary keys; it expires.")
    path_style: bool | None = Field(
        default=None, description="ENDPOINT/BUCKET rather than BUCKET.ENDPOINT; AWS: false, else true."
    )
    ca_file: Path | None = Field(
        default=None, description="PEM file of the authority that signed the endpoint's certificate."
    )
    checksum: Literal["when_supported", "when_required", "md5"] | None = Field(
        default=None, description="What travels with every write; AWS: when_supported (CRC64NVME), else when_required."
    )
    sse: Literal["AES256", "aws:kms", "aws:kms:dsse"] | None = Field(
        default=None, description="Encryption by the store."
    )
    kms_key_id: str | None = Field(default=None, description="The key, to go with sse aws:kms.")
    storage_class: str | None = Field(default=None, description="STANDARD_IA, INTELLIGENT_TIERING … of new objects.")

    def place(self) -> tuple[str, ...]:
        return ("s3", self.endpoint_url or "", self.bucket, *steps(self.prefix))

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if bool(self.access_key_id) != bool(self.secret_access_key):
            raise ValueError("access_key_id and secret_access_key go together: give both or neither")
        if self.session_token and not self.access_key_id:
            raise ValueError("session_token goes with access_key_id and secret_access_key")
        if self.profile and self.access_key_id:
            raise ValueError("give profile or access_key_id, not both")
        if self.external_id and not self.role_arn:
            raise ValueError("external_id goes with role_arn")
        if self.kms_key_id and not (self.sse or "").startswith("aws:kms"):
            raise ValueError("kms_key_id goes with sse: aws:kms")
        if prefix := self.prefix.strip("/"):
            try:
                segments_of(prefix)
            except BadKey as error:
                raise ValueError(f"prefix cannot be used: {error}") from None
        return self


def target(settings: Settings) -> Target:
    """The target, not yet opened."""
    from syncd.targets._s3 import S3

    return S3(settings)


TARGET = target
