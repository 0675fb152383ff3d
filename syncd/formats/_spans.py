"""Labelled spans of plain text, as Label Studio's `Labels` on `Text` gives them: for CoNLL and spaCy.

Label Studio's editor counts in UTF-16 units and takes CRLF for one character, Python counts code points. A span that
carries its text is therefore moved to where that text really stands, when one of these two readings explains it.
"""

from collections import Counter
from collections.abc import Callable, Container, Iterator, Sequence
from typing import NamedTuple

from syncd.errors import TaskRejected
from syncd.formats._regions import NO_LABEL, OTHER_SHAPE, UNKNOWN_CONTROL, labels_of
from syncd.formats._select import media_value
from syncd.labelstudio.labelconfig import control_for, is_region_label, object_for
from syncd.model import ControlTag, Json, LabelSchema, ObjectTag, TaskJson

NO_TEXT = "text that the task does not have"
EMPTY_SPAN = "span without a character that is not white space"


class Span(NamedTuple):
    """Characters start..end of a text, trimmed of white space at both ends, with one or several labels."""

    start: int
    end: int
    labels: tuple[str, ...]
    region: str | None


class LabelledText(NamedTuple):
    """One text of a task and the spans of one annotation on it, in the order of the result."""

    tag: ObjectTag
    text: str
    spans: tuple[Span, ...]


def texts(schema: LabelSchema) -> list[ObjectTag]:
    """The plain texts that the tasks themselves hold; one behind an address has no offsets we could check."""
    return [
        tag
        for tag in schema.objects.values()
        if tag.type == "Text" and tag.data_key is not None and tag.attributes.get("valueType", "text") != "url"
    ]


def annotated_by(
    schema: LabelSchema, tags: Sequence[ObjectTag], accepts: Callable[[ControlTag], bool]
) -> list[ObjectTag]:
    """Those of `tags` that a control of the accepted kind annotates."""
    aimed_at = {name for control in schema.controls.values() if accepts(control) for name in control.to_name}
    return [tag for tag in tags if tag.name in aimed_at]


def labelled_texts(
    task: TaskJson, result: list[TaskJson], schema: LabelSchema, tags: Sequence[ObjectTag], skipped: Counter[str]
) -> list[LabelledText]:
    """The texts under `tags` with the spans that one result puts on them; what is left out counts in `skipped` by reason.

    A tag in a Repeater shows several. Raises TaskRejected for a span that is not inside its text.
    """
    shown = {name: (tag, text) for tag in tags for name, text in _texts(task, tag, skipped)}
    spans: dict[str, list[Span]] = {name: [] for name in shown}
    for region in result:
        control = _region_label(region, schema, skipped)
        if control is None:
            continue
        name = _object_name(region, control, shown)
        if name in shown:
            span = _span(region, shown[name][1], task["id"], skipped)
            spans[name] += [] if span is None else [span]
        elif object_for(schema, control, name) in tags:
            raise TaskRejected(f"its text {name!r} is not in the task's data", task=task["id"], region=region.get("id"))
        else:
            skipped[OTHER_SHAPE] += 1
    return [LabelledText(tag, text, tuple(spans[name])) for name, (tag, text) in shown.items()]


def _texts(task: TaskJson, tag: ObjectTag, skipped: Counter[str]) -> Iterator[tuple[str, str]]:
    """Object name and text of each text that a task shows under a tag; numbers are read as they are shown."""
    indices: Sequence[int | None] = [None]
    if tag.index_flag:
        listed = (task.get("data") or {}).get(tag.data_key)
        indices = range(len(listed) if isinstance(listed, list) else 0)
    for index in indices:
        value = media_value(task, tag, index)
        if isinstance(value, str | int | float):
            yield tag.name if index is None else tag.name.replace(tag.index_flag, str(index)), str(value)
        else:
            skipped[NO_TEXT] += 1


def _region_label(region: TaskJson, schema: LabelSchema, skipped: Counter[str]) -> ControlTag | None:
    """The control that labelled a region; None for other results, counted unless they are no regions."""
    name = region.get("from_name")
    if name is None:
        return None
    control = control_for(schema, name)
    if control is None:
        skipped[UNKNOWN_CONTROL] += 1
    elif not is_region_label(control):
        skipped[OTHER_SHAPE] += 1
    else:
        return control
    return None


def _object_name(region: TaskJson, control: ControlTag, shown: Container[str]) -> str:
    """What a region says it lies on, else what its control annotates."""
    to_name = str(region.get("to_name", ""))
    return to_name if to_name in shown else next((name for name in control.to_name if name in shown), to_name)


def _span(region: TaskJson, text: str, task: int, skipped: Counter[str]) -> Span | None:
    value = region["value"]
    start, end = value.get("start"), value.get("end")
    if type(start) is not int or type(end) is not int:
        raise TaskRejected(f"the span {start!r}–{end!r} has no whole offsets", task=task, region=region.get("id"))
    start, end = _anchored(text, start, end, value.get("text"))
    if not 0 <= start <= end <= len(text):
        raise TaskRejected(
            f"the span {start}–{end} is outside the text of {len(text)} characters", task=task, region=region.get("id")
        )
    said = text[start:end]
    start, end = end - len(said.lstrip()), start + len(said.rstrip())
    labels = labels_of(region, task=task)
    if start >= end or not labels:
        skipped[NO_LABEL if start < end else EMPTY_SPAN] += 1
        return None
    return Span(start, end, labels, region.get("id"))


def _anchored(text: str, start: int, end: int, said: Json) -> tuple[int, int]:
    """Offsets in code points of the text as it is, when another way of counting shows exactly what the region says."""
    if not isinstance(said, str) or text[start:end] == said or start < 0:
        return start, end
    if not text.isascii() and max(text) > "\uffff":
        units = text.encode("utf-16-le", "surrogatepass")
        before = units[: 2 * start].decode("utf-16-le", "replace")
        if units[2 * start : 2 * end] == said.encode("utf-16-le", "surrogatepass"):
            return len(before), len(before) + len(said)
    if "\r\n" in text and text.replace("\r\n", "\n")[start:end] == said:
        return _with_returns(text, start), _with_returns(text, end)
    return start, end


def _with_returns(text: str, at: int) -> int:
    """The offset in a text with CRLF of what stands at `at` when CRLF is one character."""
    found = -2
    before = 0
    while (found := text.find("\r\n", found + 2)) >= 0 and found - before < at:
        before += 1
    return at + before
