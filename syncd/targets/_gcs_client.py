"""Google's client of a bucket, signed in, with its waits and retries said out loud: the SDK's own defaults wait two minutes."""

import warnings

import google.auth
from google.auth.credentials import AnonymousCredentials, Credentials, with_scopes_if_required
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


def sign_in(settings: Settings) -> Credentials:
    """The file's credentials, else nobody's at an emulator, else the application default. Raises google.auth's errors.

    Scopes are added afterwards: asked for at once, a federated identity is also asked for its project, which takes a right
    that syncd has no use for.
    """
    found: Credentials
    if settings.credentials_file:
        with warnings.catch_warnings():  # Google warns of files from strangers; this one is the operator's own
            warnings.simplefilter("ignore", DeprecationWarning)
            found, _ = google.auth.load_credentials_from_file(settings.credentials_file)
    elif is_emulator(settings):
        found = AnonymousCredentials()
    else:
        found, _ = google.auth.default()
    scoped: Credentials = with_scopes_if_required(found, [SCOPE])
    return scoped


def is_emulator(settings: Settings) -> bool:
    """Whether no token may be sent there: it would go over the wire in clear."""
    return (settings.endpoint_url or "").startswith("http://")


def client_of(settings: Settings, credentials: Credentials, *, connections: int) -> Client:
    """A client that keeps that many connections open."""
    session = AuthorizedSession(credentials)
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(pool_maxsize=connections))
    options = {"api_endpoint": settings.endpoint_url} if settings.endpoint_url else None
    return Client(settings.project, credentials, _http=session, client_options=options)


def who(credentials: Credentials) -> str:
    """Who we are to Google, as far as the credentials say."""
    name = getattr(credentials, "service_account_email", None) or getattr(credentials, "signer_email", None)
    if name and name != "default":
        return str(name)
    return "nobody (no credentials)" if isinstance(credentials, AnonymousCredentials) else "the default credentials"
