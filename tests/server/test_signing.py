"""Signing in and out, cookies, throttle, and requests that other sites send."""

import itertools
import re
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from http.cookies import SimpleCookie

import httpx
import pytest

from catalog_builder.accounts import FAILURES_PER_NAME, GUESSES_PER_NAME, Account, Accounts
from catalog_builder.auth import Method
from catalog_builder.registry import Registry
from catalog_builder.server import signing
from catalog_builder.server.signing import AT_ONCE, WAITING
from catalog_builder.server.visitors import local

from .conftest import PASSWORD, Running, serving


def fields(**more: str) -> dict[str, str]:
    return {"name": "anna", "password": PASSWORD, **more}


def test_signed_out_the_way_leads_to_sign_in_and_back(running: Running) -> None:
    address = "/search?q=om+scan&flag=measurement"
    with running.new_client() as client:
        first = client.get(address)
        assert first.status_code == 303
        page = client.get(first.headers["location"])
        hidden = re.search(r'name="next" value="([^"]*)"', page.text)
        assert hidden is not None
        after = client.post("/sign-in", data=fields(next=hidden[1].replace("&amp;", "&")))
        assert (after.status_code, after.headers["location"]) == (303, address)
        assert client.get(address).status_code == 200


def test_signed_out_what_exists_and_what_does_not_differ_in_nothing(running: Running) -> None:
    with running.new_client() as client:
        answers = [client.get(f"/beamtimes/{id}/") for id in ("11017404", "99999999")]
        assert {a.status_code for a in answers} == {303}
        assert [a.headers["location"] for a in answers] == [
            f"/sign-in?next=/beamtimes/{id}/" for id in ("11017404", "99999999")
        ]
        assert {a.content for a in answers} == {b""}
        api = [client.get(f"/api/{name}") for name in ("cart", "nothing")]
        assert {(a.status_code, a.content, a.headers["content-type"]) for a in api} == {
            (401, api[0].content, "application/problem+json")
        }


@pytest.mark.parametrize(("name", "password"), [("anna", "wrong"), ("nobody", "wrong"), ("", ""), ("anna", "")])
def test_a_wrong_name_and_a_wrong_password_are_told_alike(running: Running, name: str, password: str) -> None:
    with running.new_client() as client:
        answer = client.post("/sign-in", data={"name": name, "password": password})
        assert answer.status_code == 401
        assert "The name or the password is not right." in answer.text
        assert "set-cookie" not in answer.headers
        assert password == "" or password not in answer.text
    running.catalogue.accounts.forgive_attempts(name, "127.0.0.1")


def test_what_was_typed_comes_back_as_text(running: Running) -> None:
    with running.new_client() as client:
        answer = client.post(
            "/sign-in", data=fields(name='"><script>alert(1)</script>', next='/"><script>', password="x")
        )
        assert "<script>alert" not in answer.text
        assert '"><script>' not in answer.text


def test_after_many_failures_one_waits_and_is_told_how_long(running: Running) -> None:
    running.new_person("guessed", [])
    with running.new_client() as client:
        for _ in range(FAILURES_PER_NAME):
            assert client.post("/sign-in", data=fields(name="guessed", password="wrong")).status_code == 401
        answer = client.post("/sign-in", data=fields(name="guessed"))
        assert answer.status_code == 429
        assert 0 < int(answer.headers["retry-after"]) <= 15 * 60
        assert "15 minutes" in answer.text
        assert client.post("/sign-in", data=fields()).status_code == 303


def test_guesses_of_one_name_from_many_addresses_are_too_many_and_end_no_session(running: Running) -> None:
    client = running.new_person("wanted", [])
    for number in range(GUESSES_PER_NAME):
        assert running.catalogue.accounts.begin_attempt("wanted", f"10.0.0.{number}") is None
    with running.new_client() as other:
        answer = other.post("/sign-in", data=fields(name="wanted"))
        assert answer.status_code == 429
        assert 50 * 60 < int(answer.headers["retry-after"]) <= 60 * 60
    assert client.get("/api/session").json()["name"] == "wanted"


class Slow:
    """A way in that proves nothing, and takes until it is told to go on."""

    fields = ("name",)

    def __init__(self) -> None:
        self.go_on = threading.Event()

    def identify(self, accounts: Accounts, given: Mapping[str, str]) -> Account | None:
        assert self.go_on.wait(60)
        return accounts.find("nobody") if given else None


SLOW = Slow()


