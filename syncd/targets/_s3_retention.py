"""What a bucket keeps of replaced objects: versioning, and the lifecycle rule that ends old versions."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

from syncd.targets import Retention
from syncd.targets._s3_clients import Clients
from syncd.targets._s3_faults import answer_of

_NO_SUCH_FEATURE = frozenset({"NotImplemented", "MethodNotAllowed"})


def retention(clients: Clients, bucket: str, prefix: str) -> Retention:
    """What holds for objects below the prefix. Raises what boto3 raises for a store that is out of reach."""
    try:
        if clients.sdk.get_bucket_versioning(Bucket=bucket).get("Status") != "Enabled":
            return Retention()
    except ClientError as error:
        answer = answer_of(error)
        if answer.code in _NO_SUCH_FEATURE:
            return Retention()
        return Retention(
            None, f"whether the bucket keeps versions is not told ({answer.code}): it takes s3:GetBucketVersioning"
        )
    days = min(_days_of_rules(clients, bucket, prefix), default=math.inf)
    if days == math.inf:
        return Retention(math.inf, "versioning is on, and no lifecycle rule ends old versions")
    return Retention(days, f"versioning is on, and a lifecycle rule ends old versions after {days} days")


def _days_of_rules(clients: Clients, bucket: str, prefix: str) -> Iterator[int]:
    """Days after which a rule removes any replaced object below the prefix; none when the rules cannot be read."""
    try:
        rules = clients.sdk.get_bucket_lifecycle_configuration(Bucket=bucket).get("Rules", [])
    except ClientError:
        return
    for rule in rules:
        days = rule.get("NoncurrentVersionExpiration", {}).get("NoncurrentDays")
        if rule["Status"] == "Enabled" and days and _covers(rule, prefix):
            yield days


def _covers(rule: Mapping[str, Any], prefix: str) -> bool:
    """Whether a rule is about everything below the prefix: one with tags or sizes is about some of it only."""
    chosen = {**rule.get("Filter", {}), "Prefix": rule.get("Prefix") or rule.get("Filter", {}).get("Prefix", "")}
    return set(chosen) == {"Prefix"} and f"{prefix}/".startswith(chosen["Prefix"])
