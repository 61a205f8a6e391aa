"""The search page in a real browser: suggestions below the box and in filters, histograms, what to leave out."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from catalog_builder.accounts import Accounts
from catalog_builder.auth.local import LOCAL
from catalog_builder.build import build
from catalog_builder.database import Database
from catalog_builder.facets import MOST_VALUES
from catalog_builder.places import Places
from catalog_builder.report import PlainReporter

from .conftest import Site, fio

CHROMIUM = shutil.which("chromium")
CATBUILD = [sys.executable, "-c", "from catalog_builder.cli import main; main()"]
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync"]
SAMPLES = MOST_VALUES + 5
"""More than an answer lists."""

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs the program chromium")
scripts = pytest.mark.parametrize("page", [True], indirect=True, ids=["scripts"])


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A served catalogue of two beamtimes in two years; each scan of the older one has a sample of its own."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "data").mkdir()
    site = Site(folder)
    new = site.beamtime("11")
    for number in (1, 2):
        site.write(new / f"gk_{number:05d}.fio", fio(sample="LaB6 film").replace("2026", "2023"))
    old = site.root / "2022" / "data" / "12"
    site.write(old / "beamtime-metadata-12.json", '{"beamtimeId": "12", "proposalId": "20220001"}')
    for number in range(SAMPLES):
        site.write(
            old / "raw" / f"s{number:03d}_00001.fio",
            fio(sample=f"wafer {number:03d}", points=2).replace("2026", "2022"),
        )
    build(site.settings, PlainReporter())
    with Database(Places(site.settings.catalogue).database) as database:
        groups = ["11-clbt", "12-clbt"]
        Accounts(database).add("kranz", groups=groups, password_hash=LOCAL.hash("long enough"))
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


@pytest.fixture(params=[True, False], ids=["scripts", "no scripts"])
def page(request: pytest.FixtureRequest, browser: Browser, address: str) -> Iterator[Page]:
    """The search page of somebody who has just signed in; nothing may be complained of until the end."""
    context = browser.new_context(java_script_enabled=request.param, base_url=address)
    page, complaints = context.new_page(), list[str]()
    page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto("/search")
    page.get_by_label("Name").fill("kranz")
    page.get_by_label("Password").fill("long enough")
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(f"{address}search")
    yield page
    context.close()
    assert complaints == []


def box(page: Page) -> Locator:
    return page.get_by_label("Search", exact=True)


def suggestions(page: Page) -> Locator:
    return page.get_by_role("listbox", name="Suggestions").get_by_role("option")


@scripts
def test_a_suggestion_is_taken_with_arrow_and_enter(page: Page) -> None:
    box(page).press_sequentially("lab")
    expect(suggestions(page).first).to_contain_text("LaB6 film")
    expect(box(page)).to_have_attribute("aria-expanded", "true")
    box(page).press("ArrowDown")
    active = box(page).get_attribute("aria-activedescendant")
    expect(page.locator(f"#{active}")).to_have_attribute("aria-selected", "true")
    box(page).press("Enter")
    expect(box(page)).to_have_value('sample:"LaB6 film" ')
    expect(suggestions(page)).to_have_count(0)
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page).to_have_url(re.compile("q=sample"))
    expect(box(page)).to_be_focused()


@scripts
def test_suggestions_close_with_escape_and_leave_what_is_typed_and_found(page: Page) -> None:
    box(page).press_sequentially("lab")
    expect(suggestions(page).first).to_be_visible()
    box(page).press("Escape")
    expect(suggestions(page)).to_have_count(0)
    expect(box(page)).to_have_value("lab")
    expect(box(page)).to_have_attribute("aria-expanded", "false")
    expect(page.locator("tbody tr")).to_have_count(1)
    box(page).press("Escape")
    expect(box(page)).to_have_value("")
    expect(page.locator("tbody tr")).to_have_count(50)


@scripts
def test_enter_without_a_choice_searches_for_what_is_typed(page: Page) -> None:
    box(page).press_sequentially("wafer")
    expect(suggestions(page).first).to_be_visible()
    box(page).press("Enter")
    expect(suggestions(page)).to_have_count(0)
    expect(page).to_have_url(re.compile(r"q=wafer$"))
    expect(page.locator("#tally")).to_contain_text(f"{SAMPLES} datasets")


@scripts
def test_arrows_go_round_and_a_click_takes(page: Page) -> None:
    box(page).press_sequentially("wafer")
    expect(suggestions(page).first).to_be_visible()
    box(page).press("ArrowUp")
    expect(suggestions(page).last).to_have_attribute("aria-selected", "true")
    box(page).press("ArrowDown")
    expect(box(page)).not_to_have_attribute("aria-activedescendant", re.compile("."))
    wanted = suggestions(page).nth(1).locator(".value").inner_text()
    suggestions(page).nth(1).click()
    expect(box(page)).to_have_value(f'sample:"{wanted}" ')
    expect(page.locator("tbody tr")).to_have_count(1)


@scripts
def test_the_word_at_the_caret_is_completed_within_the_rest(page: Page) -> None:
    box(page).fill("gk sample:la")
    expect(suggestions(page)).to_have_count(1)
    box(page).press("ArrowDown")
    box(page).press("Enter")
    expect(box(page)).to_have_value('gk sample:"LaB6 film" ')
    box(page).fill("gk sample:waf")
    expect(page.locator("#tally")).to_contain_text("0 datasets")
    box(page).fill("posi")
    expect(suggestions(page).last).to_contain_text("positioner:")
    box(page).press("ArrowUp")
    box(page).press("Enter")
    expect(box(page)).to_have_value("positioner:")
    expect(suggestions(page)).to_have_text([re.compile(r"positioner\s+om")])
    expect(page.locator("#mistake")).to_have_count(0)


@scripts
def test_a_slash_still_leads_to_the_box(page: Page) -> None:
    page.locator("body").press("/")
    expect(box(page)).to_be_focused()
    expect(box(page)).to_have_value("")


def test_without_a_choice_the_box_has_a_name_and_finds(page: Page) -> None:
    box(page).fill("LaB6")
    box(page).press("Enter")
    expect(page.locator("tbody tr")).to_have_count(1)


@scripts
def test_a_value_that_is_not_listed_is_found_in_its_filter_and_chosen(page: Page) -> None:
    samples = page.get_by_role("group", name="Sample")
    rare = f"wafer {SAMPLES - 1:03d}"
    assert samples.get_by_role("checkbox", name=rare).count() == 0
    find = samples.get_by_label("Find in sample")
    expect(find).to_be_visible()  # the script is there
    find.press_sequentially(f"{SAMPLES - 1:03d}")
    samples.get_by_role("checkbox", name=rare).check()
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page).to_have_url(re.compile(f"sample=wafer.{SAMPLES - 1:03d}"))
    expect(samples.get_by_role("checkbox", name=rare)).to_be_checked()
    expect(samples.get_by_role("checkbox", name=rare)).to_have_count(1)


def test_years_are_a_histogram_with_counts_to_read(page: Page) -> None:
    years = page.get_by_role("group", name="Year")
    expect(years.locator("label")).to_contain_text(["2023", "2022"])
    widths = [bar.bounding_box() for bar in years.locator("rect").all()]
    assert all(width is not None for width in widths)
    new, old = (width["width"] for width in widths if width is not None)
    assert 0 < new < old / 20
    expect(years.get_by_role("checkbox", name=re.compile(r"2022\s*105"))).to_be_visible()


def test_choosing_a_bar_narrows_the_list(page: Page) -> None:
    page.get_by_role("group", name="Year").get_by_role("checkbox", name="2023").check()
    apply = page.get_by_role("button", name="Apply filters")
    if apply.is_visible():
        apply.click()
    expect(page).to_have_url(re.compile("year=2023"))
    expect(page.locator("tbody tr")).to_have_count(1)


def test_where_nothing_is_found_a_link_leaves_out_what_is_in_the_way(page: Page) -> None:
    page.goto("/search?q=gk&sample=wafer+001")
    page.get_by_role("link", name="Without sample “wafer 001” there would be 1").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page).to_have_url(re.compile(r"/search\?q=gk$"))


def test_the_answer_comes_as_a_table(page: Page, tmp_path: Path) -> None:
    page.goto("/search?q=wafer&per_page=10&level=scan")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download as CSV").click()
    assert download.value.suggested_filename == "scans-wafer.csv"
    download.value.save_as(tmp_path / "scans.csv")
    assert len((tmp_path / "scans.csv").read_text().splitlines()) == SAMPLES + 1
