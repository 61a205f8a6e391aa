"""What every answer carries, what browsers may keep, and how failures look."""

import hashlib
import json

import pytest

from catalog_builder.resources import shipped
from catalog_builder.server.gate import HEADERS, LARGEST_BODY

from .conftest import PASSWORD, Running

KINDS = ["/", "/beamtimes/11017404/", "/nothing", "/sign-in", "/assets/style.css", "/api/cart", "/api/nothing", "/cart"]


@pytest.mark.parametrize("name", [None, "anna"])
@pytest.mark.parametrize("address", KINDS)
def test_every_answer_carries_the_headers_that_protect(running: Running, address: str, name: str | None) -> None:
    answer = running.client(name).get(address)
    assert {key: answer.headers[key] for key in HEADERS} == HEADERS
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers.get("server") == (None if running.tls is None else "nginx")
    assert "cache-control" in answer.headers


@pytest.mark.parametrize(
    "address",
    [
        "/",
        "/cart",
        "/help/",
        "/beamtimes/11017404/",
        "/beamtimes/11017404/scans/marmot_00001/scan.json",
        "/beamtimes/11017404/scans/marmot_00001/thumb.png",
    ],
)
def test_a_page_one_has_is_not_sent_again(running: Running, address: str) -> None:
    anna = running.client("anna")
    first = anna.get(address)
    assert first.headers["cache-control"] == "private, no-cache"
    tag = first.headers["etag"]
    assert tag.startswith('W/"')
    for etag in (tag, tag.removeprefix("W/"), f'"other", {tag}'):
        again = anna.get(address, headers={"If-None-Match": etag})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert anna.get(address, headers={"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize("address", ["/breaks", "/api/breaks"])
def test_what_breaks_is_noted_and_told_without_its_reason(
    running: Running, caplog: pytest.LogCaptureFixture, address: str
) -> None:
    def breaks() -> None:
        raise OSError(5, "Input/output error", "/a/folder/of/the/server")

    with running.again(running.settings) as broken:
        broken.app.add_api_route(address, breaks)
        cookie = running.cookie("anna")
        answer = broken.raw(address.encode(), cookie)
    assert answer.status == 500
    assert b"It has been noted" in answer.content or answer.content.startswith(b"{")
    assert b"Input" not in answer.content
    noted = [record for record in caplog.records if record.name.startswith("catalog_builder")]
    assert [(record.levelname, record.getMessage()) for record in noted] == [("ERROR", f"GET {address} failed")]
    assert "/a/folder/of/the/server" in caplog.text
    assert "Traceback" in caplog.text


def test_having_a_page_does_not_open_it(running: Running) -> None:
    address = "/beamtimes/11017405/"
    etag = running.client("bert").get(address).headers["etag"]
    assert running.client("anna").get(address, headers={"If-None-Match": etag}).status_code == 404
    assert running.client("anna").get(address, headers={"If-None-Match": "*"}).status_code == 404


def test_a_page_written_anew_has_another_etag(running: Running) -> None:
    anna, page = running.client("anna"), running.catalogue.places.site / "beamtimes" / "11017404" / "index.html"
    before, content = anna.get("/beamtimes/11017404/").headers["etag"], page.read_bytes()
    try:
        page.write_bytes(content.replace(b"marmot", b"badger"))
        after = anna.get("/beamtimes/11017404/", headers={"If-None-Match": before})
        assert after.status_code == 200
        assert "badger" in after.text
    finally:
        page.write_bytes(content)


@pytest.mark.parametrize(
    "address",
    ["/api/search?q=((", "/api/cart", "/api/session", "/api/nothing", "/nothing", "/sign-in", "/search?q=(("],
)
def test_answers_of_the_moment_are_not_kept(running: Running, address: str) -> None:
    assert running.client("anna").get(address).headers["cache-control"] == "no-store"


def test_head_tells_the_same_without_the_content(running: Running) -> None:
    anna = running.client("anna")
    for address in ("/", "/beamtimes/11017404/", "/assets/style.css", "/cart/download"):
        head, get = anna.head(address), anna.get(address)
        assert head.content == b""
        assert head.status_code == get.status_code
        assert head.headers.get("content-length") == get.headers.get("content-length")


def test_an_asset_named_with_its_hash_is_kept_for_ever_and_another_for_a_while(running: Running) -> None:
    content = (shipped("assets") / "style.css").read_bytes()
    digest = hashlib.sha256(content).hexdigest()[:12]
    with running.new_client() as client:
        named = client.get(f"/assets/style.css?v={digest}")
        assert named.content == content
        assert named.headers["content-type"] == "text/css; charset=utf-8"
        assert "immutable" in named.headers["cache-control"]
        for query in ("", "?v=", "?v=000000000000", f"?v={digest[:2]}"):
            assert "immutable" not in client.get(f"/assets/style.css{query}").headers["cache-control"]


@pytest.mark.parametrize("address", ["/api/nothing", "/api/cart/1", "/api/search?page=x"])
def test_failures_of_the_api_are_problem_json(running: Running, address: str) -> None:
    answer = running.client("anna").get(address)
    told = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert told["status"] == answer.status_code
    assert {"type", "title", "status"} <= set(told)


def test_failures_of_pages_are_pages(running: Running) -> None:
    answer = running.client("anna").get("/nothing")
    assert answer.headers["content-type"].startswith("text/html")
    assert "<h1>" in answer.text


def test_a_page_is_there_to_be_read(running: Running) -> None:
    for address in ("/", "/beamtimes/11017404/", "/api/search"):
        assert running.client("anna").post(address).status_code == 405


def test_a_mistake_in_a_search_is_said_on_the_page(running: Running) -> None:
    for address in ("/search?q=((", "/search?nonsense=1", "/search?page=0", "/search?sort=shoe"):
        answer = running.client("anna").get(address)
        assert answer.status_code == 400
        assert 'id="mistake"' in answer.text
        assert str(running.settings.catalogue) not in answer.text


def test_an_index_that_cannot_be_read_is_a_failure_of_the_server_without_a_word_about_its_disk(
    running: Running,
) -> None:
    index = running.catalogue.places.index
    hidden = index.with_name("hidden")
    anna = running.client("anna")
    index.rename(hidden)
    index.write_text("not a folder")
    try:
        answers = [anna.get("/api/search"), anna.get("/search")]
    finally:
        index.unlink()
        hidden.rename(index)
    assert {answer.status_code for answer in answers} <= {200, 500}
    assert all(str(index) not in answer.text and "Traceback" not in answer.text for answer in answers)
    assert anna.get("/beamtimes/11017404/").status_code == 200


@pytest.mark.parametrize("claimed", [b"Content-Length: 99999999", b"Transfer-Encoding: chunked"])
def test_a_request_too_large_is_refused(running: Running, claimed: bytes) -> None:
    cookie, origin = running.cookie("anna"), b"Origin: " + running.base.encode()
    kind = b"Content-Type: application/x-www-form-urlencoded"
    chunk = b"key=" + b"x" * LARGEST_BODY
    body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(chunk), chunk) if b"chunked" in claimed else b""
    assert running.raw(b"/cart/add", cookie, origin, kind, claimed, method=b"POST", body=body).status == 413


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("multipart/form-data; boundary=x", b"--x--", 415),
        ("application/json", b"{}", 415),
        ("application/x-www-form-urlencoded", b"\xff\xfe", 400),
        ("application/x-www-form-urlencoded", b"a=1&" * 60_000, 400),
    ],
)
def test_a_form_of_another_kind_is_refused(running: Running, kind: str, body: bytes, status: int) -> None:
    assert running.client("anna").post("/cart/add", headers={"Content-Type": kind}, content=body).status_code == status


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'{"add": "x"}',
        b'{"add": [1]}',
        b'{"add": ["' + b"x" * 400 + b'"]}',
        b'{"more": []}',
        b"\xff",
        b"null",
    ],
)
def test_a_body_of_another_shape_is_said_to_be_so(running: Running, body: bytes) -> None:
    answer = running.client("anna").post("/api/cart", headers={"Content-Type": "application/json"}, content=body)
    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "key", ["\ud800", "scan:11017404/\x00", "scan:1/" + "'" * 10, "%s%n", "scan:../a", "scan:1/.."]
)
def test_odd_keys_are_not_found_and_break_nothing(running: Running, key: str) -> None:
    anna = running.client("anna")
    answer = anna.post(
        "/api/cart", content=json.dumps({"add": [key], "remove": [key]}), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code in (200, 422)
    assert answer.status_code == 422 or answer.json()["not_found"] == [key]


@pytest.mark.parametrize("key", ["scan:../a", "dataset:11017404/..", "scan:.../..."])
def test_a_form_with_a_key_that_climbs_is_not_found(running: Running, key: str) -> None:
    for address, status in (("/cart/add", 404), ("/cart/remove", 303)):
        assert running.client("anna").post(address, data={"key": key}).status_code == status


def test_a_picture_of_what_cannot_be_a_scan_is_not_found(running: Running) -> None:
    for owner in ("a%20b", "%2e%2e%2e", "%00", "x" * 200):
        status = 400 if owner == "%00" and running.tls else 404
        for kind in ("scans", "datasets"):
            assert running.client("anna").get(f"/beamtimes/11017404/{kind}/{owner}/thumb.png").status_code == status


def test_name_and_days_of_the_form_become_words_of_the_search(running: Running) -> None:
    sent = "/search?q=a+OR+b&level=scan&flag=alignment&name=gk+sto&date_from=2023-10-01&date_to="
    answer = running.client("anna").get(sent)
    assert answer.status_code == 303
    asked = "q=%28a+OR+b%29+name%3Agk+name%3Asto+date%3A%3E%3D2023-10-01&level=scan&flag=alignment"
    assert answer.headers["location"] == f"/search?{asked}"
    page = running.client("anna").get(answer.headers["location"])
    assert page.status_code == 200
    assert 'name="q" form="filters" type="search" value="a OR b"' in page.text


def test_a_form_left_empty_asks_for_everything(running: Running) -> None:
    answer = running.client("anna").get("/search?q=&name=&date_from=&date_to=")
    assert (answer.status_code, answer.headers["location"]) == (303, "/search")


def test_a_name_and_days_narrow_the_search(running: Running) -> None:
    anna = running.client("anna")
    for sent, status in (
        ("name=marm", True),
        ("name=badger", False),
        ("date_from=2026-02-05&date_to=2026-02-05", True),
        ("date_to=2026-02-04", False),
    ):
        page = anna.get(f"/search?{sent}", follow_redirects=True)
        assert ("Mark marmot" in page.text) == status, sent


def test_a_day_that_is_none_is_said(running: Running) -> None:
    answer = running.client("anna").get("/search?date_from=2023-02-30")
    assert answer.status_code == 400
    assert "&#39;2023-02-30&#39; is not a day" in answer.text


def test_the_longest_query_is_the_one_the_api_tells(running: Running) -> None:
    anna = running.client("anna")
    parameters = anna.get("/openapi.json").json()["paths"]["/api/search"]["get"]["parameters"]
    longest = next(one for one in parameters if one["name"] == "q")["schema"]["maxLength"]
    assert anna.get("/api/search", params={"q": "x" * longest}).status_code == 200
    assert anna.get("/api/search", params={"q": "x" * (longest + 1)}).status_code == 400


def test_who_is_signed_in_is_told(running: Running) -> None:
    told = running.client("anna").get("/api/session").json()
    assert (told["name"], told["display"], told["groups"], told["cart"]) == ("anna", "anna", ["11017404-dmgt"], 0)


def test_the_api_describes_itself(running: Running) -> None:
    with running.new_client() as client:
        told = client.get("/openapi.json").json()
    names = ("search", "suggest", "cart", "session", "access/{beamtime}", "health")
    assert set(told["paths"]) == {f"/api/{name}" for name in names}
    parameters = {parameter["name"] for parameter in told["paths"]["/api/search"]["get"]["parameters"]}
    assert {"q", "level", "flag", "beamtime", "sort", "page", "per_page"} <= parameters


def test_a_search_answers_in_the_fixed_shape(running: Running) -> None:
    told = running.client("anna").get("/api/search", params={"q": "marmot", "level": "dataset"}).json()
    assert list(told) == ["total", "level", "hits", "facets", "unlisted", "without", "took_ms"]
    assert (told["total"], told["level"]) == (1, "dataset")
    assert told["hits"][0]["key"] == "dataset:11017404/marmot"
    assert told["hits"][0]["title"] == "marmot"
    assert told["facets"]["flag"] == [{"value": "measurement", "count": 1}]


def test_no_secret_is_logged(running: Running, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    with running.new_client() as client:
        client.post("/sign-in", data={"name": "my-secret-typed-as-name", "password": "secret-password"})
        client.post("/sign-in", data={"name": "anna", "password": PASSWORD})
        token = client.cookies[running.cookie_name]
        client.get("/")
    ours = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("catalog_builder"))
    assert "anna signed in" in ours
    assert all(secret not in ours for secret in (token, PASSWORD, "secret-password", "my-secret"))
