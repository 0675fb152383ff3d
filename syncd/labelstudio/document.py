"""Database rows → the task document, exactly as Label Studio exports it.

Text columns arrive as UTF-8 bytes and JSON columns pass through as they lie, checked but not rebuilt: numbers keep every digit.
Only `\\uXXXX` escapes of non-ASCII characters become UTF-8. Key order and times are Label Studio's (data_export/serializers.py);
counters are counted, since Label Studio's own columns go stale. Nothing volatile (`created_ago`) is in a document.
"""

import json
import marshal
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, NoReturn, TypeAlias

import orjson

from syncd.errors import TaskRejected
from syncd.model import DocumentShape, TaskDocument

Row: TypeAlias = Sequence[Any]
"""One row in the column order of `tables`: bytes for text, int, float or None."""


@dataclass(frozen=True, slots=True)
class TaskRows:
    """All rows of one task. Annotations, predictions and drafts are in id order."""

    task: Row
    annotations: Sequence[Row] = ()
    predictions: Sequence[Row] = ()
    drafts: Sequence[Row] = ()
    comment_authors: Sequence[Row] = ()


@dataclass(frozen=True, slots=True)
class User:
    """What a document says of a user."""

    id: int
    email: str
    first_name: str
    last_name: str

    @property
    def expanded(self) -> bytes:
        return orjson.dumps(
            {"id": self.id, "email": self.email, "first_name": self.first_name, "last_name": self.last_name}
        )

    @property
    def display(self) -> str:
        """As AnnotationDraftSerializer.created_username prints it."""
        return " ".join(part for part in (self.first_name, self.last_name, f"{self.email}, {self.id}") if part)


@dataclass(frozen=True, slots=True)
class Shared:
    """Facts outside a task's own rows that its document draws from."""

    users: Mapping[int, User]
    data_keys: Mapping[int, str]
    """Project id → first data key of its label configuration, the name that `$undefined$` data takes."""


def token_of(rows: TaskRows, shared: Shared) -> bytes:
    """Eight bytes that differ when anything a document could show differs."""
    task = rows.task
    people = {r[20] for r in rows.annotations} | {r[2] for r in rows.drafts}
    names = [_names(shared.users.get(p)) for p in sorted(people - {None}, key=str)]
    key = shared.data_keys.get(task[1]) if b"$undefined$" in task[2] else None
    everything: Any = (task, rows.annotations, rows.predictions, rows.drafts, rows.comment_authors, names, key)
    # marshal's version 2 writes no references, so equal rows give equal bytes; it is eight times faster than repr.
    return blake2b(marshal.dumps(everything, 2), digest_size=8).digest()


def _names(user: User | None) -> tuple[str, str, str] | None:
    return (user.email, user.first_name, user.last_name) if user else None


def document_of(rows: TaskRows, shared: Shared, shape: DocumentShape) -> TaskDocument:
    """The document under a shape; its body is None when the task does not qualify.

    Raises TaskRejected when a column holds no JSON, no UTF-8, or a value of another type than the column's (SQLite allows that).
    """
    task = rows.task
    try:
        annotations = [a for a in rows.annotations if _wanted(a, shape)]
        newest = max((a[6] for a in annotations), default=task[5])
        updated_at = _iso(max(task[5], newest)).decode()
        body = _task(rows, annotations, shared, shape) if _qualifies(task, annotations, shape) else None
    except (_BadColumnError, TypeError, AttributeError) as error:
        what = error if isinstance(error, _BadColumnError) else f"a column holds a value of another type ({error})"
        raise TaskRejected(
            f"task {task[0]}: {what}. It is set aside until the row is repaired; the others go on", task=task[0]
        ) from error
    return TaskDocument(task[0], task[1], body, updated_at, token_of(rows, shared))


def _wanted(annotation: Row, shape: DocumentShape) -> bool:
    if shape.annotations == "submitted":
        return not annotation[3]
    return shape.annotations == "all" or bool(annotation[4])


def _qualifies(task: Row, annotations: Sequence[Row], shape: DocumentShape) -> bool:
    if shape.tasks == "all":
        return True
    return bool(annotations) and (shape.tasks == "labeled" or bool(task[6]))


