"""The site as people meet it, in a real browser: sign in, find, look, take; with scripts and without."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from catalog_builder.accounts import Accounts
from catalog_builder.auth.local import LOCAL
from catalog_builder.build import build
from catalog_builder.database import Database
from catalog_builder.places import Places
from catalog_builder.report import PlainReporter

from .conftest import Site, fio

CHROMIUM = shutil.which("chromium")
CATBUILD = [sys.executable, "-c", "from catalog_builder.cli import main; main()"]
GONE_ON = "net::ERR_ABORTED"
"""What a browser says of requests it gave up because somebody went to the next page."""

QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync"]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs the program chromium")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A served catalogue of two beamtimes, one of which `kranz` may see."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "data").mkdir()
    site = Site(folder)
    mine, other = site.beamtime("11", title="Oxide films"), site.beamtime("22", title="Somebody else's")
    for number in range(1, 4):
        site.write(mine / f"gk_{number:05d}.fio", fio())
    site.write(mine / "feo_00001.fio", fio(sample="FeO <script>alert(1)</script>", flag="alignment"))
    site.write(other / "secret_00001.fio", fio(sample="Unobtainium"))
    build(site.settings, PlainReporter())
    with Database(Places(site.settings.catalogue).database) as database:
        Accounts(database).add("kranz", groups=["11-clbt"], password_hash=LOCAL.hash("long enough"))
    command = [*CATBUILD, "serve", "--config", str(folder / "site_config.yaml"), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout is not None
        yield server.stdout.readline().split()[-1]
        server.terminate()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def complaints() -> list[str]:
    """What the browser complains of: errors, warnings, failed requests."""
    return []


@pytest.fixture(params=[True, False], ids=["scripts", "no scripts"])
def page(request: pytest.FixtureRequest, browser: Browser, address: str, complaints: list[str]) -> Iterator[Page]:
    """A page of somebody who has just signed in, on the home page."""
    context = browser.new_context(java_script_enabled=request.param, base_url=address)
    page = context.new_page()
    page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("requestfailed", lambda failed: complaints.append(failed.url) if failed.failure != GONE_ON else None)
    page.goto("/search?q=gk")
    page.get_by_label("Name").fill("kranz")
    page.get_by_label("Password").fill("long enough")
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(f"{address}search?q=gk")
    page.goto("/")
    yield page
    context.close()


def test_home_lists_what_one_may_see(page: Page, complaints: list[str]) -> None:
    expect(page.get_by_role("link", name="Oxide films")).to_be_visible()
    expect(page.get_by_text("Somebody else's")).to_have_count(0)
    assert complaints == []


def test_finding_a_dataset_and_looking_at_its_scan(page: Page, complaints: list[str]) -> None:
    find = page.get_by_role("searchbox").first
    find.fill("SrTiO3")
    find.press("Enter")
    page.get_by_role("link", name="gk", exact=True).first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("gk")
    expect(page.locator("figure img")).to_have_count(2)
    page.get_by_role("link", name="gk_00002").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("gk_00002")
    natural = page.locator("figure img").first.evaluate("image => image.decode().then(() => image.naturalWidth)")
    assert natural == 880
    assert complaints == []


def test_text_from_files_is_text(page: Page, complaints: list[str]) -> None:
    page.goto("/search?q=FeO")
    expect(page.get_by_role("cell", name="<script>alert(1)</script>").first).to_be_visible()
    assert complaints == []


def test_what_one_puts_into_the_cart_comes_as_a_tar(page: Page, complaints: list[str], tmp_path: Path) -> None:
    page.goto("/beamtimes/11/datasets/gk/")
    with page.expect_response(lambda answer: answer.request.method == "POST"):
        page.get_by_role("button", name="Add to cart").click()
    page.goto("/cart")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").first.click()
    download.value.save_as(tmp_path / "cart.tar")
    listed = subprocess.run(["tar", "-tf", tmp_path / "cart.tar"], capture_output=True, text=True, check=True).stdout
    assert [name for name in listed.splitlines() if name.endswith(".fio")] == [
        f"11/raw/gk_{number:05d}.fio" for number in (1, 2, 3)
    ]
    page.goto("/cart")
    page.get_by_role("button", name="Empty").click()
    expect(page.get_by_text("Your cart is empty")).to_be_visible()


def test_anothers_page_answers_as_absent(page: Page) -> None:
    for path in ("/beamtimes/22/", "/beamtimes/22/scans/secret_00001/", "/beamtimes/33/"):
        answer = page.goto(path)
        assert answer is not None
        assert answer.status == 404
        expect(page.get_by_role("heading", level=1)).to_have_text("There is no such page")


@pytest.mark.parametrize("page", [True], indirect=True, ids=["scripts"])
def test_what_a_click_did_is_shown(page: Page) -> None:
    page.goto("/beamtimes/11/datasets/gk/")
    page.get_by_role("button", name="Add to cart").click()
    expect(page.get_by_text("Added to your cart.")).to_be_in_viewport()


def test_filters_open_on_a_narrow_screen(page: Page) -> None:
    page.set_viewport_size({"width": 400, "height": 800})
    page.goto("/search")
    expect(page.get_by_role("checkbox", name="SrTiO3")).not_to_be_visible()
    page.get_by_text("Filters", exact=True).click()
    expect(page.get_by_role("checkbox", name="SrTiO3")).to_be_visible()


@pytest.mark.parametrize("path", ["/", "/search", "/beamtimes/11/", "/beamtimes/11/scans/gk_00001/", "/status"])
def test_no_page_is_wider_than_a_small_phone(page: Page, path: str) -> None:
    page.set_viewport_size({"width": 320, "height": 700})
    page.goto(path)
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


@pytest.mark.parametrize("page", [True], indirect=True, ids=["scripts"])
def test_typing_shows_results_at_once_and_back_undoes_it(page: Page, complaints: list[str]) -> None:
    page.goto("/search")
    expect(page.locator("tbody tr")).to_have_count(2)
    page.get_by_label("Search", exact=True).press_sequentially("FeO")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page).to_have_url(re.compile("q=FeO"))
    page.go_back()
    expect(page.locator("tbody tr")).to_have_count(2)
    assert complaints == []


@pytest.mark.parametrize("page", [True], indirect=True, ids=["scripts"])
def test_a_scan_has_a_plot_to_play_with(page: Page, complaints: list[str]) -> None:
    page.goto("/beamtimes/11/scans/gk_00001/")
    expect(page.locator(".uplot canvas")).to_be_visible()
    page.get_by_label("logarithmic").check()
    expect(page.locator(".uplot canvas")).to_be_visible()
    assert complaints == []
