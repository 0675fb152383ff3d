"""What the bucket says of itself while there is more to write than one batch."""

from tests.deployment import Deployment, eventually


def test_readers_are_told_how_far_a_long_load_is(deployment: Deployment) -> None:
    deployment.database.add_labelled_tasks(1, 600)
    deployment.configure(target={"claims_seconds": 0.1, "rate": {"bytes_per_second": 300_000}})
    deployment.start()
    said = eventually(lambda: (deployment.claims() or None) if deployment.tasks() else None)
    assert said["dirty"] > 0
    assert 0 < said["journal_seq"] < len(deployment.wait_until_true()["projects"]) + len(deployment.tasks())
