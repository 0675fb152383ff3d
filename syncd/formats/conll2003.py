"""CONLL2003: one block of `token -X- _ tag` lines per text and annotation, with Label Studio's token rules.

Four columns, in the DOCSTART line too, and a blank line after each block: what spaCy's own converter asks for. A token has
one tag, so of overlapping spans the longest stays; the others are listed in `result.dropped.jsonl`.
"""

from collections import Counter
from collections.abc import Iterable
from typing import ClassVar

from syncd.errors import TaskRejected
from syncd.formats import AnyOptions, Context, Format, Rendering, Section, SharedFile
from syncd.formats._memo import OfLastSchema
from syncd.formats._select import annotations, check_json, newest_update, results_of, to_json
from syncd.formats._spans import LabelledText, Span, annotated_by, labelled_texts, texts
from syncd.formats._tables import counted
from syncd.formats._tokens import Placed, longest_first, place, tokens
from syncd.labelstudio.labelconfig import is_region_label
from syncd.model import LabelSchema, ObjectTag, TaskJson

_OUTSIDE = " -X- _ O\n"
_NOTHING_TO_TAG = "text without a token"

Dropped = tuple[Span, str, str]
"""A span, the label that is not in the file, and why."""


class Conll2003(Format):
    """Named entities, one token per line."""

    name: ClassVar[str] = "CONLL2003"
    summary: ClassVar[str] = "labelled spans of text as B-/I- tags, one token per line, as spaCy reads it"

    def __init__(self, options: AnyOptions) -> None:
        super().__init__(options)
        self._tags = OfLastSchema(_labelled)

    def accepts(self, schema: LabelSchema) -> str | None:
        if self._tags(schema):
            return None
        return "CONLL2003 holds labelled spans of plain text: the label configuration has no Labels on a Text"

    def render(self, task: TaskJson, context: Context) -> Rendering:
        """Raises TaskRejected for a span outside its text and for what UTF-8 cannot carry."""
        used = annotations(task, context.policy, all_tasks=context.all_tasks)
        skipped: Counter[str] = Counter()
        blocks: list[str] = []
        dropped: list[bytes] = []
        tags = self._tags(context.schema) if used else []
        for annotation in used:
            found = labelled_texts(task, results_of(annotation), context.schema, tags, skipped)
            for labelled in found:
                block, lost = _block(labelled)
                skipped[_NOTHING_TO_TAG] += not block
                blocks += [f"{block}\n"] if block else []
                dropped += [_dropped_line(task, annotation, *one) for one in lost]
        fragments = {"blocks": _encoded("".join(blocks), task, used), "dropped": b"".join(dropped)}
        return Rendering(
            fragments={section: fragment for section, fragment in fragments.items() if fragment},
            items=len(blocks),
            updated_at=newest_update(used),
            skipped=counted(skipped),
        )

    def shared_files(self, context: Context, *, newest: str = "") -> Iterable[SharedFile]:
        return (
            SharedFile("result.conll", (Section("blocks", head=b"-DOCSTART- -X- O O\n\n"),)),
            SharedFile("result.dropped.jsonl", (Section("dropped"),)),
        )


def _labelled(schema: LabelSchema) -> list[ObjectTag]:
    return annotated_by(schema, texts(schema), is_region_label)


def _block(labelled: LabelledText) -> tuple[str, list[Dropped]]:
    """The lines of one text, and the spans and labels that have no place in them."""
    text, spans = labelled.text, labelled.spans
    borders = tokens(text)
    tags = [_OUTSIDE] * len(borders)
    starts, ends = zip(*borders, strict=True) if borders else ((), ())
    placed = [place(span.start, span.end, starts, ends) for span in spans]
    kept = longest_first(placed)
    for i in kept:
        label = "_".join(spans[i].labels[0].split()) or "_"
        tags[placed[i].first : placed[i].last] = [f" -X- _ I-{label}\n"] * (placed[i].last - placed[i].first)
        tags[placed[i].first] = f" -X- _ B-{label}\n"
    lines = [text[start:end] + tag for (start, end), tag in zip(borders, tags, strict=True)]
    return "".join(lines), _lost(spans, placed, kept) if spans else []


def _lost(spans: tuple[Span, ...], placed: list[Placed], kept: list[int]) -> list[Dropped]:
    """Every label that is not in the block, in the order of the result."""
    stays = set(kept)
    lost: list[Dropped] = []
    for i, span in enumerate(spans):
        if i not in stays:
            winner = next(
                spans[k] for k in kept if placed[k].first < placed[i].last and placed[i].first < placed[k].last
            )
            overlaps = winner.start < span.end and span.start < winner.end
            why = "overlaps a longer or earlier span" if overlaps else "shares a token with another span"
            lost += [(span, label, why) for label in span.labels]
        else:
            lost += [(span, label, "second label of a span") for label in span.labels[1:]]
    return lost


def _dropped_line(task: TaskJson, annotation: TaskJson, span: Span, label: str, why: str) -> bytes:
    line = {
        "task": task["id"],
        "annotation": annotation.get("id"),
        "region": span.region,
        "label": label,
        "start": span.start,
        "end": span.end,
        "why": why,
    }
    return to_json(line, task=task["id"], region=span.region) + b"\n"


def _encoded(blocks: str, task: TaskJson, used: list[TaskJson]) -> bytes:
    try:
        return blocks.encode()
    except UnicodeEncodeError as error:
        check_json({**task, "annotations": used})  # names the region, if it is one
        raise TaskRejected(f"its text holds a lone surrogate, {error.reason}", task=task["id"]) from error


FORMAT = Conll2003
