"""Pages open in a real browser, while scans are measured."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect, sync_playwright

from catalog_builder.accounts import Accounts
from catalog_builder.auth.local import LOCAL
from catalog_builder.build import build
from catalog_builder.database import Database
from catalog_builder.places import Places
from catalog_builder.report import PlainReporter

from ..conftest import Site, fio
from .conftest import CATBUILD

CHROMIUM = shutil.which("chromium")
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync"]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs the program chromium")

RUNNING = fio(points=3).split("! Acquisition ended")[0]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Path, Page]]:
    """A served site, a beamtime's raw folder, and a page of somebody who may see it."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "data").mkdir()
    site = Site(folder)
    raw = site.beamtime("11", title="Oxide films")
    for number in range(60):
        site.write(raw / f"gk_{number:05d}.fio", fio(points=0))
    (raw / "late_00001.fio").write_text(RUNNING)
    build(site.settings, PlainReporter())
    with Database(Places(site.settings.catalogue).database) as database:
        Accounts(database).add("kranz", groups=["11-clbt"], password_hash=LOCAL.hash("long enough"))
    command = [*CATBUILD, "serve", "--config", str(folder / "site_config.yaml"), "--port", "0"]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server,
        sync_playwright() as playwright,
    ):
        assert server.stdout is not None
        address = server.stdout.readline().split()[-1]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        page = browser.new_context(base_url=address, viewport={"width": 900, "height": 500}).new_page()
        page.goto("/")
        page.get_by_label("Name").fill("kranz")
        page.get_by_label("Password").fill("long enough")
        page.get_by_role("button", name="Sign in").click()
        page.clock.install()
        yield site, raw, page
        browser.close()
        server.terminate()


@pytest.fixture
def complaints(served: tuple[Site, Path, Page]) -> list[str]:
    """What the browser complains of."""
    said: list[str] = []
    page = served[2]
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("console", lambda line: said.append(line.text) if line.type == "error" else None)
    return said


def pass_by(page: Page, seconds: int) -> None:
    """Let time pass by in the page, until it has asked for what is new."""
    with page.expect_response(lambda answer: answer.url == page.url):
        page.clock.run_for(seconds * 1000)


def test_new_scans_come_in_where_one_was(served: tuple[Site, Path, Page], complaints: list[str]) -> None:
    site, raw, page = served
    page.goto("/beamtimes/11/datasets/gk/")
    pass_by(page, 2)
    row = page.get_by_role("link", name="gk_00040", exact=True).first
    row.focus()
    page.evaluate("scrollTo(0, 900)")
    before = page.evaluate("scrollY")
    site.write(raw / "gk_00060.fio", fio(points=0))
    build(site.settings, PlainReporter())
    pass_by(page, 11)
    expect(page.get_by_role("link", name="gk_00060", exact=True).first).to_be_attached()
    assert before > 0
    assert page.evaluate("scrollY") == before
    expect(row).to_be_focused()
    expect(page.locator("tr.fresh")).to_have_count(1)
    expect(page.locator("#say")).to_have_text("The page shows new scans.")
    assert complaints == []


def test_who_marks_rows_is_asked_first(served: tuple[Site, Path, Page], complaints: list[str]) -> None:
    site, raw, page = served
    page.goto("/beamtimes/11/datasets/gk/")
    pass_by(page, 2)
    page.get_by_label("Mark gk_00001", exact=True).check()
    site.write(raw / "gk_00061.fio", fio(points=0))
    build(site.settings, PlainReporter())
    pass_by(page, 11)
    expect(page.get_by_role("button", name="New scans")).to_be_visible()
    expect(page.get_by_label("Mark gk_00001", exact=True)).to_be_checked()
    expect(page.get_by_role("link", name="gk_00061")).to_have_count(0)
    page.get_by_role("button", name="New scans").click()
    expect(page.get_by_role("link", name="gk_00061", exact=True).first).to_be_attached()
    expect(page.get_by_role("button", name="New scans")).to_have_count(0)
    assert complaints == []


def test_a_running_scan_ends_on_its_page_with_plot_and_open_parts(
    served: tuple[Site, Path, Page], complaints: list[str]
) -> None:
    site, raw, page = served
    page.goto("/beamtimes/11/scans/late_00001/")
    expect(page.locator(".uplot canvas")).to_be_visible()
    pass_by(page, 2)
    page.locator("#positioners > summary").click()
    before = page.locator(".pictures img").first.evaluate("image => image.decode().then(() => image.naturalHeight)")
    picture = page.locator(".pictures img").first.evaluate(PIXELS)
    (raw / "late_00001.fio").write_text(fio())
    build(site.settings, PlainReporter())
    pass_by(page, 11)
    expect(page.get_by_text("complete", exact=True)).to_be_visible()
    expect(page.locator(".uplot canvas")).to_have_count(1)
    expect(page.locator("#positioners")).to_have_attribute("open", "")
    assert before > 0
    assert page.locator(".pictures img").first.evaluate(PIXELS) != picture
    expect(page.locator("main[data-live]")).to_have_count(0)
    assert complaints == []


PIXELS = """async (image) => {
  await image.decode();
  const canvas = Object.assign(document.createElement("canvas"), {width: image.naturalWidth, height: 300});
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  return context.getImageData(0, 0, canvas.width, 300).data.reduce((sum, one, at) => (sum * 31 + one) % 1000003, 7);
}"""


@pytest.mark.parametrize("path", ["/", "/beamtimes/11/"])
def test_home_and_beamtime_learn_too(served: tuple[Site, Path, Page], path: str, complaints: list[str]) -> None:
    site, raw, page = served
    page.goto(path)
    pass_by(page, 2)
    was = page.locator("main").inner_text()
    site.write(raw / f"new{len(path)}_00001.fio", fio(points=0))
    build(site.settings, PlainReporter())
    pass_by(page, 11)
    expect(page.locator("#say")).to_have_text("The page shows new scans.")
    assert page.locator("main").inner_text() != was
    assert complaints == []


@pytest.mark.parametrize(("status", "asked"), [(404, 1), (500, 3)])
def test_a_page_that_may_not_be_asked_for_stops_and_one_that_fails_asks_less_often(
    served: tuple[Site, Path, Page], status: int, asked: int
) -> None:
    *_, page = served
    page.goto("/beamtimes/11/")
    pass_by(page, 2)
    times: list[str] = []

    def refuse(route: Route) -> None:
        times.append(route.request.url)
        route.fulfill(status=status, body="no")

    page.route("**/beamtimes/11/", refuse)
    for _ in range(9):
        page.clock.run_for(10_000)
        page.evaluate("fetch('/api/session')")  # a round trip: what was asked before is answered
    assert len(times) == asked
    page.unroute_all()
