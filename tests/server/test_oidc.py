"""Signing in at a real OpenID provider: what works, and what a person in between, or another site, cannot do."""

import fcntl
import hmac
import json
import logging
import re
import shutil
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import Key, OctKey, RSAKey
from playwright.sync_api import BrowserContext, expect, sync_playwright

from catalog_builder.auth import oidc
from catalog_builder.config import OidcSettings, Settings
from catalog_builder.logins import Logins
from catalog_builder.server import signing
from catalog_builder.server.elsewhere import AT_ONCE
from catalog_builder.server.signing import Counter
from catalog_builder.server.visitors import cookie_of

from .conftest import CHEAP, PASSWORD, Running, serving
from .elsewhere import PEOPLE, SECRET, Elsewhere, free_port, installed, provider, unchanged

START = "/sign-in/oidc"
CHROMIUM = shutil.which("chromium")
ANNAS = "/beamtimes/11017404/"

Claims = dict[str, Any]


@pytest.fixture(scope="session")
def elsewhere(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[Elsewhere]:
    """The provider; the package is installed once a run."""
    base = tmp_path_factory.getbasetemp()
    folder = (base if worker_id == "master" else base.parent) / "provider"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        installed(folder)
    with provider(folder, tmp_path_factory.mktemp("people")) as running:
        yield running


def with_provider(settings: Settings, elsewhere: Elsewhere, **more: Any) -> Settings:
    secret = elsewhere.people_file.with_name("secret")
    secret.touch(mode=0o600)
    secret.write_text(f"{SECRET}\n", encoding="utf-8")
    chosen = {
        "issuer": elsewhere.issuer,
        "client_id": "catalogue",
        "client_secret_file": secret,
        "scopes": ("openid", "profile", "email", "groups"),
        "label": "the test facility",
        **more,
    }
    auth = {"methods": ("oidc", "local"), "oidc": OidcSettings(**chosen)}
    server = {"public_address": f"http://127.0.0.1:{elsewhere.client_port}"}
    return settings.model_copy(
        update={"auth": settings.auth.model_copy(update=auth), "server": settings.server.model_copy(update=server)}
    )


@pytest.fixture(scope="session")
def apart(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The settings of a catalogue with the same pages and people of its own."""
    folder = tmp_path_factory.mktemp("apart") / "catalogue"
    shutil.copytree(settings.catalogue, folder, ignore=shutil.ignore_patterns("state"))
    return settings.model_copy(update={"catalogue": folder})


@pytest.fixture(scope="session")
def listener(apart: Settings, elsewhere: Elsewhere) -> Iterator[Running]:
    with serving(with_provider(apart, elsewhere), elsewhere.client_port) as running:
        yield running


@pytest.fixture
def site(listener: Running, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch) -> Running:
    """A server that knows two local accounts, has heard nothing of the provider, and nobody has signed in."""
    monkeypatch.setattr(oidc, "DOWN_FOR_SECONDS", 0.0)
    elsewhere.middle.change = unchanged
    elsewhere.know(PEOPLE)
    catalogue = listener.catalogue
    state = listener.app.state
    state.provider, state.cookie = oidc.OIDC.provider(listener.settings), cookie_of(None)
    state.travellers = Counter(at_once=AT_ONCE)
    monkeypatch.setattr(catalogue, "logins", Logins(catalogue.database))
    for account in catalogue.accounts.all():
        catalogue.accounts.remove(account.name)
    for name in ("anna", "nora"):
        catalogue.accounts.add(name, groups=["locals"], password_hash=CHEAP.hash(PASSWORD))
    return listener


@pytest.fixture
def client(site: Running) -> Iterator[httpx.Client]:
    with site.new_client() as client:
        yield client


def sign_in(
    client: httpx.Client, elsewhere: Elsewhere, subject: str, going_to: str = "/", **more: str
) -> httpx.Response:
    """Sign in by the provider; gives what the catalogue answers to who comes back."""
    answer = client.get(START, params={"next": going_to})
    assert answer.status_code == 303, answer.text
    return client.get(elsewhere.through(client, answer.headers["location"], subject))


def session(client: httpx.Client) -> Claims:
    """Give who is signed in; empty for nobody."""
    answer = client.get("/api/session")
    return dict(answer.json()) if answer.status_code == 200 else {}


def said(answer: httpx.Response) -> str:
    """Give what the page says was wrong."""
    found = re.search(r'role="alert"><p>(.*?)</p>', answer.text)
    return "" if found is None else found[1]


# What works


def test_the_sign_in_page_leads_to_the_provider_and_back_to_where_one_was(
    client: httpx.Client, elsewhere: Elsewhere
) -> None:
    address = "/search?q=om+scan&flag=measurement"
    page = client.get(client.get(address).headers["location"])
    link = re.search(r'href="(/sign-in/oidc\?next=[^"]*)">Sign in with the test facility<', page.text)
    assert link is not None
    away = client.get(link[1].replace("&amp;", "&")).headers["location"]
    asked = dict(parse_qsl(urlsplit(away).query))
    assert (asked["code_challenge_method"], asked["response_type"], asked["scope"]) == (
        "S256",
        "code",
        "openid profile email groups",
    )
    back = client.get(elsewhere.through(client, away, "s-otto"))
    assert (back.status_code, back.headers["location"]) == (303, address)
    assert client.get(address).status_code == 200


def test_who_signs_in_has_a_name_and_the_groups_the_provider_names(
    site: Running, client: httpx.Client, elsewhere: Elsewhere
) -> None:
    assert sign_in(client, elsewhere, "s-otto").status_code == 303
    now = session(client)
    assert (now["name"], now["display"], now["groups"]) == ("otto", "Otto O.", ["11017404-dmgt"])
    assert client.get(ANNAS).status_code == 200
    assert client.get("/beamtimes/11017405/").status_code == 404
    account = site.catalogue.accounts.account("otto")
    assert account.kind == "oidc"
    entry = site.catalogue.audit.last(1)[0]
    assert (entry.action, entry.who, entry.what, entry.address) == (
        "sign in",
        "otto",
        f"oidc: {elsewhere.issuer}",
        "127.0.0.1",
    )


def test_groups_are_those_of_the_last_sign_in_beside_those_given_here(
    site: Running, client: httpx.Client, elsewhere: Elsewhere
) -> None:
    sign_in(client, elsewhere, "s-otto")
    site.catalogue.accounts.set_groups("otto", ["ours"])
    elsewhere.know({"s-otto": {**PEOPLE["s-otto"], "groups": ["11017405-dmgt"]}})
    with site.new_client() as other:
        sign_in(other, elsewhere, "s-otto")
        assert session(other)["groups"] == ["11017405-dmgt", "ours"]
    assert client.get(ANNAS).status_code == 404
    elsewhere.know({"s-otto": {"name": "Otto"}})
    with site.new_client() as other:
        sign_in(other, elsewhere, "s-otto")
        assert session(other)["groups"] == ["ours"]


def test_groups_may_be_a_claim_within_a_claim(settings: Settings, elsewhere: Elsewhere, site: Running) -> None:
    provider = oidc.OIDC.provider(with_provider(settings, elsewhere, groups_claim="realm_access.roles"))
    login, state, _ = Logins(site.catalogue.database).begin(elsewhere.issuer, going_to="/")
    with site.new_client() as client:
        back = elsewhere.through(client, provider.address(login, state), "s-otto")
    person = provider.person(login, parse_qs(urlsplit(back).query)["code"][0])
    assert person.groups == {"beamline"}


def test_nobody_takes_over_an_account_by_its_name(site: Running, client: httpx.Client, elsewhere: Elsewhere) -> None:
    for _ in range(2):  # the second time it is the same account
        with site.new_client() as other:
            sign_in(other, elsewhere, "s-anna")
            assert session(other)["name"] == "anna@facility.example"
            assert session(other)["groups"] == []
    assert site.catalogue.accounts.account("anna").kind == "local"
    assert client.post("/sign-in", data={"name": "anna", "password": PASSWORD}).status_code == 303


def test_five_tabs_at_once_all_get_where_they_wanted(site: Running, client: httpx.Client, elsewhere: Elsewhere) -> None:
    pages = [f"/search?q=tab{number}" for number in range(5)]
    begun = [client.get(START, params={"next": page}).headers["location"] for page in pages]
    backs = [elsewhere.through(client, away, "s-otto") for away in begun]

    def arrive(back: str) -> httpx.Response:
        with httpx.Client(cookies=client.cookies, verify=False) as tab:
            return tab.get(back)

    with ThreadPoolExecutor(5) as pool:  # who is new here is so in all five
        answers = list(pool.map(arrive, backs))
    assert [(answer.status_code, answer.headers["location"]) for answer in answers] == [(303, page) for page in pages]
    assert {account.name for account in site.catalogue.accounts.all()} == {"anna", "nora", "otto"}


def test_a_later_tab_goes_on_with_the_session_of_the_first(client: httpx.Client, elsewhere: Elsewhere) -> None:
    begun = [client.get(START, params={"next": f"/search?q={n}"}).headers["location"] for n in range(2)]
    backs = [elsewhere.through(client, away, "s-otto") for away in begun]
    client.get(backs[0])
    token = client.cookies["catalogue"]
    assert client.get(backs[1]).headers["location"] == "/search?q=1"
    assert client.cookies["catalogue"] == token
    assert session(client)["name"] == "otto"


def test_the_way_back_is_good_once_and_the_button_back_does_no_harm(
    site: Running, client: httpx.Client, elsewhere: Elsewhere
) -> None:
    away = client.get(START, params={"next": ANNAS}).headers["location"]
    back = elsewhere.through(client, away, "s-otto")
    assert client.get(back).headers["location"] == ANNAS
    token = client.cookies["catalogue"]
    assert client.get(back).headers["location"] == ANNAS
    assert client.cookies["catalogue"] == token
    client.post("/sign-out")
    asked = elsewhere.middle.asked.count("/token")
    again = client.get(back)
    assert again.status_code == 400
    assert "This sign-in is over" in said(again)
    assert f'name="next" value="{ANNAS}"' in again.text
    assert session(client) == {}
    assert elsewhere.middle.asked.count("/token") == asked


def test_a_shared_computer_stays_one_on_the_way(client: httpx.Client, elsewhere: Elsewhere) -> None:
    away = client.get(START, params={"shared": "yes"}).headers["location"]
    assert "prompt=login" in away
    answer = client.get(elsewhere.through(client, away, "s-otto"))
    cookie = SimpleCookie(answer.headers["set-cookie"])["catalogue"]
    assert (cookie["max-age"], cookie["expires"]) == ("", "")
    assert session(client)["shared_computer"] is True


def test_a_guest_takes_along_what_they_were_invited_to(
    site: Running, client: httpx.Client, elsewhere: Elsewhere
) -> None:
    _, token = site.catalogue.invitations.create("11017405", by="anna")
    redeemed = site.catalogue.invitations.redeem(token, stated_name="Otto")
    assert redeemed is not None
    guest = redeemed[1].name
    client.cookies.set("catalogue", site.catalogue.accounts.open_session(guest), domain="127.0.0.1")
    assert client.get("/beamtimes/11017405/").status_code == 200
    sign_in(client, elsewhere, "s-otto")
    assert session(client)["name"] == "otto"
    assert client.get("/beamtimes/11017405/").status_code == 200
    assert site.catalogue.accounts.find(guest) is None


@pytest.mark.parametrize(("secure", "prefix"), [(True, "__Host-catalogue-login-"), (False, "catalogue-login-")])
def test_the_cookie_of_a_login_under_way_is_short_lived_and_out_of_reach_of_scripts(
    site: Running, client: httpx.Client, secure: bool, prefix: str
) -> None:
    site.app.state.cookie = cookie_of(secure)
    answer = client.get(START)
    name, _, rest = answer.headers["set-cookie"].partition("=")
    state = dict(parse_qsl(urlsplit(answer.headers["location"]).query))["state"]
    attributes = set(rest.lower().split("; "))
    assert name == f"{prefix}{state[:12]}"
    assert {"httponly", "samesite=lax", "path=/", "max-age=600"} <= attributes
    assert ("secure" in attributes, "domain" in rest.lower()) == (secure, False)


def test_too_many_at_once_are_sent_away_and_told_when_to_come_back(
    site: Running, client: httpx.Client, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.app.state.travellers = Counter(at_once=1)
    monkeypatch.setattr(signing, "WAITING", 0)
    held, go_on = threading.Event(), threading.Event()

    def slow(_: str, status: int, content: bytes) -> tuple[int, bytes]:
        held.set()
        assert go_on.wait(60)
        return status, content

    elsewhere.middle.change = slow
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(client.get, START)
        try:
            assert held.wait(60)
            with site.new_client() as other:
                answer = other.get(START, params={"next": ANNAS})
                assert (answer.status_code, int(answer.headers["retry-after"]) > 0) == (503, True)
                assert "Very many people are signing in" in said(answer)
                assert other.post("/sign-in", data={"name": "nora", "password": PASSWORD}).status_code == 303
        finally:
            go_on.set()
        assert first.result().status_code == 303


# A login for a local account


def linking(client: httpx.Client, elsewhere: Elsewhere, subject: str) -> httpx.Response:
    answer = client.get(START, params={"link": "1", "next": "/cart"}, headers={"Sec-Fetch-Site": "same-origin"})
    assert answer.status_code == 303, answer.text
    return client.get(elsewhere.through(client, answer.headers["location"], subject))


def test_who_asks_for_it_is_one_person_with_two_ways_in(
    site: Running, client: httpx.Client, elsewhere: Elsewhere
) -> None:
    client.post("/sign-in", data={"name": "nora", "password": PASSWORD})
    assert linking(client, elsewhere, "s-otto").headers["location"] == "/cart"
    assert session(client)["groups"] == ["11017404-dmgt", "locals"]
    with site.new_client() as other:
        sign_in(other, elsewhere, "s-otto")
        assert session(other)["name"] == "nora"
    assert [(entry.action, entry.who) for entry in site.catalogue.audit.last(2)] == [
        ("sign in", "nora"),
        ("link login", "nora"),
    ]


def test_signed_in_here_nothing_is_linked_without_asking(
    site: Running, client: httpx.Client, elsewhere: Elsewhere
) -> None:
    client.post("/sign-in", data={"name": "nora", "password": PASSWORD})
    assert client.get(START, params={"next": "/cart"}).headers["location"] == "/cart"
    with site.new_client() as other:
        away = other.get(START).headers["location"]
        back = elsewhere.through(other, away, "s-otto")
        other.post("/sign-in", data={"name": "nora", "password": PASSWORD})  # in another tab, meanwhile
        other.get(back)
        assert session(other)["name"] == "otto"
    assert site.catalogue.accounts.account("nora").groups == ("locals",)


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {}])
def test_no_other_site_links_accounts(client: httpx.Client, headers: dict[str, str]) -> None:
    client.post("/sign-in", data={"name": "nora", "password": PASSWORD})
    answer = client.get(START, params={"link": "1"}, headers=headers)
    assert (answer.status_code, "location" in answer.headers) == (403, False)


def test_a_login_that_is_somebodys_is_not_linked_to_another(
    site: Running, client: httpx.Client, elsewhere: Elsewhere
) -> None:
    with site.new_client() as other:
        sign_in(other, elsewhere, "s-otto")
    client.post("/sign-in", data={"name": "nora", "password": PASSWORD})
    answer = linking(client, elsewhere, "s-otto")
    assert answer.status_code == 403
    assert "belongs to another account" in said(answer)
    assert session(client)["groups"] == ["locals"]


def test_nothing_is_linked_to_who_signed_in_meanwhile(
    site: Running, client: httpx.Client, elsewhere: Elsewhere
) -> None:
    client.post("/sign-in", data={"name": "nora", "password": PASSWORD})
    away = client.get(START, params={"link": "1"}, headers={"Sec-Fetch-Site": "same-origin"}).headers["location"]
    back = elsewhere.through(client, away, "s-otto")
    client.post("/sign-in", data={"name": "anna", "password": PASSWORD})
    assert client.get(back).status_code == 403
    assert site.catalogue.accounts.known_as(elsewhere.issuer, "s-otto") is None


# Abandoned, mixed up, sent by somebody else


def test_ten_minutes_later_it_is_over(
    site: Running, client: httpx.Client, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    back = elsewhere.through(client, client.get(START, params={"next": ANNAS}).headers["location"], "s-otto")
    late = datetime.now(UTC) + timedelta(minutes=10, seconds=1)
    monkeypatch.setattr(site.catalogue, "logins", Logins(site.catalogue.database, clock=lambda: late))
    answer = client.get(back)
    assert answer.status_code == 400
    assert "more than 10 minutes" in said(answer)
    assert session(client) == {}


def test_who_breaks_off_can_try_again_or_sign_in_otherwise(client: httpx.Client, elsewhere: Elsewhere) -> None:
    away = client.get(START, params={"next": ANNAS}).headers["location"]
    answer = client.get(elsewhere.through(client, away, "s-otto", cancel=True))
    assert answer.status_code == 400
    assert said(answer) == "You were not signed in with the test facility. Try again."
    assert f'name="next" value="{ANNAS}"' in answer.text
    assert f'href="/sign-in/oidc?next={ANNAS}"' in answer.text
    assert sign_in(client, elsewhere, "s-otto", ANNAS).headers["location"] == ANNAS


def test_many_abandoned_attempts_do_not_fill_the_browser(client: httpx.Client, elsewhere: Elsewhere) -> None:
    for _ in range(50):
        client.get(START)
        assert sum("-login-" in name for name in client.cookies) <= 21
    assert sign_in(client, elsewhere, "s-otto").status_code == 303
    assert session(client)["name"] == "otto"


def test_a_way_back_sent_by_somebody_else_signs_nobody_in(
    site: Running, client: httpx.Client, elsewhere: Elsewhere
) -> None:
    with site.new_client() as attacker:
        back = elsewhere.through(attacker, attacker.get(START).headers["location"], "s-otto")
        answer = client.get(back)
        assert answer.status_code == 400
        assert "catalogue=" not in answer.headers.get("set-cookie", "")
        client.get(START)  # with a login of one's own under way, too
        assert client.get(back).status_code == 400
        assert session(client) == {}
        assert attacker.get(back).status_code == 303  # it was not used up


def test_the_code_of_one_login_is_worth_nothing_in_another(client: httpx.Client, elsewhere: Elsewhere) -> None:
    begun = [client.get(START).headers["location"] for _ in range(2)]
    first, second = (dict(parse_qsl(urlsplit(elsewhere.through(client, away, "s-otto")).query)) for away in begun)
    answer = client.get(f"{START}/callback", params={**first, "state": second["state"]})
    assert answer.status_code == 502
    assert session(client) == {}


@pytest.mark.parametrize(
    "change",
    [
        {"state": "A" * 43},
        {"state": ""},
        {"state": "' OR 1=1 --"},
        {"state": "\x00"},
        {"code": "A" * 43},
        {"iss": "https://evil.example"},
        {"iss": None},
        {"code": None},
    ],
    ids=str,
)
def test_a_way_back_that_was_changed_signs_nobody_in(
    client: httpx.Client, elsewhere: Elsewhere, change: dict[str, str | None]
) -> None:
    back = dict(parse_qsl(urlsplit(elsewhere.through(client, client.get(START).headers["location"], "s-otto")).query))
    changed = {name: value for name, value in {**back, **change}.items() if value is not None}
    answer = client.get(f"{START}/callback", params=changed)
    assert answer.status_code in (400, 502)
    assert session(client) == {}


@pytest.mark.parametrize("name", ["state", "code", "iss"])
def test_a_parameter_that_comes_twice_is_none(client: httpx.Client, elsewhere: Elsewhere, name: str) -> None:
    back = elsewhere.through(client, client.get(START).headers["location"], "s-otto")
    doubled = urlencode({name: dict(parse_qsl(urlsplit(back).query))[name]})
    assert client.get(f"{back}&{doubled}").status_code in (400, 502)
    assert session(client) == {}


@pytest.mark.parametrize("address", ["https://evil.example/", "//evil.example/", "/\\evil.example", f"{START}?next=/"])
def test_nobody_is_sent_elsewhere_after_signing_in(client: httpx.Client, elsewhere: Elsewhere, address: str) -> None:
    assert sign_in(client, elsewhere, "s-otto", address).headers["location"] == "/"


# The provider down, another, or forged


def test_while_the_provider_is_down_a_page_says_so_and_local_accounts_get_in(
    client: httpx.Client, elsewhere: Elsewhere
) -> None:
    elsewhere.middle.change = lambda *_: None
    answer = client.get(START, params={"next": ANNAS})
    assert answer.status_code == 503
    assert said(answer) == (
        "You cannot sign in with the test facility just now: it does not answer. Try again in a few minutes."
    )
    assert int(answer.headers["retry-after"]) > 0
    assert f'name="next" value="{ANNAS}"' in answer.text
    assert client.post("/sign-in", data={"name": "nora", "password": PASSWORD}).status_code == 303
    elsewhere.middle.change = unchanged
    client.post("/sign-out")
    assert sign_in(client, elsewhere, "s-otto").status_code == 303


def test_a_provider_that_is_down_is_left_alone_for_a_moment(
    client: httpx.Client, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oidc, "DOWN_FOR_SECONDS", 60.0)
    elsewhere.middle.change = lambda *_: None
    before = len(elsewhere.middle.asked)
    assert [client.get(START).status_code for _ in range(5)] == [503] * 5
    assert len(elsewhere.middle.asked) == before + 1


@pytest.mark.parametrize("path", ["/token", "/jwks", "/me"])
def test_a_provider_that_goes_down_in_between_signs_nobody_in(
    client: httpx.Client, elsewhere: Elsewhere, path: str
) -> None:
    back = elsewhere.through(client, client.get(START).headers["location"], "s-otto")
    elsewhere.middle.change = lambda asked, status, content: (500, b"") if asked == path else (status, content)
    assert client.get(back).status_code == 503
    assert session(client) == {}


def document(**changed: Any) -> Callable[[str, int, bytes], tuple[int, bytes]]:
    """Give a change of the discovery document."""

    def change(path: str, status: int, content: bytes) -> tuple[int, bytes]:
        if path != "/.well-known/openid-configuration":
            return status, content
        return status, json.dumps({**json.loads(content), **changed}).encode()

    return change


@pytest.mark.parametrize(
    "changed",
    [
        {"issuer": "https://evil.example"},
        {"issuer": None},
        {"token_endpoint": "http://evil.example/token"},
        {"jwks_uri": "file:///etc/passwd"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": ["https://evil.example"]},
        {"userinfo_endpoint": "http://["},
    ],
    ids=str,
)
def test_a_provider_that_calls_itself_otherwise_is_not_gone_to(
    client: httpx.Client, elsewhere: Elsewhere, changed: Claims, caplog: pytest.LogCaptureFixture
) -> None:
    elsewhere.middle.change = document(**changed)
    answer = client.get(START)
    assert (answer.status_code, "location" in answer.headers) == (502, False)
    assert "cannot be trusted" in said(answer)
    assert "auth.oidc.issuer" in caplog.text


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b'{"issuer"', b"\xff" * 100, b" " * (2 << 20)], ids=len)
def test_a_document_that_is_none_is_said_in_words(client: httpx.Client, elsewhere: Elsewhere, content: bytes) -> None:
    elsewhere.middle.change = lambda *_: (200, content)
    assert client.get(START).status_code == 502


STRANGER = RSAKey.generate_key(2048, {"kid": "first", "alg": "RS256", "use": "sig"}, private=True)


def signed(claims: Claims, key: Key, algorithm: str = "RS256", **header: Any) -> str:
    return jwt.encode({"alg": algorithm, "kid": "first", **header}, claims, key, algorithms=[algorithm])


def unsigned(claims: Claims) -> str:
    parts = [urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in ({"alg": "none"}, claims)]
    return b".".join([*parts, b""]).decode()


def as_stated(stated: Callable[[Claims], Claims]) -> Callable[[Claims, RSAKey], str]:
    """Give a token the provider's own key has signed, with other claims."""
    return lambda claims, key: signed(stated(claims), key)


def signed_by_text(claims: Claims, secret: str) -> str:
    """Give a token signed with HS256 by a text that everybody knows: the public key."""
    parts = [urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in ({"alg": "HS256"}, claims)]
    signature = hmac.digest(secret.encode(), b".".join(parts), "sha256")
    return b".".join([*parts, urlsafe_b64encode(signature).rstrip(b"=")]).decode()


FORGED: dict[str, Callable[[Claims, RSAKey], str]] = {
    "signed by another key": lambda claims, _: signed(claims, STRANGER),
    "signed by another key, named in the token": lambda claims, _: signed(
        claims, STRANGER, jwk=STRANGER.as_dict(private=False)
    ),
    "signed by an unknown key": lambda claims, _: signed(claims, STRANGER, kid="stranger"),
    "not signed": lambda claims, _: unsigned(claims),
    "signed by the client's secret": lambda claims, _: signed(claims, OctKey.import_key(SECRET), "HS256"),
    "signed by the public key as a secret": lambda claims, key: signed_by_text(
        claims, json.dumps(key.as_dict(private=False))
    ),
    "changed after signing": lambda claims, key: (
        lambda parts: ".".join([parts[0], unsigned({**claims, "sub": "s-anna"}).split(".")[1], parts[2]])
    )(signed(claims, key).split(".")),
    "cut": lambda claims, key: signed(claims, key).rpartition(".")[0],
    "no token": lambda *_: "x",
    "no text": lambda *_: "",
    "expired": as_stated(lambda claims: {**claims, "exp": int(time.time()) - 120, "iat": int(time.time()) - 3600}),
    "without an end": as_stated(lambda claims: {name: claims[name] for name in claims if name != "exp"}),
    "with an end that is no time": as_stated(lambda claims: {**claims, "exp": str(claims["exp"])}),
    "of tomorrow": as_stated(lambda claims: {**claims, "iat": int(time.time()) + 86400}),
    "not yet": as_stated(lambda claims: {**claims, "nbf": int(time.time()) + 86400}),
    "another nonce": as_stated(lambda claims: {**claims, "nonce": "A" * 43}),
    "no nonce": as_stated(lambda claims: {name: claims[name] for name in claims if name != "nonce"}),
    "another issuer": as_stated(lambda claims: {**claims, "iss": "https://evil.example"}),
    "another client": as_stated(lambda claims: {**claims, "aud": "other"}),
    "no client": as_stated(lambda claims: {**claims, "aud": []}),
    "several clients, given to another": as_stated(
        lambda claims: {**claims, "aud": ["catalogue", "other"], "azp": "other"}
    ),
    "several clients, given to nobody": as_stated(lambda claims: {**claims, "aud": ["catalogue", "other"]}),
    "nobody": as_stated(lambda claims: {**claims, "sub": ""}),
    "a number": as_stated(lambda claims: {**claims, "sub": 7}),
    "somebody else than the userinfo's": as_stated(lambda claims: {**claims, "sub": "s-anna"}),
}


def tokens(forge: Callable[[Claims, RSAKey], str], key: RSAKey) -> Callable[[str, int, bytes], tuple[int, bytes]]:
    """Give a change of the ID token on its way."""

    def change(path: str, status: int, content: bytes) -> tuple[int, bytes]:
        if path != "/token":
            return status, content
        answer = json.loads(content)
        claims = jwt.decode(answer["id_token"], key, algorithms=["RS256"]).claims
        return status, json.dumps({**answer, "id_token": forge(claims, key)}).encode()

    return change


@pytest.mark.parametrize("how", FORGED)
def test_a_forged_token_signs_nobody_in(
    site: Running, client: httpx.Client, elsewhere: Elsewhere, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    back = elsewhere.through(client, client.get(START, params={"next": ANNAS}).headers["location"], "s-otto")
    elsewhere.middle.change = tokens(FORGED[how], elsewhere.key)
    answer = client.get(back)
    assert answer.status_code == 502
    assert "cannot be trusted" in said(answer)
    assert session(client) == {}
    assert {account.name for account in site.catalogue.accounts.all()} == {"anna", "nora"}
    assert site.catalogue.audit.last(1)[0].action == "sign-in failed"
    assert "eyJ" not in caplog.text + answer.text
    assert SECRET not in caplog.text + answer.text


def test_a_true_token_passes_the_same_way(client: httpx.Client, elsewhere: Elsewhere) -> None:
    for stated in (
        lambda claims: claims,
        lambda claims: {**claims, "aud": ["catalogue", "other"], "azp": "catalogue"},
        lambda claims: {**claims, "exp": int(time.time()) - 30},  # clocks differ a little
    ):
        elsewhere.middle.change = tokens(as_stated(stated), elsewhere.key)
        assert sign_in(client, elsewhere, "s-otto").status_code == 303
        assert session(client)["name"] == "otto"
        client.post("/sign-out")


def test_a_key_that_is_new_is_asked_for_once(site: Running, client: httpx.Client, elsewhere: Elsewhere) -> None:
    sign_in(client, elsewhere, "s-otto")
    client.post("/sign-out")
    new = RSAKey.generate_key(2048, {"kid": "second", "alg": "RS256", "use": "sig"}, private=True)
    with_new_token = tokens(lambda claims, _: signed(claims, new, kid="second"), elsewhere.key)

    def rotated(path: str, status: int, content: bytes) -> tuple[int, bytes]:
        if path == "/jwks":
            return 200, json.dumps({"keys": [{"kty": "odd"}, 7, new.as_dict(private=False)]}).encode()
        return with_new_token(path, status, content)

    elsewhere.middle.change = rotated
    before = elsewhere.middle.asked.count("/jwks")
    for _ in range(2):
        sign_in(client, elsewhere, "s-otto")
        assert session(client)["name"] == "otto"
        client.post("/sign-out")
    assert elsewhere.middle.asked.count("/jwks") == before + 1


def test_documents_are_asked_for_once_in_a_while(client: httpx.Client, elsewhere: Elsewhere) -> None:
    before = [elsewhere.middle.asked.count(path) for path in ("/.well-known/openid-configuration", "/jwks")]
    for _ in range(3):
        sign_in(client, elsewhere, "s-otto")
        client.post("/sign-out")
    after = [elsewhere.middle.asked.count(path) for path in ("/.well-known/openid-configuration", "/jwks")]
    assert [now - then for now, then in zip(after, before, strict=True)] == [1, 1]


def test_who_is_in_no_group_that_is_let_in_stays_out(site: Running, client: httpx.Client, elsewhere: Elsewhere) -> None:
    some = with_provider(site.settings, elsewhere, allowed_groups=("11017404-dmgt",))
    site.app.state.provider = oidc.OIDC.provider(some)
    answer = sign_in(client, elsewhere, "s-anna")
    assert answer.status_code == 403
    assert "none of the groups" in said(answer)
    assert session(client) == {}
    assert site.catalogue.accounts.known_as(elsewhere.issuer, "s-anna") is None
    with site.new_client() as other:
        assert sign_in(other, elsewhere, "s-otto").status_code == 303


def test_no_secret_is_kept_or_said(
    site: Running, client: httpx.Client, elsewhere: Elsewhere, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "catalog_builder")
    away = client.get(START).headers["location"]
    back = elsewhere.through(client, away, "s-otto")
    client.get(back)
    query = {**dict(parse_qsl(urlsplit(away).query)), **dict(parse_qsl(urlsplit(back).query))}
    hidden = [
        query["state"],
        query["code"],
        query["nonce"],
        SECRET,
        *(str(cookie.value) for cookie in client.cookies.jar),
    ]
    told = [str(tuple(row)) for row in site.catalogue.database.rows("SELECT * FROM login")]
    told += [str(entry) for entry in site.catalogue.audit.last()]
    said_all = "\n".join([*told, *(r.getMessage() for r in caplog.records if r.name.startswith("catalog_builder"))])
    assert "otto" in said_all
    assert [text for text in hidden if text in said_all] == []


def test_where_nobody_listens_the_provider_is_down(site: Running, client: httpx.Client, elsewhere: Elsewhere) -> None:
    nowhere = with_provider(site.settings, elsewhere, issuer=f"http://127.0.0.1:{free_port()}")
    site.app.state.provider = oidc.OIDC.provider(nowhere)
    assert client.get(START).status_code == 503
    assert client.get("/sign-in").status_code == 200


# In a browser


@pytest.fixture
def context(site: Running) -> Iterator[BrowserContext]:
    if CHROMIUM is None:
        pytest.skip("needs the program chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser.new_context(base_url=site.base)
        browser.close()


def test_a_browser_goes_there_and_back_in_five_tabs_and_by_its_button_back(
    site: Running, context: BrowserContext, elsewhere: Elsewhere
) -> None:
    tabs = [context.new_page() for _ in range(5)]
    for number, tab in enumerate(tabs):
        tab.goto(f"/search?q=tab{number}")
        tab.get_by_role("link", name="Sign in with the test facility").click()
        expect(tab.get_by_role("button", name="Sign-in")).to_be_visible()
    for number, tab in enumerate(tabs):
        tab.get_by_placeholder("Enter any login").fill("s-otto")
        tab.get_by_placeholder("and password").fill("any")
        tab.get_by_role("button", name="Sign-in").click()
        if tab.url.startswith(elsewhere.issuer):
            tab.get_by_role("button", name="Continue").click()
        expect(tab).to_have_url(f"{site.base}/search?q=tab{number}")
        expect(tab.get_by_role("heading", name="Sign in")).to_have_count(0)
    first = tabs[0]
    for _ in range(3):  # over the provider's pages, which are over, and this site's page to sign in at
        first.go_back()
    first.goto("/")
    expect(first.get_by_text("Otto O.")).to_be_visible()
    assert [account.name for account in site.catalogue.accounts.all()] == ["anna", "nora", "otto"]
