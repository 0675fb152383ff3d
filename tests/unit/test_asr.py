"""ASR_MANIFEST: the transcripts of the right task, with the times of their regions."""

import json
import random

import orjson
import pytest

from syncd.formats import MediaFact, find
from syncd.labelstudio.labelconfig import parse_label_config
from tests.unit.conversion import (
    GOLDEN,
    Json,
    Written,
    a_region,
    a_task,
    an_annotation,
    exported,
    write,
    write_project,
)

SPEECH = """<View><Labels name="who" toName="audio"><Label value="Ann"/></Labels><Audio name="audio" value="$audio"/>
  <TextArea name="said" toName="audio" perRegion="true"/><TextArea name="notes" toName="audio"/></View>"""


def a_text(*texts: str, **fields: Json) -> Json:
    value = {"text": list(texts), **{key: fields.pop(key) for key in ("start", "end") if key in fields}}
    return a_region(fields.pop("name", "said"), value, type="textarea", **{"to_name": "audio", **fields})


def a_speaker(start: float, end: float, label: str, **fields: Json) -> Json:
    return a_region("who", {"start": start, "end": end, "labels": [label]}, **{"to_name": "audio", **fields})


def manifest(written: Written) -> list[Json]:
    """Read as NeMo does: one JSON object per line, with the keys it asks for."""
    lines = [json.loads(line) for line in written.files["manifest.json"].decode("utf-8").splitlines()]
    assert all(line["audio_filepath"] and line["duration"] > 0 and line["text"] for line in lines)
    return lines


def a_file(number: int, *result: Json) -> Json:
    return a_task(number, {"audio": f"/data/clip_{number}.wav"}, an_annotation(number, *result))


def test_a_task_without_transcript_gets_none_of_its_neighbours() -> None:
    tasks = [
        a_file(1, a_text("hello", original_length=2.0)),
        a_file(2),
        a_file(3, a_text("world", original_length=1.0)),
    ]

    lines = manifest(write("ASR_MANIFEST", tasks, SPEECH))

    assert [(line["audio_filepath"], line["text"]) for line in lines] == [
        ("/data/clip_1.wav", "hello"),
        ("/data/clip_3.wav", "world"),
    ]


def test_a_first_task_without_transcript_does_not_end_the_export() -> None:
    assert manifest(write("ASR_MANIFEST", [a_file(1), a_file(2, a_text("a", original_length=1.0))], SPEECH))


def test_each_transcribed_region_is_a_line_with_its_times_and_speaker() -> None:
    result = (
        a_speaker(1.5, 2.75, "Ann", id="b"),
        a_text("second", start=1.5, end=2.75, id="b"),
        a_speaker(0.25, 1.0, "Ann", id="a"),
        a_text("first", "half", id="a"),
        a_speaker(3.0, 4.0, "Ann", id="silent"),
    )

    assert manifest(write("ASR_MANIFEST", [a_file(7, *result)], SPEECH)) == [
        {
            "audio_filepath": "/data/clip_7.wav",
            "duration": 0.75,
            "text": "first half",
            "offset": 0.25,
            "speaker": "Ann",
            "utt": "clip_7__t7_1",
        },
        {
            "audio_filepath": "/data/clip_7.wav",
            "duration": 1.25,
            "text": "second",
            "offset": 1.5,
            "speaker": "Ann",
            "utt": "clip_7__t7_2",
        },
    ]


def test_label_studios_own_speech_project_keeps_every_transcribed_region() -> None:
    lines = manifest(write_project("ASR_MANIFEST", "speech", policy="all"))

    transcribed = {
        (task["data"]["audio"], region["value"]["start"], region["value"]["text"][0])
        for task in exported("speech")
        for annotation in task["annotations"]
        if not annotation["was_cancelled"]
        for region in annotation["result"]
        if region["from_name"] == "transcription"
    }
    assert {(line["audio_filepath"], line["offset"], line["text"]) for line in lines} == transcribed


def test_a_files_length_comes_from_the_audio_else_from_its_regions() -> None:
    task = a_file(1, a_text("hello", original_length=2.0))

    assert [line["duration"] for line in manifest(write("ASR_MANIFEST", [task], SPEECH))] == [2.0]
    known = write("ASR_MANIFEST", [task], SPEECH, media={"/data/clip_1.wav": MediaFact(duration=2.5)})
    assert [line["duration"] for line in manifest(known)] == [2.5]


