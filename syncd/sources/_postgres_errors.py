"""What PostgreSQL says when it refuses, as a sentence with the way out."""

import psycopg
from psycopg import errors

from syncd.errors import Misconfigured, SyncdError, Unavailable

_REFUSED = {
    "password authentication failed": "the user name or the password is wrong; correct `source.dsn`",
    "no password supplied": "it wants a password; put one into `source.dsn`, or name the user's passfile there",
    "no encryption": "it takes encrypted connections only; add sslmode=verify-full (or require) to `source.dsn`",
    "server does not support SSL": "it speaks no TLS and `source.dsn` demands it; turn TLS on there, or lower sslmode",
    "no pg_hba.conf entry": "its pg_hba.conf lets this user in from nowhere that syncd is; add a line for this host",
    "certificate verify failed": "its certificate is not trusted; name the authority with sslrootcert in `source.dsn`",
    "too many connections": "it has no connection free; syncd needs three or four, and tries again",
    "too many clients": "it has no connection free; syncd needs three or four, and tries again",
    "starting up": "it is still starting; syncd tries again",
    "does not exist": "there is no such database (or user); correct `source.dsn`",
}
"""What the server's sentence holds → what that means. In this order."""


_MET: tuple[tuple[tuple[type[psycopg.Error], ...], str], ...] = (
    (
        (errors.InsufficientPrivilege,),
        "lets syncd read too little ({}). Grant what deploy/policies/postgres.sql does; syncd goes on by itself",
    ),
    (
        (errors.QueryCanceled, errors.LockNotAvailable),
        "ended a statement of syncd's ({}). Reads are short: the server is overloaded, or a table is locked; syncd tries again",
    ),
    (
        (errors.UndefinedTable, errors.UndefinedColumn),
        "has just changed its tables ({}); syncd looks at them afresh",
    ),
    ((errors.SerializationFailure,), "is a standby that could not keep its rows for a read ({}); syncd tries again"),
)


def explained(error: psycopg.Error, where: str) -> SyncdError:
    """Misconfigured when the DSN cannot be understood, else Unavailable: the operator may mend it while syncd tries again."""
    said = " ".join(str(error).split())
    if isinstance(error, psycopg.ProgrammingError) and error.sqlstate is None:
        return Misconfigured("`source.dsn` cannot be understood: write postgresql://USER:PASSWORD@HOST:PORT/DATABASE")
    for kinds, sentence in _MET:
        if isinstance(error, kinds):
            return Unavailable(f"{where} {sentence.format(said)}")
    reason = next((why for phrase, why in _REFUSED.items() if phrase in said), None)
    if reason is not None:
        return Unavailable(f"{where} refuses syncd: {reason} ({said})")
    return Unavailable(
        f"{where} cannot be reached ({said}). Nothing is deleted while it is away; check that it runs and that "
        "`source.dsn` names its host and port"
    )
