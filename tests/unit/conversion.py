"""Writes a format as `convert` does, without files around it, and builds the small tasks that tests speak of."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from syncd.errors import TaskRejected
from syncd.formats import AnnotationPolicy, Context, Format, MediaFact, find
from syncd.labelstudio.labelconfig import parse_label_config

GOLDEN = Path(__file__).parents[1] / "golden" / "labelstudio"
PROJECTS = sorted(path.name for path in GOLDEN.iterdir() if path.is_dir())

Json = Any


@dataclass
class Written:
    """What came of it: files by path (part files as `part` + suffix), what was set aside, what was left out."""

    files: dict[str, bytes] = field(default_factory=dict)
    rejected: list[TaskRejected] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    items: int = 0

    @property
    def only(self) -> bytes:
        """The body of the first file."""
        return next(iter(self.files.values()))


def write(
    name: str,
    tasks: Iterable[Json],
    config: str,
    *,
    policy: AnnotationPolicy | None = None,
    all_tasks: bool = False,
    media: Mapping[str, MediaFact] | None = None,
    **options: Json,
) -> Written:
    """The files of one format for these tasks; a rejected task is set aside, the others are written."""
    kind = find(name)
    form = kind(kind.Options(**options))
    schema = parse_label_config(config)
    assert form.accepts(schema) is None
    policy = policy or kind.default_policy
    written = Written()
    columns = set(form.columns(schema))
    sound = []
    for task in tasks:
        try:
            columns |= form.names(task, schema, policy).columns
        except TaskRejected as rejected:
            written.rejected.append(rejected)
        else:
            sound.append(task)
    context = Context(
        schema=schema, columns=tuple(sorted(columns)), policy=policy, all_tasks=all_tasks, media=media or {}
    )
    fragments: dict[str, list[tuple[int, bytes]]] = {}
    for task in sorted(sound, key=lambda task: task["id"]):
        try:
            rendering = form.render(task, context)
        except TaskRejected as rejected:
            written.rejected.append(rejected)
            continue
        written.items += rendering.items
        written.skipped.update({skipped.reason: skipped.count for skipped in rendering.skipped})
        for section, fragment in rendering.fragments.items():
            fragments.setdefault(section, []).append((task["id"], fragment))
    written.files = _files(form, context, fragments)
    return written


def _files(form: Format, context: Context, fragments: dict[str, list[tuple[int, bytes]]]) -> dict[str, bytes]:
    if form.parts:
        return {f"part{form.part_suffix}": form.part(fragments.get("part", []), context)}
    return {
        file.path: b"".join(
            section.head + section.separator.join(body for _, body in fragments.get(section.name, ())) + section.tail
            for section in file.sections
        )
        for file in form.shared_files(context)
    }


def write_project(name: str, project: str, **keywords: Json) -> Written:
    """The same for one of Label Studio's own projects."""
    return write(name, exported(project), label_config(project), **keywords)


def exported(project: str) -> Json:
    return orjson.loads((GOLDEN / project / "export.json").read_bytes())


def label_config(project: str) -> str:
    return (GOLDEN / project / "label_config.xml").read_text()


# --- tasks --------------------------------------------------------------------------------------


def a_task(number: int, data: Json, *annotations: Json, **fields: Json) -> Json:
    return {"id": number, "data": data, "annotations": list(annotations), "project": 1, **fields}


def an_annotation(number: int, *result: Json, **fields: Json) -> Json:
    return {
        "id": number,
        "result": list(result),
        "completed_by": 1,
        "was_cancelled": False,
        "ground_truth": False,
        "created_at": "2026-01-01T00:00:00.000000Z",
        "updated_at": f"2026-01-01T00:00:00.{number:06}Z",
        "lead_time": 2.5,
        **fields,
    }


def a_region(from_name: str, value: Json, **fields: Json) -> Json:
    return {
        "id": fields.pop("id", "r1"),
        "from_name": from_name,
        "to_name": "text",
        "type": "labels",
        "value": value,
        **fields,
    }


def a_span(start: Json, end: Json, *labels: str, **fields: Json) -> Json:
    return a_region("ner", {"start": start, "end": end, "labels": list(labels)}, **fields)


def a_choice(*choices: str, **fields: Json) -> Json:
    return a_region("topic", {"choices": list(choices)}, type="choices", **fields)


NER = """<View><Text name="text" value="$text"/>
  <Labels name="ner" toName="text"><Label value="PER"/><Label value="ORG"/><Label value="LOC"/></Labels>
  <Choices name="topic" toName="text" choice="multiple"><Choice value="a"/><Choice value="b"/></Choices></View>"""
