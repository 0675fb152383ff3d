"""What can befall a target folder: each is told clearly, loses nothing, and is over when it is over."""

import json
import shutil
from pathlib import Path

from tests.deployment import Deployment, digests, eventually, folded, journal_lines
from tests.small_disks import attached, bound_by_permissions, fill_up, make_read_only, small_disk
from tests.system.following import goes_on, told


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
    with attached(disk, place):
        deployment.start()
        deployment.wait_until_true()
    deployment.database.annotate(2, "meanwhile")
    eventually(lambda: deployment.errors().count("is it mounted?") >= 3, deployment.errors)
    assert list(place.iterdir()) == []
    with attached(disk, place):
        goes_on(deployment)


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
