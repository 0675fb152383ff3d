"""Media addresses lead to files and facts, and nowhere they must not."""

import base64
import io
import socket
import threading
import wave
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from PIL import Image

from syncd import _media_web
from syncd._media_web import is_public
from syncd.formats import MediaFact
from syncd.media import Media, MediaMissing, MediaSettings, Roots, WebLimits, roots_of, token_of

LOCAL = frozenset({"127.0.0.1"})


def png(width: int, height: int, orientation: int = 1) -> bytes:
    made = io.BytesIO()
    exif = Image.Exif()
    exif[274] = orientation
    Image.new("L", (width, height)).save(made, "jpeg" if orientation != 1 else "png", exif=exif)
    return made.getvalue()


@pytest.fixture
def settings(tmp_path: Path) -> Callable[..., MediaSettings]:
    def made(**given: object) -> MediaSettings:
        return MediaSettings(**{"cache": tmp_path / "cache", "web": WebLimits(LOCAL)} | given)  # type: ignore[arg-type]  # fields by name

    return made


class Site:
    """A web server on loopback. `answers` are (status, headers, body) by path; `asked` are the requests it saw."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.asked: list[tuple[str, str | None]] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append((self.path, self.headers.get("Authorization")))
                status, headers, body = site.answers.get(self.path, (404, {}, b""))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Nobody reads it."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    yield made
    made.server.shutdown()
    made.server.server_close()


Made = Callable[..., MediaSettings]


# --- on this machine --------------------------------------------------------------------------------------------------


def test_uploads_are_found_below_the_media_root_or_the_data_folder(tmp_path: Path, settings: Made) -> None:
    upload = tmp_path / "data" / "media" / "upload" / "3"
    upload.mkdir(parents=True)
    (upload / "ab-é.png").write_bytes(png(40, 30))
    for root in (tmp_path / "data" / "media", tmp_path / "data"):
        media = Media(settings(roots=Roots(media_root=root)))

        assert media.fact("/data/upload/3/ab-%C3%A9.png") == MediaFact(40, 30)
        assert media.fact("/storage-data/uploaded/?filepath=upload/3/ab-%C3%A9.png") == MediaFact(40, 30)


def test_local_files_are_found_below_the_document_root(tmp_path: Path, settings: Made) -> None:
    (tmp_path / "a b.png").write_bytes(png(7, 5))
    media = Media(settings(roots=Roots(document_root=tmp_path)))

    assert media.fact("/data/local-files/?d=a%20b.png") == MediaFact(7, 5)
    assert media.fact("a b.png") == MediaFact(7, 5)


@pytest.mark.parametrize(
    "address",
    [
        *("/data/local-files/?d=../secret.png", "/data/local-files/?d=/etc/passwd", "/data/local-files/?d=link.png"),
        *("/data/upload/../../secret.png", "/data/upload/%2e%2e/%2e%2e/secret.png", "../secret.png"),
        *("/data/local-files/?d=a%00b", "file:///etc/passwd", "ftp://h/x", "", "/", "/data/local-files/?d="),
    ],
)
def test_no_address_leads_out_of_its_root(address: str, tmp_path: Path, settings: Made) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "secret.png").write_bytes(png(1, 1))
    (root / "link.png").symlink_to(tmp_path / "secret.png")
    media = Media(settings(roots=Roots(media_root=root, document_root=root)))

    assert media.fact(address) is None
    with pytest.raises(MediaMissing):
        media.copy(address, tmp_path / "copied")
    assert not (tmp_path / "copied").exists()


def test_what_is_missing_says_the_way_out(tmp_path: Path, settings: Made) -> None:
    with pytest.raises(MediaMissing, match="--media-root"):
        Media(settings()).copy("/data/upload/1/x.png", tmp_path / "x")
    with pytest.raises(MediaMissing, match="--document-root"):
        Media(settings()).copy("/data/local-files/?d=x.png", tmp_path / "x")


def test_data_uris_hold_their_own_content(tmp_path: Path, settings: Made) -> None:
    media = Media(settings())
    address = "data:image/png;base64," + base64.b64encode(png(9, 8)).decode()

    assert media.fact(address) == MediaFact(9, 8)
    media.copy("data:text/plain,a%20b", tmp_path / "text")
    assert (tmp_path / "text").read_bytes() == b"a b"
    assert media.fact("data:image/png;base64,@@@") is None


def test_label_studios_own_environment_is_known() -> None:
    environment = {
        "LABEL_STUDIO_BASE_DATA_DIR": "/ls",
        "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT": "/docs",
        "LABEL_STUDIO_HOST": "http://ls:8080",
        "LABEL_STUDIO_API_KEY": "k",
    }

    assert roots_of(environment) == Roots(Path("/ls/media"), Path("/docs"), "http://ls:8080")
    assert roots_of(environment, Path("/given")).media_root == Path("/given")
    assert token_of(environment) == "k"
    assert "k1" not in repr(MediaSettings(token="k1"))


# --- facts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_size_is_what_a_viewer_shows(orientation: int, tmp_path: Path, settings: Made) -> None:
    (tmp_path / "x.jpg").write_bytes(png(64, 32, orientation))

    fact = Media(settings(roots=Roots(document_root=tmp_path))).fact("x.jpg")

    assert fact == (MediaFact(32, 64) if orientation >= 5 else MediaFact(64, 32))


def test_a_sound_tells_its_length_and_other_files_nothing(tmp_path: Path, settings: Made) -> None:
    with wave.open(str(tmp_path / "a.wav"), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(b"\0\0" * 12_000)
    (tmp_path / "b.bin").write_bytes(b"nothing that anybody knows" * 9)
    media = Media(settings(roots=Roots(document_root=tmp_path)))

    assert media.fact("a.wav") == MediaFact(duration=1.5)
    assert media.fact("b.bin") is None


# --- over the network -------------------------------------------------------------------------------------------------


def test_a_file_is_fetched_once_and_kept(site: Site, tmp_path: Path, settings: Made) -> None:
    site.answers["/a%20b.png?sign=1"] = (200, {}, png(3, 2))
    media = Media(settings())

    assert media.fact(f"{site.url}/a b.png?sign=1") == MediaFact(3, 2)
    media.copy(f"{site.url}/a b.png?sign=1", tmp_path / "copied.png")

    assert (tmp_path / "copied.png").read_bytes() == png(3, 2)
    assert len(site.asked) == 1


def test_the_token_goes_to_label_studio_and_nowhere_else(site: Site, tmp_path: Path, settings: Made) -> None:
    other = Site()
    site.answers["/data/upload/1/x.png"] = (302, {"Location": f"{other.url}/x.png"}, b"")
    other.answers["/x.png"] = (200, {}, png(3, 2))
    media = Media(settings(roots=Roots(host=site.url), token="f" * 40))

    media.copy("/data/upload/1/x.png", tmp_path / "x.png")

    assert site.asked == [("/data/upload/1/x.png", f"Token {'f' * 40}")]
    assert other.asked == [("/x.png", None)]
    other.server.shutdown()
    other.server.server_close()


@pytest.mark.parametrize(
    "address",
    [
        *(
            "127.0.0.1",
            "127.9.9.9",
            "10.0.0.1",
            "192.168.1.1",
            "172.16.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
        ),
        *("::1", "::", "fe80::1%1", "fc00::1", "fec0::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"),
        *("224.0.0.1", "255.255.255.255", "ff02::1", "2001:db8::1"),
    ],
)
def test_addresses_inside_a_network_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8"])
def test_public_addresses_are(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0x7f000001", "2130706433", "[::1]"])
def test_loopback_is_refused_however_it_is_written(host: str, site: Site, tmp_path: Path, settings: Made) -> None:
    site.answers["/x"] = (200, {}, b"secret")

    with pytest.raises(MediaMissing):
        Media(settings(web=WebLimits())).copy(f"http://{host}:{site.port}/x", tmp_path / "x")

    assert site.asked == []


def test_a_redirect_into_the_network_is_refused(site: Site, tmp_path: Path, settings: Made) -> None:
    site.answers["/x"] = (302, {"Location": f"http://localhost:{site.port}/secret"}, b"")

    with pytest.raises(MediaMissing, match="--allow-host localhost"):
        Media(settings()).copy(f"{site.url}/x", tmp_path / "x")

    assert [path for path, _ in site.asked] == ["/x"]


@pytest.mark.parametrize("to", ["file:///etc/passwd", "gopher://127.0.0.1/", "http://", "http://a:0/"])
def test_a_redirect_to_something_else_than_the_web_is_refused(
    to: str, site: Site, tmp_path: Path, settings: Made
) -> None:
    site.answers["/x"] = (302, {"Location": to}, b"")

    with pytest.raises(MediaMissing):
        Media(settings()).copy(f"{site.url}/x", tmp_path / "x")


def test_endless_redirects_end(site: Site, tmp_path: Path, settings: Made) -> None:
    site.answers["/x"] = (302, {"Location": "/x"}, b"")

    with pytest.raises(MediaMissing, match="redirects"):
        Media(settings()).copy(f"{site.url}/x", tmp_path / "x")

    assert len(site.asked) == _media_web.REDIRECTS + 1


def test_a_name_that_changes_its_address_gains_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: the first answer is public, every later one is loopback. What was checked is connected to."""
    asked: list[str] = []
    connected: list[str] = []
    resolve = socket.getaddrinfo

    def rebinding(host: str, *arguments: object, **more: object) -> object:
        if host != "rebind.example":
            return resolve(host, *arguments, **more)  # type: ignore[arg-type]  # passed on as it came
        asked.append(host)
        address = "93.184.216.34" if len(asked) == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, site.port))]

    def noting(address: tuple[str, int], *_: object) -> socket.socket:
        connected.append(address[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    monkeypatch.setattr(socket, "create_connection", noting)

    with pytest.raises(MediaMissing):
        list(_media_web.fetch(f"http://rebind.example:{site.port}/x", WebLimits()))

    assert connected == ["93.184.216.34"]
    assert asked == ["rebind.example"]


def test_a_file_that_is_too_large_is_not_kept(site: Site, tmp_path: Path, settings: Made) -> None:
    site.answers["/x"] = (200, {}, b"x" * 2_000_000)
    (tmp_path / "here").write_bytes(b"x" * 2_000)
    media = Media(settings(file_bytes=1_000, roots=Roots(document_root=tmp_path)))

    for address in (f"{site.url}/x", "here"):
        with pytest.raises(MediaMissing, match="larger than 1,000 bytes"):
            media.copy(address, tmp_path / "copied")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_server_that_does_not_answer_costs_only_its_time(tmp_path: Path, settings: Made) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/x"

        with pytest.raises(MediaMissing, match="in time"):
            Media(settings(web=WebLimits(LOCAL, timeout_seconds=0.2))).copy(url, tmp_path / "x")


def test_the_cache_keeps_to_its_size_and_what_was_used_last(site: Site, tmp_path: Path, settings: Made) -> None:
    for name in "abc":
        site.answers[f"/{name}"] = (200, {}, name.encode() * 600)
    media = Media(settings(cache_bytes=1_500))

    for name in "abac":
        media.copy(f"{site.url}/{name}", tmp_path / name)
    media.copy(f"{site.url}/a", tmp_path / "a")

    assert [path for path, _ in site.asked] == ["/a", "/b", "/c"]
    assert sum(path.stat().st_size for path in (tmp_path / "cache").iterdir()) <= 1_500


def test_nothing_is_fetched_where_only_local_files_were_asked_for(site: Site, settings: Made) -> None:
    site.answers["/x"] = (200, {}, png(1, 1))

    assert Media(settings(is_remote=False)).fact(f"{site.url}/x") is None
    assert site.asked == []
