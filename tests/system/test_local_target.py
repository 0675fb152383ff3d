"""A folder as a target, when the machine does not play along: full and read-only disks, lost mounts, killed daemons, links.

Mounts are made in a mount namespace of a child process (`unshare`), so that nothing of this machine changes.
"""

import fcntl
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from syncd.errors import Unavailable
from syncd.targets import Deleted, Failed, Object, Target, Written, _folder_runs, make, settings_of


def open_at(folder: Path) -> Target:
    target = make("local", settings_of("local")(path=str(folder)))
    target.open()
    return target


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def target(folder: Path) -> Iterator[Target]:
    opened = open_at(folder)
    yield opened
    opened.close()


def document(key: str, body: bytes = b"{}") -> Object:
    return Object(key, body, "sha256:0")


def files(folder: Path) -> set[str]:
    """Every file but the lock files."""
    found = (path for path in folder.rglob("*") if not path.is_dir() or path.is_symlink())
    return {str(path.relative_to(folder)) for path in found if path.name != "alive" and path.suffix != ".lock"}


def in_own_mounts(folder: Path, script: str) -> None:
    """Run a script in a process that may mount what it likes; `folder` and the helpers of this module are at hand."""
    head = f"""
        import subprocess
        from pathlib import Path
        from syncd.errors import Unavailable
        from syncd.targets import Written
        from tests.system.test_local_target import document, files, open_at

        folder = Path({str(folder)!r})

        def mount(*words):
            subprocess.run(["mount", *map(str, words)], check=True)

        def refusal(target, *objects):
            try:
                list(target.put_many(objects))
            except Unavailable as error:
                return str(error)
            raise AssertionError("nothing was refused")
    """
    whole = textwrap.dedent(head) + textwrap.dedent(script)
    command = ["unshare", "--map-root-user", "--mount", sys.executable, "-c", whole]
    subprocess.run(command, check=True, cwd=Path(__file__).parents[2], timeout=60)


def test_a_full_disk_is_told_leaves_nothing_behind_and_is_got_over(folder: Path) -> None:
    folder.mkdir()
    in_own_mounts(
        folder,
        """
        mount("-t", "tmpfs", "-o", "size=1m", "tmpfs", folder)
        target = open_at(folder)
        large = [document(f"1/tasks/{number}.json", b"x" * 100_000) for number in range(100)]
        assert len(list(target.put_many(large[:5]))) == 5
        told = refusal(target, *large)
        assert "the disk is full" in told and str(folder) in told and "free space" in told, told
        assert files(folder) == {one.key for one in large[:5]}, files(folder)
        more = [document(f"2/tasks/{number}.json", b"x" * 100_000) for number in range(300)]
        assert "the disk is full" in refusal(target, *more)
        assert files(folder) == {one.key for one in large[:5]}, files(folder)
        list(target.delete_many([one.key for one in large[:5]]))
        assert all(isinstance(outcome, Written) for outcome in target.put_many(large[5:10]))
        """,
    )


def test_a_read_only_disk_is_told_and_got_over(folder: Path) -> None:
    folder.mkdir()
    in_own_mounts(
        folder,
        """
        mount("-t", "tmpfs", "-o", "ro", "tmpfs", folder)
        try:
            open_at(folder)
        except Unavailable as error:
            assert "mounted read-only" in str(error) and str(folder) in str(error), error
        else:
            raise AssertionError("a read-only folder was opened")
        mount("-o", "remount,rw", folder)
        target = open_at(folder)
        assert isinstance(next(iter(target.put_many([document("1/tasks/1.json")]))), Written)
        """,
    )


