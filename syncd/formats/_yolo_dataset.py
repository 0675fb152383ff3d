"""The files of a YOLO dataset that describe its classes: classes.txt, notes.json and data.yaml.

Every reader takes a class's number for its place in these lists, so numbers that no class has are filled with
placeholders. data.yaml is what https://docs.ultralytics.com/datasets/detect/ describes; without `path`, its
folder is the dataset's.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter

import orjson

from syncd.errors import Misconfigured

MOST_CLASSES = 65_536
"""Classes and gaps: each takes a line in every list."""

_NOT_IN_YAML = re.compile("[\x7f-\x9f\ufeff\ufffe\uffff]")


def dataset_files(
    classes: Mapping[str, int], *, keypoints: Sequence[str] = (), is_split: bool = False
) -> dict[str, bytes]:
    """classes.txt, notes.json and data.yaml. Raises Misconfigured for class numbers from MOST_CLASSES on."""
    names = _in_order(classes)
    return {
        "classes.txt": "".join(f"{name}\n" for name in names).encode(),
        "data.yaml": _data_yaml(names, keypoints, is_split=is_split).encode(),
        "notes.json": _notes(classes),
    }


def _in_order(classes: Mapping[str, int]) -> list[str]:
    """Line n is class n; one line per name, whatever is in it."""
    count = max(classes.values(), default=-1) + 1
    if count > MOST_CLASSES:
        raise Misconfigured(
            f"a class has the number {count - 1:,}, and YOLO lists every number up to the largest; "
            f"give the labels a category below {MOST_CLASSES:,}"
        )
    names = [_placeholder(number, classes) for number in range(count)]
    for name, number in classes.items():
        names[number] = " ".join(name.splitlines()) or names[number]
    return names


def _placeholder(number: int, classes: Mapping[str, int]) -> str:
    """A name for a number without class, that no class has."""
    name = f"__unused_{number}"
    while name in classes:
        name += "_"
    return name


def _data_yaml(names: Sequence[str], keypoints: Sequence[str], *, is_split: bool) -> str:
    train, val = ("train.txt", "val.txt") if is_split else ("images", "images")
    lines = [f"train: {train}", f"val: {val}", f"nc: {len(names)}", *_named("names", map(_quoted, names))]
    if keypoints:
        listed = f"[{', '.join(map(_quoted, keypoints))}]"
        lines += [f"kpt_shape: [{len(keypoints)}, 3]", *_named("kpt_names", [listed] * len(names))]
    return "\n".join(lines) + "\n"


def _named(key: str, values: Iterable[str]) -> list[str]:
    """A mapping of YAML from class number to value."""
    lines = [f"  {number}: {value}" for number, value in enumerate(values)]
    return [f"{key}:", *lines] if lines else [f"{key}: {{}}"]


def _quoted(name: str) -> str:
    """A YAML text in double quotes: JSON's, and escapes for what YAML does not take as it is."""
    return _NOT_IN_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", orjson.dumps(name).decode())


def _notes(classes: Mapping[str, int]) -> bytes:
    """What Label Studio's converter writes, without the year, since the same input gives the same bytes."""
    notes = {
        "categories": [{"id": number, "name": name} for name, number in sorted(classes.items(), key=itemgetter(1))],
        "info": {"version": "1.0", "contributor": "Label Studio"},
    }
    return orjson.dumps(notes, option=orjson.OPT_INDENT_2)
