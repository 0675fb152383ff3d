"""What the bucket says of itself while there is more to write than one batch."""

from typing import Any

from tests.deployment import Deployment, eventually


def test_readers_are_told_how_far_a_long_load_is(deployment: Deployment) -> None:
    deployment.database.add_labelled_tasks(1, 1_000)
    deployment.configure(target={"claims_seconds": 0.1, "rate": {"bytes_per_second": 900_000}})
    deployment.start()

    def on_the_way() -> dict[str, Any] | None:
        says = deployment.claims() if deployment.tasks() else {}
        return says if says.get("dirty") and says["journal_seq"] else None

    said = eventually(on_the_way, deployment.claims)
    assert said["journal_seq"] < deployment.wait_until_true()["journal_seq"]
