"""JSON, JSONL and JSON_MIN: equal to what Label Studio exports, and right where its converter loses something."""

import random

import orjson
import pytest

from syncd.formats import Context, find
from syncd.labelstudio.labelconfig import parse_label_config
from tests.unit.conversion import GOLDEN as LABEL_STUDIO
from tests.unit.conversion import (
    NER,
    PROJECTS,
    Json,
    a_choice,
    a_region,
    a_span,
    a_task,
    an_annotation,
    exported,
    write,
    write_project,
)

JSON_FORMATS = ("JSON", "JSONL", "JSON_MIN")


def records(tasks: list[Json], config: str = NER, **keywords: Json) -> Json:
    return orjson.loads(write("JSON_MIN", tasks, config, **keywords).files["result.json"])


@pytest.mark.parametrize("project", PROJECTS)
def test_json_equals_label_studios_own_export(project: str) -> None:
    expected = sorted(exported(project), key=lambda task: task["id"])
    for task in expected:
        task["annotations"].sort(key=lambda annotation: annotation["id"])

    assert orjson.loads(write_project("JSON", project).files["result.json"]) == expected


@pytest.mark.parametrize("project", PROJECTS)
def test_jsonl_has_one_line_per_task_and_says_what_json_says(project: str) -> None:
    lines = write_project("JSONL", project).files["result.jsonl"]

    assert lines.endswith(b"\n")
    assert [orjson.loads(line) for line in lines.splitlines()] == orjson.loads(write_project("JSON", project).only)


@pytest.mark.parametrize("project", PROJECTS)
def test_json_min_equals_label_studios_own_but_for_relations(project: str) -> None:
    def by_id(record: Json) -> Json:
        return record["id"], record["annotation_id"]

    ours = orjson.loads(write_project("JSON_MIN", project).only)
    for record in ours:
        record.pop("relations", None)
    theirs = orjson.loads((LABEL_STUDIO / project / "export_min.json").read_bytes())
    assert sorted(ours, key=by_id) == sorted(theirs, key=by_id)


@pytest.mark.parametrize("name", ["JSON", "JSONL"])
def test_no_number_changes_its_digits_where_the_document_is_at_hand(name: str) -> None:
    body = b'{"id":1,"data":{"a":1.10,"b":1e5,"c":123456789012345678901234567890},"annotations":[{"id":2,"result":[]}]}'
    kind = find(name)

    rendering = kind(kind.Options()).render_document(
        body, orjson.loads(body), Context(schema=parse_label_config(NER), policy="all")
    )

    assert rendering.fragments["tasks"].rstrip() == body


@pytest.mark.parametrize("name", ["JSON", "JSONL"])
def test_the_export_shape_keeps_skipped_annotations_in_id_order(name: str) -> None:
    task = a_task(1, {"text": "a"}, an_annotation(9), an_annotation(4, was_cancelled=True))
    kind = find(name)

    rendering = kind(kind.Options()).render_document(
        orjson.dumps(task), task, Context(schema=parse_label_config(NER), policy="best")
    )

    assert [annotation["id"] for annotation in orjson.loads(rendering.fragments["tasks"])["annotations"]] == [4, 9]


@pytest.mark.parametrize("name", JSON_FORMATS)
def test_a_task_without_annotation_is_there_only_when_asked_for(name: str) -> None:
    tasks = [a_task(1, {"text": "a"})]

    assert b'"text"' not in write(name, tasks, NER).only
    assert b'"text"' in write(name, tasks, NER, all_tasks=True).only


def test_an_export_without_tasks_is_still_json() -> None:
    assert orjson.loads(write("JSON", [], NER).only) == []
    assert orjson.loads(write("JSON_MIN", [], NER).only) == []
    assert write("JSONL", [], NER).only == b""


def test_json_min_keeps_what_was_reviewed_and_found_empty_but_not_what_was_skipped() -> None:
    task = a_task(1, {"text": "a"}, an_annotation(1), an_annotation(2, was_cancelled=True))

    assert [record["annotation_id"] for record in records([task])] == [1]


def test_json_min_simplifies_choices_and_texts_as_the_converter_does() -> None:
    config = """<View><Text name="text" value="$text"/><Choices name="topic" toName="text"/>
      <Choices name="mood" toName="text"/><TextArea name="why" toName="text"/><TextArea name="how" toName="text"/>
      <Rating name="stars" toName="text"/><Choices name="each" toName="text" perRegion="true"/></View>"""
    (record,) = records(
        [
            a_task(
                1,
                {"text": "a"},
                an_annotation(
                    2,
                    a_choice("a"),
                    a_region("mood", {"choices": ["x", "y"]}),
                    a_region("why", {"text": ["because"]}),
                    a_region("how", {"text": ["so", "and so"]}),
                    a_region("stars", {"rating": 4}),
                    a_region("each", {"choices": ["p"], "start": 1, "end": 2}),
                    a_region("each", {"choices": ["p"], "start": 3, "end": 4}),
                ),
            )
        ],
        config,
    )

    said = {name: record[name] for name in ("topic", "mood", "why", "how", "stars", "each")}
    assert said == {
        "topic": "a",
        "mood": {"choices": ["x", "y"]},
        "why": "because",
        "how": {"text": ["so", "and so"]},
        "stars": [{"rating": 4}],
        "each": ["p", "p"],
    }


