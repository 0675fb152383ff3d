"""Which annotations of a task a format uses, the media its controls lie on, and whether JSON can carry it.

Every answer is a function of the task alone, never of the order in which tasks, keys or annotations arrive.
"""

import math
from collections.abc import Iterable
from datetime import UTC, datetime

import orjson

from syncd.errors import TaskRejected
from syncd.formats import AnnotationPolicy, parse_time
from syncd.labelstudio.labelconfig import object_for
from syncd.model import ControlTag, Json, LabelSchema, ObjectTag, TaskJson

ID_TYPES = frozenset({str, int, type(None)})
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def annotations(task: TaskJson, policy: AnnotationPolicy, *, all_tasks: bool = False) -> list[TaskJson]:
    """The annotations a format uses (FORMATS rule 1), cancelled ones never, ordered by id.

    A task that never had an annotation gives, with `all_tasks`, one that has no id and an empty result. Raises
    TaskRejected unless annotations and regions are objects, ids are texts (or numbers), and a region of a control has
    an object for its value.
    """
    every = task.get("annotations") or []
    if not every:
        return [{"result": []}] if all_tasks else []
    for one in every:
        _check_form(one, task)
    kept = [a for a in every if not a.get("was_cancelled") and not a.get("skipped")]
    if policy == "all":
        return sorted(kept, key=annotation_id)
    if policy != "latest":
        truths = [a for a in kept if a.get("ground_truth")]
        if policy == "ground_truth":
            return sorted(truths, key=annotation_id)
        kept = truths or kept
    if len(kept) > 1:
        kept = [max(kept, key=lambda a: (_changed(a), annotation_id(a)))]
    return kept


def results_of(annotation: TaskJson) -> list[TaskJson]:
    """The result of an annotation that `annotations` gave: every region has the form that is promised there."""
    return annotation.get("result") or []


def _check_form(annotation: Json, task: TaskJson) -> None:
    """Raises TaskRejected unless the annotation and each of its regions are as `annotations` promises."""
    result = annotation.get("result") if type(annotation) is dict else ()
    if result is not None and type(result) is not list:
        raise TaskRejected(f"an annotation is not of Label Studio's form: {str(annotation)[:80]!a}", task=task["id"])
    for region in result or ():
        if type(region) is not dict or type(region.get("id")) not in ID_TYPES:
            raise TaskRejected(f"a region is not of Label Studio's form: {str(region)[:80]!a}", task=task["id"])
        value, name = region.get("value"), region.get("from_name")
        if type(value) is not dict and (value is not None or name is not None):
            raise TaskRejected(f"a region of {name!a} has no value", task=task["id"], region=region.get("id"))
        if name is not None and type(name) is not str:
            raise TaskRejected(f"a region's from_name is no text: {str(name)[:40]!a}", task=task["id"])


def annotation_id(annotation: TaskJson) -> int:
    """An annotation's id; 0 when it has none."""
    number = annotation.get("id")
    return number if isinstance(number, int) else 0


def _changed(annotation: TaskJson) -> datetime:
    return _instant(annotation.get("updated_at")) or _instant(annotation.get("created_at")) or _LONG_AGO


def _instant(text: Json) -> datetime | None:
    if not isinstance(text, str):
        return None
    try:
        time = parse_time(text)
    except ValueError:
        return None
    if time.tzinfo is UTC:
        return time
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)


def newest_update(used: Iterable[TaskJson]) -> str:
    """The newest `updated_at`, as `2026-01-31T09:05:00.000000Z` so that texts compare; "" when none."""
    return max(filter(None, [_written(a.get("updated_at")) for a in used]), default="")


def _written(text: Json) -> str | None:
    """A time in Label Studio's own way of writing, which most are in already; None when it is none."""
    time = _instant(text)
    if time is None or (len(text) == 27 and text[-1] == "Z"):
        return None if time is None else str(text)
    return time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def media_value(task: TaskJson, tag: ObjectTag, index: int | None = None) -> Json:
    """What an object tag shows: the task's data under its key, whatever its type; None when absent.

    `index` is the place in a Repeater. A path such as `$images[0].url` is followed.
    """
    value = _expression(tag)
    data = task.get("data")
    if not isinstance(data, dict):
        return None
    if value == f"${tag.data_key}":
        return data.get(tag.data_key)
    if index is not None and tag.index_flag:
        value = value.replace(tag.index_flag, str(index))
    if not value.startswith("$"):
        return value if tag.data_key is None else value.replace(f"${tag.data_key}", str(data.get(tag.data_key, "")))
    found: Json = data
    for step in value[1:].replace("]", "").replace("[", ".").split("."):
        found = _step(found, step)
    return found


def _expression(tag: ObjectTag) -> str:
    attributes = tag.attributes
    return attributes.get("valueList") or attributes.get("value") or attributes.get("data") or ""


def _step(found: Json, step: str) -> Json:
    if isinstance(found, dict):
        return found.get(step)
    if isinstance(found, list) and step.isdecimal() and int(step) < len(found):
        return found[int(step)]
    return None


def text_of(task: TaskJson, schema: LabelSchema, control: ControlTag, to_name: str = "") -> Json:
    """What a control annotates (FORMATS rule 9): the data of its own object tag; None when it has none."""
    tag = object_for(schema, control, to_name)
    return None if tag is None else media_value(task, tag)


def to_json(value: Json, *, task: int, region: str | None = None, sort_keys: bool = False) -> bytes:
    """Compact JSON, objects in their own order of keys or in code point order.

    Raises TaskRejected for what JSON cannot carry: NaN, infinities, integers that no 64-bit reader takes, lone surrogates
    (FORMATS rule 3).
    """
    option = orjson.OPT_SORT_KEYS if sort_keys else 0
    try:
        body = orjson.dumps(value, option=option | orjson.OPT_STRICT_INTEGER)
    except orjson.JSONEncodeError as error:
        culprit = _culprit(value)
        if culprit is not None or "53-bit" not in str(error):
            raise TaskRejected(f"{culprit or error}; JSON cannot carry it", task=task, region=region) from error
        return orjson.dumps(value, option=option)
    if b"null" in body and (culprit := _culprit(value)) is not None:
        raise TaskRejected(f"{culprit}; JSON cannot carry it", task=task, region=region)
    return body


def check_json(task: TaskJson) -> None:
    """Raises TaskRejected, naming the region at fault, when JSON cannot carry a task's data or results."""
    to_json(task.get("data"), task=task["id"])
    for annotation in task.get("annotations") or ():
        result = annotation.get("result")
        for region in result if isinstance(result, list) else ():
            to_json(region, task=task["id"], region=region.get("id") if isinstance(region, dict) else None)


def _culprit(value: Json, where: str = "") -> str | None:
    """The first thing JSON cannot carry, in words, with its path."""
    if isinstance(value, dict):
        for key, inner in value.items():
            found = _culprit(key, where) or _culprit(inner, f"{where}.{key}" if where else str(key))
            if found is not None:
                return found
    elif isinstance(value, list | tuple):
        return next(filter(None, (_culprit(v, f"{where}[{i}]") for i, v in enumerate(value))), None)
    elif isinstance(value, float) and not math.isfinite(value):
        return f"{where or 'a number'} is {value}"
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        return f"{where or 'a number'} is an integer over 63 bits"
    elif isinstance(value, str) and not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value):
        return f"{ascii(where) if where else 'a text'} holds a lone surrogate"
    return None
