"""What nginx alone does: TLS, the way to it, files it may not hand out by itself, the page when the program is gone."""

import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from starlette.requests import Request

from catalog_builder.server.answers import Handover
from catalog_builder.server.gate import HEADERS

from .conftest import PASSWORD, Running
from .fronting import MISSING, SHIPPED, nginx

pytestmark = pytest.mark.skipif(MISSING != "", reason=MISSING)

FILES = [
    "/beamtimes/11017404/",
    "/beamtimes/11017404/scans/marmot_00001/",
    "/beamtimes/11017404/scans/marmot_00001/scan.json",
    "/beamtimes/11017404/scans/marmot_00001/curve.json",
    "/beamtimes/11017404/scans/marmot_00001/preview.png",
    "/beamtimes/11017404/scans/marmot_00001/thumb.png",
    "/beamtimes/11017404/datasets/marmot/",
    "/beamtimes/11017404/datasets/marmot/dataset.json",
    "/beamtimes/11017404/datasets/marmot/thumb.png",
]
RENDERED = [
    "/",
    "/status",
    "/cart",
    "/help/",
    "/nothing",
    "/api/session",
    "/assets/style.css",
    "/go/11017404",
]
CONDITIONS: list[dict[str, str]] = [
    {},
    {"Range": "bytes=0-9"},
    {"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"},
    {"If-Unmodified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"},
    {"If-Match": '"other"'},
    {"If-None-Match": "*"},
    {"If-None-Match": '"other"'},
    {"If-Range": '"other"', "Range": "bytes=0-9"},
]
OF_NGINX = {"date", "server", "connection", "strict-transport-security", "transfer-encoding", "content-length", "vary"}


def told(answer: httpx.Response) -> tuple[int, dict[str, str], bytes]:
    """Give an answer without what a connection, compression or TLS adds to it, and without the time of the file."""
    headers = {name: value for name, value in answer.headers.items() if name not in OF_NGINX}
    if not answer.headers.get("etag", "").startswith('W/"') or len(answer.headers["etag"]) < 35:
        headers.pop("etag", None)  # of a file: the copy's own time is in it
    return answer.status_code, headers, re.sub(rb"expires\":\"[^\"]*", b"", answer.content)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
@pytest.mark.parametrize("address", FILES + RENDERED)
def test_both_deployments_answer_alike(alone: Running, behind_nginx: Running, address: str, method: str) -> None:
    for condition in CONDITIONS:
        headers = {"Accept-Encoding": "identity", **condition}
        both = (running.client("anna") for running in (alone, behind_nginx))
        answers = [client.request(method, address, headers=headers) for client in both]
        assert told(answers[0]) == told(answers[1]), condition
        assert answers[0].headers.get("content-length") == answers[1].headers.get("content-length"), condition


@pytest.mark.parametrize("address", FILES)
def test_a_file_carries_what_protects_and_no_more(behind_nginx: Running, address: str) -> None:
    answer = behind_nginx.client("anna").get(address)
    assert answer.status_code == 200
    assert {key: answer.headers[key] for key in HEADERS} == HEADERS
    assert answer.headers["strict-transport-security"] == "max-age=31536000"
    assert {"last-modified", "accept-ranges", "x-accel-redirect"}.isdisjoint(answer.headers)
    assert len(answer.headers.get_list("etag")) == len(answer.headers.get_list("content-security-policy")) == 1


def test_nginx_sends_files_and_the_program_only_names_them(behind_nginx: Running) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{behind_nginx.behind}") as client:
        client.cookies.set(behind_nginx.cookie_name, behind_nginx.token("anna"))
        for address in FILES:
            named = client.get(address)
            assert named.content == b""
            assert re.match(r"/\.(site|previews)/", named.headers["x-accel-redirect"])


