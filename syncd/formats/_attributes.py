"""What annotators said of a region besides its label: per-region choices, texts, ratings and the like."""

from syncd.formats._regions import is_shape_tag
from syncd.labelstudio.labelconfig import control_for, is_region_label
from syncd.model import Json, LabelSchema, TaskJson


def attributes(annotation: TaskJson, schema: LabelSchema) -> dict[str, dict[str, Json]]:
    """Region id → control name → what was said of that region by choices, text, rating and the like.

    A single choice or text stands for itself, several are a list. Answers about the whole image have an id too, which
    is no region's.
    """
    said: dict[str, dict[str, Json]] = {}
    for result in annotation.get("result") or ():
        name, kind = str(result.get("from_name", "")), str(result.get("type", ""))
        control = control_for(schema, name)
        if control is None or is_region_label(control) or is_shape_tag(control):
            continue
        value = result.get("value") or {}
        answer = value.get(kind, value.get("text"))
        if answer is not None:
            is_single = kind in {"choices", "textarea"} and isinstance(answer, list) and len(answer) == 1
            said.setdefault(str(result.get("id", "")), {})[name] = answer[0] if is_single else answer
    return said
