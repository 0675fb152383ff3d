"""The …_WITH_IMAGES formats and sizes that only files tell, over real files and a real server."""

import io
import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from PIL import Image

from tests.system.converting import box, convert, exported, files_of, task


def picture(width: int = 200, height: int = 100) -> bytes:
    made = io.BytesIO()
    Image.new("RGB", (width, height)).save(made, "png")
    return made.getvalue()


class Silent(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nobody reads it."""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """A web server on loopback over `tmp_path/site`, which holds `a.png`."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "a.png").write_bytes(picture())
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def media_root(tmp_path: Path) -> Path:
    upload = tmp_path / "media" / "upload" / "1"
    upload.mkdir(parents=True)
    (upload / "b.png").write_bytes(picture())
    return tmp_path / "media"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("name", ["YOLO_WITH_IMAGES", "COCO_WITH_IMAGES", "YOLO_OBB_WITH_IMAGES"])
def test_images_stand_beside_their_labels_and_a_missing_one_is_reported(
    name: str, workers: str, site: str, media_root: Path, tmp_path: Path
) -> None:
    addresses = [f"{site}/a.png", "/data/upload/1/b.png", f"{site}/gone.png", "/data/upload/../../secret.png"]
    given = exported(
        tmp_path / "export.json", [task(n, box()) | {"data": {"image": a}} for n, a in enumerate(addresses, 1)]
    )

    done = convert(
        *(given, name, tmp_path / "out", "--media-root", media_root),
        *("--allow-host", "127.0.0.1", "--workers", workers),
    )

    files = files_of(tmp_path / "out")
    assert {path for path in files if path.startswith("images/")} == {"images/a__t1.png", "images/b__t2.png"}
    assert files["images/a__t1.png"] == picture()
    assert done.code == 1
    assert [missing.partition(":")[0] for missing in done.json["missing_media"]] == ["task 3", "task 4"]
    if name == "COCO_WITH_IMAGES":
        named = [image["file_name"] for image in json.loads(files["result.json"])["images"]]
        assert named == ["a__t1.png", "b__t2.png", "gone__t3.png", "secret__t4.png"]
    else:
        assert len([path for path in files if path.startswith("labels/")]) == 4


def test_private_addresses_are_refused_unless_allowed(site: str, tmp_path: Path) -> None:
    given = exported(tmp_path / "export.json", [task(1, box()) | {"data": {"image": f"{site}/a.png"}}])

    done = convert(given, "YOLO_WITH_IMAGES", tmp_path / "out")

    assert done.code == 1
    assert "--allow-host 127.0.0.1" in done.json["missing_media"][0]
    assert not (tmp_path / "out" / "images").exists()


def test_a_size_that_no_annotation_tells_comes_from_the_file(site: str, media_root: Path, tmp_path: Path) -> None:
    addresses = ["/data/upload/1/b.png", f"{site}/a.png"]
    given = exported(tmp_path / "export.json", [task(n) | {"data": {"image": a}} for n, a in enumerate(addresses, 1)])

    def images(*arguments: object) -> list[int]:
        done = convert(given, "COCO", tmp_path / "out", *arguments)
        assert done.code == 0
        result = json.loads((tmp_path / "out/result.json").read_bytes())
        assert all((image["width"], image["height"]) == (200, 100) for image in result["images"])
        return [image["id"] for image in result["images"]]

    assert images() == []
    assert images("--media-root", media_root) == [1]
    assert images("--media-root", media_root, "--fetch", "--allow-host", "127.0.0.1") == [1, 2]
