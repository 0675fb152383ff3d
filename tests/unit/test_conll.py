"""CONLL2003: Label Studio's tokens, tags that lose nothing in silence, and a file that spaCy reads."""

import random
from itertools import pairwise

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.training.converters import conll_ner_to_docs

from syncd.formats._tokens import tokens
from tests.unit.conversion import GOLDEN, NER, Json, a_choice, a_region, a_span, a_task, an_annotation, exported, write


def conll(text: str, *regions: Json, **keywords: Json) -> str:
    return write("CONLL2003", [a_task(1, {"text": text}, an_annotation(1, *regions))], NER, **keywords).only.decode()


def tags(text: str, *regions: Json) -> list[tuple[str, str]]:
    """Token and tag of every line of the only block."""
    lines = conll(text, *regions).split("\n")[2:-2]
    return [(line.split(" ")[0], line.split(" ")[-1]) for line in lines]


def dropped(text: str, *regions: Json) -> list[Json]:
    files = write("CONLL2003", [a_task(1, {"text": text}, an_annotation(1, *regions))], NER).files
    return [orjson.loads(line) for line in files["result.dropped.jsonl"].splitlines()]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("don't cannot gonna it's 'a'", "do n't can not gon na it 's 'a '"),
        ("one. two. (end.)", "one. two. ( end . )"),
        ("wait... what?!", "wait ... what ? !"),
        ("a;b@c#d$e/f%g&h", "a ; b @ c # d $ e / f % g & h"),
        ("at 1:30, 1,000 x: y,z", "at 1:30 , 1,000 x : y , z"),
        ('[a] {b} <c> "d" e--f co-op', '[ a ] { b } < c > " d " e -- f co-op'),
        ("“Hi” ‘q’", "“Hi” ‘q’"),
        ("no\u00a0break\u3000wide\ttab\nline", "no break wide tab line"),
        ("'tis 'twas, gimme", "'t is 't was , gim me"),
        ("he'll\nI've THEY'RE", "he'll I 've THEY 'RE"),
        ("etc..", "etc.."),
        ("東京タワーへ go", "東 京 タ ワ ー へ go"),
        ("한국어 ไทย", "한국어 ไทย"),
        ("", ""),
    ],
)
def test_a_text_is_cut_by_the_converters_rules(text: str, expected: str) -> None:
    assert [text[start:end] for start, end in tokens(text)] == expected.split()


def test_tokens_are_label_studios_own_but_for_han() -> None:
    def blocks(body: str) -> list[list[str]]:
        return [
            [line.split()[0] for line in block.strip().splitlines()] for block in body.split("\n\n") if block.strip()
        ]

    config = (GOLDEN / "ner" / "label_config.xml").read_text()
    ours = blocks(write("CONLL2003", exported("ner"), config, policy="all").only.decode().split("\n", 1)[1])
    theirs = blocks((GOLDEN / "ner" / "export.conll").read_text().split("\n", 1)[1])

    per_character = [[part for token in block for part in (token if token == "東京" else [token])] for block in theirs]
    assert sorted(ours) == sorted(per_character)


def test_overlapping_spans_leave_the_longest_and_tell_of_the_others() -> None:  # converter issue 254
    text = "Ann Lee-Kay of New York Mills paid $9.50."
    spans = (a_span(0, 11, "PER", id="short"), a_span(4, 23, "ORG", id="long"))

    assert tags(text, *spans)[:6] == [
        ("Ann", "O"),
        ("Lee-Kay", "B-ORG"),
        ("of", "I-ORG"),
        ("New", "I-ORG"),
        ("York", "I-ORG"),
        ("Mills", "O"),
    ]
    assert dropped(text, *spans) == [
        {
            "task": 1,
            "annotation": 1,
            "region": "short",
            "label": "PER",
            "start": 0,
            "end": 11,
            "why": "overlaps a longer or earlier span",
        }
    ]


def test_a_nested_span_is_told_of_and_the_outer_one_kept() -> None:
    spans = (a_span(15, 29, "LOC"), a_span(19, 23, "ORG", id="inner"))

    assert [tag for _, tag in tags("Ann Lee-Kay of New York Mills", *spans)] == [
        "O",
        "O",
        "O",
        "B-LOC",
        "I-LOC",
        "I-LOC",
    ]
    assert [line["region"] for line in dropped("Ann Lee-Kay of New York Mills", *spans)] == ["inner"]


def test_of_equally_long_spans_the_earlier_stays() -> None:
    assert tags("ab cd ef", a_span(3, 8, "ORG"), a_span(0, 5, "PER")) == [("ab", "B-PER"), ("cd", "I-PER"), ("ef", "O")]


def test_neighbours_both_begin() -> None:
    assert [tag for _, tag in tags("New York", a_span(0, 3, "LOC"), a_span(4, 8, "LOC"))] == ["B-LOC", "B-LOC"]


