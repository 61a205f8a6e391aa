"""An invitation in a real browser: its token reaches the server by the form alone, with scripts and without."""

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from .conftest import Running

CHROMIUM = shutil.which("chromium")
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync"]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs the program chromium")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def asked() -> list[tuple[str, str, dict[str, str]]]:
    """Method, address and headers of all that the browser asked."""
    return []


@pytest.fixture(params=[True, False], ids=["scripts", "no scripts"])
def page(
    request: pytest.FixtureRequest, browser: Browser, running: Running, asked: list[tuple[str, str, dict[str, str]]]
) -> Iterator[Page]:
    context = browser.new_context(java_script_enabled=request.param, base_url=running.base, ignore_https_errors=True)
    page = context.new_page()
    page.on("request", lambda one: asked.append((one.method, one.url.partition("#")[0], one.headers)))
    yield page
    context.close()


def scripts(request: pytest.FixtureRequest) -> bool:
    return "no scripts" not in request.node.name


def test_a_link_is_opened_and_lets_in(
    request: pytest.FixtureRequest, running: Running, page: Page, asked: list[tuple[str, str, dict[str, str]]]
) -> None:
    made, token = running.catalogue.invitations.create("11017404", by="anna", devices=1)
    page.goto(f"/invited#{token}")
    field = page.get_by_label("The link, or what stands behind its #")
    if scripts(request):
        expect(field).to_be_hidden()
        assert page.url == f"{running.base}/invited"
    else:
        field.fill(f"{running.base}/invited#{token}")
    page.get_by_label("Your name").fill("Nadja")
    page.get_by_role("button", name="Let me in").click()
    expect(page).to_have_url(f"{running.base}/beamtimes/11017404/")
    expect(page.get_by_role("heading", level=1)).to_have_text("The marmot experiment")
    assert ("POST", f"{running.base}/invited") in [(method, url) for method, url, _ in asked]
    assert not [url for _, url, headers in asked if token in url or token in str(headers)]
    assert running.catalogue.invitations.invitation(made.id).used == 1


def test_a_link_that_is_over_says_whom_to_ask(request: pytest.FixtureRequest, running: Running, page: Page) -> None:
    made, token = running.catalogue.invitations.create("11017404", by="anna")
    running.catalogue.invitations.revoke(made.id)
    page.goto(f"/invited#{token}")
    if not scripts(request):
        page.get_by_label("The link, or what stands behind its #").fill(token)
    page.get_by_role("button", name="Let me in").click()
    expect(page.get_by_role("alert")).to_have_text(
        "This invitation does not open anything any more. Ask who sent it for a new one."
    )
    assert token not in page.content()
    running.catalogue.accounts.forgive_redemption("127.0.0.1")


@pytest.mark.parametrize("page", [True], ids=["scripts"], indirect=True)
@pytest.mark.parametrize(("name", "shown"), [("anna", True), ("sam", True), ("cora", False)])
def test_the_way_to_who_sees_a_beamtime_shows_to_who_administers_it(
    running: Running, page: Page, name: str, shown: bool
) -> None:
    if name == "cora" and running.catalogue.accounts.find(name) is None:
        running.new_person("cora", ["11017404-clbt"])
    page.context.add_cookies(
        [
            {
                "name": running.cookie_name,
                "value": running.token(name),
                "url": running.base,
                "secure": running.tls is not None,
            }
        ]
    )
    with page.expect_response("**/api/access/11017404"):
        page.goto("/beamtimes/11017404/")
    page.wait_for_load_state("networkidle")
    expect(page.get_by_role("link", name="Who sees it")).to_be_visible(visible=shown)
    expect(page.get_by_role("link", name=name)).to_have_attribute("href", "/account")
