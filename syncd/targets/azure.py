"""Azure Blob Storage: one container, reached with a key, a SAS token, or as whoever DefaultAzureCredential says we are.

Here are the settings only; the target itself is in `_azure`, so that Azure's SDK is loaded when it is used.
"""

from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from syncd.targets import Settings as TargetSettings
from syncd.targets import Target
from syncd.targets._azure_account import Account, account_at, account_in
from syncd.targets._azure_names import fault_of
from syncd.targets._keys import steps


class Settings(TargetSettings):
    """A container and a prefix in it. The container is never created."""

    type: Literal["azure"] = "azure"
    container: str = Field(min_length=3, max_length=63, description="The container.")
    prefix: str = Field(default="", description="Everything is kept below this; nothing outside it is ever touched.")
    account_url: str | None = Field(default=None, description="https://NAME.blob.core.windows.net")
    connection_string: SecretStr | None = Field(
        default=None, description="Instead of account_url and key, as the portal shows it."
    )
    account_key: SecretStr | None = None
    sas_token: SecretStr | None = Field(default=None, description="Needs read, add, create, write, delete and list.")
    encryption_scope: str | None = None
    tier: Literal["Hot", "Cool", "Cold"] | None = Field(
        default=None, description="Access tier of new blobs; the account's own if absent."
    )

    def place(self) -> tuple[str, ...]:
        return ("azure", self.account().url, self.container, *steps(self.prefix))

    @model_validator(mode="after")
    def _names_one_account(self) -> Self:
        if bool(self.account_url) == bool(self.connection_string):
            raise ValueError("give account_url or connection_string, one of them")
        if sum(map(bool, (self.connection_string, self.account_key, self.sas_token))) > 1:
            raise ValueError(
                "give one of connection_string, account_key and sas_token; or none, to sign in with Entra ID"
            )
        if self.prefix.strip("/") and (fault := fault_of(self.prefix.strip("/"))):
            raise ValueError(f"prefix cannot be used: {fault}")
        account = self.account()
        if account.url.startswith("http:") and not (account.key or account.sas):
            raise ValueError("account_url must be https to sign in with Entra ID")
        return self

    def account(self) -> Account:
        """The account these settings name."""
        if self.connection_string:
            return account_in(self.connection_string.get_secret_value())
        key = self.account_key.get_secret_value() if self.account_key else None
        sas = self.sas_token.get_secret_value() if self.sas_token else None
        return account_at(self.account_url or "", key, sas)


def target(settings: Settings) -> Target:
    """The target, not yet opened."""
    from syncd.targets._azure import Azure

    return Azure(settings)


TARGET = target
