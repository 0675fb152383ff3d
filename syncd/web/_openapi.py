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
FILE: Described = {
    "description": "the file; the header `filename` has its name",
    "content": {"application/*": {"schema": {}}},
    "headers": {"filename": {"schema": {"type": "string"}}},
}


def operation(
    summary: str,
    answers: Mapping[int, Described],
    *,
    guarded: bool = True,
    parameters: Sequence[Described] = (),
    form: Described | None = None,
    body: Described | None = None,
) -> Described:
    """One method of a path; refusals that every path knows need not be named. `form` and `body` are schemas of what is sent."""
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
    for media_type, schema in (("application/x-www-form-urlencoded", form), ("application/json", body)):
        if schema is not None:
            described["requestBody"] = {"content": {media_type: {"schema": schema}}}
    return described


def whole_number(name: str, said: str) -> Described:
    """A parameter of a path."""
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": said,
        "schema": {"type": "integer", "minimum": 1},
    }


def in_query(name: str, said: str, schema: Described) -> Described:
    """A parameter that may be left out."""
    return {"name": name, "in": "query", "description": said, "schema": schema}


def json_answer(said: str, schema: Described) -> Described:
    """An answer of JSON."""
    return answer(said, "application/json", schema)


def answer(said: str, media_type: str, schema: Described | None = None) -> Described:
    """An answer of any type."""
    return {"description": said, "content": {media_type: {"schema": schema or {"type": "string"}}}}
