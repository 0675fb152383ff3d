"""The status page in a real browser: three targets, one of them dead; two tasks set aside; twelve projects."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import chromium, visiting
from tests.deployment import Deployment, eventually
from tests.system.asking import address, ask, with_http

BROKEN = "UPDATE task SET data = '{broken' WHERE id IN (?, ?)"
LOOKS = [(width, dark) for width in (1280, 390) for dark in (False, True)]
SCREENSHOTS = os.environ.get("SYNCD_SCREENSHOTS")
"""A folder for pictures of the page, to be looked at by a person."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    deployment = Deployment(tmp_path_factory.mktemp("scene"))
    local: dict[str, Any] = {"type": "local", "claims_seconds": 0.5, "publish_seconds": 0.5}
    lake = {**local, "name": "lake", "path": str(deployment.target), "mirrors": ["COCO", "CSV"]}
    archive = {**local, "name": "archive", "path": str(deployment.folder / "archive"), "mirrors": ["CSV"]}
    dead = {"name": "dead", "type": "s3", "bucket": "annotations", "endpoint_url": "http://127.0.0.1:1"}
    dead |= {"access_key_id": "a", "secret_access_key": "b"}
    with_http(deployment, targets=[lake, archive, dead])
    deployment.database.rename_project(12, "<img src=x onerror=alert(1)> & more")
    deployment.start()
    eventually(lambda: deployment.tasks() == deployment.rendered(), deployment.errors)
    one, other = deployment.database.labelled(3)[0], deployment.database.labelled(4)[0]
    deployment.database.damage(BROKEN, one, other)
    eventually(lambda: _set_aside(deployment) == {one, other}, deployment.errors)
    eventually(lambda: _targets(deployment)["dead"]["error"], deployment.errors)
    yield deployment
    deployment.close()


def _targets(deployment: Deployment) -> dict[str, Any]:
    found: dict[str, Any] = ask(deployment, "/api/status").json()["targets"]
    return found


def _set_aside(deployment: Deployment) -> set[int]:
    here, there = ({one["task"] for one in _targets(deployment)[name]["quarantine"]} for name in ("lake", "archive"))
    return here & there


def refreshed(page: Page) -> None:
    """Wait until the page has asked for what is new."""
    with page.expect_response(lambda answer: answer.request.resource_type == "fetch"):
        pass


@pytest.mark.parametrize(("width", "dark"), LOOKS)
def test_it_is_right_at_every_width_in_light_and_dark(
    scene: Deployment, browser: Browser, width: int, dark: bool
) -> None:
    with visiting(browser, address(scene), width=width, dark=dark) as visit:
        page = visit.page
        expect(page.get_by_role("heading", level=1)).to_have_text("dead is unreachable. archive and lake go on.")
        expect(page.get_by_role("article")).to_have_count(3)
        expect(page.get_by_role("article", name="dead unreachable")).to_contain_text("Look at endpoint_url")
        expect(page.locator("#set-aside tbody tr")).to_have_count(2)
        expect(page.locator("#all-projects tbody tr")).to_have_count(12)
        expect(page.locator("#all-projects tbody tr").first).to_contain_text("coco 36")
        refreshed(page)
        assert visit.wide() == 0
        assert [low for low in visit.contrasts() if low[0] < 4.5] == []
        assert visit.complaints == []
        assert [url for url in visit.asked if not url.startswith(address(scene) + "/")] == []
        if SCREENSHOTS:
            page.screenshot(path=Path(SCREENSHOTS, f"{width}-{'dark' if dark else 'light'}.png"), full_page=True)


def test_a_title_is_text_whatever_stands_in_it(scene: Deployment, browser: Browser) -> None:
    with visiting(browser, address(scene)) as visit:
        expect(visit.page.get_by_text("<img src=x onerror=alert(1)> & more")).to_be_visible()
        assert visit.complaints == []


def test_a_task_is_tried_again_by_keyboard_and_the_page_says_so(scene: Deployment, browser: Browser) -> None:
    before = _attempts(scene)
    with visiting(browser, address(scene)) as visit:
        page = visit.page
        page.locator("#retry-all").focus()
        page.keyboard.press("Tab")
        expect(page.get_by_role("button", name="Try task").first).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator("#said")).to_contain_text("lake: 1 task tried again")
        eventually(lambda: _attempts(scene)[0] > before[0])
        page.get_by_role("button", name="Try all again").click()
        expect(page.locator("#said")).to_contain_text("lake: 2 tasks tried again")
        eventually(lambda: _attempts(scene)[1] > before[1])
        assert visit.complaints == []


def test_what_changes_is_seen_without_a_reload_and_the_reader_keeps_the_place(
    scene: Deployment, browser: Browser
) -> None:
    with visiting(browser, address(scene)) as visit:
        page = visit.page
        page.locator("#left-out-3 summary").click()
        page.evaluate("window.sameDocument = true")
        scene.command("pause", "lake")
        expect(page.get_by_role("article", name="lake paused")).to_be_visible(timeout=15_000)
        scene.command("resume", "lake")
        expect(page.get_by_role("article", name="lake current")).to_be_visible(timeout=15_000)
        expect(page.locator("#left-out-3")).to_have_attribute("open", "")
        assert page.evaluate("window.sameDocument")


def test_a_download_is_what_the_mirror_holds(scene: Deployment, browser: Browser) -> None:
    with visiting(browser, address(scene)) as visit, visit.page.expect_download() as begun:
        visit.page.locator("#get-1-coco").click()
        downloaded = begun.value.path().read_bytes()
    assert downloaded == (scene.target / "1/coco/result.json").read_bytes()


def test_without_javascript_it_shows_the_same_and_tries_again(scene: Deployment, browser: Browser) -> None:
    with visiting(browser, address(scene), javascript=False) as visit:
        expect(visit.page.get_by_role("article")).to_have_count(3)
        visit.page.get_by_role("button", name="Try all again").click()
        expect(visit.page.get_by_role("article")).to_have_count(3)


def test_a_browser_asks_for_the_token_and_shows_the_page(deployment: Deployment, browser: Browser) -> None:
    with_http(deployment, token="the-token")
    deployment.start()
    with visiting(browser, address(deployment), password="the-token") as visit:
        expect(visit.page.get_by_role("article")).to_have_count(1)
        refreshed(visit.page)
        assert [said for said in visit.complaints if "401" not in said] == []


def _attempts(deployment: Deployment) -> list[int]:
    """How often each task was tried in the lake, by task."""
    found = deployment.command("quarantine", "list", "--target", "lake", "--json")
    return [one["attempts"] for one in json.loads(found.stdout)["quarantined"]["lake"]]
