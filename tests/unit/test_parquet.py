"""PARQUET: typed columns that pyarrow and DuckDB read, the same in every part file."""

import io
import random
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.unit.conversion import (
    GOLDEN,
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

KINDS = """<View><Text name="text" value="$text"/><Choices name="topic" toName="text"/><TextArea name="why" toName="text"/>
  <Rating name="stars" toName="text"/><Number name="count" toName="text"/><DateTime name="when" toName="text"/>
  <Rating name="each" toName="text" perRegion="true"/></View>"""


def read(body: bytes) -> pa.Table:
    return pq.read_table(io.BytesIO(body))


def rows(tasks: list[Json], config: str = NER, **keywords: Json) -> list[Json]:
    return read(write("PARQUET", tasks, config, **keywords).only).to_pylist()


def test_the_columns_of_an_annotation_have_types() -> None:
    task = a_task(7, {"text": "a"}, an_annotation(3, completed_by={"id": 4, "email": "amy@example.org"}))

    (row,) = rows([task])

    assert row == {
        "task_id": 7,
        "annotation_id": 3,
        "project_id": 1,
        "completed_by": 4,
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
        "updated_at": datetime(2026, 1, 1, 0, 0, 0, 3, tzinfo=UTC),
        "lead_time": 2.5,
        "ground_truth": False,
        "ner": None,
        "topic": None,
        "data": '{"text":"a"}',
        "result": "[]",
    }


def test_each_control_has_a_column_of_its_kind() -> None:
    result = (
        a_choice("a", "b"),
        a_region("why", {"text": ["because"]}),
        a_region("stars", {"rating": 4}),
        a_region("count", {"number": 7}),
        a_region("when", {"datetime": "2026-01-01"}),
        a_region("each", {"rating": 1, "start": 0, "end": 1}),
        a_region("each", {"rating": 2, "start": 1, "end": 2}),
    )
    table = read(write("PARQUET", [a_task(1, {"text": "a"}, an_annotation(1, *result))], KINDS).only)

    types = {name: table.schema.field(name).type for name in ("topic", "why", "stars", "count", "when", "each")}
    assert types == {
        "topic": pa.list_(pa.string()),
        "why": pa.list_(pa.string()),
        "stars": pa.int64(),
        "count": pa.float64(),
        "when": pa.string(),
        "each": pa.string(),
    }
    (row,) = table.to_pylist()
    assert [row[name] for name in types] == [
        ["a", "b"],
        ["because"],
        4,
        7.0,
        '[{"datetime":"2026-01-01"}]',
        '[{"end":1,"rating":1,"start":0},{"end":2,"rating":2,"start":1}]',
    ]


def test_columns_follow_the_configuration_not_the_rows() -> None:
    some = write("PARQUET", [a_task(1, {"text": "a"}, an_annotation(1, a_choice("a")))], NER).only
    none: bytes = write("PARQUET", [], NER).only

    assert read(some).schema == read(none).schema


def test_names_in_a_repeater_share_a_column() -> None:
    config = """<View><Repeater on="$pages" indexFlag="{{idx}}"><Image name="page_{{idx}}" value="$pages[{{idx}}].url"/>
      <Choices name="kind_{{idx}}" toName="page_{{idx}}"><Choice value="a"/></Choices></Repeater></View>"""
    annotation = an_annotation(1, a_region("kind_0", {"choices": ["a"]}), a_region("kind_1", {"choices": ["b"]}))

    (row,) = rows([a_task(1, {"pages": []}, annotation)], config)

    assert orjson.loads(row["kind_{{idx}}"]) == {"kind_0": [{"choices": ["a"]}], "kind_1": [{"choices": ["b"]}]}


def test_a_control_named_like_a_fixed_column_moves() -> None:
    config = """<View><Text name="text" value="$text"/><Choices name="data" toName="text"/>
      <Choices name="control_data" toName="text"/></View>"""
    annotation = an_annotation(1, a_region("data", {"choices": ["a"]}), a_region("control_data", {"choices": ["b"]}))

    (row,) = rows([a_task(1, {"text": "t"}, annotation)], config)

    assert (row["data"], row["control_data"], row["control_control_data"]) == ('{"text":"t"}', ["a"], ["b"])


def test_the_result_is_there_as_label_studio_has_it() -> None:
    for row, task in zip(rows(exported("boxes")[:5], policy="latest"), exported("boxes")[:5], strict=True):
        annotation = next(a for a in task["annotations"] if a["id"] == row["annotation_id"])
        assert orjson.loads(row["result"]) == annotation["result"]
        assert orjson.loads(row["data"]) == task["data"]


@pytest.mark.parametrize("project", PROJECTS)
def test_every_project_of_label_studio_is_readable_by_duckdb(project: str, tmp_path: Path) -> None:
    (tmp_path / "part-1.parquet").write_bytes(write_project("PARQUET", project).only)

    expected = [
        (task["id"], annotation["id"])
        for task in sorted(exported(project), key=lambda task: task["id"])
        for annotation in sorted(task["annotations"], key=lambda annotation: annotation["id"])
        if not annotation["was_cancelled"]
    ]
    found = duckdb.sql(f"select task_id, annotation_id from '{tmp_path}/part-*.parquet'").fetchall()
    assert found == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("stars", {"rating": 3.5}),
        ("stars", {"rating": "4"}),
        ("count", {"number": 2**63}),
        ("count", {"number": True}),
        ("topic", {"choices": [1]}),
        ("why", {"text": 3}),
    ],
)
def test_a_value_that_its_column_cannot_hold_sets_the_task_aside(name: str, value: Json) -> None:
    tasks = [
        a_task(1, {"text": "a"}, an_annotation(1, a_region(name, value, id="bad"))),
        a_task(2, {"text": "b"}, an_annotation(2)),
    ]

    written = write("PARQUET", tasks, KINDS)

    assert [(rejected.task, rejected.region) for rejected in written.rejected] == [(1, "bad")]
    assert read(written.only).num_rows == 1


@pytest.mark.parametrize("fields", [{"created_at": "yesterday"}, {"lead_time": "long"}, {"completed_by": "amy"}])
def test_a_broken_field_of_an_annotation_sets_the_task_aside(fields: Json) -> None:
    written = write("PARQUET", [a_task(1, {"text": "a"}, an_annotation(1, **fields))], NER)

    assert [rejected.task for rejected in written.rejected] == [1]


def test_a_reviewed_task_is_a_row_and_an_unlabelled_one_is_not() -> None:
    tasks = [a_task(1, {"text": "seen"}, an_annotation(1)), a_task(2, {"text": "new"})]

    assert [row["annotation_id"] for row in rows(tasks)] == [1]
    assert [row["annotation_id"] for row in rows(tasks, all_tasks=True)] == [1, None]


def test_the_same_rows_are_the_same_bytes() -> None:
    tasks = [a_task(n, {"text": "a", "n": n}, an_annotation(n, a_span(0, 1, "PER"))) for n in range(1, 50)]
    config = (GOLDEN / "ner" / "label_config.xml").read_text()

    assert (
        write("PARQUET", random.Random(3).sample(tasks, len(tasks)), config).only
        == write("PARQUET", tasks, config).only
    )


def test_rendering_needs_neither_spacy_nor_pyarrow() -> None:
    code = (
        "import sys; from syncd.formats import find; find('SPACY'); find('PARQUET');"
        "sys.exit(any(name in sys.modules for name in ('spacy', 'pyarrow')))"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
