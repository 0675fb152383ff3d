"""`syncd convert`: what goes in, what comes out, and what stays when it does not come to its end."""

import json
import random
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from syncd import formats
from tests.system.converting import BOXES, GOLDEN, SYNCD, box, convert, exported, files_of, syncd, task


def tasks(count: int) -> list[object]:
    return [task(n, box("Car"), box("Dog", x=40.5)) for n in range(1, count + 1)]


# --- what goes in -----------------------------------------------------------------------------------------------------


def test_an_export_becomes_a_folder_of_the_formats_files(tmp_path: Path) -> None:
    given = exported(tmp_path / "export.json", tasks(3))

    done = convert(given, "yolo", tmp_path / "out")

    assert done.code == 0, done.err
    assert set(files_of(tmp_path / "out")) == {
        "classes.txt",
        "data.yaml",
        "notes.json",
        *(f"labels/{n}__t{n}.txt" for n in (1, 2, 3)),
    }
    assert done.json["tasks"] == 3


def test_the_bucket_own_tasks_are_input_and_keep_their_published_class_numbers(tmp_path: Path) -> None:
    project = tmp_path / "7"
    (project / "tasks" / "0a").mkdir(parents=True)
    for number, place in ((12, "tasks/12.json"), (3, "tasks/0a/3.json")):
        (project / place).write_text(json.dumps(task(number, box("Car"))))
    published = {"label_config": BOXES, "classes": [{"id": 4, "name": "Car"}]}
    (project / "project.json").write_text(json.dumps(published))

    for given in (project, project / "tasks"):
        done = syncd("convert", given, "-f", "COCO", "--path", tmp_path / "out", "--json")

        assert done.code == 0, done.err
        result = json.loads((tmp_path / "out" / "result.json").read_bytes())
        assert [image["id"] for image in result["images"]] == [3, 12]
        assert {category["name"]: category["id"] for category in result["categories"]} == {"Car": 4, "Dog": 0}
    fresh = syncd("convert", project, "-f", "COCO", "--path", tmp_path / "out", "--fresh-classes")
    assert fresh.code == 0
    assert {c["name"]: c["id"] for c in json.loads((tmp_path / "out/result.json").read_bytes())["categories"]} == {
        "Car": 0,
        "Dog": 1,
    }


@pytest.mark.parametrize("written", ["compact", "indented", "lines", "one task", "other keys first", "byte order mark"])
def test_json_may_be_written_in_any_way(written: str, tmp_path: Path) -> None:
    given = tmp_path / "export.json"
    some = tasks(1 if written == "one task" else 40)
    texts = {
        "compact": json.dumps(some, separators=(",", ":")),
        "indented": json.dumps(some, indent=4),
        "lines": "\n".join(json.dumps(one) for one in some),
        "one task": json.dumps(some[0], indent=1),
        "other keys first": json.dumps([dict(reversed(one.items())) for one in some]),  # type: ignore[attr-defined]
        "byte order mark": "\ufeff" + json.dumps(some),
    }
    given.write_text(texts[written], "utf-8")

    assert convert(given, "CSV", tmp_path / "out").code == 0
    compact = exported(tmp_path / "compact.json", some)
    assert convert(compact, "CSV", tmp_path / "expected").code == 0
    assert files_of(tmp_path / "out") == files_of(tmp_path / "expected")


def test_a_task_that_looks_like_the_border_between_two_is_read_whole(tmp_path: Path) -> None:
    trap = 'x"}}, {"id": 5, "data": {"image": "'
    nested = {"a": [{"id": 1, "data": {}}, {"id": 2, "data": {}}]}
    given = exported(tmp_path / "export.json", [task(n, box(), note=trap, meta=nested) for n in range(1, 900)])

    done = convert(given, "JSON", tmp_path / "out")

    assert done.code == 0, done.out
    assert json.loads((tmp_path / "out/result.json").read_bytes()) == json.loads(given.read_bytes())


def test_shuffled_tasks_two_runs_two_workers_and_another_hash_seed_give_the_same_bytes(tmp_path: Path) -> None:
    some = tasks(1500)
    given = exported(tmp_path / "export.json", some)
    shuffled = exported(tmp_path / "shuffled.json", random.Random(1).sample(some, len(some)))
    for name in ("COCO", "CSV", "YOLO", "JSONL", "PARQUET"):
        first, second = tmp_path / f"{name}-first", tmp_path / f"{name}-second"
        assert convert(given, name, first).code == 0
        done = syncd(
            *("convert", shuffled, "-f", name, "--path", second, "--workers", "2"),
            *("--label-config", tmp_path / "label_config.xml"),
            PYTHONHASHSEED="7",
        )
        assert done.code == 0, done.err
        assert files_of(first) == files_of(second), name