def _task(rows: TaskRows, annotations: Sequence[Row], shared: Shared, shape: DocumentShape) -> bytes:
    (id_, project, data, meta, created, updated, _, upload, updated_by, inner, allow_skip) = rows.task[:11]
    (comments, unresolved, commented) = rows.task[11:]
    data = _json(data, "task.data")
    if b'"$undefined$"' in data:
        data = _with_data_key(data, shared.data_keys.get(project))
    name = None if upload is None else _text(upload.rpartition(b"/")[2])
    cancelled = sum(1 for a in rows.annotations if a[3])
    return b"".join(
        (
            b'{"id":%d,"annotations":[' % id_,
            b",".join([_annotation(a, shared, shape) for a in annotations]),
            b'],"file_upload":%s,"drafts":[' % name if name else b'],"drafts":[',
            _listed(rows.drafts, shape.drafts, lambda row: _draft(row, shared)),
            b'],"predictions":[',
            _listed(rows.predictions, shape.predictions, _prediction),
            b'],"data":%s,"meta":%s,"created_at":%s,"updated_at":%s,"allow_skip":%s,"inner_id":%s'
            % (data, _json(meta, "task.meta"), _time(created), _time(updated), _bool(allow_skip), _number(inner)),
            b',"total_annotations":%d,"cancelled_annotations":%d,"total_predictions":%d'
            % (len(rows.annotations) - cancelled, cancelled, len(rows.predictions)),
            b',"comment_count":%s,"unresolved_comment_count":%s,"last_comment_updated_at":%s,"project":%d,"updated_by":%s'
            % (_number(comments), _number(unresolved), _time(commented), project, _number(updated_by)),
            b',"comment_authors":%s}' % orjson.dumps([row[2] for row in rows.comment_authors]),
        )
    )


def _listed(rows: Sequence[Row], how: str, expanded: Callable[[Row], bytes]) -> bytes:
    if not rows or how == "none":
        return b""
    return b",".join([b"%d" % row[0] for row in rows] if how == "ids" else [expanded(row) for row in rows])


def _annotation(row: Row, shared: Shared, shape: DocumentShape) -> bytes:
    (id_, task, result, cancelled, truth, created, updated, drafted, lead_time, prediction, result_count) = row[:11]
    (unique_id, import_id, last_action, bulk, project, updated_by) = row[11:17]
    (parent_prediction, parent_annotation, created_by, completed_by) = row[17:]
    who = shared.users.get(completed_by) if shape.completed_by == "user" else None
    return (
        b'{"id":%d,"completed_by":%s,"result":%s,"was_cancelled":%s,"ground_truth":%s,"created_at":%s,"updated_at":%s'
        b',"draft_created_at":%s,"lead_time":%s,"prediction":%s,"result_count":%s,"unique_id":%s,"import_id":%s'
        b',"last_action":%s,"bulk_created":%s,"task":%s,"project":%s,"updated_by":%s,"parent_prediction":%s'
        b',"parent_annotation":%s,"last_created_by":%s}'
        % (
            id_,
            who.expanded if who else _number(completed_by),
            _json(result, f"annotation {id_} result"),
            _bool(cancelled),
            _bool(truth),
            _time(created),
            _time(updated),
            _time(drafted),
            _number(lead_time),
            _json(prediction, f"annotation {id_} prediction"),
            _number(result_count),
            _uuid(unique_id),
            _number(import_id),
            _text(last_action),
            _bool(bulk),
            _number(task),
            _number(project),
            _number(updated_by),
            _number(parent_prediction),
            _number(parent_annotation),
            _number(created_by),
        )
    )


