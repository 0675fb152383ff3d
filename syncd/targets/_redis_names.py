"""How documents are called in Redis, and what is kept beside them."""

import hashlib
import json

from syncd.targets import Object, Stored


def name_of(key: str) -> str:
    """`:` for `/`, as Redis has it; a `:` or `%` of the key's own is escaped. Letter by letter: beginnings stay beginnings."""
    return key.replace("%", "%25").replace(":", "%3A").replace("/", ":")


def key_of(name: str) -> str:
    """The key behind such a name."""
    return name.replace(":", "/").replace("%3A", ":").replace("%25", "%")


def pattern_of(name: str) -> str:
    """A pattern that matches this name only."""
    return "".join(f"\\{letter}" if letter in "*?[]\\" else letter for letter in name)


def etag_of(body: bytes) -> str:
    """As Redis itself takes it: see `_redis_scripts`."""
    return hashlib.sha1(body, usedforsecurity=False).hexdigest()


def facts_of(one: Object) -> bytes:
    """What is kept of a document beside it."""
    told = {"etag": etag_of(one.body), "digest": one.digest, "source-version": one.source_version}
    return json.dumps({**told, "content-type": one.content_type}, separators=(",", ":")).encode()


def stored_as(key: str, size: int, etag: str, told: bytes | None, body: bytes | None = None) -> Stored:
    """Facts that somebody else's write left behind are not told."""
    facts = json.loads(told) if told else {}
    known = {name: facts[name] for name in ("digest", "source-version") if facts.get(name)}
    return Stored(key, size, etag, known if facts.get("etag") == etag else {}, body)
