"""Reads a label configuration (XML) into a LabelSchema, and answers what formats ask of one.

What a tag is follows from its attributes, not from a list of names, as in Label Studio itself: `name` with
`toName` annotates, `name` with `value` or `valueList` is annotated. So tags added tomorrow are read today.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from syncd.errors import Misconfigured
from syncd.model import ControlTag, Label, LabelSchema, ObjectTag

LONGEST_CONFIG = 4_000_000
"""Characters. The largest taxonomies seen in practice are a tenth of this."""
LARGEST_CATEGORY = 2**31 - 1

_LABEL_TAGS = frozenset({"Label", "Choice"})
_ANNOTATE_THEMSELVES = frozenset({"Chat"})
_DEFAULT_INDEX_FLAG = "{{idx}}"
_VARIABLE = re.compile(r"\$(\w+)")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an element stands: the index flags of the Repeaters and the control around it."""

    index_flags: tuple[str, ...] = ()
    control: str | None = None


def parse_label_config(xml: str) -> LabelSchema:
    """The schema of a label configuration; an empty text is an empty schema.

    Raises Misconfigured for text that is not well-formed XML, defines entities, or exceeds LONGEST_CONFIG.
    """
    controls: dict[str, ControlTag] = {}
    objects: dict[str, ObjectTag] = {}
    labels: dict[str, dict[str, Label]] = {}
    dynamic: set[str] = set()
    for element, place in _walk(_root(xml)):
        name = element.get("name", "")
        if element.tag in _LABEL_TAGS:
            if place.control is None:
                continue
            label = _label(element)
            if label is None:
                dynamic.add(place.control)
            else:
                labels[place.control].setdefault(label.name, label)
            continue
        if _is_control(element):
            controls[name] = _control(element, place.index_flags)
            labels[name] = {}
        if _is_object(element):
            objects[name] = _object(element, place.index_flags)
    return LabelSchema(
        controls={
            name: replace(tag, labels=tuple(labels[name].values()), dynamic=tag.dynamic or name in dynamic)
            for name, tag in controls.items()
        },
        objects=objects,
    )


def _root(xml: str) -> Element:
    if len(xml) > LONGEST_CONFIG:
        raise Misconfigured(
            f"the label configuration has {len(xml):,} characters, and at most {LONGEST_CONFIG:,} are read; "
            'move long lists of labels into the task data (value="$labels") or to a taxonomy\'s apiUrl'
        )
    try:
        return fromstring(xml.strip() or "<View/>")
    except DefusedXmlException as error:
        raise Misconfigured(
            "the label configuration defines XML entities, which are refused because they can grow without "
            f"bound ({error}); write the text itself instead"
        ) from error
    except ParseError as error:
        raise Misconfigured(f"the label configuration is not well-formed XML: {error}") from error
    except UnicodeEncodeError as error:
        raise Misconfigured(
            f"the label configuration has a lone surrogate at character {error.start}; take it out"
        ) from error


def _walk(root: Element) -> Iterator[tuple[Element, _Place]]:
    """Every element in document order. A loop, not a recursion: depth is the config's choice."""
    waiting = [(root, _Place())]
    while waiting:
        element, place = waiting.pop()
        yield element, place
        if element.tag == "Repeater":
            place = replace(place, index_flags=(*place.index_flags, element.get("indexFlag") or _DEFAULT_INDEX_FLAG))
        elif _is_control(element):
            place = replace(place, control=element.get("name"))
        waiting.extend((child, place) for child in reversed(element))


def _is_control(element: Element) -> bool:
    if not element.get("name") or element.tag in _LABEL_TAGS or element.tag == "Filter":
        return False
    return bool(element.get("toName")) or element.tag in _ANNOTATE_THEMSELVES


def _is_object(element: Element) -> bool:
    name = element.get("name")
    if not name or (_is_control(element) and element.get("toName", name) != name):
        return False
    return any(element.get(key) for key in ("value", "valueList", "data"))


def _control(element: Element, index_flags: tuple[str, ...]) -> ControlTag:
    attributes = dict(element.attrib)
    name = attributes["name"]
    to_name = attributes.get("toName", name)
    from_data = attributes.get("value", "").startswith("$") and _has_labels(element.tag)
    return ControlTag(
        name=name,
        type=element.tag,
        to_name=tuple(part.strip() for part in to_name.split(",") if part.strip()),
        dynamic=from_data or "apiUrl" in attributes,
        attributes=attributes,
        pattern=_pattern(name, index_flags),
    )


