"""Fetches over HTTP from addresses that strangers wrote (SSRF, OWASP): every hop is checked.

A name is resolved once, all its addresses are looked at, and the connection goes to one of those, so a name that resolves
differently a moment later (DNS rebinding) gains nothing. Private, loopback and link-local addresses are refused unless
the host was allowed by name. Proxies of the environment are not used: they would connect where we cannot look.
"""

import http.client
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from syncd import __version__
from syncd._media_place import MediaMissing, shown

REDIRECTS = 5
_BLOCK = 256 * 1024
_MOVED = frozenset({301, 302, 303, 307, 308})
_NAT64 = ip_network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class WebLimits:
    """What a fetch may take. `allowed_hosts` are names or addresses that may be private; without port."""

    allowed_hosts: frozenset[str] = frozenset()
    timeout_seconds: float = 20
    """For connecting, and for each wait for bytes."""
    total_seconds: float = 300


def allowing(limits: WebLimits, url: str) -> WebLimits:
    """The same limits, and the host of a URL that the operator named himself."""
    host = (urlsplit(url).hostname or "").lower()
    return replace(limits, allowed_hosts=limits.allowed_hosts | {host})


def fetch(url: str, limits: WebLimits, authorization: str | None = None) -> Iterator[bytes]:
    """The body in blocks. `authorization` goes to the first host only. Raises MediaMissing."""
    deadline = time.monotonic() + limits.total_seconds
    origin = _origin(urlsplit(url))
    for _ in range(REDIRECTS + 1):
        parts = _checked(url)
        headers = {"User-Agent": f"syncd/{__version__}", "Accept": "*/*"}
        if authorization is not None and _origin(parts) == origin:
            headers["Authorization"] = authorization
        with closing(_connection(parts, limits)) as connection:
            try:
                answer = _ask(connection, parts, headers)
                if answer.status not in _MOVED:
                    yield from _body(answer, url, deadline)
                    return
            except (OSError, http.client.HTTPException) as error:
                raise MediaMissing(f"{shown(url)}: {_reason(error)}") from error
            url = urljoin(url, answer.headers.get("Location", ""))
    raise MediaMissing(f"{shown(url)}: more than {REDIRECTS} redirects")


def _checked(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        sound = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        sound = False
    if not sound:
        raise MediaMissing(f"{shown(url)}: no http or https address")
    return parts


def _origin(parts: SplitResult) -> tuple[str, str]:
    return parts.scheme, parts.netloc


def _connection(parts: SplitResult, limits: WebLimits) -> http.client.HTTPConnection:
    host, is_tls = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if is_tls else 80)
    address = _reachable(host, port, limits)
    connection: http.client.HTTPConnection
    if is_tls:
        connection = _TlsTo(address, host, port, limits.timeout_seconds)
    else:
        connection = _To(address, host, port, limits.timeout_seconds)
    return connection


class _To(http.client.HTTPConnection):
    """Connects to an address that was looked at, whatever the name says now."""

    def __init__(self, address: str, host: str, port: int, timeout_seconds: float) -> None:
        super().__init__(host, port, timeout=timeout_seconds)
        self._address = address

    def connect(self) -> None:
        self.sock = socket.create_connection((self._address, self.port), self.timeout)


class _TlsTo(_To):
    default_port = http.client.HTTPS_PORT

    def connect(self) -> None:
        super().connect()
        self.sock = ssl.create_default_context().wrap_socket(self.sock, server_hostname=self.host)


def _reachable(host: str, port: int, limits: WebLimits) -> str:
    """An address of the host, all of which are allowed. Raises MediaMissing."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise MediaMissing(f"{host}: the name is not known ({error})") from error
    addresses = [str(entry[4][0]) for entry in found]
    if host.lower() not in limits.allowed_hosts:
        for address in addresses:
            if not is_public(address):
                raise MediaMissing(
                    f"{host} leads to {address}, which is not public, and tasks may not reach into the network; "
                    f"if it is meant: --allow-host {host}"
                )
    return addresses[0]


def is_public(address: str) -> bool:
    """False for loopback, private, link-local, shared, reserved and multicast addresses, also inside IPv6 ones."""
    ip: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if inner is None and ip in _NAT64:
            inner = IPv4Address(int(ip) & 0xFFFF_FFFF)
        if inner is None:
            return ip.is_global and not ip.is_multicast and not ip.is_site_local
        ip = inner
    return ip.is_global and not ip.is_multicast


def _ask(
    connection: http.client.HTTPConnection, parts: SplitResult, headers: Mapping[str, str]
) -> http.client.HTTPResponse:
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    query = quote(parts.query, safe="/%:@!$&'()*+,;=~-._?")
    connection.request("GET", f"{path}?{query}" if query else path, headers=dict(headers))
    return connection.getresponse()


def _body(answer: http.client.HTTPResponse, url: str, deadline: float) -> Iterator[bytes]:
    if answer.status != http.HTTPStatus.OK:
        raise MediaMissing(f"{shown(url)}: the server answers {answer.status} {answer.reason}")
    while block := answer.read(_BLOCK):
        if time.monotonic() > deadline:
            raise MediaMissing(f"{shown(url)}: takes too long")
        yield block


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "the server does not answer in time"
    return f"{type(error).__name__}: {error}" if not isinstance(error, OSError) else str(error.strerror or error)
