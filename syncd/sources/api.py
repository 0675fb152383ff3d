"""Any Label Studio by its address and a token: for those who have no way to its database.

Here are the settings only; the source itself is in `_api_source`, so that the HTTP client is loaded when it is used.
"""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr

from syncd.sources import Settings as SourceSettings
from syncd.sources import Source


class Settings(SourceSettings):
    """`source:` with `type: api`."""

    type: Literal["api"]
    url: str = Field(pattern=r"^https?://[^/\s]+", description="Where Label Studio is, with its path if it has one.")
    token: SecretStr = Field(
        min_length=1, description="A personal access token or a legacy token of a user who may change projects."
    )
    ca_file: Path | None = Field(default=None, description="Certificates to trust instead of the system's.")
    poll_seconds: float = Field(default=5, gt=0)


def source(settings: Settings) -> Source:
    """The source, not yet connected."""
    from syncd.sources._api_source import ApiSource

    return ApiSource(settings)


SOURCE = source
