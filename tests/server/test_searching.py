"""The search as programs ask it: JSON, CSV, suggestions, what is kept and what is given up."""

import contextlib
import csv
import io
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import httpx
import pytest

from catalog_builder.facets import Hit, SearchRequest, SearchResult, Suggestion, SuggestRequest
from catalog_builder.search import Cancel, Cancelled, Searcher, never
from catalog_builder.search.query import LONGEST_QUERY

from .conftest import Running

ENDLESS_SECONDS = 20


@pytest.fixture
def anna(running: Running) -> httpx.Client:
    return running.client("anna")


def rows(answer: httpx.Response) -> list[dict[str, str]]:
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.text)))


def test_an_answer_one_has_is_not_sent_again_however_long_it_took(anna: httpx.Client) -> None:
    first, second = anna.get("/api/search?level=scan"), anna.get("/api/search?level=scan")
    assert first.headers["cache-control"] == "private, no-cache"
    assert first.headers["etag"] == second.headers["etag"]
    again = anna.get("/api/search?level=scan", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    other = anna.get("/api/search?level=scan&sort=name&per_page=1", headers={"If-None-Match": first.headers["etag"]})
    assert other.status_code == 200


def test_a_table_and_suggestions_one_has_are_not_sent_again(anna: httpx.Client) -> None:
    for address in ("/api/search?format=csv", "/search?format=csv", "/api/suggest?text=mar"):
        first = anna.get(address)
        assert first.headers["cache-control"] == "private, no-cache"
        again = anna.get(address, headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


def test_what_one_person_has_is_nothing_to_another(running: Running) -> None:
    etag = running.client("sam").get("/api/search?format=csv").headers["etag"]
    assert running.client("anna").get("/api/search?format=csv", headers={"If-None-Match": etag}).status_code == 200


def test_csv_has_all_hits_in_order_whatever_the_page(anna: httpx.Client) -> None:
    answer = anna.get("/api/search?level=scan&sort=-name&per_page=1&page=7&format=csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="scans.csv"'
    assert int(answer.headers["content-length"]) == len(answer.content)
    found = rows(answer)
    assert list(found[0])[:4] == ["key", "title", "name", "sample"]
    assert [row["key"] for row in found] == ["scan:11017404/marmot_00002", "scan:11017404/marmot_00001"]
    assert found[0]["flags"] == "measurement"


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("text/csv", "text/csv; charset=utf-8"),
        ("text/csv;q=0.5, application/json", "application/json"),
        ("application/json;q=0.2, text/csv;q=0.5", "text/csv; charset=utf-8"),
        ("text/csv;q=0", "application/json"),
        ("text/csv;q=x", "application/json"),
        ("*/*", "application/json"),
        ("text/html, text/*", "application/json"),
    ],
)
def test_the_format_is_the_one_the_program_would_rather_have(anna: httpx.Client, accept: str, kind: str) -> None:
    answer = anna.get("/api/search", headers={"Accept": accept})
    assert answer.headers["content-type"] == kind
    assert answer.headers["vary"] == "Accept"


def test_the_format_of_the_address_counts_before_the_one_accepted(anna: httpx.Client) -> None:
    answer = anna.get("/api/search?format=json", headers={"Accept": "text/csv"})
    assert answer.headers["content-type"] == "application/json"


def test_the_page_answers_in_a_format_too(anna: httpx.Client) -> None:
    assert rows(anna.get("/search?q=marmot&format=csv"))[0]["key"] == "dataset:11017404/marmot"
    assert anna.get("/search?q=marmot&format=json").json()["total"] == 1
    assert anna.get("/search?q=marmot&format=xml").status_code == 400
    assert 'id="mistake"' in anna.get("/search?q=((&format=csv").text


def test_a_file_is_named_for_what_was_asked(anna: httpx.Client) -> None:
    answer = anna.get("/api/search", params={"q": 'marmot "om scan" ../ü', "format": "csv"})
    assert answer.headers["content-disposition"] == 'attachment; filename="datasets-marmot-om-scan.csv"'


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ("format=xml", 400, "format: no format 'xml'"),
        ("format=csv&format=json", 400, "'format' is given more than once"),
        ("sort=nmae", 400, "sort: cannot sort by 'nmae'; did you mean 'name'?"),
        ("facets=flags", 400, "facets: no facet 'flags'; did you mean 'flag'?"),
    ],
)
def test_what_has_no_meaning_is_a_problem_that_says_so(anna: httpx.Client, query: str, status: int, said: str) -> None:
    answer = anna.get(f"/api/search?{query}")
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert said in answer.json()["detail"]


