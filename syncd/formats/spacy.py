"""SPACY: documents with entities, span groups and categories as a DocBin, which `spacy train` reads.

Rendering makes lines of JSON with characters and labels; `part` tokenises them and lays the spans over tokens. Only `part`
needs spaCy (extra `syncd[spacy]`).
"""

import sys
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

import orjson
from pydantic import Field

from syncd.errors import Misconfigured, TaskRejected
from syncd.formats import AnyOptions, Context, Format, Rendering
from syncd.formats._docbin import DocBinWriter
from syncd.formats._results import LOST_RELATION, placed_relations, relations, to_json_of_task
from syncd.formats._select import annotations, newest_update, results_of
from syncd.formats._spans import LabelledText, annotated_by, labelled_texts, texts
from syncd.formats._tables import counted
from syncd.formats._tokens import longest_first, place
from syncd.labelstudio.labelconfig import control_for, is_region_label
from syncd.model import ControlTag, Json, LabelSchema, ObjectTag, TaskJson

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc, Span

_ATTRIBUTES = ("ORTH", "ENT_IOB", "ENT_TYPE")
"""Of each token. DocBin's own choice has more, all empty here, and takes four times the memory."""
_EXTENSIONS = ("task_id", "annotation_id", "relations")
_MOST_WORDS = 50_000
"""A language keeps every word it has met, for about 500 bytes; with so many it is made anew, in hundredths of a second."""


class SpacyOptions(AnyOptions):
    """Options of SPACY."""

    lang: str = Field(default="xx", description="language whose tokeniser spaCy uses; xx is its multi-language one")


class Spacy(Format):
    """One document per text and annotation.

    `doc.spans["sc"]` holds every labelled span, widened to token borders; `doc.ents` the longest that do not overlap;
    `doc.cats` 1.0 or 0.0 for each choice of every control that was answered. `doc._.task_id`, `doc._.annotation_id` and
    `doc._.relations` (`{"from", "to", "direction", "labels"}`, ends as places in `doc.spans["sc"]`) are kept as user data.
    """

    name: ClassVar[str] = "SPACY"
    summary: ClassVar[str] = "spaCy documents (DocBin) with entities, overlapping spans and categories"
    parts: ClassVar[bool] = True
    part_suffix: ClassVar[str] = ".spacy"
    whole: ClassVar[str] = "result.spacy"
    Options = SpacyOptions
    options: SpacyOptions

    def accepts(self, schema: LabelSchema) -> str | None:
        if _tags(schema):
            return None
        return "SPACY holds spans and choices of plain text: the label configuration has no Labels or Choices on a Text"

    def render(self, task: TaskJson, context: Context) -> Rendering:
        """Raises TaskRejected for a span outside its text and for what JSON cannot carry."""
        used = annotations(task, context.policy, all_tasks=context.all_tasks)
        skipped: Counter[str] = Counter()
        tags = _tags(context.schema) if used else []
        lines = [
            to_json_of_task(document, task, used) + b"\n"
            for annotation in used
            for document in _documents(task, annotation, context.schema, tags, skipped)
        ]
        return Rendering(
            fragments={"part": b"".join(lines)} if lines else {},
            items=len(lines),
            updated_at=newest_update(used),
            skipped=counted(skipped),
        )

    def part(self, fragments: Iterable[tuple[int, bytes]], context: Context) -> bytes:
        """A DocBin. Raises Misconfigured when spaCy is not installed or does not know the language."""
        language = _blank(self.options.lang)
        from spacy.tokens import Doc

        for name in _EXTENSIONS:
            if not Doc.has_extension(name):
                Doc.set_extension(name, default=None)
        written = DocBinWriter(_ATTRIBUTES)
        for _, fragment in fragments:
            for line in fragment.splitlines():
                if len(language.vocab) > _MOST_WORDS:
                    language = _blank(self.options.lang)
                doc, spans = _doc(language, orjson.loads(line))
                written.add(doc, "sc", spans)
        return written.to_bytes()


def _tags(schema: LabelSchema) -> list[ObjectTag]:
    return annotated_by(schema, texts(schema), lambda control: is_region_label(control) or control.type == "Choices")


