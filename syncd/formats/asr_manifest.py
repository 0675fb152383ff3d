"""ASR_MANIFEST: transcripts as JSON lines, as NeMo and its kin read them.

One line per transcribed region, else one per file. Every line is made from its own task alone: no transcript, no line.
"""

from collections import Counter
from collections.abc import Iterable
from operator import itemgetter
from typing import ClassVar, NamedTuple, TypeGuard

from pydantic import Field

from syncd.errors import TaskRejected
from syncd.formats import AnyOptions, Context, Format, Rendering, Section, SharedFile
from syncd.formats._names import item_name
from syncd.formats._regions import labels_of
from syncd.formats._results import to_json_of_task
from syncd.formats._select import annotations, media_value, newest_update, results_of
from syncd.formats._tables import counted
from syncd.labelstudio.labelconfig import control_for, is_region_label
from syncd.model import ControlTag, Json, LabelSchema, ObjectTag, TaskJson

_LONGEST_SECONDS = 1e9
_AUDIO = frozenset({"Audio", "AudioPlus"})
_NO_LENGTH = "audio of unknown length"
_NO_ADDRESS = "audio without an address"
_BESIDE_REGIONS = "transcript of a whole file beside transcripts of its regions"
_EMPTY = "region without length"


class Segment(NamedTuple):
    """A transcribed stretch of audio, in seconds; without `start` and `end` the whole file."""

    text: str
    start: float | None
    end: float | None
    speaker: str | None
    region: str | None


class AsrManifestOptions(AnyOptions):
    """Options of ASR_MANIFEST."""

    control: str | None = Field(
        default=None, description="name of the TextArea that holds the transcript; default: each audio's first one"
    )


class AsrManifest(Format):
    """Lines of `audio_filepath, duration, text, offset, speaker, utt`; seconds; `speaker` is the region's label or null."""

    name: ClassVar[str] = "ASR_MANIFEST"
    summary: ClassVar[str] = "transcripts of audio as JSON lines (NeMo manifest)"
    fetches: ClassVar[bool] = True
    Options = AsrManifestOptions
    options: AsrManifestOptions

    def accepts(self, schema: LabelSchema) -> str | None:
        if self._transcribed(schema):
            return None
        which = f"TextArea {self.options.control!r}" if self.options.control else "TextArea"
        return f"ASR_MANIFEST holds transcripts: the label configuration has no {which} on an Audio"

    def media(self, task: TaskJson, schema: LabelSchema) -> Iterable[str]:
        """Audio files transcribed as a whole whose length no region tells."""
        for tag, control in self._transcribed(schema):
            address = media_value(task, tag)
            for annotation in annotations(task, "all"):
                result = results_of(annotation)
                whole = any(s.start is None for s in _segments(result, control, schema, task=task["id"]))
                if isinstance(address, str) and whole and _told_length(result, schema, tag) is None:
                    yield address
                    break

    def render(self, task: TaskJson, context: Context) -> Rendering:
        """Raises TaskRejected for a region outside its audio, with broken times, or with a text that is none."""
        used = annotations(task, context.policy)
        skipped: Counter[str] = Counter()
        lines: list[TaskJson] = []
        for annotation in used:
            result = results_of(annotation)
            for tag, control in self._transcribed(context.schema):
                address = media_value(task, tag)
                found = _segments(result, control, context.schema, task=task["id"])
                if not isinstance(address, str):
                    skipped[_NO_ADDRESS] += len(found)
                    continue
                fact = context.media.get(address)
                length = fact.duration if fact else None
                if length is None:
                    length = _told_length(result, context.schema, tag)
                lines += _lines(found, address, length, skipped, task=task["id"])
        for number, line in enumerate(lines, 1):
            line["utt"] = f"{item_name(line['audio_filepath'], task['id'])}_{number}"
        body = b"".join(to_json_of_task(line, task, used) + b"\n" for line in lines)
        return Rendering(
            fragments={"lines": body} if lines else {},
            items=len(lines),
            updated_at=newest_update(used),
            skipped=counted(skipped),
        )

    def shared_files(self, context: Context, *, newest: str = "") -> Iterable[SharedFile]:
        return (SharedFile("manifest.json", (Section("lines"),)),)

    def _transcribed(self, schema: LabelSchema) -> list[tuple[ObjectTag, ControlTag]]:
        """Each audio that is transcribed, and the control that does it."""
        wanted = self.options.control
        controls = [c for c in schema.controls.values() if c.type == "TextArea" and wanted in (None, c.name)]
        first = {
            tag.name: next((c for c in controls if tag.name in c.to_name), None)
            for tag in schema.objects.values()
            if tag.type in _AUDIO and not tag.index_flag
        }
        return [(schema.objects[name], control) for name, control in first.items() if control is not None]