@pytest.mark.parametrize("address", ["/", "/beamtimes/11017404/", "/assets/style.css", "/api/search?level=scan"])
def test_text_is_compressed_and_still_known_by_its_etag(behind_nginx: Running, address: str) -> None:
    anna = behind_nginx.client("anna")
    first = anna.get(address, headers={"Accept-Encoding": "gzip"})
    assert first.headers["content-encoding"] == "gzip"
    assert "Accept-Encoding" in first.headers["vary"]
    assert first.content == anna.get(address, headers={"Accept-Encoding": "identity"}).content or "api" in address
    again = anna.get(address, headers={"Accept-Encoding": "gzip", "If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.headers["etag"]) == (304, first.headers["etag"])


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_what_other_sites_ask_for_is_not_compressed(behind_nginx: Running, site: str) -> None:
    headers = {"Accept-Encoding": "gzip", "Sec-Fetch-Site": site}
    answer = behind_nginx.client("anna").get("/search?q=marmot", headers=headers)
    assert (answer.status_code, answer.headers.get("content-encoding")) == (200, None)
    assert behind_nginx.client(None).get("/sign-in?next=/x", headers=headers).headers.get("content-encoding") is None


@pytest.mark.parametrize(
    "target",
    [
        b"/.site/beamtimes/11017405/index.html",
        b"/.site/beamtimes/11017404/index.html",
        b"/.site/../.previews/11017405/zanzibar_00001/preview.png",
        b"/.previews/11017405/zanzibar_00001/thumb.png",
        b"/%2esite/beamtimes/11017405/index.html",
        b"//.site/beamtimes/11017405/index.html",
        b"/x/../.site/beamtimes/11017405/index.html",
        b"/.site/%2e%2e/buildstate.sqlite3",
        b"/.site/",
        b"/.site",
    ],
)
def test_places_of_files_cannot_be_asked_for(behind_nginx: Running, target: bytes) -> None:
    bert = behind_nginx.cookie("bert")
    assert behind_nginx.raw(target, bert) == behind_nginx.raw(b"/nothing", bert)
    assert behind_nginx.raw(target, bert, b"X-Accel-Redirect: " + target).status == 404
    assert behind_nginx.raw(target).status == 303


@pytest.mark.parametrize("name", ["a=20b", "feosto230127.dat~289.1", "x+y,z@w:1", "..a.", "a.b-c_d"])
def test_a_name_of_any_letters_that_addresses_have_is_sent(running: Running, name: str) -> None:
    folder = running.catalogue.places.site / "beamtimes" / "11017404" / "scans" / name
    folder.mkdir()
    (folder / "index.html").write_text(f"page of {name}")
    try:
        answer = running.client("anna").get(f"/beamtimes/11017404/scans/{name}/")
        assert (answer.status_code, answer.text) == (200, f"page of {name}")
    finally:
        (folder / "index.html").unlink()
        folder.rmdir()


def test_nginx_by_itself_follows_no_link(behind_nginx: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    places, name = behind_nginx.catalogue.places, "/.site/beamtimes/11017404/linked.html"
    link = places.site / "beamtimes" / "11017404" / "linked.html"
    link.symlink_to(places.site / "beamtimes" / "11017405" / "index.html")
    monkeypatch.setattr(Handover, "address", lambda _, path: name)
    try:
        answer = behind_nginx.client("anna").get("/beamtimes/11017404/")
    finally:
        link.unlink()
    assert answer.status_code == 503
    assert "zanzibar" not in answer.text


def test_a_file_gone_before_nginx_opens_it_is_as_one_that_never_was(
    behind_nginx: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Handover, "address", lambda _, path: "/.site/beamtimes/11017404/gone.html")
    anna = behind_nginx.cookie("anna")
    gone, absent = (behind_nginx.raw(address, anna) for address in (b"/beamtimes/11017404/", b"/nothing"))
    assert (gone.status, gone.content) == (absent.status, absent.content)
    assert set(gone.headers) - set(absent.headers) == {b"cache-control: private, no-cache"}  # beside no-store


def test_plain_http_leads_to_tls_and_to_this_site_alone(behind_nginx: Running) -> None:
    assert behind_nginx.plain_port is not None
    plain = Running(behind_nginx.settings, behind_nginx.plain_port, behind_nginx.app)
    for target in (b"/search?q=a", b"//evil.example/", b"http://evil.example/"):
        answer = plain.raw(target, b"X-Forwarded-Host: evil.example")
        location = next(line for line in answer.headers if line.lower().startswith(b"location"))
        assert answer.status == 301
        assert location.startswith(b"Location: " + behind_nginx.base.encode() + b"/")


@pytest.mark.parametrize(
    "headers",
    [
        [b"X-Forwarded-For: 192.0.2.7"],
        [b"X-Forwarded-For: 192.0.2.7", b"X-Forwarded-For: 192.0.2.8"],
        [b"X-Forwarded-For: 192.0.2.7, 127.0.0.1", b"Forwarded: for=192.0.2.7"],
        [b"X-Real-IP: 192.0.2.7", b"x-forwarded-for:192.0.2.7"],
    ],
)
def test_nobody_claims_another_address(
    behind_nginx: Running, caplog: pytest.LogCaptureFixture, headers: list[bytes]
) -> None:
    caplog.set_level("INFO")
    body = b"name=nobody-at-all&password=wrong"
    sent = [b"Origin: " + behind_nginx.base.encode(), b"Content-Type: application/x-www-form-urlencoded"]
    sent += [b"Content-Length: %d" % len(body), *headers]
    assert behind_nginx.raw(b"/sign-in", *sent, method=b"POST", body=body).status == 401
    assert "a sign-in from 127.0.0.1 failed" in caplog.text
    behind_nginx.catalogue.accounts.forgive_attempts("nobody-at-all", "127.0.0.1")


def seen_headers(request: Request) -> list[tuple[str, str]]:
    return request.headers.items()


def test_headers_that_say_who_somebody_is_do_not_reach_the_program(behind_nginx: Running) -> None:
    text = (SHIPPED / "nginx.conf").read_text()
    names = re.findall(r"proxy_set_header (\S+)", text)
    assert len(names) == len(set(names))
    with behind_nginx.again(behind_nginx.settings) as running:
        running.app.add_api_route("/seen", seen_headers)
        spoofed = [f"{name}: spoofed".encode() for name in names if name not in ("Host", "Connection", "TE", "Upgrade")]
        answer = running.raw(b"/seen", behind_nginx.cookie("anna"), *spoofed, *spoofed)
    asked = [(name.encode(), value.encode()) for name, value in json.loads(answer.content)]
    told = dict(asked)
    assert len(told) == len(asked)
    assert b"spoofed" not in told.values()
    assert (told[b"x-forwarded-for"], told[b"x-forwarded-proto"]) == (b"127.0.0.1", b"https")
    assert told[b"host"] == b"127.0.0.1:%d" % running.port
    assert {name.decode() for name in told} & {name.lower() for name in names} == {
        "host",
        "x-forwarded-for",
        "x-forwarded-proto",
    }


def test_requests_are_noted_without_what_stands_behind_the_question_mark(behind_nginx: Running) -> None:
    behind_nginx.client("anna").get(
        "/search?q=secretword", headers={"Referer": f"{behind_nginx.base}/?code=secretcode"}
    )
    behind_nginx.client(None).get("/nothing/at/all?code=secretcode")
    assert behind_nginx.front is not None
    log, until = behind_nginx.front / "access.log", time.monotonic() + 10
    while '"GET /nothing/at/all"' not in log.read_text() and time.monotonic() < until:
        time.sleep(0.02)  # it is written after the answer
    noted = log.read_text()
    assert '"GET /search"' in noted
    assert '"GET /nothing/at/all"' in noted
    said = noted + (behind_nginx.front / "error.log").read_text()
    assert not any(word in said for word in ("secret", PASSWORD, behind_nginx.token("anna")))


@contextmanager
def in_front_of_nothing(running: Running) -> Iterator[httpx.Client]:
    with (
        nginx(running.settings.catalogue, 9) as front,
        httpx.Client(base_url=f"https://127.0.0.1:{front.port}", verify=front.tls) as client,
    ):
        yield client


@pytest.mark.parametrize("address", ["/", "/api/search", "/beamtimes/11017404/", "/assets/style.css"])
def test_with_the_program_gone_there_is_one_plain_page(behind_nginx: Running, address: str) -> None:
    with in_front_of_nothing(behind_nginx) as client:
        for answer in (client.get(address), client.post(address)):
            assert answer.status_code == 503
            assert answer.text == (SHIPPED / "unavailable.html").read_text()
            assert answer.headers["content-type"] == "text/html; charset=utf-8"
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["retry-after"] == "30"
            assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert client.get("/.unavailable/unavailable.html").status_code in (404, 503)


def test_pages_are_read_while_the_search_fails(behind_nginx: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def __getattr__(self, name: str) -> object:
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(behind_nginx.catalogue, "searcher", Broken())
    anna = behind_nginx.client("anna")
    assert anna.get("/api/search").status_code == 500
    assert anna.get("/api/search").headers["content-type"] == "application/problem+json"
    assert {anna.get(address).status_code for address in FILES} == {200}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_where_nginx_may_not_read_the_files_it_says_so(behind_nginx: Running) -> None:
    with nginx(behind_nginx.settings.catalogue, behind_nginx.behind or 0, "nobody") as front:
        (front.folder).chmod(0o755)
        running = Running(behind_nginx.settings, front.port, behind_nginx.app, front.tls)
        answer = running.raw(b"/beamtimes/11017404/", behind_nginx.cookie("anna"))
        assert answer.status == 503
        assert b"marmot" not in answer.content
        assert running.raw(b"/", behind_nginx.cookie("anna")).status == 200
        assert "Permission denied" in (front.folder / "error.log").read_text()


@pytest.mark.parametrize(
    ("sent", "statuses"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 101 + b"\r\n", {b"431"}),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 9000 + b"\r\n\r\n", {b"400"}),
        (b"GET /" + b"y" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", {b"414"}),
        (b"GET / HTTP/1.1\r\n\r\n", {b"400"}),
        (b"\x16\x03\x01 nonsense\r\n\r\n", {b"400"}),
    ],
    ids=["101 headers", "long header", "long address", "no host", "no request"],
)
def test_requests_out_of_bounds_are_refused_with_what_protects(
    behind_nginx: Running, sent: bytes, statuses: set[bytes]
) -> None:
    answer = behind_nginx.exchange(sent.replace(b"Host: a\r\n", b"Host: a\r\nConnection: close\r\n"))
    assert answer.split()[1] in statuses
    assert answer.lower().count(b"\r\ncontent-security-policy: default-src 'none'") == 1
    assert answer.lower().count(b"\r\ncache-control: no-store") == 1


def test_the_shipped_configuration_trusts_nothing_but_the_program() -> None:
    lines = [line.partition("#")[0].strip() for line in (SHIPPED / "nginx.conf").read_text().splitlines()]
    text = "\n".join(lines)
    assert "auth_request" not in text
    assert "autoindex" not in text
    assert "root " not in text
    blocks = re.findall(r"location (\S.*?) \{(.*?)\n\}", text, re.DOTALL)
    assert len(blocks) == 6
    assert all(("alias" in block) == ("internal;" in block) for _, block in blocks)
    assert all("disable_symlinks on" in block for name, block in blocks if "/.site" in name or "/.previews" in name)
