"""Who may ask: the token, where one is set; and no page of another site, ever.

The token is shown as `Authorization: Token …` or `Bearer …` (scripts), or as the password of HTTP Basic (browsers ask for it).
Without a token a port on loopback is open to whoever is on this machine, so names that another site could point at it are
refused (DNS rebinding); so are writes that a page of another site sends (CSRF).
"""

import base64
import binascii
import hmac
import ipaddress

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from syncd.config import Http
from syncd.web import Site

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
WANTED = {"WWW-Authenticate": 'Basic realm="syncd", charset="UTF-8"'}


class Access:
    """ASGI middleware: lets a request through, or answers 401 or 403. What stands in `unguarded` looks after itself."""

    def __init__(self, app: ASGIApp, *, site: Site, unguarded: frozenset[str]) -> None:
        self._app = app
        self._site = site
        self._unguarded = unguarded

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in self._unguarded:
            headers = Headers(scope=scope)
            http = self._site.running.assembly.config.root.http or Http()
            if http.token and not shows(headers.get("authorization", ""), http.token):
                refusal = JSONResponse({"detail": "the token is missing or wrong"}, 401, WANTED)
                return await refusal(scope, receive, send)
            reason = _foreign(scope["method"], headers, http)
            if reason:
                return await JSONResponse({"detail": reason}, 403)(scope, receive, send)
        return await self._app(scope, receive, send)


def shows(authorization: str, token: str) -> bool:
    """Whether a header carries the token, compared in constant time."""
    kind, _, shown = authorization.strip().partition(" ")
    if kind.lower() == "basic":
        try:
            shown = base64.b64decode(shown, validate=True).decode("utf-8").partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return False
    elif kind.lower() not in ("token", "bearer"):
        return False
    return hmac.compare_digest(shown.strip().encode("utf-8", "surrogateescape"), token.encode())


def _foreign(method: str, headers: Headers, http: Http) -> str:
    """Why a request comes from a page of another site; "" when it does not."""
    host = headers.get("host", "")
    if not http.token and not _unmistakable(host, http.listen):
        return "ask by IP address or as localhost, or set `http.token`: without one, other names are not trusted"
    if method not in SAFE_METHODS:
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        if site is None:  # a script, or a browser from before 2023
            site = "none" if origin is None or origin.partition("://")[2] == host else "another"
        if site not in ("same-origin", "none"):
            return "this was sent by a page of another site"
    return ""


def _unmistakable(host: str, listen: str) -> bool:
    """A name that no other site's owner can give this machine: an address, localhost, one without a dot, or our own."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        own = listen.rpartition(":")[0]
        return name.lower() in (own.lower(), "localhost") or name.lower().endswith(".localhost") or "." not in name
    return True
