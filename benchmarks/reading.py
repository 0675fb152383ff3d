"""A reader that believes nothing, while tasks change at 50 a second for two minutes: does every claim of the bucket hold?

    python benchmarks/reading.py [SECONDS [local|s3|gcs|azure]]      default 120 s, a folder; run from the top of the repository

It polls `state.json` and the journal without a pause, reads every object that the journal tells of, and compares what is claimed
with what was committed when. Exits with 1 when anything did not hold.
"""

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from syncd.reader import open_bucket
from tests.deployment import Deployment
from tests.distrust import Scribe, Skeptic, report
from tests.places import PLACES
from tests.servers import Servers

TASKS = 300
BOXES = 1
MIRRORS = ["JSONL", "CSV", "COCO", "YOLO"]


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 120.0
    kind = sys.argv[2] if len(sys.argv) > 2 else "local"
    servers = Servers()
    with tempfile.TemporaryDirectory(prefix="syncd-bench-", dir=".") as folder:
        deployment = Deployment(Path(folder).resolve())
        try:
            wrong = read_for(seconds, kind, deployment, servers)
        finally:
            deployment.close()
            servers.stop()
    print("\n".join(wrong) or "every claim held, and the folded journal equals the bucket")
    sys.exit(bool(wrong))


def read_for(seconds: float, kind: str, deployment: Deployment, servers: Servers) -> list[str]:
    place = PLACES[kind](servers, deployment.folder)
    quick = {"claims_seconds": 0.1, "publish_seconds": 1, "max_delete_ratio": 0}
    deployment.configure(targets=[{"name": "out", "mirrors": MIRRORS, **quick, **place.target}])
    deployment.database.add_labelled_tasks(BOXES, TASKS)
    deployment.sync()
    deployment.start()
    scribe = Scribe(deployment.database, BOXES, per_second=50)
    with open_bucket(place.address, **place.settings) as bucket:
        skeptic = Skeptic(bucket, scribe)
        scribe.start()
        began = time.monotonic()
        while time.monotonic() < began + seconds:
            skeptic.poll()
        scribe.stop()
        bucket.wait(timeout=60, poll_seconds=0.05)
        for mirror in MIRRORS:
            bucket.wait(project=BOXES, mirror=mirror.lower(), timeout=60, poll_seconds=0.05)
        there = skeptic.end()
    print(
        f"{kind}: {scribe.changes} changes in {seconds:.0f} s, {skeptic.polls} polls, {skeptic.cursor} journal lines,"
    )
    print(f"{skeptic.loads} objects read, {skeptic.claims} claims looked at, {len(there)} objects at the end")
    return report(skeptic.broken, skeptic.folded, there)


if __name__ == "__main__":
    main()
