"""The pages the server answers with."""

import html
import re
from dataclasses import replace

from catalog_builder.facets import NUMBERS, SORTS, SearchRequest
from catalog_builder.records import Json
from catalog_builder.render import BeamtimeCard, CartLine, Renderer
from catalog_builder.search.documents import MARKS
from catalog_builder.search.fields import PREFIXES, known_fields
from catalog_builder.search.query import parsed
from catalog_builder.search.units import UNITS

from .conftest import bare_beamtime, full_beamtime, hit, result, settings, text_of


def test_home_lists_the_beamtimes_in_the_order_given(renderer: Renderer) -> None:
    cards = [
        BeamtimeCard(beamtime=full_beamtime("Films"), datasets=4, scans=2841),
        BeamtimeCard(beamtime=bare_beamtime(), datasets=0, scans=0),
    ]
    text = text_of(renderer.home(cards))
    assert "11017404 I-20230412 Films Films Films 2023-10-08 – 2023-10-12 4 2 841" in text


def test_without_a_beamtime_home_says_what_to_do(renderer: Renderer) -> None:
    assert "There is no beamtime here that you may see" in renderer.home([])


def test_the_search_box_keeps_what_was_asked(renderer: Renderer) -> None:
    page = renderer.search_page(SearchRequest(q='"a b" c'), result(), None)
    assert 'value="&#34;a b&#34; c"' in page


def test_the_form_keeps_level_and_order_but_goes_back_to_the_first_page(renderer: Renderer) -> None:
    request = SearchRequest(level="scan", sort="name", page=3)
    page = renderer.search_page(request, result(hit(), total=200), None)
    hidden = re.findall(r'<input type="hidden" name="(\w+)" value="([\w-]+)">', page)
    assert hidden == [("level", "scan"), ("sort", "name")]


def test_without_a_choice_all_flags_are_shown(renderer: Renderer) -> None:
    flags = {"measurement": 2310, "alignment": 409}
    page = renderer.search_page(SearchRequest(), result(hit(), flag=flags), None)
    toggles = re.findall(r'name="flag" form="filters" value="(\w+)"( checked)?', page)
    assert toggles == [("measurement", " checked"), ("alignment", " checked"), ("calibration", " checked")]


def test_all_flags_chosen_are_none_chosen(renderer: Renderer) -> None:
    every = SearchRequest(chosen={"flag": ("measurement", "alignment", "calibration")})
    assert renderer.search_page(every, result(hit()), None) == renderer.search_page(
        SearchRequest(), result(hit()), None
    )


def test_an_empty_result_says_what_to_leave_out_and_what_there_would_be(renderer: Renderer) -> None:
    request = SearchRequest(q="film", chosen={"keyword": ("XRR", "GID"), "on_disk": ("tape",)}, page=3)
    found = replace(result(), without={"q": 2, "keyword": 1400, "on_disk": 1})
    page = renderer.search_page(request, found, None)
    empty = page[page.index('class="empty"') :]
    links = re.findall(r'<li><a href="([^"]+)" data-live>([^<]+)', empty)
    assert links == [
        ("/search?q=film&amp;on_disk=tape", "Without keyword “XRR” or “GID” there would be 1\u202f400"),
        ("/search?keyword=GID&amp;keyword=XRR&amp;on_disk=tape", "Without the words “film” there would be 2"),
        ("/search?q=film&amp;keyword=GID&amp;keyword=XRR", "Without on disk “tape” there would be 1"),
    ]
    assert 'href="/search" data-live>Start anew' in empty


def test_where_leaving_out_one_thing_does_not_help_it_says_so(renderer: Renderer) -> None:
    page = text_of(renderer.search_page(SearchRequest(q="film", chosen={"keyword": ("XRR",)}), result(), None))
    assert "Nothing found, whatever single part of this is left out." in page


def test_a_histogram_says_its_counts_without_its_bars(renderer: Renderer) -> None:
    found = result(hit(), year={"2022": 3, "2023": 1500}, month={"2023-10": 1400, "2023-11": 100})
    page = renderer.search_page(SearchRequest(), found, None)
    assert '<svg class="share" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">' in page
    assert "2023 1 500" in text_of(page)
    assert re.search(r"2023-10: 1\s400, 2023-11: 100", text_of(page))
    assert page.count("<rect") == 2 + 2 + 12


