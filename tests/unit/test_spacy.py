"""SPACY: documents that spaCy itself reads back."""

import random
import zlib

import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, DocBin

from syncd.errors import Misconfigured
from tests.unit.conversion import GOLDEN, NER, Json, a_choice, a_span, a_task, an_annotation, exported, write


def docs(tasks: list[Json], config: str = NER, **keywords: Json) -> list[Doc]:
    body = write("SPACY", tasks, config, **keywords).files["part.spacy"]
    return list(DocBin().from_bytes(body).get_docs(spacy.blank("xx").vocab))


def doc(text: str, *regions: Json, **keywords: Json) -> Doc:
    (found,) = docs([a_task(1, {"text": text}, an_annotation(5, *regions))], **keywords)
    return found


def test_entities_are_the_longest_spans_and_the_group_holds_all() -> None:
    found = doc("Ann Lee of New York", a_span(4, 19, "ORG"), a_span(0, 7, "PER"), a_span(11, 19, "LOC"))

    assert [(entity.text, entity.label_) for entity in found.ents] == [("Lee of New York", "ORG")]
    assert [(span.text, span.label_) for span in found.spans["sc"]] == [
        ("Lee of New York", "ORG"),
        ("Ann Lee", "PER"),
        ("New York", "LOC"),
    ]


def test_spans_grow_to_token_borders_and_lose_outer_white_space() -> None:
    found = doc("Annabel met Bo", a_span(0, 3, "PER"), a_span(11, 14, "PER"))

    assert [entity.text for entity in found.ents] == ["Annabel", "Bo"]


def test_every_label_of_a_span_is_in_the_group() -> None:
    found = doc("Ann", a_span(0, 3, "PER", "ORG"))

    assert [span.label_ for span in found.spans["sc"]] == ["PER", "ORG"]


def test_categories_are_the_answers_to_choices() -> None:
    assert doc("Ann", a_choice("b")).cats == {"a": 0.0, "b": 1.0}
    assert doc("Ann").cats == {}, "a question without answer says nothing"


def test_a_choice_that_two_controls_offer_is_told_apart() -> None:
    config = """<View><Text name="text" value="$text"/>
      <Choices name="topic" toName="text"><Choice value="yes"/><Choice value="a"/></Choices>
      <Choices name="spam" toName="text"><Choice value="yes"/></Choices></View>"""

    (found,) = docs([a_task(1, {"text": "Ann"}, an_annotation(1, a_choice("yes")))], config)

    assert found.cats == {"topic/yes": 1.0, "a": 0.0}


def test_ids_and_relations_come_along() -> None:
    relation = {"type": "relation", "from_id": "b", "to_id": "a", "direction": "right", "labels": ["knows"]}
    found = doc("Ann Bo", a_span(0, 3, "PER", "ORG", id="a"), a_span(4, 6, "PER", id="b"), relation)

    assert (found._.task_id, found._.annotation_id) == (1, 5)
    (related,) = found._.relations
    assert (found.spans["sc"][related["from"]].text, found.spans["sc"][related["to"]].text) == ("Bo", "Ann")
    assert (related["direction"], list(related["labels"])) == ("right", ["knows"])


def test_a_reviewed_text_without_entity_is_a_document_and_an_unlabelled_one_is_not() -> None:
    tasks = [a_task(1, {"text": "seen"}, an_annotation(1)), a_task(2, {"text": "new"})]

    assert [found.text for found in docs(tasks)] == ["seen"]
    assert [found.text for found in docs(tasks, all_tasks=True)] == ["seen", "new"]


def test_the_language_decides_the_tokens() -> None:
    assert [token.text for token in doc("l'été", lang="fr")] == ["l'", "été"]


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(Misconfigured, match="klingon"):
        doc("Ann", lang="klingon")


def test_a_span_outside_its_text_sets_the_task_aside() -> None:
    tasks = [
        a_task(1, {"text": "Ann"}, an_annotation(1, a_span(0, 9, "PER", id="bad"))),
        a_task(2, {"text": "Bo"}, an_annotation(2)),
    ]

    written = write("SPACY", tasks, NER)

    assert [(rejected.task, rejected.region) for rejected in written.rejected] == [(1, "bad")]
    assert written.items == 1


@pytest.mark.parametrize("poison", ["text", "label", "choice"])
def test_a_lone_surrogate_sets_the_task_aside(poison: str) -> None:
    span = a_span(0, 3, "P\ud800" if poison == "label" else "PER", id="span")
    choice = a_choice("c\ud800" if poison == "choice" else "a", id="choice")
    task = a_task(1, {"text": "Ann\ud800" if poison == "text" else "Ann"}, an_annotation(1, span, choice))

    (rejected,) = write("SPACY", [task], NER).rejected

    assert (rejected.task, rejected.region) == (1, {"label": "span", "choice": "choice"}.get(poison))


def test_the_bytes_are_those_that_spacy_writes() -> None:
    tasks = [
        a_task(number, {"text": f"Ann met {number} at Bo's" * (number % 7)}, an_annotation(number, *regions))
        for number in range(400)
        for regions in [(a_choice("b"), a_span(0, 3, "PER", "ORG"), a_span(4, 9, "PER")) if number % 7 else ()]
    ]
    body = write("SPACY", tasks, NER).files["part.spacy"]

    again = DocBin(attrs=("ORTH", "ENT_IOB", "ENT_TYPE"), store_user_data=True)
    for found in DocBin().from_bytes(body).get_docs(spacy.blank("xx").vocab):
        again.add(found)

    assert again.to_bytes() == body


def test_words_that_a_language_has_forgotten_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = [a_task(n, {"text": f"word-{n} and {n * 7}"}, an_annotation(n, a_span(0, 6, "PER"))) for n in range(1, 50)]
    remembered = write("SPACY", tasks, NER).only

    monkeypatch.setattr("syncd.formats.spacy._MOST_WORDS", 0)

    assert write("SPACY", tasks, NER).only == remembered


def test_the_order_of_tasks_does_not_show() -> None:
    tasks = exported("ner")
    config = (GOLDEN / "ner" / "label_config.xml").read_text()

    shuffled = write("SPACY", random.Random(2).sample(tasks, len(tasks)), config).only

    assert zlib.decompress(shuffled)
    assert shuffled == write("SPACY", tasks, config).only


@settings(deadline=None)
@given(st.data())
def test_any_text_and_spans_come_back(data: st.DataObject) -> None:
    text = data.draw(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
    borders = st.integers(0, len(text))
    drawn = data.draw(st.lists(st.tuples(borders, borders, st.text("ab \n", min_size=1, max_size=3)), max_size=5))
    spans = [(min(a, b), max(a, b), label) for a, b, label in drawn]

    found = doc(text, *(a_span(start, end, label) for start, end, label in spans))

    assert found.text == text
    expected = [(text[start:end].strip(), label) for start, end, label in spans if text[start:end].strip()]
    assert [label for _, label in expected] == [span.label_ for span in found.spans["sc"]]
    assert all(said in span.text for (said, _), span in zip(expected, found.spans["sc"], strict=True))
    assert bool(found.ents) == bool(expected)
