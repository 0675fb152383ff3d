"""Relations between the regions of a result, and JSON that names the region to blame."""

from collections.abc import Mapping
from typing import TypedDict

from syncd.errors import TaskRejected
from syncd.formats._select import ID_TYPES, check_json, to_json
from syncd.model import Json, TaskJson

LOST_RELATION = "relation with an end that is not there"

Relation = TypedDict(
    "Relation", {"from": Json, "to": Json, "direction": Json, "labels": Json}
)  # functional, for `from` is a keyword


def relations(result: list[TaskJson]) -> list[Relation]:
    """The relations of a result in their order, ends as region ids. Label Studio's converter loses them (its issue 1803)."""
    return [
        {
            "from": _end(region.get("from_id")),
            "to": _end(region.get("to_id")),
            "direction": region.get("direction"),
            "labels": region.get("labels") or [],
        }
        for region in result
        if region.get("type") == "relation"
    ]


def placed_relations(related: list[Relation], places: Mapping[Json, Json]) -> list[Json]:
    """The relations whose two ends have a place, with those places for ends."""
    return [
        {**relation, "from": places[relation["from"]], "to": places[relation["to"]]}
        for relation in related
        if relation["from"] in places and relation["to"] in places and None not in (relation["from"], relation["to"])
    ]


def _end(region: Json) -> Json:
    return region if type(region) in ID_TYPES else None


def to_json_of_task(value: Json, task: TaskJson, used: list[TaskJson], *, sort_keys: bool = False) -> bytes:
    """Compact JSON of what was made of a task and its annotations `used`.

    Raises TaskRejected for what JSON cannot carry, naming the region if one is to blame.
    """
    try:
        return to_json(value, task=task["id"], sort_keys=sort_keys)
    except TaskRejected:
        check_json({**task, "annotations": used})
        raise
