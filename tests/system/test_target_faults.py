"""What can befall a target folder and the ledger: each is told clearly, loses nothing, and is over when it is over."""

import json
import shutil
import signal
from pathlib import Path

from tests.deployment import PATIENCE, Deployment, digests, eventually, folded, journal_lines
from tests.labelstudio_database import result_saying
from tests.small_disks import attach, bound_by_permissions, detach, fill_up, make_read_only, small_disk


def goes_on(deployment: Deployment, task: int = 1) -> None:
    """A new annotation is seen, and everything is as the database says."""
    deployment.database.annotate(task, "and on it goes")
    deployment.wait_until_true(seconds=60)
    assert deployment.tasks() == deployment.rendered()
    assert "Traceback" not in deployment.log.read_text()


def told(deployment: Deployment, phrase: str) -> None:
    """Wait until the log complains with these words."""
    eventually(lambda: phrase in deployment.errors(), deployment.errors)


def versions(deployment: Deployment) -> dict[str, tuple[int, int]]:
    """Key → inode and time of every file: both move when it is written, whatever is written."""
    facts = {key: (deployment.target / key).stat() for key in deployment.files()}
    return {key: (fact.st_ino, fact.st_mtime_ns) for key, fact in facts.items()}


# --- the folder --------------------------------------------------------------------------------------------------


def test_a_full_disk_is_told_and_the_work_goes_on_when_there_is_room(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", kilobytes=4096) as disk:
        deployment = Deployment(tmp_path, target=disk / "out")
        try:
            deployment.start()
            deployment.wait_until_true()
            before = deployment.tasks()
            filler = fill_up(disk)
            deployment.database.annotate(2, "no room for this" * 500)
            told(deployment, "the disk is full")
            assert deployment.tasks() == before
            assert "the disk is full" in deployment.status()["targets"]["out"]["error"]
            filler.unlink()
            goes_on(deployment)
            assert folded(journal_lines(deployment.target)) == digests(deployment.files())
        finally:
            deployment.close()


def test_a_read_only_target_is_told_and_the_work_goes_on_when_it_can_be_written(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", kilobytes=4096) as disk:
        deployment = Deployment(tmp_path, target=disk / "out")
        try:
            deployment.sync()
            before = deployment.files()
            make_read_only(disk)
            deployment.database.annotate(2, "not now")
            done = deployment.command("sync")
            assert (done.returncode, "mounted read-only" in done.stderr) == (3, True)
            assert deployment.files() == before
            make_read_only(disk, False)
            deployment.sync()
            assert deployment.tasks() == deployment.rendered()
        finally:
            deployment.close()


def test_a_folder_that_syncd_may_not_write_to_is_named_with_the_way_out(deployment: Deployment) -> None:
    deployment.before = bound_by_permissions()
    deployment.target.mkdir()
    deployment.target.chmod(0o500)
    done = deployment.command("sync")
    assert (done.returncode, "permission is denied" in done.stderr) == (3, True)
    assert str(deployment.target) in done.stderr
    deployment.target.chmod(0o700)
    deployment.sync()
    assert deployment.tasks() == deployment.rendered()


def test_a_folder_that_goes_away_and_comes_back_is_written_on(deployment: Deployment) -> None:
    deployment.start()
    deployment.wait_until_true()
    deployment.target.rename(deployment.folder / "unplugged")
    deployment.database.annotate(2, "meanwhile")
    eventually(lambda: deployment.errors().count("the folder is not there") >= 3, deployment.errors)
    assert not deployment.target.exists()
    (deployment.folder / "unplugged").rename(deployment.target)
    goes_on(deployment)


def test_what_lies_under_a_lost_mount_is_not_written_to(deployment: Deployment, tmp_path: Path) -> None:
    disk, place = tmp_path / "disk", deployment.target
    disk.mkdir()
    place.mkdir()
    attach(disk, place)
    try:
        deployment.start()
        deployment.wait_until_true()
        detach(place)
        deployment.database.annotate(2, "meanwhile")
        eventually(lambda: deployment.errors().count("is it mounted?") >= 3, deployment.errors)
        assert list(place.iterdir()) == []
        attach(disk, place)
        goes_on(deployment)
    finally:
        if place.is_mount():
            detach(place)


def test_an_emptied_folder_is_filled_again(deployment: Deployment) -> None:
    deployment.sync()
    lost = deployment.claims()["journal_seq"]
    shutil.rmtree(deployment.target)
    deployment.sync()
    assert deployment.tasks() == deployment.rendered()
    assert folded(journal_lines(deployment.target, after=lost)) == digests(deployment.files())


def test_one_file_that_cannot_be_written_costs_the_others_nothing(deployment: Deployment) -> None:
    in_the_way = deployment.target / "1/tasks/2.json"
    in_the_way.mkdir(parents=True)
    deployment.start()
    deployment.wait_until_true()
    aside = deployment.status()["targets"]["out"]["quarantine"]
    assert [(a["task"], "a folder stands where the file should be" in a["reason"]) for a in aside] == [(2, True)]
    listed = json.loads((deployment.target / "_syncd/quarantine.json").read_bytes())["quarantined"]
    assert [a["task"] for a in listed] == [2]
    in_the_way.rmdir()
    goes_on(deployment, task=2)
    assert deployment.claims()["quarantined"] == 0


def test_a_folder_of_another_label_studio_is_refused_and_left_alone(deployment: Deployment) -> None:
    marker = deployment.target / "_syncd/instance.json"
    marker.parent.mkdir(parents=True)
    marker.write_text('{"instance": "somebody-else", "layout": 1}')
    (deployment.target / "1/tasks").mkdir(parents=True)
    (deployment.target / "1/tasks/999.json").write_text("theirs")
    before = deployment.files()
    done = deployment.command("sync")
    assert (done.returncode, "belongs to another Label Studio (somebody-else" in done.stderr) == (2, True)
    assert deployment.files() == before
    marker.write_text("{")
    done = deployment.command("sync")
    assert (done.returncode, "a marker" in done.stderr) == (2, True)
    assert deployment.files() == before


# --- the ledger --------------------------------------------------------------------------------------------------


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
    second = Deployment(folder, target=deployment.target, database=deployment.database.path)
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
    second = Deployment(folder, target=deployment.target, database=deployment.database.path)
    assert second.sync()["written"] == 1
    deployment.database.run(change, before, annotation)
    deployment.sync()
    assert deployment.tasks() == deployment.rendered()
    assert folded(journal_lines(deployment.target)) == digests(deployment.files())