def test_two_spans_in_one_token_cannot_both_stay() -> None:
    spans = (a_span(4, 7, "PER"), a_span(8, 11, "ORG", id="second"))

    assert tags("Ann Lee-Kay", *spans) == [("Ann", "O"), ("Lee-Kay", "B-PER")]
    assert [line["why"] for line in dropped("Ann Lee-Kay", *spans)] == ["shares a token with another span"]


def test_a_second_label_is_told_of() -> None:
    assert tags("Ann", a_span(0, 3, "PER", "ORG")) == [("Ann", "B-PER")]
    assert [(line["label"], line["why"]) for line in dropped("Ann", a_span(0, 3, "PER", "ORG"))] == [
        ("ORG", "second label of a span")
    ]


def test_a_span_that_holds_only_a_part_of_a_word_tags_the_word() -> None:
    assert tags("Annabel", a_span(0, 3, "PER")) == [("Annabel", "B-PER")]


def test_a_label_with_a_space_does_not_break_the_columns() -> None:
    assert tags("Ann", a_span(0, 3, "Main Speaker")) == [("Ann", "B-Main_Speaker")]


def test_the_spans_of_all_controls_on_a_text_count() -> None:
    config = """<View><Text name="text" value="$text"/><Labels name="ner" toName="text"><Label value="PER"/></Labels>
      <Labels name="more" toName="text"><Label value="ORG"/></Labels></View>"""
    annotation = an_annotation(1, a_span(0, 3, "PER"), a_region("more", {"start": 4, "end": 7, "labels": ["ORG"]}))

    body = write("CONLL2003", [a_task(1, {"text": "Ann IBM"}, annotation)], config).only

    assert body.endswith(b"Ann -X- _ B-PER\nIBM -X- _ B-ORG\n\n")


def test_each_text_of_a_task_is_cut_from_its_own_data() -> None:
    config = """<View><Text name="b" value="$second"/><Text name="a" value="$first"/>
      <Labels name="ner" toName="a,b"><Label value="PER"/></Labels></View>"""
    spans = (a_span(0, 3, "PER", to_name="a"), a_span(0, 2, "PER", to_name="b"))

    body = write("CONLL2003", [a_task(1, {"first": "Ann x", "second": "Bo y"}, an_annotation(1, *spans))], config).only

    assert body.decode().split("\n\n")[1:3] == ["Bo -X- _ B-PER\ny -X- _ O", "Ann -X- _ B-PER\nx -X- _ O"]


def test_texts_in_a_repeater_are_blocks_of_their_own() -> None:
    config = """<View><Repeater on="$turns" indexFlag="{{idx}}"><Text name="turn_{{idx}}" value="$turns[{{idx}}].text"/>
      <Labels name="ner_{{idx}}" toName="turn_{{idx}}"><Label value="PER"/></Labels></Repeater></View>"""
    span = a_region("ner_1", {"start": 0, "end": 2, "labels": ["PER"]}, to_name="turn_1")
    task = a_task(1, {"turns": [{"text": "Ann"}, {"text": "Bo"}]}, an_annotation(1, span))

    body = write("CONLL2003", [task], config).only

    assert body.endswith(b"Ann -X- _ O\n\nBo -X- _ B-PER\n\n")


def test_a_reviewed_text_without_entity_is_a_block_and_an_unlabelled_one_is_not() -> None:
    tasks = [a_task(1, {"text": "seen"}, an_annotation(1)), a_task(2, {"text": "new"})]

    assert b"seen -X- _ O" in write("CONLL2003", tasks, NER).only
    assert b"new" not in write("CONLL2003", tasks, NER).only
    assert b"new -X- _ O" in write("CONLL2003", tasks, NER, all_tasks=True).only


def test_one_annotation_per_task_is_used_the_true_one_first() -> None:
    task = a_task(1, {"text": "Ann"}, an_annotation(1, a_span(0, 3, "PER"), ground_truth=True), an_annotation(2))

    assert write("CONLL2003", [task], NER).only.count(b"Ann") == 1
    assert b"B-PER" in write("CONLL2003", [task], NER).only


def test_what_is_no_span_is_left_out_and_counted() -> None:
    regions = (a_choice("a"), a_span(0, 3), a_span(3, 4, "PER"), a_region("gone", {}))
    written = write("CONLL2003", [a_task(1, {"text": "Ann x"}, an_annotation(1, *regions))], NER)

    assert b"B-" not in written.only
    assert sorted(written.skipped.values()) == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("text", "said", "start", "end"),
    [
        ("🙂🙂 Ann met", "Ann", 5, 8),
        ("a\r\nb\r\nAnn met", "Ann", 4, 7),
        ("plain Ann met", "Ann", 6, 9),
    ],
    ids=["UTF-16 offsets", "CRLF counted once", "code points"],
)
def test_a_span_lies_on_the_text_it_says(text: str, said: str, start: int, end: int) -> None:  # Label Studio issue 4929
    span = a_span(start, end, "PER")
    span["value"]["text"] = said

    assert [token for token, tag in tags(text, span) if tag != "O"] == [said]


