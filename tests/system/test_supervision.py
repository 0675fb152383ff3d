"""What a supervisor hears on a real notify socket, from the start to the end."""

import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.deployment import Deployment, eventually


class Listener:
    """Everything that was said, in order, each with the time it was heard."""

    def __init__(self, path: Path) -> None:
        self.heard: list[tuple[float, str]] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while said := self._socket.recv(65536):
            now = time.monotonic()
            self.heard += [(now, line) for line in said.decode().splitlines()]

    def said(self, beginning: str) -> list[str]:
        return [line for _, line in self.heard if line.startswith(beginning)]

    def wait_for(self, beginning: str) -> None:
        """Until it is said once more."""
        before = len(self.said(beginning))
        eventually(lambda: len(self.said(beginning)) > before, lambda: self.heard[-9:])

    def close(self) -> None:
        with self._socket, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.sendto(b"", self._socket.getsockname())
            self._thread.join()


@pytest.fixture
def listener(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    path = tmp_path / "notify"
    monkeypatch.setenv("NOTIFY_SOCKET", str(path))
    monkeypatch.setenv("WATCHDOG_USEC", "600000")
    listening = Listener(path)
    yield listening
    listening.close()


def test_ready_status_reloading_and_stopping_are_told(deployment: Deployment, listener: Listener) -> None:
    daemon = deployment.start()
    eventually(lambda: listener.said("READY=1"), lambda: listener.heard)
    eventually(lambda: any("out: current, lag " in line for line in listener.said("STATUS=")), lambda: listener.heard)
    daemon.send_signal(signal.SIGHUP)
    eventually(lambda: len(listener.said("READY=1")) == 2, lambda: listener.heard)
    lines = [line for _, line in listener.heard]
    reloading = lines.index("RELOADING=1")
    assert lines[reloading + 1].startswith("MONOTONIC_USEC=")
    assert "READY=1" in lines[reloading:]
    deployment.stop(daemon)
    eventually(lambda: listener.said("STOPPING=1"))


def test_start_up_is_done_when_a_target_has_answered(deployment: Deployment, listener: Listener) -> None:
    deployment.target.write_text("in the way")
    deployment.start()
    eventually(lambda: "STATUS=no target could be reached yet" in listener.said("STATUS="), lambda: listener.heard)
    listener.wait_for("WATCHDOG=1")
    assert listener.said("READY=1") == []
    deployment.target.unlink()
    eventually(lambda: listener.said("READY=1"), lambda: listener.heard)


def test_the_watchdog_is_fed_while_our_loops_get_on_and_starves_when_one_hangs(
    deployment: Deployment, listener: Listener
) -> None:
    deployment.database.add_labelled_tasks(1, 4000)
    deployment.configure(hung_seconds=2)
    daemon = psutil.Process(deployment.start().pid)

    def writer() -> psutil.Process | None:
        return next((p for p in daemon.children() if "syncd.targets._folder_process" in p.cmdline()), None)

    writing = eventually(writer, deployment.errors)
    listener.wait_for("WATCHDOG=1")
    writing.send_signal(signal.SIGSTOP)
    hung = "STATUS=the loop of target out has taken no step"
    eventually(lambda: listener.said(hung), lambda: listener.heard)
    since = next(at for at, line in listener.heard if line.startswith(hung))
    fed = len(listener.said("WATCHDOG=1"))
    eventually(lambda: time.monotonic() - since > 1.5)
    assert len(listener.said("WATCHDOG=1")) == fed
    writing.send_signal(signal.SIGCONT)
    listener.wait_for("WATCHDOG=1")


def test_without_a_supervisor_nothing_is_told_and_a_deaf_one_stops_nothing(
    deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    daemon = deployment.start()
    deployment.wait_until_true()
    deployment.stop(daemon)
    assert "supervisor not told" in {event["event"] for event in deployment.logged()}
