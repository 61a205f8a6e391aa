"""Scripts and templates in what files and people write never run: seen in a real browser, on every kind of page."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import h5py
import pytest
from playwright.sync_api import BrowserContext, Dialog, Page, sync_playwright

from catalog_builder import config
from catalog_builder.build import build
from catalog_builder.config import Settings
from catalog_builder.names import dataset_key, page_address, scan_key
from catalog_builder.report import PlainReporter

from .conftest import Running, serving
from .payloads import ATTRIBUTES, COMPUTED, HTML, MARKDOWN, PAYLOADS
from .three import catbuild, write_nexus

CHROMIUM = shutil.which("chromium")
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync"]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs the program chromium")

ID = "11017404"
SOME = PAYLOADS[::9]
"""What pages of one scan and searches are visited with; all of it stands on the pages of many."""

FIO = """! Comments
%c
{text}
user {text} Acquisition started at Thu Feb  5 16:20:16 2026
%p
sample_name = {text}
title = {text}
remark = {text}
keywords = {text}
{name} = {text}
signalcounter = det
%d
 Col 1 {name} DOUBLE
 Col 2 det DOUBLE
 0.0 10.0
 1.0 30.0
! Acquisition ended at Thu Feb  5 16:20:58 2026
"""

LOOK = """() => {
    const addresses = ['href', 'src', 'action', 'formaction', 'data', 'xlink:href'];
    const found = [];
    for (const element of document.querySelectorAll('*')) {
        for (const attribute of element.attributes) {
            const runs = attribute.name.startsWith('on');
            const leads = addresses.includes(attribute.name) && /^\\\\s*(javascript|data:text)/i.test(attribute.value);
            if (runs || leads) found.push(element.outerHTML);
        }
        if (element.tagName === 'SCRIPT' && !element.src && element.type !== 'application/json')
            found.push(element.outerHTML);
        if (/^(IFRAME|OBJECT|EMBED|BASE|MARQUEE|MATH|TEMPLATE|AUDIO|VIDEO)$/i.test(element.tagName))
            found.push(element.outerHTML);
    }
    return found;
}"""
"""Gives what a page must not have, run or not: the policy would hide that it is there."""


def file_name(number: int, text: str) -> str:
    """Give a payload as a file's name, which holds no slash."""
    return f"{text.replace('/', chr(0x2215))}_{number:05}.fio"


def write_site(folder: Path) -> Settings:
    """Write a beamtime whose files say nothing but payloads, and a help page, which is the site's own template."""
    raw = folder / "data" / "2023" / "data" / ID / "raw"
    raw.mkdir(parents=True)
    said = {
        "beamtimeId": ID,
        "proposalId": HTML[15],
        "title": HTML[16],
        "contact": HTML[0],
        "pi": {"lastname": HTML[14]},
    }
    (raw.parent / f"beamtime-metadata-{ID}.json").write_text(json.dumps(said))
    for number, text in enumerate(PAYLOADS, 1):
        path = raw / file_name(number, text)
        path.write_text(FIO.format(text=text, name=text.replace(" ", "\\t").split("\\t")[0]))
    write_nexus(raw / "all_00099.nxs", HTML[14])
    with h5py.File(raw / "all_00099.nxs", "a") as file:
        for number, text in enumerate(PAYLOADS):
            named = file.create_group(f"entry/instrument/{text.replace('/', chr(0x2215))}")
            named.attrs["NX_class"] = "NXpositioner" if number % 2 else "NXdetector"
            named["name"], named["value"] = text, [0.0, 1.0, 2.0]
            named["value"].attrs["units"] = text
    for path in raw.iterdir():
        os.utime(path, (1_700_000_000, 1_700_000_000))
    (folder / "templates" / "help").mkdir(parents=True)
    words = "\\n\\n".join([*HTML, *ATTRIBUTES, *MARKDOWN, *(f"# {text}" for text in HTML)])
    (folder / "templates" / "help" / "index.md").write_text(words)
    path = folder / "site_config.yaml"
    site = {"beamtimes": {"roots": ["data"]}, "executor": "serial", "templates": "templates", "keywords": SOME}
    path.write_text(json.dumps(site), encoding="utf-8")
    return config.load(path)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server of a catalogue full of payloads, people's remarks included."""
    folder = tmp_path_factory.mktemp("hostile")
    settings = write_site(folder)
    with (folder / "log").open("w", encoding="utf-8") as log, PlainReporter(log) as reporter:
        build(settings, reporter)
        for field, value in (("title", HTML[14]), ("keywords", f"+{HTML[14]}"), ("keywords", f"+{HTML[21]}")):
            asked = ["remark", "set", f"{ID}/all_00099", field, value, "--who", HTML[0][:60], "--reason", HTML[15]]
            catbuild(folder / "site_config.yaml", *asked)
        build(settings, reporter)
    with serving(settings) as running:
        running.new_person("sam", ["staff"])
        yield running