def _segments(result: list[TaskJson], control: ControlTag, schema: LabelSchema, *, task: int) -> list[Segment]:
    """What was transcribed, by time; a region's times may stand in the result that carries its label."""
    labelled: dict[Json, TaskJson] = {}
    speakers: dict[Json, str] = {}
    for region in result:
        value = region.get("value", {})
        known = control_for(schema, region.get("from_name") or "")
        if known is not None and is_region_label(known):
            labelled.setdefault(region.get("id"), value)
            speakers |= {region.get("id"): label for label in labels_of(region, task=task)[:1]}
    found = []
    for region in result:
        if region.get("from_name") != control.name:
            continue
        value, id_ = region["value"], region.get("id")
        times = value if "start" in value else labelled.get(id_, {})
        text = _text(value.get("text"), task=task, region=id_)
        if text:
            found.append(Segment(text, times.get("start"), times.get("end"), speakers.get(id_), id_))
    return found


def _text(said: Json, *, task: int, region: str | None) -> str:
    texts = [said] if isinstance(said, str) else said or []
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise TaskRejected(f"its transcript {str(said)[:80]!r} is no text", task=task, region=region)
    return " ".join(filter(None, (text.strip() for text in texts)))


def _told_length(result: list[TaskJson], schema: LabelSchema, tag: ObjectTag) -> float | None:
    """The length that Label Studio noted beside a region of this audio, in seconds."""
    lengths = [
        region["original_length"]
        for region in result
        if region.get("to_name") == tag.name and _is_time(region.get("original_length"))
    ]
    return max(lengths, default=None)


def _lines(
    found: list[Segment], address: str, length: float | None, skipped: Counter[str], *, task: int
) -> list[TaskJson]:
    """The lines of one file: its transcribed regions by time, else the file as a whole."""
    parts = [segment for segment in found if segment.start is not None or segment.end is not None]
    whole = " ".join(segment.text for segment in found if segment.start is None and segment.end is None)
    if parts:
        skipped[_BESIDE_REGIONS] += bool(whole)
        timed = sorted(((_times(segment, length, task), segment) for segment in parts), key=itemgetter(0))
        skipped[_EMPTY] += sum(end <= start for (start, end), _ in timed)
        return [
            _line(address, segment.text, start, end - start, segment.speaker)
            for (start, end), segment in timed
            if end > start
        ]
    if whole and length is None:
        skipped[_NO_LENGTH] += 1
    return [_line(address, whole, 0.0, length, None)] if whole and length is not None else []


def _times(segment: Segment, length: float | None, task: int) -> tuple[float, float]:
    """Start and end in seconds, the end not after the file's."""
    start, end = segment.start, segment.end
    if not _is_time(start) or not _is_time(end) or end < start:
        raise TaskRejected(f"its times {start!r}–{end!r} are no stretch of audio", task=task, region=segment.region)
    if length is not None and start > length:
        raise TaskRejected(
            f"it starts at {start} s, after the end of its audio ({length} s)", task=task, region=segment.region
        )
    return float(start), float(end if length is None else min(end, length))


def _is_time(number: Json) -> TypeGuard[float]:
    return type(number) in (int, float) and 0 <= number < _LONGEST_SECONDS


def _line(address: str, text: str, start: float, duration: float, speaker: str | None) -> TaskJson:
    return {
        "audio_filepath": address,
        "duration": round(duration, 6),
        "text": text,
        "offset": start,
        "speaker": speaker,
    }


FORMAT = AsrManifest
