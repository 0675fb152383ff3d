"""What /livez and /readyz say in every situation that an operator meets. Only our own loops decide who lives."""

import signal
from typing import Any

import psutil
import pytest

from tests.deployment import Deployment, eventually
from tests.system.asking import address, ask, with_http

ALIVE_AND_READY = (200, 200)
STARTING = (200, 503)
HUNG = (503, 200)


class Probes:
    """Both probes of a running syncd."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment

    def __call__(self) -> tuple[int, int]:
        return ask(self._deployment, "/livez").status_code, ask(self._deployment, "/readyz").status_code

    def reasons(self, probe: str) -> str:
        return " ".join(ask(self._deployment, probe).json()["reasons"])

    def wait_for(self, expected: tuple[int, int]) -> None:
        eventually(lambda: self() == expected, lambda: (self(), self.reasons("/livez"), self.reasons("/readyz")))


def started(deployment: Deployment, **more: Any) -> Probes:
    with_http(deployment, **more)
    deployment.start()
    return Probes(deployment)


def dead(deployment: Deployment) -> dict[str, str]:
    """A target that cannot be: its folder would have to lie in a file."""
    return {"name": "dead", "type": "local", "path": str(deployment.folder / "syncd.yaml" / "out")}


def test_a_first_load_that_takes_long_is_alive_and_ready(deployment: Deployment) -> None:
    slow = {"rate": {"bytes_per_second": 100_000}}
    probes = started(deployment, target=slow, hung_seconds=0.5)
    probes.wait_for(ALIVE_AND_READY)
    answers = []
    while ask(deployment, "/api/status").json()["targets"]["out"]["dirty"]:
        answers.append(probes())
    assert len(answers) > 10
    assert set(answers) == {ALIVE_AND_READY}


def test_a_dead_target_among_others_is_named_and_stops_nothing(deployment: Deployment) -> None:
    with_http(deployment, targets=[dead(deployment), {"name": "out", "type": "local", "path": str(deployment.target)}])
    deployment.start()
    probes = Probes(deployment)
    probes.wait_for(ALIVE_AND_READY)
    eventually(lambda: deployment.tasks() == deployment.rendered(), deployment.errors)
    eventually(lambda: "target dead is" in probes.reasons("/readyz"), lambda: probes.reasons("/readyz"))


def test_with_nothing_but_a_dead_target_start_up_is_not_done_until_it_answers(deployment: Deployment) -> None:
    deployment.target.write_text("in the way")
    probes = started(deployment)
    eventually(lambda: "no target could be reached yet" in probes.reasons("/readyz"))
    assert probes() == STARTING
    deployment.target.unlink()
    probes.wait_for(ALIVE_AND_READY)


def test_a_target_that_dies_later_is_named_and_kills_nobody(deployment: Deployment) -> None:
    probes = started(deployment)
    deployment.wait_until_true()
    deployment.target.rename(deployment.folder / "elsewhere")
    deployment.target.write_text("in the way")
    deployment.database.annotate(1, "cannot be written")
    eventually(lambda: "target out is" in probes.reasons("/readyz"), deployment.errors)
    assert probes() == ALIVE_AND_READY


def test_without_its_source_it_lives_and_is_not_ready_and_losing_it_later_changes_neither(
    deployment: Deployment,
) -> None:
    database = deployment.database.path
    elsewhere = database.rename(database.with_name("elsewhere"))
    probes = started(deployment)
    eventually(lambda: "the source has not been read yet" in probes.reasons("/readyz"))
    assert probes() == STARTING
    elsewhere.rename(database)
    probes.wait_for(ALIVE_AND_READY)
    database.rename(elsewhere)
    eventually(lambda: "the source is unreachable" in probes.reasons("/readyz"))
    assert probes() == ALIVE_AND_READY


def test_paused_and_braked_are_ready_and_say_so(deployment: Deployment) -> None:
    probes = started(deployment)
    deployment.wait_until_true()
    deployment.database.delete_tasks(deployment.database.labelled(1))
    eventually(
        lambda: "the brake holds deletions in target out" in probes.reasons("/readyz"),
        lambda: probes.reasons("/readyz"),
    )
    assert probes() == ALIVE_AND_READY
    deployment.command("pause", "out")
    eventually(lambda: "target out is paused" in probes.reasons("/readyz"))
    assert probes() == ALIVE_AND_READY


def test_a_lane_that_hangs_is_told_from_one_that_waits(deployment: Deployment) -> None:
    deployment.database.add_labelled_tasks(1, 4000)
    with_http(deployment, hung_seconds=2)
    daemon = psutil.Process(deployment.start().pid)
    probes = Probes(deployment)

    def writer() -> psutil.Process | None:
        return next((p for p in daemon.children() if "syncd.targets._folder_process" in p.cmdline()), None)

    writing = eventually(writer, deployment.errors)
    writing.send_signal(signal.SIGSTOP)
    probes.wait_for(HUNG)
    assert "the loop of target out has taken no step" in probes.reasons("/livez")
    writing.send_signal(signal.SIGCONT)
    probes.wait_for(ALIVE_AND_READY)


def test_the_port_in_use_stops_the_start_with_a_sentence(deployment: Deployment) -> None:
    with_http(deployment)
    deployment.start()
    taken = address(deployment).removeprefix("http://")
    deployment.configure(http={"listen": taken}, state={"path": str(deployment.folder / "other.db")})
    second = deployment.command("run")
    assert second.returncode == 2
    assert f"http.listen: {taken} cannot be listened on" in second.stderr


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_probes_answer_one_line_of_json_without_a_token(deployment: Deployment, path: str) -> None:
    with_http(deployment, token="s3cret-token")
    deployment.start()
    answer = ask(deployment, path)
    assert answer.headers["content-type"] == "application/json"
    assert "\n" not in answer.text
    assert answer.json()["reasons"] is not None
