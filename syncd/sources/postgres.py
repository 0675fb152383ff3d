"""Label Studio's own PostgreSQL database, followed by a role that may only read a few tables.

Here are the settings only; the source itself is in `_postgres_source`, so that the client is loaded when it is used.
"""

from typing import Annotated, Literal

from pydantic import Field, SecretStr, StringConstraints

from syncd.sources import Settings as SourceSettings
from syncd.sources import Source

Name = Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_]{0,62}$")]


class Settings(SourceSettings):
    """`source:` with `type: postgres`."""

    type: Literal["postgres"]
    dsn: SecretStr = Field(description="postgresql://USER[:PASSWORD]@HOST[:PORT]/DATABASE, or libpq's key=value form")
    capture: Literal["poll", "logical"] = Field(
        default="poll", description="logical: follow the write-ahead log, with a slot made by `syncd slot create`."
    )
    publication: Name = "syncd"
    slot: Name = Field(default="syncd", description="One for each syncd; with `capture: logical`.")
    slot_ceiling_mb: float = Field(
        default=256, gt=0, description="Drop the slot, poll meanwhile, when the server keeps more of its log for it."
    )
    id_sweep_seconds: float = Field(
        default=5, gt=0, description="How often to look at every row's version, if anything was committed since."
    )


def source(settings: Settings) -> Source:
    """The source, not yet connected."""
    from syncd.sources._postgres_source import PostgresSource

    return PostgresSource(settings)


SOURCE = source
