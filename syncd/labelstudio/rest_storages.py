"""The storage connections set up in a Label Studio, asked over its REST API: as `storages` finds them in a database."""

from syncd.labelstudio.rest import Client
from syncd.labelstudio.storages import STORAGE_TYPES, Direction, Storage, storage_of

_TYPES = {"localfiles": "local", "azure_blob": "azure"}
"""Label Studio's name for a type, where ours is another."""


def storages_of(client: Client, project: int, direction: Direction) -> list[Storage]:
    """Where one project exports to, or imports from. Types that we have no target for are left out."""
    path = "/api/storages/export" if direction == "export" else "/api/storages/"
    rows = [(_TYPES.get(row["type"], row["type"]), row) for row in client.get(path, project=project)]
    return [storage_of(kind, {**row, "project_id": project}) for kind, row in rows if kind in STORAGE_TYPES]