def test_a_file_of_unknown_length_is_left_out_and_counted() -> None:
    written = write("ASR_MANIFEST", [a_file(1, a_text("hello"))], SPEECH)

    assert manifest(written) == []
    assert written.skipped == {"audio of unknown length": 1}


def test_only_audio_whose_length_is_not_known_is_asked_for() -> None:
    form = find("ASR_MANIFEST")(find("ASR_MANIFEST").Options())
    schema = parse_label_config(SPEECH)
    tasks = [
        a_file(1, a_text("whole")),
        a_file(2, a_text("whole", original_length=2.0)),
        a_file(3, a_text("part", start=0, end=1)),
        a_file(4),
    ]

    assert [list(form.media(task, schema)) for task in tasks] == [["/data/clip_1.wav"], [], [], []]


def test_another_text_area_can_be_the_transcript() -> None:
    task = a_file(1, a_text("hello", original_length=2.0), a_text("note", name="notes", original_length=2.0))

    assert [line["text"] for line in manifest(write("ASR_MANIFEST", [task], SPEECH))] == ["hello"]
    assert [line["text"] for line in manifest(write("ASR_MANIFEST", [task], SPEECH, control="notes"))] == ["note"]


def test_each_audio_of_a_task_is_transcribed_from_its_own_data() -> None:
    config = """<View><Audio name="a" value="$left"/><Audio name="b" value="$right"/>
      <TextArea name="said" toName="a"/><TextArea name="heard" toName="b"/></View>"""
    task = a_task(
        1,
        {"right": "r.wav", "left": "l.wav"},
        an_annotation(
            1,
            a_text("right", name="heard", to_name="b", original_length=1.0),
            a_text("left", to_name="a", original_length=2.0),
        ),
    )

    lines = manifest(write("ASR_MANIFEST", [task], config))

    assert [(line["audio_filepath"], line["text"], line["duration"]) for line in lines] == [
        ("l.wav", "left", 2.0),
        ("r.wav", "right", 1.0),
    ]


def test_a_region_that_juts_out_of_its_audio_ends_with_it() -> None:
    (line,) = manifest(write("ASR_MANIFEST", [a_file(1, a_text("a", start=1, end=9, original_length=3.0))], SPEECH))

    assert (line["offset"], line["duration"]) == (1.0, 2.0)


@pytest.mark.parametrize(
    ("start", "end"), [(2, 1), (-1, 1), (0, None), ("0", 1), (0, 10**400), (float("nan"), 1), (5, 6)]
)
def test_a_region_that_is_no_stretch_of_its_audio_sets_the_task_aside(start: Json, end: Json) -> None:
    tasks = [
        a_file(1, a_text("bad", start=start, end=end, id="bad", original_length=3.0)),
        a_file(2, a_text("good", start=0, end=1)),
    ]

    written = write("ASR_MANIFEST", tasks, SPEECH)

    assert [(rejected.task, rejected.region) for rejected in written.rejected] == [(1, "bad")]
    assert [line["text"] for line in manifest(written)] == ["good"]


def test_a_lone_surrogate_sets_the_task_aside() -> None:
    written = write("ASR_MANIFEST", [a_file(1, a_text("\ud800", start=0, end=1, id="bad"))], SPEECH)

    assert [(rejected.task, rejected.region) for rejected in written.rejected] == [(1, "bad")]


def test_a_format_of_transcripts_asks_for_a_text_area_on_audio() -> None:
    form = find("ASR_MANIFEST")(find("ASR_MANIFEST").Options())

    reason = form.accepts(parse_label_config((GOLDEN / "ner" / "label_config.xml").read_text()))

    assert reason is not None
    assert "TextArea" in reason


def test_the_order_of_tasks_does_not_show() -> None:
    tasks = exported("speech")
    config = (GOLDEN / "speech" / "label_config.xml").read_text()

    shuffled = write("ASR_MANIFEST", random.Random(2).sample(tasks, len(tasks)), config)

    assert shuffled.files == write("ASR_MANIFEST", tasks, config).files
    assert all(orjson.loads(line) for line in shuffled.only.splitlines())