def _prediction(row: Row) -> bytes:
    (id_, task, result, version, score, cluster, neighbors, mislabeling) = row[:8]
    (created, updated, model, model_run, project) = row[8:]
    return (
        b'{"id":%d,"result":%s,"model_version":%s,"score":%s,"cluster":%s,"neighbors":%s,"mislabeling":%s'
        b',"created_at":%s,"updated_at":%s,"model":%s,"model_run":%s,"task":%d,"project":%s}'
        % (
            id_,
            _json(result, f"prediction {id_} result"),
            _text(version),
            _number(score),
            _number(cluster),
            _json(neighbors, f"prediction {id_} neighbors"),
            _number(mislabeling),
            _time(created),
            _time(updated),
            _number(model),
            _number(model_run),
            task,
            _number(project),
        )
    )


def _draft(row: Row, shared: Shared) -> bytes:
    (id_, task, user_id, result, lead_time, postponed, import_id, created, updated, annotation) = row
    user = shared.users.get(user_id)
    return (
        b'{"id":%d,"user":%s,"created_username":%s,"result":%s,"lead_time":%s,"was_postponed":%s,"import_id":%s'
        b',"created_at":%s,"updated_at":%s,"task":%d,"annotation":%s}'
        % (
            id_,
            orjson.dumps(user.email if user else None),
            orjson.dumps(user.display if user else ""),
            _json(result, f"draft {id_} result"),
            _number(lead_time),
            _bool(postponed),
            _number(import_id),
            _time(created),
            _time(updated),
            task,
            _number(annotation),
        )
    )


# --- column values ------------------------------------------------------------------------------------------------


class _BadColumnError(Exception):
    """A column's value cannot stand in a document."""


_ESCAPES = re.compile(
    rb"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|.)", re.DOTALL
)


def _json(text: bytes | None, column: str) -> bytes:
    if text is None:
        return b"null"
    if len(text) == 2 and text in (b"{}", b"[]"):
        return text
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        _accept_oddities(text, column)
    return _ESCAPES.sub(_unescaped, text) if b"\\u" in text else text


def _accept_oddities(text: bytes, column: str) -> None:
    """What the strict parser refuses and JSON's grammar allows, such as a lone surrogate's escape."""
    try:
        json.loads(text.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise _BadColumnError(f"{column} is not valid JSON ({error})") from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _unescaped(match: re.Match[bytes]) -> bytes:
    high, low, single = match.groups()
    if high:
        return chr(0x10000 + ((int(high, 16) - 0xD800) << 10) + int(low, 16) - 0xDC00).encode()
    code = int(single, 16) if single else 0
    if code < 0x80 or 0xD800 <= code <= 0xDFFF:
        return match[0]
    return chr(code).encode()


def _with_data_key(data: bytes, key: str | None) -> bytes:
    """`$undefined$` stands for the first data key of the label configuration (core/label_config.py)."""
    parsed = json.loads(data)
    if key is None or "$undefined$" not in parsed:
        return data
    parsed[key] = parsed.pop("$undefined$")
    return json.dumps(parsed, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def _iso(when: bytes) -> bytes:
    """SQLite's `2026-11-22 10:13:04.680623` (UTC) as `2026-11-22T10:13:04.680623Z`; a zero fraction is not printed."""
    return when[:10] + b"T" + when[11:] + b"Z"


def _time(when: bytes | None) -> bytes:
    return b"null" if when is None else b'"' + _iso(when) + b'"'


def _number(value: float | None) -> bytes:
    if value is None:
        return b"null"
    if isinstance(value, int):
        return b"%d" % value
    if value - value != 0:
        raise _BadColumnError(f"{value} is no JSON number")
    return repr(value).encode()


def _bool(value: object) -> bytes:
    if value is None:
        return b"null"
    return b"true" if value else b"false"


def _text(value: bytes | None) -> bytes:
    if value is None:
        return b"null"
    try:
        return orjson.dumps(value.decode())
    except UnicodeDecodeError as error:
        raise _BadColumnError(f"{value[:40]!r} is not UTF-8") from error


def _uuid(value: bytes | None) -> bytes:
    """Thirty-two hexadecimal digits, as Django's SQLite keeps them, printed with dashes."""
    if value is None:
        return b"null"
    v = value
    return b'"%s-%s-%s-%s-%s"' % (v[:8], v[8:12], v[12:16], v[16:20], v[20:32]) if len(v) == 32 else b'"' + v + b'"'