def test_what_is_found_can_be_taken_as_a_file(renderer: Renderer) -> None:
    page = renderer.search_page(SearchRequest(q="a", level="scan"), result(hit(), total=40), None)
    assert '<a href="/search?q=a&amp;level=scan&amp;format=csv" data-file>Download as CSV</a>' in page
    assert '<a href="/search?q=a&amp;level=scan&amp;format=json" data-file>JSON</a>' in page
    assert "data-file" not in renderer.search_page(SearchRequest(q="a"), result(), None)


def test_only_filters_that_are_not_listed_whole_ask_the_server(renderer: Renderer) -> None:
    found = replace(result(hit(), sample={f"s{n:03}": 1 for n in range(20)}), unlisted={})
    assert "data-suggest" not in renderer.search_page(SearchRequest(), found, None)
    assert "data-find data-suggest" in renderer.search_page(
        SearchRequest(), replace(found, unlisted={"sample": 3}), None
    )


def test_a_mistake_is_shown_above_the_same_form(renderer: Renderer) -> None:
    page = renderer.search_page(SearchRequest(q="(a"), None, "this bracket is not closed")
    assert 'role="alert"' in page
    assert "this bracket is not closed" in page
    assert 'value="(a"' in page


def test_a_page_beyond_the_last_leads_back_to_the_first(renderer: Renderer) -> None:
    page = renderer.search_page(SearchRequest(q="a", page=9), result(total=40), None)
    assert '<b>There is no such page.</b> <a href="/search?q=a"' in page


def test_a_sorted_column_says_so_and_turns_round(renderer: Renderer) -> None:
    page = renderer.search_page(SearchRequest(), result(hit()), None)
    assert '<th scope="col" class="sorted" aria-sort="descending"><a href="/search?sort=date" data-live>Date ↓' in page


def test_a_scan_shows_its_command_and_the_time_a_dataset_the_day(renderer: Renderer) -> None:
    scans = text_of(renderer.search_page(SearchRequest(level="scan"), result(hit("ascan", "scan")), None))
    datasets = text_of(renderer.search_page(SearchRequest(), result(hit()), None))
    assert "2023-10-08 03:40" in scans
    assert "2023-10-08" in datasets
    assert "2023-10-08 03:40" not in datasets


def test_the_cart_adds_up(renderer: Renderer) -> None:
    lines = [
        CartLine(key=f"scan:1/{n}", title=n, address=f"/{n}", beamtime="1", files=2, size=1500, on_disk="tape")
        for n in ("a", "b")
    ]
    page = renderer.cart_page(lines)
    assert "2 lines · 4 files · 3 kB" in text_of(page)
    assert page.count('action="/cart/remove"') == 2


def test_signing_in_keeps_where_to_go_and_the_name_typed(renderer: Renderer) -> None:
    page = renderer.sign_in_page("/search?q=a&b", "The name or the password is wrong.", "visitor")
    assert '<input type="hidden" name="next" value="/search?q=a&amp;b">' in page
    assert 'value="visitor"' in page


def test_the_status_page_says_what_the_last_build_did_in_words(renderer: Renderer) -> None:
    report = {
        "built": "2023-10-08T01:40:00+00:00",
        "seconds": 200.123,
        "summary": {
            "read": 7,
            "current": 2841,
            "removed": 0,
            "failed": 1,
            "scans": 300000,
            "datasets": 12,
            "pages_written": 12345,
            "seconds": 200.123,
            "problems": 1,
        },
        "problems": [{"beamtime": "11017404", "where": "11017404/raw/a.fio:3", "what": "cut in the middle"}],
    }
    text = text_of(renderer.status_page(report))
    assert "In the catalogue Datasets 12 Scans 300 000 Problems 1 The last build Finished 2023-10-08 03:40" in text
    assert (
        "Took 3 min 20 s Sources read 7 Sources unchanged 2 841 Sources no longer there 0 Sources not readable 1"
        in text
    )
    assert "Pages written 12 345" in text
    assert "Beamtime ID Where What 11017404 raw/a.fio:3 cut in the middle" in text
    assert "econds" not in text


