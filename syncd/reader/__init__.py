"""What a job downstream of a bucket needs: how true it is, what changed since last time, and the documents themselves.

    with open_bucket("s3://annotations/label-studio") as bucket:
        state = bucket.wait(project=3, timeout=600)      # true up to now
        for document in bucket.documents(3):
            learn(document.json)

It only reads, needs the right to read and list, and knows nothing of the daemon: docs/bucket.md is all that both agree on.
Errors are `Unavailable` (the store), `Misconfigured` (the address), `NotYet` and `ListAnew`.
"""

from syncd.reader._bucket import Bucket as Bucket
from syncd.reader._bucket import NotYet as NotYet
from syncd.reader._following import ListAnew as ListAnew
from syncd.reader._places import open_store
from syncd.reader._values import Change as Change
from syncd.reader._values import Document as Document
from syncd.reader._values import MirrorState as MirrorState
from syncd.reader._values import ProjectState as ProjectState
from syncd.reader._values import State as State

__all__ = ["Bucket", "Change", "Document", "ListAnew", "MirrorState", "NotYet", "ProjectState", "State", "open_bucket"]


def open_bucket(address: str, *, workers: int = 16, **settings: object) -> Bucket:
    """A bucket that syncd writes, opened to be read; close it, or use it as a context.

    `address` is a folder, `s3://BUCKET/PREFIX`, `gs://BUCKET/PREFIX`, `azure://CONTAINER/PREFIX` or
    `https://ACCOUNT.blob.core.windows.net/CONTAINER/PREFIX`. `settings` are the keys that a target of that type has in the
    configuration (`endpoint_url`, `profile`, `account_url` …); credentials come from the same places. `workers` is how many
    documents are read at once. Raises Misconfigured for an address or setting that cannot be used, Unavailable when the store
    cannot be reached.
    """
    return Bucket(open_store(address, settings), workers=workers)