def test_a_flood_of_sign_ins_holds_up_nobody_else_and_is_sent_away(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing, "METHODS", Registry[Method]("auth", {"slow": f"{__name__}:SLOW"}))
    SLOW.go_on.clear()
    settings = running.settings.model_copy(
        update={"auth": running.settings.auth.model_copy(update={"methods": ("slow",)})}
    )
    with running.again(settings) as flooded, ThreadPoolExecutor(60) as pool:
        sent = [
            pool.submit(post, f"{flooded.base}/sign-in", data=fields(name=f"n{n}"), headers=ours, timeout=60)
            for ours, post in [({"Origin": flooded.base}, partial(httpx.post, verify=flooded.tls or True))]
            for n in range(60)
        ]
        try:
            away = [answer.result() for answer in itertools.islice(as_completed(sent, 60), 60 - AT_ONCE - WAITING)]
            assert {answer.status_code for answer in away} == {503}
            assert all(int(answer.headers["retry-after"]) > 0 for answer in away)
            assert "Very many people are signing in" in away[0].text
            with flooded.new_client() as client:
                assert client.get("/sign-in").status_code == 200
                client.cookies.set(flooded.cookie_name, running.token("anna"))
                assert client.get("/beamtimes/11017404/").status_code == 200
        finally:
            SLOW.go_on.set()
        answers = [answer.result().status_code for answer in sent]
    assert answers.count(401) == AT_ONCE + WAITING
    for number in range(60):
        running.catalogue.accounts.forgive_attempts(f"n{number}", "127.0.0.1")


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "\\\\evil.example",
        "/\t/evil.example/",
        "/\n/evil.example",
        " //evil.example",
        "javascript:alert(1)",
        "evil.example",
        "",
        "/sign-in?next=/",
        "/sign-out",
        "///evil.example",
        "/" + "x" * 3000,
    ],
)
def test_nobody_is_sent_elsewhere_after_signing_in(running: Running, address: str) -> None:
    assert local(address) == "/"
    with running.new_client() as client:
        answer = client.post("/sign-in", data=fields(next=address))
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        assert client.get("/sign-in", params={"next": address}).headers["location"] == "/"


def test_the_plain_cookie_of_loopback_is_out_of_reach_of_scripts_and_other_sites(alone: Running) -> None:
    with alone.new_client() as client:
        cookie = client.post("/sign-in", data=fields()).headers["set-cookie"].lower()
        assert cookie.startswith("catalogue=")
        assert {"httponly", "samesite=lax", "path=/"} <= set(cookie.split("; "))
        assert "domain" not in cookie
        assert "max-age=31536000" in cookie


def test_on_a_shared_computer_the_cookie_goes_with_the_browser(running: Running) -> None:
    with running.new_client() as client:
        cookie = SimpleCookie(client.post("/sign-in", data=fields(shared="yes")).headers["set-cookie"])[
            running.cookie_name
        ]
        assert (cookie["max-age"], cookie["expires"]) == ("", "")
        assert client.get("/api/session").json()["shared_computer"] is True


def test_over_tls_the_cookie_is_for_this_host_and_tls_alone(alone: Running) -> None:
    auth = alone.settings.auth.model_copy(update={"secure_cookies": True})
    with serving(alone.settings.model_copy(update={"auth": auth})) as secure:
        with secure.new_client() as client:
            answer = client.post("/sign-in", data=fields())
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-catalogue=")
        assert "secure" in cookie.lower().split("; ")
        assert "max-age" in answer.headers["strict-transport-security"]
        value = cookie.partition(";")[0].encode()
        assert secure.raw(b"/", b"Cookie: " + value).status == 200
        assert secure.raw(b"/", b"Cookie: " + value.removeprefix(b"__Host-")).status == 303


def test_each_sign_in_begins_a_session_of_its_own_and_ends_the_one_before(running: Running) -> None:
    with running.new_client() as client:
        client.post("/sign-in", data=fields())
        first = client.cookies[running.cookie_name]
        client.post("/sign-in", data=fields())
        assert client.cookies[running.cookie_name] != first
    assert running.raw(b"/", b"Cookie: " + running.pair(first)).status == 303


