"""CSV and TSV: Label Studio's own table line by line, and right where its converter is wrong."""

import csv
import io
import random

import pytest

from syncd.errors import Misconfigured
from syncd.formats import Context, find
from syncd.labelstudio.labelconfig import parse_label_config
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

BOXES = """<View><Image name="image" value="$image"/>
  <RectangleLabels name="box" toName="image"><Label value="Car"/></RectangleLabels></View>"""


def table(tasks: list[Json], config: str = NER, **keywords: Json) -> list[dict[str, str]]:
    body = write("CSV", tasks, config, **keywords).files["result.csv"].decode()
    return list(csv.DictReader(io.StringIO(body, newline="")))


def rows_by_id(body: bytes, delimiter: str) -> list[list[str]]:
    header, *rows = csv.reader(io.StringIO(body.decode(), newline=""), delimiter=delimiter)
    task, annotation = header.index("id"), header.index("annotation_id")
    return [header, *sorted(rows, key=lambda row: (int(row[task]), int(row[annotation])))]


@pytest.mark.parametrize("project", PROJECTS)
@pytest.mark.parametrize(("name", "delimiter"), [("CSV", ","), ("TSV", "\t")])
def test_the_table_is_label_studios_own(project: str, name: str, delimiter: str) -> None:
    ours = write_project(name, project).files[f"result.{name.lower()}"]
    theirs = (GOLDEN / project / f"export.{name.lower()}").read_bytes()

    assert rows_by_id(ours, delimiter) == rows_by_id(theirs, delimiter)
    assert sorted(ours.split(b"\r\n")) == sorted(theirs.split(b"\r\n")), "quoting and line ends, byte by byte"
    assert ours.split(b"\r\n")[0] == theirs.split(b"\r\n")[0], "the header first"


def test_quotes_line_ends_and_slashes_are_the_converters() -> None:
    data = {"text": "a", "flag": True, "fl": 0.1, "n": None, "list": ["a/b", 'é"'], "path": "a/b"}
    task = a_task(1, data, an_annotation(11, completed_by={"id": 2, "email": "amy@x.io"}))

    assert write("CSV", [task], NER).only.decode() == (
        '"annotation_id","annotator","created_at","fl","flag","id","lead_time","list","n","path","text","updated_at"\r\n'
        '11,"amy@x.io","2026-01-01T00:00:00.000000Z",0.1,True,1,2.5,"[""a\\/b"",""é\\""""]","","a/b","a",'
        '"2026-01-01T00:00:00.000011Z"\r\n'
    )


def test_tsv_is_named_tsv() -> None:
    assert list(write("TSV", [], NER).files) == ["result.tsv"]


def test_the_task_id_wins_the_id_column() -> None:
    (row,) = table([a_task(7, {"id": "D1", "lead_time": "L"}, an_annotation(1))])

    assert (row["id"], row["_data_id"]) == ("7", "D1")
    assert (row["lead_time"], row["_data_lead_time"]) == ("2.5", "L")


def test_a_collision_is_decided_by_the_configuration_not_by_the_rows() -> None:
    untouched = a_task(1, {"ner": "mine"}, an_annotation(1))
    used = a_task(2, {"ner": "mine"}, an_annotation(2, a_span(0, 1, "PER")))

    assert [row["_data_ner"] for row in table([untouched])] == ["mine"]
    assert [row["_data_ner"] for row in table([untouched, used])] == ["mine", "mine"]


def test_a_data_key_never_meets_one_that_moved() -> None:
    (row,) = table([a_task(1, {"id": "a", "_data_id": "b", "_data__data_id": "c"}, an_annotation(1))])

    assert [row["_data_id"], row["_data__data_id"], row["_data__data__data_id"]] == ["a", "b", "c"]


def test_names_in_a_repeater_collide_too() -> None:
    config = """<View><Repeater on="$pages" indexFlag="{{idx}}"><Image name="page_{{idx}}" value="$pages[{{idx}}].url"/>
      <Choices name="kind_{{idx}}" toName="page_{{idx}}"><Choice value="a"/></Choices></Repeater></View>"""
    task = a_task(1, {"pages": [], "kind_0": "mine"}, an_annotation(1, a_region("kind_1", {"choices": ["a"]})))

    (row,) = table([task], config)

    assert (row["kind_1"], row["_data_kind_0"]) == ("a", "mine")


def test_a_chat_has_a_column_with_its_transcript() -> None:
    config = '<View><Chat name="chat" value="$messages"/></View>'

    def message(role: str, content: str) -> Json:
        return a_region("chat", {"chatmessage": {"role": role, "content": content}}, type="chatmessage")

    task = a_task(1, {"messages": []}, an_annotation(1, message("user", "hi\nthere"), message("assistant", "yo")))
    (row,) = table([task], config)

    assert row["chat"] == '[{"role":"user","content":"hi\\nthere"},{"role":"assistant","content":"yo"}]'
    assert row["chat_transcript"] == "user: hi\nthere\nassistant: yo"