def test_json_min_keeps_relations_which_the_converter_loses() -> None:  # Label Studio issue 1803
    relation = {"type": "relation", "from_id": "b", "to_id": "a", "direction": "left", "labels": ["of"]}
    dangling = {"type": "relation", "from_id": "b", "to_id": "gone", "direction": "left"}
    task = a_task(1, {"text": "a b"}, an_annotation(1, a_span(0, 1, id="a"), a_span(2, 3, id="b"), relation, dangling))

    written = write("JSON_MIN", [task], NER)

    (record,) = orjson.loads(written.only)
    assert record["relations"] == [
        {"from": {"name": "ner", "index": 1}, "to": {"name": "ner", "index": 0}, "direction": "left", "labels": ["of"]}
    ]
    assert written.skipped == {"relation with an end that is not there": 1}


def test_json_min_does_not_lose_data_named_like_a_control() -> None:  # Label Studio issue 3569
    data = {"ner": "mine", "id": "D1", "annotator": "me", "_data_id": "D2", "relations": 3, "text": "a"}
    (record,) = records([a_task(7, data, an_annotation(1, a_span(0, 1, "PER")))])

    assert record["ner"] == [{"start": 0, "end": 1, "labels": ["PER"]}]
    assert (record["id"], record["annotator"]) == (7, 1)
    moved = {key: value for key, value in record.items() if key.startswith("_data_")}
    assert moved == {
        "_data_ner": "mine",
        "_data_id": "D1",
        "_data__data_id": "D2",
        "_data_annotator": "me",
        "_data_relations": 3,
    }


def test_two_annotations_of_which_one_lacks_its_time_do_not_end_the_export() -> None:
    first, second = an_annotation(1), an_annotation(2)
    del second["created_at"]

    assert [record["annotation_id"] for record in records([a_task(1, {}, second, first)])] == [1, 2]


def test_the_annotator_is_an_address_where_users_are_in_the_export() -> None:
    known = an_annotation(1, completed_by={"id": 3, "email": "amy@example.org"})

    assert [record["annotator"] for record in records([a_task(1, {}, known, an_annotation(2))])] == [
        "amy@example.org",
        1,
    ]


def test_a_region_of_an_unknown_control_is_left_out_and_counted() -> None:
    written = write("JSON_MIN", [a_task(1, {}, an_annotation(1, a_region("renamed", {"text": ["a"]})))], NER)

    assert "renamed" not in orjson.loads(written.only)[0]
    assert sum(written.skipped.values()) == 1


@pytest.mark.parametrize("name", [*JSON_FORMATS, "CSV", "TSV", "PARQUET"])
@pytest.mark.parametrize("poison", [float("nan"), float("inf"), 2**64, -(2**63) - 1, "\ud800"], ids=repr)
def test_a_value_that_json_cannot_carry_sets_its_task_aside(name: str, poison: Json) -> None:
    bad = a_span(0, 1, "PER", id="bad")
    bad["value"]["score"] = poison
    tasks = [a_task(n, {"text": "a"}, an_annotation(n, a_span(0, 1, "PER"))) for n in range(1, 6)]
    tasks[2]["annotations"][0]["result"].append(bad)

    written = write(name, tasks, NER)

    (rejected,) = written.rejected
    assert (rejected.task, rejected.region) == (3, "bad")
    assert written.items == 4


@pytest.mark.parametrize("name", [*JSON_FORMATS, "CSV", "PARQUET"])
def test_poison_in_the_data_sets_the_task_aside_too(name: str) -> None:
    tasks = [a_task(1, {"text": "a"}, an_annotation(1)), a_task(2, {"text": "a\udfff"}, an_annotation(2))]

    written = write(name, tasks, NER)

    assert [rejected.task for rejected in written.rejected] == [2]
    assert written.items == 1


@pytest.mark.parametrize("name", ["JSON_MIN", "CSV", "CONLL2003", "SPACY", "PARQUET"])
@pytest.mark.parametrize("result", ["text", ["text"], [{"from_name": "ner"}], [{"from_name": ["ner"], "value": {}}]])
def test_a_result_of_another_form_sets_its_task_aside(name: str, result: Json) -> None:
    good = a_task(1, {"text": "a"}, an_annotation(1))

    written = write(name, [a_task(2, {"text": "a"}, an_annotation(2) | {"result": result}), good], NER)

    assert {rejected.task for rejected in written.rejected} == {2}
    assert written.items == 1


@pytest.mark.parametrize("name", JSON_FORMATS)
def test_the_order_of_tasks_does_not_show(name: str) -> None:
    tasks = exported("ner")
    shuffled = random.Random(1).sample(tasks, len(tasks))

    assert write(name, shuffled, NER).files == write(name, tasks, NER).files


def test_the_order_of_keys_does_not_show_in_json_min() -> None:
    def reversed_keys(value: Json) -> Json:
        if isinstance(value, dict):
            return {key: reversed_keys(value[key]) for key in reversed(value)}
        return [reversed_keys(inner) for inner in value] if isinstance(value, list) else value

    tasks = exported("classify")

    assert write_project("JSON_MIN", "classify").only == records_bytes(reversed_keys(tasks))


def records_bytes(tasks: list[Json]) -> bytes:
    config = (LABEL_STUDIO / "classify" / "label_config.xml").read_text()
    return write("JSON_MIN", tasks, config).only
