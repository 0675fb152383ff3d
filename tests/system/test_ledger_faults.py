"""What can befall the ledger, and two ledgers at one target: told clearly, nothing lost, and nothing written that is right."""

import json
import signal
from pathlib import Path

from tests.deployment import PATIENCE, Deployment, digests, eventually, folded, journal_lines
from tests.labelstudio_database import result_saying
from tests.small_disks import fill_up, small_disk
from tests.system.following import goes_on


def versions(deployment: Deployment) -> dict[str, tuple[int, int]]:
    """Key → inode and time of every file: both move when it is written, whatever is written."""
    facts = {key: (deployment.target / key).stat() for key in deployment.files()}
    return {key: (fact.st_ino, fact.st_mtime_ns) for key, fact in facts.items()}


def test_a_second_daemon_on_the_ledger_is_refused_with_the_pid_of_the_first(deployment: Deployment) -> None:
    daemon = deployment.start()
    deployment.wait_until_true()
    done = deployment.command("run")
    assert (done.returncode, f"pid {daemon.pid}" in done.stderr) == (2, True)
    goes_on(deployment)


def test_a_lost_ledger_is_rebuilt_without_writing_what_is_right(deployment: Deployment) -> None:
    database = deployment.database
    deployment.sync()
    before = versions(deployment)
    gone, changed, *_ = database.labelled(3)
    for part in deployment.folder.glob("syncd-state.db*"):
        part.unlink()
    database.annotate(changed, "changed meanwhile")
    database.delete_tasks([gone])
    done = deployment.sync()
    assert (done["written"], done["deleted"]) == (1, 1)
    after = versions(deployment)
    assert [key for key in after if after[key] != before[key]] == [f"3/tasks/{changed}.json"]
    assert deployment.tasks() == deployment.rendered()
    assert folded(journal_lines(deployment.target)) == digests(deployment.files())


def test_an_older_copy_of_the_ledger_is_told_and_made_good(deployment: Deployment) -> None:
    deployment.configure(target={"projects": ["boxes"]})
    deployment.sync()
    copy = deployment.state.read_bytes()
    deployment.configure(target={"projects": ["boxes"], "mirrors": ["CSV"]})
    deployment.sync()
    deployment.database.annotate(deployment.database.labelled(1)[0], "changed meanwhile")
    deployment.state.write_bytes(copy)
    done = deployment.command("sync")
    assert (done.returncode, "1/project.json" in done.stderr, "older copy" in done.stderr) == (3, True, True)
    deployment.sync()
    wanted = {key: body for key, body in deployment.rendered().items() if key.startswith("1/")}
    assert deployment.tasks() == wanted
    assert b"Airplane" in deployment.files()["1/csv/result.csv"]


def test_after_a_lost_ledger_a_deleted_project_leaves_nothing_behind(deployment: Deployment) -> None:
    deployment.configure(target={"max_delete_ratio": 0})
    deployment.sync()
    for part in deployment.folder.glob("syncd-state.db*"):
        part.unlink()
    deployment.sync()
    deployment.database.soft_delete(7)
    deployment.database.rename_project(8, "new title")
    deployment.sync()
    assert [key for key in deployment.files() if key.startswith("7/")] == []
    assert json.loads(deployment.files()["8/project.json"])["title"] == "new title"


def test_a_ledger_on_a_full_disk_is_told_and_the_work_goes_on_when_there_is_room(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", kilobytes=6144) as disk:
        deployment = Deployment(tmp_path)
        deployment.state = disk / "syncd-state.db"
        deployment.configure()
        try:
            deployment.start()
            deployment.wait_until_true()
            filler = fill_up(disk)
            eventually(
                lambda: (
                    deployment.database.annotate(2, "no room to note this")
                    and "cannot be written" in deployment.errors()
                )
            )
            filler.unlink()
            goes_on(deployment)
        finally:
            deployment.close()


def test_a_ledger_that_is_damaged_is_named_with_the_way_out(deployment: Deployment) -> None:
    deployment.state.write_bytes(b"no ledger at all" * 1000)
    done = deployment.command("sync")
    assert done.returncode in (2, 3)
    assert str(deployment.state) in done.stderr
    assert "Traceback" not in done.stderr


def test_what_the_target_claims_never_goes_back(deployment: Deployment) -> None:
    daemon = deployment.start(fault="state stored:3")
    assert daemon.wait(PATIENCE) == -signal.SIGKILL
    seen = [said(deployment)]
    deployment.start()
    while seen[-1] <= seen[0] or len(seen) < 3:
        seen.append(eventually(lambda: now if (now := said(deployment)) != seen[-1] else None))
    assert seen == sorted(seen)


def said(deployment: Deployment) -> tuple[str, str]:
    """(synced_through, swept_through) of state.json."""
    claims = deployment.claims()
    return claims["synced_through"] or "", claims["swept_through"] or ""


# --- two writers -------------------------------------------------------------------------------------------------


def test_a_second_ledger_stands_by_and_takes_over_when_the_first_is_killed(
    deployment: Deployment, tmp_path: Path
) -> None:
    first = deployment.start()
    deployment.wait_until_true()
    folder = tmp_path / "second"
    folder.mkdir()
    second = Deployment(folder, target=deployment.target, database=deployment.database)
    try:
        done = second.command("sync")
        assert (done.returncode, f"pid {first.pid}" in done.stderr) == (3, True)
        second.start()
        eventually(lambda: [e for e in second.logged() if e["event"] == "standing by"])
        assert second.status()["targets"]["out"]["state"] == "standing by"
        goes_on(deployment)
        first.kill()
        first.wait()
        goes_on(second, task=2)
        assert folded(journal_lines(second.target)) == digests(second.files())
    finally:
        second.close()


def test_the_first_ledger_looks_again_after_another_one_wrote(deployment: Deployment, tmp_path: Path) -> None:
    """What one remembers is worth nothing once another one wrote: here it even wrote what the database no longer says."""
    folder = tmp_path / "second"
    folder.mkdir()
    annotation = deployment.database.value("SELECT max(id) FROM task_completion WHERE task_id = 1")
    before = deployment.database.value("SELECT result FROM task_completion WHERE id = ?", annotation)
    deployment.sync()
    change = "UPDATE task_completion SET result = ? WHERE id = ?"
    deployment.database.run(change, result_saying("as the second one saw it"), annotation)
    second = Deployment(folder, target=deployment.target, database=deployment.database)
    assert second.sync()["written"] == 1
    deployment.database.run(change, before, annotation)
    deployment.sync()
    assert deployment.tasks() == deployment.rendered()
    assert folded(journal_lines(deployment.target)) == digests(deployment.files())
