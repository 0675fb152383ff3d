"""What `syncd formats` tells: every format, its options, and whether it applies to a labelling configuration."""

from collections.abc import Iterator
from dataclasses import dataclass
from types import UnionType
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from syncd import formats
from syncd.model import LabelSchema


@dataclass(frozen=True, slots=True)
class OptionEntry:
    """One option: `values` are the words it takes, or the kind of value."""

    name: str
    values: str
    default: object
    description: str


@dataclass(frozen=True, slots=True)
class FormatEntry:
    """One format. `applies` is None when nobody asked for a configuration; `reason` says why it does not."""

    name: str
    summary: str
    annotations: str
    mirrors: bool
    options: tuple[OptionEntry, ...]
    applies: bool | None = None
    reason: str | None = None

    def as_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "name": self.name,
            "summary": self.summary,
            "annotations": self.annotations,
            "mirrors": self.mirrors,
            "options": {
                o.name: {"values": o.values, "default": o.default, "description": o.description} for o in self.options
            },
        }
        return found if self.applies is None else found | {"applies": self.applies, "reason": self.reason}

    def lines(self) -> Iterator[str]:
        mark = "" if self.applies is None else "yes  " if self.applies else "no   "
        yield f"{mark}{self.name:<21} {self.summary}"
        if self.applies is False:
            yield f"{'':<26} {self.reason}"
            return
        for option in self.options:
            default = "" if option.default is None else f" (default {shown(option.default)})"
            told = f": {option.description}" if option.description else ""
            yield f"{' ' * len(mark)}{'':<21} --option {option.name}={option.values}{default}{told}"


def catalogue(schema: LabelSchema | None = None) -> list[FormatEntry]:
    """Every format by name; with a schema, whether it applies."""
    return [_entry(name, schema) for name in sorted(formats.available())]


def _entry(name: str, schema: LabelSchema | None) -> FormatEntry:
    kind = formats.find(name)
    reason = None if schema is None else kind(kind.Options()).accepts(schema)
    return FormatEntry(
        name=kind.name,
        summary=kind.summary,
        annotations=kind.default_policy,
        mirrors=kind.mirrors,
        options=tuple(_option(key, field) for key, field in kind.Options.model_fields.items()),
        applies=None if schema is None else reason is None,
        reason=reason,
    )


def _option(name: str, field: FieldInfo) -> OptionEntry:
    return OptionEntry(name, kind_of(field.annotation), field.default, field.description or "")


def kind_of(annotation: Any) -> str:
    """`annotation|region`, `true|false`, NUMBER or TEXT."""
    if get_origin(annotation) is Literal:
        return "|".join(map(str, get_args(annotation)))
    if isinstance(annotation, UnionType):
        return kind_of(next(a for a in get_args(annotation) if a is not type(None)))
    if annotation is bool:
        return "true|false"
    return "NUMBER" if annotation in (int, float) else "TEXT"


def shown(value: object) -> str:
    """A value as it is written after `=`."""
    return str(value).lower() if isinstance(value, bool) else str(value)