def test_the_status_page_tells_of_beamtimes_and_of_what_is_newer_on_disk(renderer: Renderer) -> None:
    idle: dict[str, Json] = {"read": 0, "current": 7, "removed": 0, "failed": 0, "pages_written": 0}
    busy: dict[str, Json] = {**idle, "read": 12, "pages_written": 25}
    report: dict[str, Json] = {
        "beamtimes": {"11017404": busy, "11017405": idle},
        "newer_on_disk": {"11017404": ["night2/gk_00012.fio"]},
    }
    text = text_of(renderer.status_page(report))
    assert "11017404 12 7 0 0 25" in text
    assert "11017405" not in text
    assert "Newer on disk than here" in text
    assert "night2/gk_00012.fio" in text


def test_the_status_page_shows_what_it_has_no_word_for_by_its_name(renderer: Renderer) -> None:
    text = text_of(renderer.status_page({"summary": {"scans": 1, "fast_disks": 3000}, "problems": ["odd"]}))
    assert "In the catalogue Scans 1 Other Fast disks 3 000" in text
    assert "Where What odd" in text


def test_name_and_days_stand_in_their_own_inputs_and_chips(renderer: Renderer) -> None:
    request = SearchRequest(q="(a OR b) name:gk name:sto date:2023-10-01..2023-10-31")
    page = renderer.search_page(request, result(hit()), None)
    assert 'type="search" value="a OR b"' in page
    assert 'name="name" value="gk sto"' in page
    assert 'name="date_from" type="date" value="2023-10-01"' in page
    assert 'name="date_to" type="date" value="2023-10-31"' in page
    chips = re.findall(r'<span class="chip"><b>(\w+)</b> ([^<]+) <a href="([^"]+)"', page)
    assert chips == [
        ("text", "a OR b", "/search?q=name%3Agk+name%3Asto+date%3A2023-10-01..2023-10-31"),
        ("name", "gk sto", "/search?q=%28a+OR+b%29+date%3A2023-10-01..2023-10-31"),
        ("date", "2023-10-01 – 2023-10-31", "/search?q=%28a+OR+b%29+name%3Agk+name%3Asto"),
    ]


def test_what_a_filter_leaves_out_is_said_with_the_way_to_it(renderer: Renderer) -> None:
    found = replace(result(hit(), sample={f"s{n:03}": 1 for n in range(100)}), unlisted={"sample": 1234})
    text = text_of(renderer.search_page(SearchRequest(), found, None))
    assert "1 234 more are not listed: narrow the search, or type sample:… in the search box." in text
    assert "not listed" not in text_of(renderer.search_page(SearchRequest(), result(hit(), sample={"a": 1}), None))


def test_help_names_every_field_number_and_mark_the_search_knows(renderer: Renderer) -> None:
    page = renderer.help_page("searching") or ""
    expected = [f"{field}:" for field in known_fields()]
    expected += [f"has:{mark}" for mark in MARKS]
    expected += [f"<code>{prefix}." for prefix in PREFIXES if prefix != "quantity"]
    expected += [f"<code>{sort}</code>" for sort in (*SORTS, *NUMBERS)]
    assert [word for word in expected if word not in page] == []


def test_help_names_every_unit_with_what_it_measures(renderer: Renderer) -> None:
    page = renderer.help_page("searching") or ""
    rows = {cells[0]: cells[1] for cells in re.findall(r"<tr>\s*<td>([\w ]+)</td>\s*<td>(.*?)</td>", page)}
    for unit, (kind, _) in UNITS.items():
        assert f"<code>{unit}</code>" in rows[kind]


def test_help_names_the_quantities_of_the_site() -> None:
    page = Renderer(settings(quantities={"Rel humidity": {"from": ("h1",)}})).help_page("searching") or ""
    assert "<code>quantity.rel_humidity:</code>" in page
    assert "quantity.energy" not in page


def test_every_query_on_the_help_page_is_understood(renderer: Renderer) -> None:
    page = renderer.help_page("searching") or ""
    typed = [html.unescape(code) for code in re.findall(r"<code>([^<]+)</code>", page.partition('<h2 id="order')[0])]
    queries = [query for query in typed if not query.endswith(":") and query not in ("AND", "OR", "NOT", "-")]
    assert len(queries) > 60
    for query in queries:
        parsed(query)


def test_help_names_the_flags_of_the_site() -> None:
    page = Renderer(settings(flags=("measurement", "dark"))).help_page("searching") or ""
    assert "<code>dark</code>" in page


def test_there_is_no_help_page_outside_the_folder(renderer: Renderer) -> None:
    for name in ("nothing", "../base", "..%2fbase", "", "index.md", "a/b", "INDEX"):
        assert renderer.help_page(name) is None