def test_a_task_that_is_there_twice_is_set_aside(tmp_path: Path) -> None:
    given = exported(tmp_path / "export.json", [task(1, box()), task(2, box()), task(1, box("Dog"))])

    done = convert(given, "JSON", tmp_path / "out")

    assert done.code == 1
    assert [(one["task"], "2 times" in one["reason"]) for one in done.json["set_aside"]] == [(1, True)]
    assert [one["id"] for one in json.loads((tmp_path / "out/result.json").read_bytes())] == [2]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("[", "cut off"),
        ('[{"id": 1, "data": {}, "annotations": []}, {"id": 2, "da', "cut off"),
        ('[{"id": 1, "data": {}, "annotations": []}, {"id": 2, "da]', "JSON"),
        ("hello", "holds no tasks"),
        ("", "holds no tasks"),
    ],
)
def test_a_file_that_is_no_export_is_refused_and_the_old_output_stays(body: str, says: str, tmp_path: Path) -> None:
    given = exported(tmp_path / "export.json", tasks(2))
    assert convert(given, "CSV", tmp_path / "out").code == 0
    before = files_of(tmp_path / "out")
    given.write_text(body)

    done = convert(given, "CSV", tmp_path / "out")

    assert done.code == 2
    assert says in done.err
    assert "Traceback" not in done.err
    assert files_of(tmp_path / "out") == before
    assert {path.name for path in tmp_path.iterdir()} == {"export.json", "out", "label_config.xml"}


# --- choosing ---------------------------------------------------------------------------------------------------------


def test_only_the_tasks_asked_for_and_it_is_said_which_are_not_there(tmp_path: Path) -> None:
    given = exported(tmp_path / "export.json", tasks(9))

    done = convert(given, "JSONL", tmp_path / "out", "--task-ids", "2-4,8", "--task-ids", "77")

    lines = (tmp_path / "out/result.jsonl").read_text().splitlines()
    assert [json.loads(line)["id"] for line in lines] == [2, 3, 4, 8]
    assert done.code == 1
    assert [one["task"] for one in done.json["set_aside"]] == [77]


def test_the_policy_and_all_tasks_choose_what_is_written(tmp_path: Path) -> None:
    twice = task(1, box("Car"))
    twice["annotations"].append({**twice["annotations"][0], "id": 11, "result": [box("Dog")], "ground_truth": True})
    given = exported(tmp_path / "export.json", [twice, {"id": 2, "data": {"image": "2.jpg"}, "annotations": []}])

    def rows(*arguments: str) -> int:
        assert convert(given, "CSV", tmp_path / "out", *arguments).code == 0
        return len((tmp_path / "out/result.csv").read_text().splitlines()) - 1

    assert rows() == 2
    assert rows("--annotations", "best") == 1
    assert rows("--all-tasks") == 3


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--format", "COCOO"), "did you mean 'COCO'"),
        (("--format", "COCO", "--option", "category_bse=1"), "did you mean 'category_base'"),
        (("--format", "COCO", "--option", "category_base=many"), "category_base=many"),
        (("--format", "COCO", "--option", "category_base"), "NAME=VALUE"),
        (("--format", "CSV", "--option", "rows=regions"), "did you mean 'region'"),
        (("--format", "JSON", "--option", "a=1"), "has no options"),
        (("--format", "COCO", "--annotations", "lates"), "did you mean 'latest'"),
        (("--format", "COCO", "--task-ids", "one"), "3,17,20-29"),
        (("--format", "CONLL2003"), "no Labels on a Text"),
    ],
)
def test_what_cannot_be_done_is_said_with_the_way_out(arguments: tuple[str, ...], says: str, tmp_path: Path) -> None:
    given = exported(tmp_path / "export.json", tasks(1))
    config = tmp_path / "config.xml"
    config.write_text(BOXES)

    done = syncd("convert", given, "--path", tmp_path / "out", "--label-config", config, *arguments)

    assert done.code == 2
    assert says in done.err
    assert not (tmp_path / "out").exists()


# --- what comes out ---------------------------------------------------------------------------------------------------


