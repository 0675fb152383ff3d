"""What an account keeps of replaced blobs: soft delete, and versions, which a blob that has some shows itself."""

import math

from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.storage.blob import BlobServiceClient, ContainerClient

from syncd.targets import Retention

_NOT_TOLD = "whether the account keeps what is deleted is not told: it takes the account's key, or a look in the portal"


def retention(container: ContainerClient, service: BlobServiceClient, a_blob: str) -> Retention:
    """What holds in this account; `a_blob` is the name of any blob of ours. Raises the SDK's error when it is out of reach."""
    if _has_versions(container, a_blob):
        return Retention(math.inf, "versioning is on, and old versions stay until a lifecycle rule ends them")
    try:
        policy = service.get_service_properties()["delete_retention_policy"]
    except HttpResponseError as error:
        if error.status_code not in {403, 401}:
            raise
        return Retention(None, _NOT_TOLD)
    if not policy or not policy.enabled:
        return Retention()
    return Retention(policy.days or 0, f"soft delete is on for {policy.days} days")


def _has_versions(container: ContainerClient, a_blob: str) -> bool:
    try:
        return bool(container.get_blob_client(a_blob).get_blob_properties().version_id)
    except ResourceNotFoundError:
        return False