def _documents(
    task: TaskJson, annotation: TaskJson, schema: LabelSchema, tags: list[ObjectTag], skipped: Counter[str]
) -> list[TaskJson]:
    """What each text of one annotation becomes: text, spans [start, end, label], cats, relations and ids."""
    result = results_of(annotation)
    answers = [region for region in result if _is_answer(region, schema)]
    others = [region for region in result if not _is_answer(region, schema)]
    found = labelled_texts(task, others, schema, tags, skipped)
    related = relations(result)
    documents = []
    for labelled in found:
        spans, places = _spans(labelled)
        documents.append(
            {
                "text": labelled.text,
                "spans": spans,
                "cats": _cats(task, answers, schema, labelled.tag),
                "relations": placed_relations(related, places),
                "task_id": task["id"],
                "annotation_id": annotation.get("id"),
            }
        )
    skipped[LOST_RELATION] += len(related) - sum(len(document["relations"]) for document in documents)
    return documents


def _is_answer(region: TaskJson, schema: LabelSchema) -> bool:
    """Whether this is a choice about a text as a whole."""
    control = control_for(schema, region.get("from_name") or "")
    return control is not None and control.type == "Choices" and "start" not in region["value"]


def _spans(labelled: LabelledText) -> tuple[list[Json], dict[str | None, int]]:
    """One span per label, and the place of each region's first."""
    spans: list[Json] = []
    places: dict[str | None, int] = {}
    for span in labelled.spans:
        places.setdefault(span.region, len(spans))
        spans += [[span.start, span.end, label] for label in span.labels]
    return spans, places


def _cats(task: TaskJson, answers: list[TaskJson], schema: LabelSchema, tag: ObjectTag) -> dict[str, float]:
    """1.0 for what was chosen, 0.0 for the other choices of the same control; unanswered controls say nothing.

    A choice that two controls offer is written `control/choice`.
    """
    controls = [c for c in schema.controls.values() if c.type == "Choices" and tag.name in c.to_name]
    offers = Counter(label.name for control in controls for label in control.labels)
    cats: dict[str, float] = {}
    for region in answers:
        control = control_for(schema, region["from_name"])
        if control not in controls:
            continue
        chosen = region["value"].get("choices") or []
        if not all(isinstance(choice, str) for choice in chosen):
            raise TaskRejected(f"its choices {str(chosen)[:80]} are no texts", task=task["id"], region=region.get("id"))
        for choice in [label.name for label in control.labels]:
            cats.setdefault(_category(control, choice, offers), 0.0)
        cats |= {_category(control, choice, offers): 1.0 for choice in chosen}
    return dict(sorted(cats.items()))


def _category(control: ControlTag, choice: str, offers: Counter[str]) -> str:
    return f"{control.name}/{choice}" if offers[choice] > 1 else choice


def _blank(lang: str) -> "Language":
    try:
        import spacy
    except ImportError as error:
        raise Misconfigured("SPACY needs spaCy: pip install 'syncd[spacy]'") from error
    try:
        language = spacy.blank(lang)
    except ImportError as error:
        raise Misconfigured(f"SPACY: spaCy has no language {lang!r} (option `lang`), or lacks its packages") from error
    language.max_length = sys.maxsize
    return language


def _doc(language: "Language", document: TaskJson) -> "tuple[Doc, list[Span]]":
    """A document, and the spans that are to be its `doc.spans["sc"]`."""
    from spacy.tokens import Span

    doc = language.make_doc(document["text"])
    starts, ends = [token.idx for token in doc], [token.idx + len(token) for token in doc]
    placed = [place(start, end, starts, ends) for start, end, _ in document["spans"]]
    spans = [Span(doc, on.first, on.last, label) for on, (_, _, label) in zip(placed, document["spans"], strict=True)]
    doc.ents = [spans[i] for i in longest_first(placed)]
    doc.cats = document["cats"]
    for name in _EXTENSIONS:
        doc._.set(name, document[name])
    return doc, spans


FORMAT = Spacy