def test_a_zip_holds_what_the_folder_would_and_is_the_same_every_time(tmp_path: Path) -> None:
    given = exported(tmp_path / "export.json", tasks(50))
    assert convert(given, "VOC", tmp_path / "out").code == 0
    for name in ("a.zip", "b.zip"):
        assert convert(given, "VOC", tmp_path / name, "--workers", "2").code == 0

    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == files_of(tmp_path / "out")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_labels_of_tasks_that_went_do_not_stay_and_other_peoples_files_do(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert convert(exported(tmp_path / "export.json", tasks(3)), "YOLO", out).code == 0
    (out / "images").mkdir()
    (out / "images" / "1__t1.jpg").write_bytes(b"mine")
    (out / "notes.txt").write_bytes(b"mine too")

    assert convert(exported(tmp_path / "export.json", tasks(1)), "YOLO", out).code == 0

    assert set(files_of(out)) == {
        *("classes.txt", "data.yaml", "notes.json", "labels/1__t1.txt"),
        *("images/1__t1.jpg", "notes.txt"),
    }


def test_parts_of_a_former_run_do_not_stay(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "part-00007.parquet").write_bytes(b"of a larger project")
    (out / "keep.me").write_bytes(b"mine")

    assert convert(exported(tmp_path / "export.json", tasks(3)), "PARQUET", out).code == 0

    assert set(files_of(out)) == {"part-00000.parquet", "keep.me"}


def test_the_folder_one_stands_in_can_be_written_to(tmp_path: Path) -> None:
    given = exported(tmp_path / "export.json", tasks(2))
    config = tmp_path / "config.xml"
    config.write_text(BOXES)
    here = tmp_path / "here"
    here.mkdir()

    for _ in range(2):
        subprocess.run(
            [SYNCD, "convert", given, "-f", "COCO", "--path", ".", "--label-config", config], cwd=here, check=True
        )

    assert set(files_of(here)) == {"result.json"}


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_interrupted_conversion_leaves_the_old_output_whole(
    end: signal.Signals, workers: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    given = exported(tmp_path / "export.json", tasks(3))
    assert convert(given, "YOLO", out).code == 0
    before = files_of(out)
    exported(given, tasks(15_000))
    running = subprocess.Popen(
        [
            *(SYNCD, "convert", given, "-f", "YOLO", "--path", out, "--workers", workers),
            *("--label-config", tmp_path / "label_config.xml"),
        ],
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    labels = tmp_path / ".out.syncd-new" / "output" / "labels"
    deadline = time.monotonic() + 60
    while not labels.exists():
        assert time.monotonic() < deadline
        assert running.poll() is None
        time.sleep(0.005)

    running.send_signal(end)

    assert running.wait(60) != 0
    assert files_of(out) == before
    names = {"export.json", "out", "label_config.xml"}
    if end != signal.SIGKILL:
        assert {path.name for path in tmp_path.iterdir()} == names
    exported(given, tasks(4))
    assert convert(given, "YOLO", out).code == 0
    assert len(list((out / "labels").iterdir())) == 4
    assert {path.name for path in tmp_path.iterdir()} == names


def test_two_conversions_do_not_write_one_place_at_a_time(tmp_path: Path) -> None:
    given = exported(tmp_path / "export.json", tasks(15_000))
    config = tmp_path / "config.xml"
    config.write_text(BOXES)
    command = [SYNCD, "convert", given, "-f", "YOLO", "--path", tmp_path / "out", "--label-config", config]
    first = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (tmp_path / ".out.syncd-new" / "output").exists():
        assert time.monotonic() < deadline
        time.sleep(0.005)

    second = subprocess.run(command, capture_output=True, text=True, check=False)

    assert second.returncode == 2
    assert "another syncd" in second.stderr
    assert first.wait(120) == 0
    assert len(list((tmp_path / "out/labels").iterdir())) == 15_000


# --- the other commands -----------------------------------------------------------------------------------------------


def test_formats_lists_every_format_and_tells_which_apply(tmp_path: Path) -> None:
    config = GOLDEN / "ner" / "label_config.xml"

    every = {entry["name"]: entry for entry in syncd("formats", "--json").json}
    here = {entry["name"]: entry for entry in syncd("formats", "--label-config", config, "--json").json}

    assert set(every) == set(formats.available())
    assert every["CSV"]["options"]["rows"] == {"values": "annotation|region", "default": "annotation"} | {
        "description": every["CSV"]["options"]["rows"]["description"]
    }
    assert here["CONLL2003"]["applies"] is True
    assert here["COCO"]["applies"] is False
    assert here["COCO"]["reason"]
    shown = syncd("formats", "--label-config", config).out
    assert all(name in shown for name in every)


def test_the_command_line_starts_without_cloud_sdks_and_numpy() -> None:
    code = "import sys; sys.argv = ['syncd', 'version']\nfrom syncd.cli import main\ntry: main()\nexcept SystemExit: pass\n"
    code += "print(sorted({name.partition('.')[0] for name in sys.modules}))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    loaded = set(json.loads(done.stdout.splitlines()[-1].replace("'", '"')))
    assert not loaded & {"boto3", "botocore", "google", "azure", "obstore", "redis", "numpy", "PIL", "pyarrow", "spacy"}
