"""Numbers, times, pages and filters as people read them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from catalog_builder.facets import FACETS, FacetCount, SearchRequest
from catalog_builder.render import figures
from catalog_builder.render.paging import dealt, pager
from catalog_builder.render.searching import SHOWN_VALUES, SHOWN_YEARS, search_view

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
    order = "keyword sample year month proposal pi beamtime detector macro positioner state on_disk"
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


@pytest.mark.parametrize(
    ("sort", "label", "address"),
    [
        ("name", "Flag", "/search?sort=flag"),
        ("name", "On disk", "/search?sort=on_disk"),
        ("name", "Scans", "/search?sort=-scans"),
        ("-scans", "Scans", "/search?sort=scans"),
        ("name", "Energy (eV)", "/search?sort=-energy"),
        ("energy", "Energy (eV)", "/search?sort=-energy"),
    ],
)
def test_every_column_can_be_sorted_by_and_numbers_start_with_the_largest(sort: str, label: str, address: str) -> None:
    view = search_view(SearchRequest(sort=sort), result(hit()), FLAGS, "eV")
    (heading,) = (one for one in view.headings if one.label == label)
    assert heading.address == address
    assert (heading.order is not None) == (sort.removeprefix("-") == heading.name)


def test_years_are_bars_from_the_newest_on_however_many_have_them() -> None:
    years = {"2021": 5, "2022": 100, "2023": 50, "2020": 1}
    (year,) = search_view(SearchRequest(chosen={"year": ("2019",)}), result(hit(), year=years), FLAGS).filters
    assert year.in_order
    assert [(one.value, one.count, one.share, one.chosen) for one in year.shown] == [
        ("2023", 50, 50, False),
        ("2022", 100, 100, False),
        ("2021", 5, 5, False),
        ("2020", 1, 1, False),
        ("2019", 0, 0, True),
    ]


def test_old_years_fold_away_but_for_those_chosen() -> None:
    years = {str(1990 + n): 1000 if n == 20 else 1 for n in range(30)}
    (year,) = search_view(SearchRequest(chosen={"year": ("1991",)}), result(hit(), year=years), FLAGS).filters
    assert [one.value for one in year.shown] == [*(str(2019 - n) for n in range(SHOWN_YEARS)), "1991"]
    assert [one.value for one in year.folded][-2:] == ["1992", "1990"]
    assert {one.share for one in year.shown} == {1, 100}


def test_months_fold_by_year_each_with_twelve_bars() -> None:
    months = {"2022-12": 4, "2023-10": 8, "2023-02": 2}
    (month,) = search_view(SearchRequest(chosen={"month": ("2023-02",)}), result(hit(), month=months), FLAGS).filters
    assert [(one.label, one.opened, [each.value for each in one.months]) for one in month.years] == [
        ("2023", True, ["2023-02", "2023-10"]),
        ("2022", False, ["2022-12"]),
    ]
    assert month.years[0].bars == (0, 25, 0, 0, 0, 0, 0, 0, 0, 100, 0, 0)
    assert month.shown == ()


def test_values_that_are_no_months_are_shown_as_they_are() -> None:
    (month,) = search_view(SearchRequest(), result(hit(), month={"2023-10": 1, "2023-13": 2}), FLAGS).filters
    assert (month.years, [one.value for one in month.shown]) == ((), ["2023-13", "2023-10"])


def test_a_filter_with_values_that_are_not_listed_has_a_box_to_find_them() -> None:
    found = replace(result(hit(), sample={"a": 1}), unlisted={"sample": 7})
    assert search_view(SearchRequest(), found, FLAGS).filters[0].searchable
