"""Redis: each document is a string under `{prefix}:{project}:tasks:{task}.json`, as Label Studio's own Redis target keeps them.

Here are the settings only; the target itself is in `_redis`, so that the client is loaded when it is used.
"""

from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, model_validator

from syncd.targets import Settings as TargetSettings
from syncd.targets import Target
from syncd.targets._keys import steps


class Settings(TargetSettings):
    """A Redis database and a prefix in it."""

    type: Literal["redis"] = "redis"
    url: SecretStr = Field(
        description="redis://[[USER]:PASSWORD@]HOST[:PORT][/DB], rediss:// with TLS, or unix:///PATH"
    )
    prefix: str = Field(default="", description="What every key starts with; nothing else is ever touched.")

    def place(self) -> tuple[str, ...]:
        url = urlsplit(self.url.get_secret_value())
        server = f"{url.hostname or ''}:{url.port or 6379}{url.path.rstrip('/') or '/0'}"
        return ("redis", server, *steps(self.prefix.replace(":", "/")))

    @model_validator(mode="after")
    def _has_an_address(self) -> Self:
        parts = urlsplit(self.url.get_secret_value())
        if parts.scheme not in {"redis", "rediss", "unix"} or not (parts.hostname or parts.path):
            raise ValueError("url must look like redis://HOST:6379/0 (rediss:// with TLS, unix:///PATH for a socket)")
        return self


def target(settings: Settings) -> Target:
    """The target, not yet opened."""
    from syncd.targets._redis import RedisTarget

    return RedisTarget(settings)


TARGET = target