@pytest.mark.parametrize(
    "headers",
    [
        [b"Cookie: {name}=" + b"A" * 43],
        [b"Cookie: {name}="],
        [b"Cookie: {name}=" + b"A" * 5000],
        [b"Cookie: {name}=\xff\xfe"],
        [b"Cookie: {name}=' OR 1=1 --"],
        [b"X-Remote-User: sam"],
        [b"Remote-User: sam", b"X-Forwarded-User: sam"],
        [b"Authorization: Basic c2FtOng="],
    ],
)
def test_nothing_but_a_session_signs_in(running: Running, headers: list[bytes]) -> None:
    name = running.cookie_name.encode()
    assert running.raw(b"/", *(header.replace(b"{name}", name) for header in headers)).status == 303


def test_two_different_session_cookies_are_none(running: Running) -> None:
    anna, sam = (running.pair(running.token(name)) for name in ("anna", "sam"))
    assert running.raw(b"/", b"Cookie: " + anna + b"; " + sam).status == 303
    assert running.raw(b"/", b"Cookie: " + anna, b"Cookie: " + sam).status == 303
    assert running.raw(b"/", b"Cookie: other=1; " + anna).status == 200


def test_signing_out_ends_the_session_and_keeps_the_cart(running: Running) -> None:
    with running.new_client() as client:
        client.post("/sign-in", data=fields())
        client.post("/api/cart", json={"add": ["scan:11017404/marmot_00001"]})
        token = client.cookies[running.cookie_name]
        answer = client.post("/sign-out")
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
        assert "cache" in answer.headers["clear-site-data"]
        assert running.cookie_name not in client.cookies
        assert running.raw(b"/", b"Cookie: " + running.pair(token)).status == 303
        client.post("/sign-in", data=fields())
        assert "scan:11017404/marmot_00001" in client.get("/api/cart").json()["keys"]
    running.catalogue.carts.clear("anna")


def test_signing_out_everywhere_ends_the_sessions_of_other_browsers(running: Running) -> None:
    running.new_person("eve", [])
    with running.new_client() as other:
        other.post("/sign-in", data=fields(name="eve"))
        assert other.get("/").status_code == 200
        running.client("eve").post("/sign-out", data={"everywhere": "yes"})
        assert other.get("/").status_code == 303


def test_signing_out_by_a_link_does_nothing(running: Running) -> None:
    assert running.client("anna").get("/sign-out").status_code == 405
    assert running.client("anna").get("/").status_code == 200


# Requests from elsewhere

FORGED: list[dict[str, str]] = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "http://127.0.0.1.evil.example"},
    {"Origin": "{base}", "Sec-Fetch-Site": "cross-site"},
    {"Origin": "{base}", "Sec-Fetch-Site": "same-site"},
    {"Origin": "http://["},
    {"Origin": "http://[::1]x", "Referer": "http://["},
    {"Referer": "{base}/"},
    {},
]


@pytest.mark.parametrize("headers", FORGED, ids=str)
@pytest.mark.parametrize("address", ["/cart/add", "/cart/clear", "/sign-out", "/sign-in", "/api/cart"])
def test_what_another_site_sends_changes_nothing(running: Running, address: str, headers: dict[str, str]) -> None:
    sent = {name: value.format(base=running.base) for name, value in headers.items()}
    with running.new_client(headers={}) as client:
        client.cookies.set(running.cookie_name, running.token("anna"))
        answer = client.post(address, headers=sent, data={"key": "scan:11017404/marmot_00001"})
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers
    assert running.client("anna").get("/api/cart").json()["keys"] == []


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_what_this_site_sends_is_done(running: Running, site: str) -> None:
    with running.new_client(headers={}) as client:
        client.cookies.set(running.cookie_name, running.token("anna"))
        assert client.post("/cart/clear", headers={"Sec-Fetch-Site": site}).status_code == 303


@pytest.mark.parametrize("headers", [{"Referer": "http://["}, {"Origin": "http://[", "Referer": "http://[::1]x/"}])
@pytest.mark.parametrize("address", ["/cart/clear", "/sign-out"])
def test_signed_out_an_address_that_is_none_leads_to_sign_in(
    running: Running, address: str, headers: dict[str, str]
) -> None:
    with running.new_client() as client:
        answer = client.post(address, headers=headers)
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")


def test_a_doubled_origin_is_not_believed(running: Running) -> None:
    cookie, ours = running.cookie("anna"), b"Origin: " + running.base.encode()
    assert running.raw(b"/cart/clear", cookie, ours, method=b"POST").status == 303
    assert running.raw(b"/cart/clear", cookie, ours, b"Origin: https://evil.example", method=b"POST").status == 403