@pytest.mark.parametrize(
    ("start", "end"),
    [(0, 99), (-1, 2), (3, 1), ("0", 2), (None, None), (0.5, 2), (True, 2)],
)
def test_a_span_outside_its_text_sets_the_task_aside(start: Json, end: Json) -> None:
    bad = a_task(2, {"text": "Ann"}, an_annotation(2, a_span(start, end, "PER", id="bad")))
    good = a_task(1, {"text": "Ann"}, an_annotation(1, a_span(0, 3, "PER")))

    written = write("CONLL2003", [bad, good], NER)

    assert [(rejected.task, rejected.region) for rejected in written.rejected] == [(2, "bad")]
    assert b"Ann -X- _ B-PER" in written.only


@pytest.mark.parametrize("where", ["text", "label"])
def test_a_lone_surrogate_sets_the_task_aside(where: str) -> None:  # Label Studio issue 5241
    bad = a_task(1, {"text": "Ann"}, an_annotation(1, a_span(0, 3, "P\udc00" if where == "label" else "PER")))
    if where == "text":
        bad["data"]["text"] = "Ann\ud800"

    assert [rejected.task for rejected in write("CONLL2003", [bad], NER).rejected] == [1]


def test_a_span_on_a_text_that_is_not_there_sets_the_task_aside() -> None:
    written = write("CONLL2003", [a_task(1, {}, an_annotation(1, a_span(0, 3, "PER", id="bad")))], NER)

    assert [rejected.region for rejected in written.rejected] == ["bad"]


def test_the_order_of_tasks_does_not_show() -> None:
    tasks = exported("ner")
    config = (GOLDEN / "ner" / "label_config.xml").read_text()

    shuffled = write("CONLL2003", random.Random(2).sample(tasks, len(tasks)), config)

    assert shuffled.files == write("CONLL2003", tasks, config).files


def test_spacys_own_converter_reads_the_file() -> None:  # converter issue 10: E177, ill-formed IOB input
    tasks = [
        a_task(1, {"text": "Ann met Bo."}, an_annotation(1, a_span(0, 3, "PER"), a_span(8, 10, "PER"))),
        a_task(2, {"text": "New York"}, an_annotation(2, a_span(0, 8, "LOC"))),
    ]

    (doc,) = conll_ner_to_docs(write("CONLL2003", tasks, NER).only.decode(), no_print=True)

    assert [(entity.text, entity.label_) for entity in doc.ents] == [("Ann", "PER"), ("Bo", "PER"), ("New York", "LOC")]


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
words = st.lists(
    st.sampled_from(
        ["Ann", "don't", "'tis", "cannot", "(U.S.A.)", "...", "--", "1,000", "a:b", "東京", "\r\n", " ", "🙂", "''"]
    ),
    max_size=12,
).map("".join)


@st.composite
def labelled(draw: st.DrawFn) -> tuple[str, list[tuple[int, int, str]]]:
    text = draw(texts | words)
    borders = st.integers(0, len(text))
    spans = draw(st.lists(st.tuples(borders, borders, st.sampled_from(["PER", "ORG", "a label", "B-"])), max_size=5))
    return text, [(min(a, b), max(a, b), label) for a, b, label in spans]


@settings(deadline=None)
@given(texts | words)
def test_every_character_but_white_space_is_in_exactly_one_token(text: str) -> None:
    found = tokens(text)

    assert all(start < end for start, end in found)
    assert all(before <= after for (_, before), (after, _) in pairwise(found))
    assert "".join(text[start:end] for start, end in found) == "".join(text.split())
    assert not any(character.isspace() for start, end in found for character in text[start:end])


@settings(deadline=None)
@given(labelled())
def test_any_text_and_spans_come_back_through_spacy(case: tuple[str, list[tuple[int, int, str]]]) -> None:
    text, spans = case
    regions = [a_span(start, end, label, id=str(n)) for n, (start, end, label) in enumerate(spans)]
    files = write("CONLL2003", [a_task(1, {"text": text}, an_annotation(1, *regions))], NER).files
    lost = {orjson.loads(line)["region"] for line in files["result.dropped.jsonl"].splitlines()}

    docs = list(conll_ner_to_docs(files["result.conll"].decode(), no_print=True))

    kept = [r for r in regions if r["id"] not in lost and text[r["value"]["start"] : r["value"]["end"]].strip()]
    assert sum(len(doc.ents) for doc in docs) == len(kept), "every span is an entity or in the list of dropped ones"
    if docs:
        assert [token.text for token in docs[0]] == [text[start:end] for start, end in tokens(text)]
        for region in kept:
            said = "".join(text[region["value"]["start"] : region["value"]["end"]].split())
            label = "_".join(region["value"]["labels"][0].split())
            assert any(said in entity.text.replace(" ", "") and entity.label_ == label for entity in docs[0].ents)