class Watched:
    """A browser's page, and all it did that it should not."""

    def __init__(self, context: BrowserContext, base: str) -> None:
        self.base, self.did = base, list[str]()
        context.add_init_script("window.canary = 0")
        self.page: Page = context.new_page()
        self.page.on("dialog", self._dismiss)
        self.page.on("console", lambda said: self.did.append(said.text) if said.type == "error" else None)
        self.page.on("pageerror", lambda error: self.did.append(str(error)))
        self.page.on("request", lambda request: self._ask(request.url))

    def _dismiss(self, dialog: Dialog) -> None:
        self.did.append(f"dialog {dialog.message}")
        dialog.dismiss()

    def _ask(self, url: str) -> None:
        if not url.startswith((self.base, "data:image/")) or urlsplit(url).path.startswith("/canary"):
            self.did.append(url)

    def see(self, address: str, status: int = 200) -> str:
        """Visit a page; gives its text once it is sure that nothing ran."""
        answer = self.page.goto(f"{self.base}{address}")
        assert answer is not None
        said = [text for text in self.did if f"status of {status}" not in text]
        assert (answer.status, said) == (status, []), address
        self.did.clear()
        return self.look()

    def look(self) -> str:
        assert self.page.evaluate("window.canary") == 0
        assert self.page.evaluate(LOOK) == []
        assert [text for text in self.did if "status of 4" not in text] == []
        text = self.page.inner_text("body")
        assert COMPUTED not in text
        return text


@pytest.fixture(scope="module")
def context(hostile: Running) -> Iterator[BrowserContext]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        context = browser.new_context()
        cookie = {"name": hostile.cookie_name, "value": hostile.token("sam"), "url": hostile.base}
        context.add_cookies([cookie])  # type: ignore[list-item]
        yield context
        browser.close()


@pytest.fixture
def watched(context: BrowserContext, hostile: Running) -> Iterator[Watched]:
    watched = Watched(context, hostile.base)
    yield watched
    watched.page.close()


def test_there_are_enough_payloads_and_they_run_where_they_may(context: BrowserContext) -> None:
    assert len({*PAYLOADS, *MARKDOWN}) >= 60
    page, ran = context.new_page(), 0
    for text in HTML[::2]:
        page.evaluate("window.canary = 0")
        page.set_content(f"<p>{text}</p>", wait_until="domcontentloaded")
        page.wait_for_timeout(10)
        ran += page.evaluate("window.canary") == 1
    page.close()
    assert ran >= 8


@pytest.mark.parametrize(
    "address",
    ["/", f"/beamtimes/{ID}/", "/search?level=scan&per_page=100", "/search?per_page=100", "/status", "/help/", "/cart"],
)
def test_on_pages_of_many_nothing_runs(watched: Watched, hostile: Running, address: str) -> None:
    keys = [scan_key(ID, row["key"].partition("/")[2]) for row in found(hostile)]
    hostile.client("sam").post("/api/cart", json={"add": [row["key"] for row in found(hostile)]})
    assert len(keys) > 60
    text = watched.see(address)
    if "level=scan" in address:
        assert [payload for payload in PAYLOADS if " ".join(payload.split()) not in text] == []


def found(hostile: Running) -> list[dict[str, str]]:
    hits: list[dict[str, str]] = hostile.client("sam").get("/api/search?level=scan&per_page=100").json()["hits"]
    return hits


def test_on_pages_of_scans_and_datasets_nothing_runs(watched: Watched, hostile: Running) -> None:
    hits = found(hostile)
    everything = next(hit for hit in hits if hit["name"].startswith("all"))
    for hit in [everything, *hits[::8]]:
        text = watched.see(hit["address"])
        assert hit["sample"] is None or " ".join(hit["sample"].split()) in text
    datasets = hostile.client("sam").get("/api/search?per_page=100").json()["hits"]
    for hit in datasets[::12]:
        watched.see(page_address(hit["key"]))
    assert dataset_key(ID, "all") in {hit["key"] for hit in datasets}


@pytest.mark.campaign
def test_on_the_page_of_every_scan_nothing_runs(watched: Watched, hostile: Running) -> None:
    for hit in found(hostile):
        watched.see(hit["address"])


@pytest.mark.parametrize("text", SOME)
def test_what_is_asked_for_is_said_again_as_text(watched: Watched, text: str) -> None:
    asked = quote(text, safe="")
    for address in (f"/search?q=%22{asked}%22", f"/search?sample={asked}", f"/search?positioner={asked}&level=scan"):
        answer = watched.page.goto(f"{watched.base}{address}")
        assert answer is not None
        assert answer.status in (200, 400)
        watched.look()
    watched.see(f"/go/{asked}", 404) if "%2F" not in asked and "%5C" not in asked else None
    watched.did.clear()


def test_suggestions_are_text(watched: Watched) -> None:
    watched.see("/search?level=scan")
    box = watched.page.get_by_role("searchbox").first
    seen = ""
    for typed in ("<img", "script", "canary", "sample:"):
        box.fill("")
        box.press_sequentially(typed)
        watched.page.wait_for_timeout(400)
        seen += watched.look()
    assert "onerror" in seen


@pytest.mark.parametrize("text", [HTML[2], ATTRIBUTES[0], ATTRIBUTES[4]])
def test_signing_in_says_what_was_typed_as_text(hostile: Running, watched: Watched, text: str) -> None:
    watched.page.context.clear_cookies()
    watched.see(f"/sign-in?next={quote('/' + text, safe='')}")
    watched.page.get_by_label("Name").fill(text)
    watched.page.get_by_label("Password").fill("wrong")
    watched.page.get_by_role("button", name="Sign in").click()
    watched.page.wait_for_load_state()
    watched.look()
    assert watched.page.get_by_label("Name").input_value() == text
    hostile.catalogue.accounts.forgive_attempts(text, "127.0.0.1")
    cookie = {"name": hostile.cookie_name, "value": hostile.token("sam"), "url": hostile.base}
    watched.page.context.add_cookies([cookie])  # type: ignore[list-item]
