"""Google's client of a bucket, signed in, with its waits and retries said out loud: the SDK's own defaults wait two minutes."""

import threading
import warnings

import google.auth
from google.auth.credentials import AnonymousCredentials, Credentials, with_scopes_if_required
from google.auth.transport import Request
from google.auth.transport.requests import AuthorizedSession
from google.cloud.storage import Client
from google.cloud.storage.retry import DEFAULT_RETRY
from requests.adapters import HTTPAdapter

from syncd.targets.gcs import Settings

TIMEOUT = (5, 30)
"""Seconds to connect, and between two bytes of an answer."""

RETRY = DEFAULT_RETRY.with_delay(initial=0.2, maximum=2, multiplier=2).with_timeout(4)
"""Every request is whole and the same each time, so it may be sent again; a second write within a second (429) gets its turn."""

SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"


class FromFile(Credentials):
    """Whoever a file says we are. It is read again for every new token, so a key that is rotated there is taken up by itself."""

    def __init__(self, path: str) -> None:
        """Raises google.auth's errors when the file is missing or none of Google's."""
        super().__init__()  # type: ignore[no-untyped-call]  # google-auth says that it is typed, and is in part
        self._path = path
        self._renewing = threading.Lock()
        self._failure: Exception | None = None
        self.told = _read(path)

    def refresh(self, request: Request) -> None:
        """A new token, as the session asks for when the old one ends or is refused."""
        refused, known = self.token, self._failure
        with self._renewing:
            if self.token != refused and self.valid:
                return  # another thread was quicker
            if self._failure is not None and self._failure is not known:
                raise self._failure  # another thread has waited in vain: not each of them in turn
            try:
                told = _read(self._path)
                told.refresh(request)
            except Exception as error:
                self._failure = error
                raise
            self.told, self.token, self.expiry, self._failure = told, told.token, told.expiry, None


def sign_in(settings: Settings) -> Credentials:
    """The file's credentials, else nobody's at an emulator, else the application default. Raises google.auth's errors."""
    if settings.credentials_file:
        return FromFile(settings.credentials_file)
    if is_emulator(settings):
        return AnonymousCredentials()
    found, _ = google.auth.default()
    return _scoped(found)


def _read(path: str) -> Credentials:
    with warnings.catch_warnings():  # Google warns of files from strangers; this one is the operator's own
        warnings.simplefilter("ignore", DeprecationWarning)
        found, _ = google.auth.load_credentials_from_file(path)
    return _scoped(found)


def _scoped(found: Credentials) -> Credentials:
    """For storage only. Told of scopes any sooner, Google's library asks for a federated identity's project: a right more."""
    scoped: Credentials = with_scopes_if_required(found, [SCOPE])
    return scoped


def is_emulator(settings: Settings) -> bool:
    """Whether no token may be sent there: it would go over the wire in clear."""
    return (settings.endpoint_url or "").startswith("http://")


def session_of(credentials: Credentials, *, connections: int) -> AuthorizedSession:
    """What requests go through; it keeps that many connections open."""
    session = AuthorizedSession(credentials)
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(pool_maxsize=connections))
    return session


def client_of(settings: Settings, credentials: Credentials, session: AuthorizedSession) -> Client:
    """A client that speaks through this session."""
    options = {"api_endpoint": settings.endpoint_url} if settings.endpoint_url else None
    return Client(settings.project, credentials, _http=session, client_options=options)


def who(credentials: Credentials) -> str:
    """Who we are to Google, as far as the credentials say."""
    if isinstance(credentials, AnonymousCredentials):
        return "nobody (no credentials)"
    told = credentials.told if isinstance(credentials, FromFile) else credentials
    name = getattr(told, "service_account_email", None)
    return str(name) if name and name != "default" else "the default credentials"
