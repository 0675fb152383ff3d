"""What a bucket keeps of replaced objects: soft delete, which new buckets have, versioning, and the rules that end it."""

import math
from collections.abc import Iterator

from google.api_core.exceptions import Forbidden
from google.cloud.storage import Bucket

from syncd.targets import Retention
from syncd.targets._gcs_client import RETRY, TIMEOUT

_DAY_SECONDS = 86_400
_OTHER_CHOICES = frozenset(
    {"matchesPrefix", "matchesSuffix", "matchesStorageClass", "createdBefore", "customTimeBefore"}
)


def retention(bucket: Bucket) -> Retention:
    """What holds in this bucket. Raises what the SDK raises for a store that is out of reach."""
    try:
        bucket.reload(timeout=TIMEOUT, retry=RETRY)
    except Forbidden:
        return Retention(None, "whether the bucket keeps what is deleted is not told: it takes storage.buckets.get")
    soft = (bucket.soft_delete_policy.retention_duration_seconds or 0) / _DAY_SECONDS
    reasons = [f"soft delete is on for {soft:g} days"] if soft else []
    if not bucket.versioning_enabled:
        return Retention(soft, "".join(reasons))
    versions = min(_days_of_rules(bucket), default=math.inf)
    ended = "no lifecycle rule ends" if versions == math.inf else f"after {versions:g} days a lifecycle rule ends"
    return Retention(versions + soft, " and ".join([*reasons, f"versioning is on, and {ended} old versions"]))


def _days_of_rules(bucket: Bucket) -> Iterator[float]:
    """Days after which a rule deletes any replaced object."""
    for rule in bucket.lifecycle_rules:
        condition = rule.get("condition", {})
        days = condition.get("daysSinceNoncurrentTime")
        if rule.get("action", {}).get("type") == "Delete" and days is not None and not _OTHER_CHOICES & set(condition):
            yield float(days)
