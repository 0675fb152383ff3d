"""Label Studio's own PostgreSQL database, followed by a role that may only read a few tables.

Here are the settings only; the source itself is in `_postgres_source`, so that the client is loaded when it is used.
"""

from typing import Literal

from pydantic import Field, SecretStr

from syncd.sources import Settings as SourceSettings
from syncd.sources import Source


class Settings(SourceSettings):
    """`source:` with `type: postgres`."""

    type: Literal["postgres"]
    dsn: SecretStr = Field(description="postgresql://USER[:PASSWORD]@HOST[:PORT]/DATABASE, or libpq's key=value form")
    capture: Literal["poll"] = "poll"
    id_sweep_seconds: float = Field(
        default=5, gt=0, description="How often to look at every row's version, if anything was committed since."
    )


def source(settings: Settings) -> Source:
    """The source, not yet connected."""
    from syncd.sources._postgres_source import PostgresSource

    return PostgresSource(settings)


SOURCE = source
