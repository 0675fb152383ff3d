"""What tests of a running syncd ask again and again."""

from tests.deployment import Deployment, eventually


def following(deployment: Deployment) -> None:
    """Start the daemon and wait until the target is true."""
    deployment.start()
    deployment.wait_until_true()
    assert deployment.tasks() == deployment.rendered()


def told(deployment: Deployment, phrase: str) -> None:
    """Wait until the log complains with these words."""
    eventually(lambda: phrase in deployment.errors(), deployment.errors)


def goes_on(deployment: Deployment, task: int = 1) -> None:
    """A new annotation is seen, and everything is as the database says."""
    deployment.database.annotate(task, "and on it goes")
    deployment.wait_until_true(seconds=60)
    assert deployment.tasks() == deployment.rendered()
    assert "Traceback" not in deployment.log.read_text()