def _has_labels(tag: str) -> bool:
    return tag.endswith("Labels") or tag in {"Choices", "Taxonomy"}


def _pattern(name: str, index_flags: tuple[str, ...]) -> str | None:
    flags = [flag for flag in index_flags if flag in name]
    if not flags:
        return None
    cut = re.split("|".join(map(re.escape, flags)), name)
    return "(.*)".join(map(re.escape, cut))


def _object(element: Element, index_flags: tuple[str, ...]) -> ObjectTag:
    attributes = dict(element.attrib)
    listed = attributes.get("valueList")
    variable = _VARIABLE.search(listed or attributes.get("value") or attributes.get("data") or "")
    return ObjectTag(
        name=attributes["name"],
        type=element.tag,
        data_key=variable.group(1) if variable else None,
        many=bool(listed),
        attributes=attributes,
        index_flag=next((flag for flag in reversed(index_flags) if flag in attributes["name"]), ""),
    )


def _label(element: Element) -> Label | None:
    """None when the label's name comes from the task's data, or it has none."""
    alias = element.get("alias") or None
    value = element.get("value") or alias
    if value is None or value.startswith("$"):
        return None
    category, model_index = (_number(element.get(key, "")) for key in ("category", "model_index"))
    return Label(value, alias, category, element.get("background") or None, model_index)


def _number(text: str) -> int | None:
    try:
        number = int(text)
    except ValueError:
        return None
    return number if 0 <= number <= LARGEST_CATEGORY else None


def control_for(schema: LabelSchema, from_name: str) -> ControlTag | None:
    """The control that gave a region: by name, else by a Repeater's longest matching pattern; else None."""
    control = schema.controls.get(from_name)
    if control is not None:
        return control
    matching = [
        control
        for control in schema.controls.values()
        if control.pattern is not None and re.fullmatch(control.pattern, from_name, re.DOTALL)
    ]
    return max(matching, key=lambda control: len(control.name), default=None)


def object_for(schema: LabelSchema, control: ControlTag, to_name: str = "") -> ObjectTag | None:
    """The object a control annotates; `to_name` (from the region) decides where the control names several."""
    names = (to_name, *control.to_name) if to_name in control.to_name else control.to_name
    return next((schema.objects[name] for name in names if name in schema.objects), None)


def is_region_label(control: ControlTag) -> bool:
    """True for tags whose labels name regions: every `…Labels` but KeyPointLabels, which name parts."""
    return control.type.endswith("Labels") and control.type != "KeyPointLabels"


def region_classes(schema: LabelSchema) -> tuple[Label, ...]:
    """The project's class labels in the configuration's order, each name once, with its `category`."""
    found: dict[str, Label] = {}
    for control in filter(is_region_label, schema.controls.values()):
        for label in control.labels:
            known = found.get(label.name)
            if known is None or (known.category is None and label.category is not None):
                found[label.name] = label
    return tuple(found.values())


def keypoint_names(schema: LabelSchema) -> tuple[str, ...]:
    """The names of keypoints, in the order of the configuration."""
    tags = (control for control in schema.controls.values() if control.type == "KeyPointLabels")
    return tuple(dict.fromkeys(label.name for control in tags for label in control.labels))


def number_classes(
    labels: Iterable[Label], found: Iterable[str] = (), existing: Mapping[str, int] | None = None
) -> dict[str, int]:
    """Class numbers by name, in the order of their numbers; names in `existing` keep theirs for ever.

    As Label Studio numbers them: an explicit `category` first; the other labels, sorted by code point, into
    the smallest free numbers from 0; then names found only in data, sorted, likewise. A `category` that an
    earlier name has taken counts as absent. `existing` (a published registry) only grows.
    """
    numbers = dict(existing or {})
    new = [label for label in labels if label.name not in numbers]
    taken = set(numbers.values())
    for label in new:
        if label.category is not None and label.category not in taken and label.name not in numbers:
            numbers[label.name] = label.category
            taken.add(label.category)
    free = _free_numbers(taken)
    for names in (sorted(label.name for label in new), sorted(found)):
        for name in names:
            if name not in numbers:
                numbers[name] = next(free)
    return dict(sorted(numbers.items(), key=lambda item: item[1]))


def _free_numbers(taken: set[int]) -> Iterator[int]:
    number = 0
    while True:
        if number not in taken:
            yield number
        number += 1
