"""Whatever annotators and importers wrote: a task is written or set aside, and never ends the run."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.conversion import Json, a_task, an_annotation, write

CONFIG = """<View><Text name="text" value="$text"/><Audio name="audio" value="$audio"/>
  <Labels name="ner" toName="text"><Label value="PER"/></Labels><Labels name="who" toName="audio"><Label value="A"/></Labels>
  <TextArea name="said" toName="audio"/><Choices name="topic" toName="text"><Choice value="a"/></Choices>
  <Rating name="stars" toName="text"/><Number name="count" toName="text"/></View>"""
CHAT = '<View><Chat name="chat" value="$text"/><Choices name="topic" toName="chat"><Choice value="a"/></Choices></View>'

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["r1", "\ud800"])
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2)
)
keys = st.sampled_from(["start", "end", "labels", "choices", "text", "rating", "number", "chatmessage", "role", "x"])
regions = st.fixed_dictionaries(
    {},
    optional={
        "id": values,
        "from_name": st.sampled_from(["ner", "who", "said", "topic", "stars", "count", "chat", "gone"]) | values,
        "to_name": st.sampled_from(["text", "audio", "chat"]) | values,
        "type": st.sampled_from(["labels", "choices", "textarea", "relation", "chatmessage"]) | values,
        "value": st.dictionaries(keys, values, max_size=4) | values,
        "from_id": values,
        "to_id": values,
        "labels": values,
        "original_length": values,
    },
)
data = st.dictionaries(st.sampled_from(["text", "audio", "ner", "id", "=x"]), values, max_size=3)


@pytest.mark.parametrize(
    "name", ["JSON", "JSONL", "JSON_MIN", "CSV", "TSV", "CONLL2003", "SPACY", "ASR_MANIFEST", "PARQUET"]
)
@settings(deadline=None, max_examples=25)
@given(
    data,
    st.lists(regions, max_size=3) | values,
    st.dictionaries(st.sampled_from(["lead_time", "completed_by"]), values),
)
def test_no_result_ends_the_run(name: str, given_data: Json, result: Json, fields: Json) -> None:
    good = a_task(1, {"text": "Ann", "audio": "a.wav"}, an_annotation(1))
    odd = a_task(2, given_data, {**an_annotation(2, **fields), "result": result})

    written = write(name, [odd, good], CONFIG)

    assert {rejected.task for rejected in written.rejected} <= {2}


@pytest.mark.parametrize("name", ["JSON_MIN", "CSV", "PARQUET"])
@pytest.mark.parametrize("options", [{}, {"rows": "region"}])
@settings(deadline=None, max_examples=25)
@given(st.lists(regions, max_size=3))
def test_no_chat_ends_the_run(name: str, options: Json, result: Json) -> None:
    written = write(
        name, [a_task(2, {"text": []}, an_annotation(2, *result))], CHAT, **(options if name == "CSV" else {})
    )

    assert {rejected.task for rejected in written.rejected} <= {2}
