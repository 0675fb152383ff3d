"""Pieces of our OpenAPI description. Each group of routes describes its paths in `PATHS`; `openapi.py` puts them together."""

from collections.abc import Mapping, Sequence
from typing import Any

Described = dict[str, Any]

DETAIL: Described = {
    "type": "object",
    "properties": {"detail": {"type": "string", "description": "what happened, in a sentence"}},
    "required": ["detail"],
}
_REFUSALS: Mapping[str, str] = {
    "400": "the request cannot be understood; `detail` says why",
    "408": "the body did not come in time",
    "413": "the body is too large",
    "500": "a fault of syncd's own; its log has the details",
    "503": "out of reach for now; ask again",
}
_GUARDED: Mapping[str, str] = {"401": "the token is missing or wrong", "403": "sent by a page of another site"}


def operation(
    summary: str,
    answers: Mapping[int, Described],
    *,
    guarded: bool = True,
    parameters: Sequence[Described] = (),
    form: Described | None = None,
) -> Described:
    """One method of a path. Refusals that every path knows need not be named; `form` is the schema of what a form sends."""
    refusals = {**_REFUSALS, **(_GUARDED if guarded else {})}
    described: Described = {
        "summary": summary,
        "responses": {
            **{code: json_answer(said, DETAIL) for code, said in refusals.items()},
            **{str(code): answer for code, answer in answers.items()},
        },
    }
    if not guarded:
        described["security"] = []
    if parameters:
        described["parameters"] = list(parameters)
    if form is not None:
        described["requestBody"] = {"content": {"application/x-www-form-urlencoded": {"schema": form}}}
    return described


def json_answer(said: str, schema: Described) -> Described:
    """An answer of JSON."""
    return answer(said, "application/json", schema)


def answer(said: str, media_type: str, schema: Described | None = None) -> Described:
    """An answer of any type."""
    return {"description": said, "content": {media_type: {"schema": schema or {"type": "string"}}}}