@pytest.mark.parametrize("address", ["/api/search", "/api/search?format=csv", "/api/suggest?text=a"])
def test_a_mistake_in_a_query_is_a_problem_with_its_place(anna: httpx.Client, address: str) -> None:
    answer = anna.get(address, params={"q": "film (marmot", **dict(httpx.URL(address).params)})
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert answer.json()["position"] == 5
    assert answer.headers["cache-control"] == "no-store"


def test_a_mistake_without_a_place_has_no_position(anna: httpx.Client) -> None:
    assert "position" not in anna.get("/api/search?page=0").json()


def test_only_the_facets_named_are_counted(anna: httpx.Client) -> None:
    assert list(anna.get("/api/search?facets=sample,flag").json()["facets"]) == ["flag", "sample"]
    assert anna.get("/api/search?facets=none").json()["facets"] == {}
    assert "year" in anna.get("/api/search").json()["facets"]


def test_where_nothing_is_found_the_answer_says_what_to_leave_out(anna: httpx.Client) -> None:
    told = anna.get("/api/search?q=marmot&sample=badger&flag=measurement&level=scan").json()
    assert (told["total"], told["without"]) == (0, {"sample": 2})
    assert anna.get("/api/search?q=marmot").json()["without"] == {}


@pytest.mark.parametrize("sort", ["energy", "-points", "positioner.marmot", "-channel.marmot_roi1.max", "flag", "size"])
def test_results_are_sorted_by_any_number(anna: httpx.Client, sort: str) -> None:
    assert anna.get("/api/search", params={"sort": sort, "level": "scan"}).json()["total"] == 2


@pytest.mark.parametrize("length", [LONGEST_QUERY + 1, 8_000, 16_000, 60_000])
def test_a_query_too_long_is_a_clean_refusal(running: Running, length: int) -> None:
    cookie = running.cookie("anna")
    for address in (b"/api/search?q=", b"/search?q=", b"/api/suggest?q="):
        answer = running.raw(address + b"x" * length, cookie)
        assert answer.status == 400 or (answer.status in (414, 0) and running.tls and length > 8_000)
    assert length > 8_000 or b'"position":2000' in running.raw(b"/api/search?q=" + b"x" * length, cookie).content


def test_an_address_of_a_megabyte_is_refused_before_it_is_read(running: Running) -> None:
    with running.connected() as connection:
        received = b""
        with contextlib.suppress(OSError):  # it hangs up before all is sent
            connection.sendall(b"GET /api/search?q=" + b"x" * (1 << 20) + b" HTTP/1.1\r\nHost: a\r\n\r\n")
        with contextlib.suppress(OSError):
            while piece := connection.recv(1 << 16):
                received += piece
    assert received == b"" or received.startswith(b"HTTP/1.1 4")
    assert running.client("anna").get("/api/search").status_code == 200


def test_suggestions_have_the_fixed_shape_and_come_from_what_one_may_see(running: Running) -> None:
    told = running.client("anna").get("/api/suggest?text=marm&most=50").json()
    assert list(told) == ["suggestions"]
    assert {"facet": "sample", "value": "marmot", "count": 1, "query": 'sample:"marmot"'} in told["suggestions"]
    assert running.client("nora").get("/api/suggest?text=marm").json() == {"suggestions": []}
    assert len(running.client("anna").get("/api/suggest?text=marm&most=1").json()["suggestions"]) == 1


