"""`--option K=V` and `--task-ids` as typed values. What is wrong is said with the nearest right word."""

import os
import re
from collections.abc import Iterable, Sequence
from typing import get_args

from pydantic import ValidationError

from syncd import formats
from syncd.converting.catalogue import kind_of
from syncd.errors import Misconfigured
from syncd.formats import AnnotationPolicy, Options
from syncd.media import MEGABYTE, MediaSettings, Roots, WebLimits, token_of
from syncd.words import did_you_mean

_RANGE = re.compile(r"(\d+)(?:-(\d+))?")
MOST_IDS = 1_000_000
"""Ids that are kept in memory; about 60 MB."""


def options_of(format_name: str, given: Sequence[str]) -> Options:
    """The options of a format from `K=V` texts. Raises Misconfigured, naming the option."""
    chosen = formats.find(format_name)
    fields = chosen.Options.model_fields
    values: dict[str, str] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals:
            raise Misconfigured(f"--option {text}: write it as NAME=VALUE")
        if not fields:
            raise Misconfigured(f"--option {text}: {chosen.name} has no options")
        if key not in fields:
            raise Misconfigured(f"--option {text}: {chosen.name} has no option {key!r}{did_you_mean(key, fields)}")
        values[key] = value
    try:
        return chosen.Options.model_validate(values)
    except ValidationError as error:
        detail = error.errors(include_url=False)[0]
        key = str(detail["loc"][0])
        wanted = kind_of(fields[key].annotation)
        near = did_you_mean(values[key], wanted.split("|"), only=True) if "|" in wanted else ""
        message = detail["msg"][0].lower() + detail["msg"][1:]
        raise Misconfigured(f"--option {key}={values[key]}: {message}{near}") from error


def policy_of(given: str | None) -> AnnotationPolicy | None:
    """None for the format's own. Raises Misconfigured."""
    policies: tuple[AnnotationPolicy, ...] = get_args(AnnotationPolicy)
    for policy in policies:
        if policy == given:
            return policy
    if given is None:
        return None
    raise Misconfigured(f"--annotations {given}: unknown policy{did_you_mean(given, policies)}")


def media_settings(
    format_name: str, roots: Roots, token: str | None, allowed: Iterable[str], *, fetch: bool, limit_mb: int
) -> MediaSettings | None:
    """None when no media can help: none are on this machine, and the format does not need them enough to fetch any."""
    is_remote = fetch or formats.find(format_name).fetches
    if not is_remote and roots.media_root is None and roots.document_root is None:
        return None
    return MediaSettings(
        roots=roots,
        token=token_of(os.environ, token),
        web=WebLimits(allowed_hosts=frozenset(host.lower() for host in allowed)),
        is_remote=is_remote,
        file_bytes=limit_mb * MEGABYTE,
    )


def task_ids_of(given: Sequence[str]) -> frozenset[int] | None:
    """The ids in texts such as `3,17,20-29`; None when there are none. Raises Misconfigured."""
    found: set[int] = set()
    for text in (part.strip() for one in given for part in one.split(",")):
        match = _RANGE.fullmatch(text)
        if match is None:
            raise Misconfigured(f"--task-ids {text}: write ids and ranges, such as 3,17,20-29")
        first, last = int(match[1]), int(match[2] or match[1])
        if last - first + len(found) > MOST_IDS:
            raise Misconfigured(f"--task-ids {text}: more than {MOST_IDS:,} ids; export without the option instead")
        found.update(range(first, last + 1))
    return frozenset(found) if given else None
