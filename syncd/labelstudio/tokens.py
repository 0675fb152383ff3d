"""The two kinds of token that Label Studio's REST API takes, and how each is shown.

A legacy token is shown as it is. A personal access token is a JWT that buys others, which last five minutes.
"""

import threading
from collections.abc import Callable


class LegacyToken:
    """`Authorization: Token …`."""

    def __init__(self, token: str) -> None:
        self._token = token

    def header(self) -> str:
        return f"Token {self._token}"

    def renew(self, refused: str) -> bool:
        """False: there is nothing to renew."""
        del refused
        return False


class PersonalToken:
    """`Authorization: Bearer …`, bought anew when it has run out. May be used by many threads."""

    def __init__(self, token: str, buy: Callable[[str], str]) -> None:
        self._token = token
        self._buy = buy
        self._access: str | None = None
        self._lock = threading.Lock()

    def header(self) -> str:
        with self._lock:
            if self._access is None:
                self._access = self._buy(self._token)
            return f"Bearer {self._access}"

    def renew(self, refused: str) -> bool:
        """The header `refused` was not taken: the next one is another. Another thread may have seen to it already."""
        with self._lock:
            if refused == f"Bearer {self._access}":
                self._access = None
        return True