def test_suggestions_of_a_facet_are_values_of_it_alone(anna: httpx.Client) -> None:
    told = anna.get("/api/suggest?text=armo&facet=sample&level=scan").json()["suggestions"]
    assert [(one["facet"], one["value"], one["count"]) for one in told] == [("sample", "marmot", 2)]


@pytest.mark.parametrize("query", ["text=" + "x" * 201, "most=51", "most=0", "facet=colour", "colour=red", "q=(("])
def test_suggestions_have_bounds(anna: httpx.Client, query: str) -> None:
    answer = anna.get(f"/api/suggest?{query}")
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")


@dataclass
class Slow:
    """A searcher that goes on until it is told to stop."""

    began: threading.Event = field(default_factory=threading.Event)
    given_up: threading.Event = field(default_factory=threading.Event)

    def search(
        self, request: SearchRequest, allowed: frozenset[str] | None, cancelled: Callable[[], bool]
    ) -> SearchResult:
        self.began.set()
        waiting = threading.Event()
        for _ in range(ENDLESS_SECONDS * 100):
            if cancelled():
                self.given_up.set()
                raise Cancelled
            waiting.wait(0.01)
        raise AssertionError("nobody told the search to stop")

    def rows(self, request: SearchRequest, allowed: frozenset[str] | None, cancelled: Cancel) -> Iterator[Hit]:
        assert not cancelled()
        self.began.set()
        waiting = threading.Event()
        try:
            for number in range(ENDLESS_SECONDS * 10_000):
                waiting.wait(0.0001)
                yield Hit(key=f"scan:1/{number}", fields={})
        finally:
            self.given_up.set()

    def suggest(self, asked: SuggestRequest, allowed: frozenset[str] | None) -> tuple[Suggestion, ...]:
        return ()


@pytest.mark.parametrize("address", [b"/api/search", b"/api/search?format=csv", b"/search"])
def test_a_search_nobody_waits_for_is_given_up(
    running: Running, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, address: bytes
) -> None:
    slow = Slow()
    with running.again(running.settings) as server:
        monkeypatch.setattr(server.catalogue, "searcher", slow)
        with server.connected() as connection:
            cookie = running.cookie("anna")
            connection.sendall(b"GET " + address + b" HTTP/1.1\r\nHost: a\r\n" + cookie + b"\r\n\r\n")
            assert slow.began.wait(ENDLESS_SECONDS)
            assert not slow.given_up.is_set()
        assert slow.given_up.wait(ENDLESS_SECONDS / 2)
        assert server.client(None).get("/api/health").status_code == 200
    assert not [record for record in caplog.records if record.name.startswith("catalog_builder")]


def test_others_are_answered_while_a_table_is_made(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Slow()
    with running.again(running.settings) as server:
        monkeypatch.setattr(server.catalogue, "searcher", slow)
        with server.connected() as connection:
            cookie = running.cookie("anna")
            connection.sendall(b"GET /api/search?format=csv HTTP/1.1\r\nHost: a\r\n" + cookie + b"\r\n\r\n")
            assert slow.began.wait(ENDLESS_SECONDS)
            assert server.client(None).get("/api/health").status_code == 200
            assert not slow.given_up.is_set()


def test_a_table_larger_than_memory_holds_comes_whole(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    hits = [Hit(key=f"scan:1/{number}", fields={"title": "x" * 200}) for number in range(10_000)]

    class Many(Searcher):
        def rows(
            self, request: SearchRequest, allowed: frozenset[str] | None, cancelled: Cancel = never
        ) -> Iterator[Hit]:
            yield from hits

    monkeypatch.setattr(running.catalogue, "searcher", Many(running.catalogue.places.index))
    answer = running.client("anna").get("/api/search?format=csv")
    assert len(answer.content) > 2 << 20
    assert [row["key"] for row in rows(answer)] == [hit.key for hit in hits]


def test_the_page_counts_its_filters_whatever_a_program_wants_counted(anna: httpx.Client) -> None:
    assert 'data-facet="year"' in anna.get("/search?facets=none").text