def test_a_mount_that_goes_away_is_missed_not_written_beneath(folder: Path, tmp_path: Path) -> None:
    folder.mkdir()
    (tmp_path / "disk").mkdir()
    in_own_mounts(
        folder,
        """
        disk = folder.parent / "disk"
        mount("--bind", disk, folder)
        target = open_at(folder)
        list(target.put_many([document("1/tasks/1.json")]))
        subprocess.run(["umount", "--lazy", folder], check=True)
        told = refusal(target, document("1/tasks/2.json"))
        assert "is it mounted" in told, told
        assert files(folder) == set(), files(folder)
        mount("--bind", disk, folder)
        assert isinstance(next(iter(target.put_many([document("1/tasks/2.json")]))), Written)
        assert files(folder) == {"1/tasks/1.json", "1/tasks/2.json"}
        """,
    )


def test_a_missing_parent_is_not_made_up(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="mount it or create it"):
        open_at(tmp_path / "not-mounted" / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_link_in_the_folder_leads_nowhere(target: Target, folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "5.json").write_text("theirs")
    (folder / "1").symlink_to(outside)
    (folder / "2").mkdir()
    (folder / "2" / "5.json").symlink_to(outside / "5.json")

    outcomes = {outcome.key: outcome for outcome in target.put_many([document("1/5.json"), document("2/5.json")])}

    refusal = outcomes["1/5.json"]
    assert isinstance(refusal, Failed)
    assert "a file or a symbolic link stands where its folder should be" in refusal.reason
    assert isinstance(outcomes["2/5.json"], Written)
    assert target.get("1/5.json") is None
    assert list(target.delete_many(["1/5.json"])) == [Deleted("1/5.json")]
    assert [item.key for item in target.list()] == ["2/5.json"]
    assert (outside / "5.json").read_text() == "theirs"
    assert not (folder / "2" / "5.json").is_symlink()


def test_a_name_that_the_disk_does_not_take_costs_only_itself(target: Target, folder: Path) -> None:
    (folder / "3").write_text("a file where a folder should be")
    bad = {f"1/{'n' * 300}.json": "too long", "3/tasks/1.json": "stands where its folder should be"}
    outcomes = list(target.put_many([*map(document, bad), document("1/good.json")]))
    assert {outcome.key for outcome in outcomes if isinstance(outcome, Written)} == {"1/good.json"}
    for outcome in outcomes:
        assert not isinstance(outcome, Failed) or bad[outcome.key] in outcome.reason
    assert files(folder) == {"1/good.json", "3"}


def test_folders_that_become_empty_are_removed(target: Target, folder: Path) -> None:
    keys = ["1/tasks/0a/1.json", "1/project.json", "2/tasks/0b/2.json"]
    list(target.put_many([document(key) for key in keys]))
    list(target.delete_many([keys[0], keys[2]]))
    assert {path.name for path in folder.iterdir()} == {"_syncd", "1"}
    assert [path.name for path in (folder / "1").iterdir()] == ["project.json"]


def test_a_killed_runs_temporary_files_are_removed_and_a_living_ones_are_not(folder: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from tests.system.test_local_target import open_at;"
        "target = open_at(Path(sys.argv[1])); target._runs[-1].write(lambda file: None, sync=False);"
        "print('written', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", script, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as other:
        assert other.stdout
        assert other.stdout.readline() == b"written\n"
        open_at(folder).close()
        assert len(files(folder)) == 1
        other.send_signal(signal.SIGKILL)
        other.wait()
    open_at(folder).close()
    assert files(folder) == set()
    assert [path.suffix for path in (folder / "_syncd" / "tmp").iterdir()] == [".lock"]


def test_a_writer_that_hangs_is_named_and_does_not_hold_the_lease_hostage(
    target: Target, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_folder_runs, "LOCK_WAIT_SECONDS", 0.1)
    held = os.open(folder / "_syncd" / "tmp" / "data.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(held, fcntl.LOCK_EX)
    with pytest.raises(Unavailable, match=r"data\.lock"):
        list(target.put_many([document("1/tasks/1.json")]))
    assert isinstance(next(iter(target.put_many([document("_syncd/writer.json")]))), Written)
    os.close(held)
    assert isinstance(next(iter(target.put_many([document("1/tasks/1.json")]))), Written)
    assert files(folder) == {"_syncd/writer.json", "1/tasks/1.json"}
