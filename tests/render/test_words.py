"""Numbers, times, pages and filters as people read them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from catalog_builder.facets import FACETS, FacetCount, SearchRequest
from catalog_builder.render import figures
from catalog_builder.render.paging import dealt, pager
from catalog_builder.render.searching import SHOWN_VALUES, search_view

from .conftest import hit, result

BERLIN = ZoneInfo("Europe/Berlin")
FLAGS = ("measurement", "alignment")


@pytest.mark.parametrize(
    ("value", "digits", "written"),
    [
        (None, 6, ""),
        (0.0, 6, "0"),
        (-20.4, 6, "-20.4"),
        (94000.0, 3, "9.4 × 10⁴"),
        (1.5e-7, 6, "1.5 × 10⁻⁷"),
        (1_700_000_120.0, 6, "1700000120"),
        (1e15, 6, "1 × 10¹⁵"),
        (15, 6, "15"),
    ],
)
def test_a_number_is_short_and_loses_nothing_that_counts(value: float | None, digits: int, written: str) -> None:
    assert figures.number(value, digits) == written


@pytest.mark.parametrize(
    ("value", "written"),
    [(0, "0 bytes"), (999, "999 bytes"), (999_600, "1 MB"), (19_012_345, "19 MB"), (2 * 10**18, "2e+03 PB")],
)
def test_a_size_has_a_unit_one_can_picture(value: int, written: str) -> None:
    assert figures.size(value) == written


def test_times_are_those_of_the_beamline() -> None:
    moment = datetime(2023, 10, 7, 22, 30, tzinfo=UTC)
    assert figures.time(moment, BERLIN) == "2023-10-08 00:30"
    assert figures.span(moment, moment + timedelta(hours=1), BERLIN) == "2023-10-08 00:30 – 01:30"
    assert figures.span(moment, moment + timedelta(days=1), BERLIN) == "2023-10-08 00:30 – 2023-10-09 00:30"
    assert figures.span(None, moment, BERLIN) == "2023-10-08 00:30"
    assert figures.days(moment, moment + timedelta(days=2), BERLIN) == "2023-10-08 – 2023-10-10"


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("2023-10-07T22:30:00+00:00", "2023-10-08 00:30"),
        ("2023-10-07", "2023-10-07"),
        ("long ago, in summer", "long ago, in summer"),
        (None, ""),
    ],
)
def test_a_hits_date_is_shown_as_well_as_it_can_be(given: str | None, written: str) -> None:
    assert figures.moment(given, BERLIN) == written


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0.04, "0.04 s"),
        (4.23, "4.2 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.9, "1 min 0 s"),
        (200, "3 min 20 s"),
        (3599.7, "1 h 0 min"),
        (7500, "2 h 5 min"),
    ],
)
def test_a_time_that_passed_is_told_as_people_do(seconds: float, written: str) -> None:
    assert figures.lasted(seconds) == written


def test_rows_are_dealt_out_whole() -> None:
    assert [(number, list(rows)) for number, rows in dealt(range(5), 2)] == [(1, [0, 1]), (2, [2, 3]), (3, [4])]
    nothing: list[int] = []
    assert [(number, list(rows)) for number, rows in dealt(nothing, 2)] == [(1, [])]


def test_a_pager_leaves_out_what_is_far() -> None:
    made = pager(10, 2841, 50, str)
    assert [None if link is None else link.number for link in made.links] == [1, None, 8, 9, 10, 11, 12, None, 57]
    assert (made.before, made.after, made.first, made.last) == ("9", "11", 451, 500)


def test_a_pager_beyond_the_end_leads_back() -> None:
    made = pager(10**9, 40, 50, str)
    assert (made.before, made.after, made.first, made.last) == ("1", None, 0, 0)


def test_the_filters_stand_in_the_order_people_look_for_them() -> None:
    counted = {facet.name: (FacetCount(value="a", count=1),) for facet in FACETS}
    view = search_view(SearchRequest(), replace(result(hit()), facets=counted), FLAGS)
    order = "keyword sample year proposal pi beamtime detector macro positioner state on_disk"
    assert [one.name for one in view.filters] == order.split()
    assert [one.noun for one in view.filters if one.name in ("pi", "macro")] == ["PI", "scan macro"]


def test_all_values_that_were_counted_are_listed() -> None:
    counted = {f"s{number}": 1 for number in range(250)}
    (sample,) = search_view(SearchRequest(), result(hit(), sample=counted), FLAGS).filters
    assert len(sample.shown) + len(sample.folded) == 250
    assert sample.unlisted == 0


def test_a_filter_folds_what_is_rare_and_never_what_is_chosen() -> None:
    samples = {f"s{number}": 100 - number for number in range(30)}
    view = search_view(SearchRequest(chosen={"sample": ("s29", "gone")}), result(hit(), sample=samples), FLAGS)
    (sample,) = view.filters
    assert [choice.value for choice in sample.shown[:3]] == ["gone", "s29", "s0"]
    assert len(sample.shown) == SHOWN_VALUES
    assert len(sample.folded) == 31 - SHOWN_VALUES
    assert sample.searchable


def test_one_value_alone_is_not_folded() -> None:
    view = search_view(SearchRequest(), result(hit(), year={str(2000 + n): 1 for n in range(SHOWN_VALUES + 1)}), FLAGS)
    assert not view.filters[0].folded


def test_a_flag_nobody_configured_gets_a_toggle_when_something_has_it() -> None:
    view = search_view(SearchRequest(), result(hit(), flag={"measurement": 3, "odd": 1}), FLAGS)
    assert [(one.value, one.count) for one in view.toggles] == [("measurement", 3), ("alignment", 0), ("odd", 1)]


def test_every_step_goes_back_to_the_first_page() -> None:
    view = search_view(SearchRequest(q="a", page=4, chosen={"keyword": ("k",)}), result(hit(), total=900), FLAGS)
    steps = [chip.without for chip in view.chips]
    steps += [view.clear, view.best_first or ""]
    steps += [heading.address or "" for heading in view.headings] + [address for _, address, _ in view.levels]
    assert not [step for step in steps if "page=" in step]


def test_sorting_by_date_starts_with_the_newest() -> None:
    view = search_view(SearchRequest(sort="name"), result(hit()), FLAGS)
    addresses = {heading.label: heading.address for heading in view.headings}
    assert addresses["Date"] == "/search"
    assert addresses["Name"] == "/search?sort=-name"
    assert addresses["Sample"] == "/search?sort=sample"