def test_history_and_agreement_have_columns_where_they_are() -> None:
    (row,) = table([a_task(1, {}, an_annotation(1, history=[{"k": 1}]), agreement=0.5)])

    assert (row["history"], row["agreement"]) == ('[{"k":1}]', "0.5")


def test_annotations_are_rows_in_id_order_and_skipped_ones_are_not() -> None:
    task = a_task(1, {}, an_annotation(3), an_annotation(2, was_cancelled=True), an_annotation(1))

    assert [row["annotation_id"] for row in table([task])] == ["1", "3"]
    assert [row["annotation_id"] for row in table([task], policy="latest")] == ["3"]


def test_a_task_that_has_no_row_adds_no_column() -> None:
    tasks = [
        a_task(1, {"text": "a"}, an_annotation(1)),
        a_task(2, {"other": "b"}, an_annotation(2, was_cancelled=True)),
    ]

    assert "other" not in table(tasks)[0]


def test_a_task_without_annotation_has_a_row_only_when_asked_for() -> None:
    tasks = [a_task(1, {"text": "a"})]

    assert table(tasks) == []
    (row,) = table(tasks, all_tasks=True)
    assert (row["id"], row["text"], row["annotation_id"], row["annotator"]) == ("1", "a", "", "")


@pytest.mark.parametrize("start", ["=1+1", "+1", "-1", "@x", "\tx"])
def test_formulas_are_kept_unless_they_shall_be_escaped(start: str) -> None:
    task = a_task(1, {"text": start, "n": -1}, an_annotation(1))

    assert table([task])[0]["text"] == start
    (safe,) = table([task], formulas="escape")
    assert (safe["text"], safe["n"]) == (f"'{start}", "-1")


def test_rows_of_regions_are_flat() -> None:  # Label Studio converter issue 59
    box = a_region(
        "box",
        {"x": 1.5, "y": 2, "width": 3, "height": 4, "rotation": 0, "rectanglelabels": ["Car"]},
        type="rectanglelabels",
        original_width=640,
        original_height=480,
    )
    tasks = [a_task(1, {"image": "a.png", "region_x": "mine"}, an_annotation(1, box, box), an_annotation(2))]

    rows = table(tasks, BOXES, rows="region")

    assert [row["annotation_id"] for row in rows] == ["1", "1", "2"]
    flat = {key: value for key, value in rows[0].items() if key.startswith("region_")}
    assert flat == {
        "region_id": "r1",
        "region_control": "box",
        "region_labels": "Car",
        "region_x": "1.5",
        "region_y": "2",
        "region_width": "3",
        "region_height": "4",
        "region_rotation": "0",
        "region_original_width": "640",
        "region_original_height": "480",
    }
    assert rows[0]["_data_region_x"] == "mine"
    assert rows[2]["region_labels"] == "", "an annotation without regions is a row all the same"


def test_a_text_of_a_region_does_not_hide_the_text_of_the_task() -> None:
    span = a_span(0, 3, "PER")
    span["value"]["text"] = "Ann"

    (row,) = table([a_task(1, {"text": "Ann Lee"}, an_annotation(1, span))], rows="region")

    assert (row["text"], row["region_text"]) == ("Ann Lee", "Ann")


def test_a_task_with_thousands_of_keys_is_set_aside() -> None:
    wild = a_task(1, {f"key{n}": n for n in range(3_000)}, an_annotation(1))

    written = write("CSV", [wild, a_task(2, {"text": "a"}, an_annotation(2))], NER)

    assert [rejected.task for rejected in written.rejected] == [1]
    assert written.only.count(b"\r\n") == 2


def test_a_project_with_thousands_of_keys_is_refused() -> None:
    tasks = [a_task(n, {f"key{n}_{k}": k for k in range(1_000)}, an_annotation(n)) for n in (1, 2, 3)]

    with pytest.raises(Misconfigured, match="3,006 columns"):
        write("CSV", tasks, NER)


def test_the_order_of_tasks_does_not_show() -> None:
    tasks = exported("classify")
    shuffled = random.Random(1).sample(tasks, len(tasks))
    config = (GOLDEN / "classify" / "label_config.xml").read_text()

    assert write("CSV", shuffled, config).files == write("CSV", tasks, config).files


def test_a_registry_of_columns_decides_their_order() -> None:
    form = find("CSV")(find("CSV").Options())
    context = Context(schema=parse_label_config(NER), columns=("id", "topic", "annotator"), policy="all")

    row = form.render(a_task(1, {"text": "a"}, an_annotation(1, a_choice("a"))), context).fragments["rows"]

    assert row == b'1,"a","1"\r\n'


def test_without_a_label_configuration_every_region_is_kept() -> None:
    task = a_task(1, {"text": "a", "ner": "mine"}, an_annotation(1, a_span(0, 1, "PER"), a_choice("a")))

    (row,) = table([task], "")

    assert row["ner"] == '[{"start":0,"end":1,"labels":["PER"]}]'
    assert row["topic"] == '[{"choices":["a"]}]'
    assert row["_data_ner"] == "mine"
