"""Relations between regions: results without a control, which Label Studio's converter loses (its issue 1803)."""

from syncd.model import Json

LOST_RELATION = "relation with an end that is not there"


def relations(result: list[Json]) -> list[dict[str, Json]]:
    """The relations of a result in their order: `from` and `to` as region ids, `direction` and `labels`."""
    return [
        {
            "from": region.get("from_id"),
            "to": region.get("to_id"),
            "direction": region.get("direction"),
            "labels": region.get("labels") or [],
        }
        for region in result
        if region.get("type") == "relation"
    ]
