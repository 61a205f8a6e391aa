import pickle
import time
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_builder.search.query import Dialect, parsed
from catalog_builder.search.tree import (
    And,
    Between,
    Everything,
    Not,
    OfDataset,
    Or,
    Present,
    QueryMistake,
    Value,
    Words,
)


def word(*atoms: str, field: str | None = None, beginning: bool = True, within: bool = False) -> Words:
    return Words(atoms, () if field is None else (field,), beginning, within)


def test_words_stand_together_unless_or_says_otherwise_and_not_binds_tightest() -> None:
    assert parsed("aa bb OR NOT cc dd") == Or((And((word("aa"), word("bb"))), And((Not(word("cc")), word("dd")))))
    assert parsed("aa AND (bb OR cc)") == And((word("aa"), Or((word("bb"), word("cc")))))
    assert parsed("aa -bb") == And((word("aa"), Not(word("bb"))))


def test_a_plain_word_may_be_the_beginning_of_one_from_two_letters_on_and_a_star_allows_one() -> None:
    assert parsed("gk") == word("gk")
    assert parsed("g") == word("g", beginning=False)
    assert parsed("g*") == word("g")


def test_a_phrase_is_its_words_and_nothing_longer() -> None:
    assert parsed('"gk sto20"') == word("gk", "sto20", beginning=False)


def test_brackets_within_a_word_belong_to_the_word() -> None:
    assert parsed("STO(111)") == word("sto", "111", beginning=False)
    assert parsed("(STO(111) OR x)") == Or((word("sto", "111", beginning=False), word("x", beginning=False)))


def test_a_minus_before_a_digit_is_a_sign_and_before_a_letter_it_excludes() -> None:
    assert parsed("-0.5") == word("-0.5")
    assert parsed("-sto") == Not(word("sto", within=True))


def test_fields_take_words_phrases_values_numbers_and_dates() -> None:
    assert parsed("sample:STO") == word("sto", field="sample", within=True)
    assert parsed("command:STO") == word("sto", field="command")
    assert parsed('title:"two words"') == word("two", "words", field="title", beginning=False)
    assert parsed("on_disk:tape macro:asc*") == And((Value("on_disk", "tape"), Value("macro", "asc", True)))
    assert parsed("energy:>15") == Between("energy", low=15.0, without_low=True)
    assert parsed("energy<=15") == Between("energy", high=15.0)
    assert parsed("points:11..41") == Between("points", 11.0, 41.0)
    assert parsed("positioner.chi:45") == Between("positioner.chi", 44.5, 45.5)
    assert parsed("date:2023-12") == Between("date", 1701388800.0, 1704067200.0, without_high=True)
    assert parsed("date:>2023-12-31") == Between("date", low=1704067200.0)
    assert parsed("date:2023-12..2023-12") == parsed("date:2023-12")
    assert parsed("year:2023") == Value("year", "2023")
    assert parsed("year:>2020") == Between("year", low=2020.0, without_low=True)


def test_quotes_after_a_facet_ask_for_its_value_letter_for_letter() -> None:
    assert parsed('sample:"LaB6 (film)*"') == Value("sample", "LaB6 (film)*", verbatim=True)
    assert parsed('sample:"a\tb"') == Value("sample", "a\tb", verbatim=True)
    assert parsed('macro:"Mesh" macro:Mesh') == And((Value("macro", "Mesh", verbatim=True), Value("macro", "mesh")))
    assert parsed('flag:" "') == Everything()


def test_at_dataset_level_a_name_title_size_and_place_may_be_the_datasets() -> None:
    assert parsed("name:gk", "dataset") == Words(("gk",), ("name", "dataset"), True)
    assert parsed('title:"gk"', "dataset") == Words(("gk",), ("title", "dataset_title"), False)
    assert parsed("scan:gk", "dataset") == word("gk", field="name")
    assert parsed("on_disk:part", "dataset") == Value("dataset.on_disk", "part")
    assert parsed("size>5", "dataset") == OfDataset(parsed("size>5"))  # type: ignore[arg-type]
    assert parsed("scans:>3") == parsed("scans:>3", "dataset") == OfDataset(Between("scans", low=3.0, without_low=True))


def test_a_number_is_asked_for_by_a_name_without_capitals_and_blanks() -> None:
    assert parsed("positioner.Two_Theta:>4") == Between("positioner.two_theta", low=4.0, without_low=True)


def test_a_pasted_key_is_looked_for_as_the_name_it_is() -> None:
    assert parsed("scan:11017404/gk_00173") == word("11017404", "gk", "00173", field="name", within=True)
    assert parsed("dataset:11017404/gk") == Words(("11017404", "gk"), ("dataset", "dataset_title"), True, True)


@pytest.mark.parametrize(
    ("query", "within"),
    [
        ("2021090", True),
        ("to20_001", True),
        ("name:sto", True),
        ("dataset:sto", True),
        ("st", False),
        ("s_t", False),
        ("sto*", False),
        ('"sto"', False),
        ("title:sto", False),
        ("flag:sto", False),
        ("_sto", False),
        ("sto_", False),
        ("-0.5", False),
    ],
)
def test_a_plain_word_of_three_letters_is_found_within_names(query: str, within: bool) -> None:
    node = parsed(query)
    assert isinstance(node, Words)
    assert node.within is within


def test_a_number_may_have_a_unit_at_either_end_or_at_both() -> None:
    assert parsed("energy:15..18keV") == Between("energy", 15.0, 18.0, unit="keV")
    assert parsed("energy:15keV..18") == parsed("energy:15keV..18keV") == parsed("energy:15..18keV")
    assert parsed("energy:15000eV..18keV") == parsed("energy:15..18keV")
    assert parsed("energy:18..15keV") == parsed("energy:15..18keV")
    assert parsed("energy:>15kev") == parsed("energy>15keV") == Between("energy", low=15, without_low=True, unit="keV")
    assert parsed("energy:15keV") == Between("energy", 14.5, 15.5, unit="keV")
    assert parsed("exposure:<500ms") == Between("exposure", high=500, without_high=True, unit="ms")
    assert parsed("positioner.eta:>=10°") == Between("positioner.eta", low=10, unit="deg")
    assert parsed("temperature:-5..25°C") == Between("temperature", -5, 25, unit="°C")
    assert parsed("temperature:273.15K..25°C") == Between("temperature", 0, 25, unit="°C")
    assert parsed("positioner.z:1mm..1.5mm") == Between("positioner.z", 1, 1.5, unit="mm")
    assert parsed("chi:45deg") == Between("chi", 44.5, 45.5, unit="deg")
    assert parsed("duration:>1.5e1min") == Between("duration", low=15, without_low=True, unit="min")
    assert parsed("pressure:>30mN/m") == Between("pressure", low=30, without_low=True, unit="mN/m")
    assert parsed("size:>2gb", "dataset") == OfDataset(Between("size", low=2, without_low=True, unit="GB"))


def test_a_unit_may_stand_apart_where_the_field_has_one_of_its_kind() -> None:
    assert parsed("energy:>15 keV film") == And((parsed("energy:>15keV"), parsed("film")))
    assert parsed('energy:"> 15 keV"') == parsed("energy > 15 keV".replace(" ", "")) == parsed("energy:>15keV")
    assert parsed("points:11 s") == And((parsed("points:11"), parsed("s")))
    assert parsed("energy:>15 s") == And((parsed("energy:>15"), parsed("s")))


def test_a_quantity_of_the_site_is_asked_for_by_its_bare_name_or_as_a_quantity() -> None:
    dialect = Dialect(quantities=("Humidity",))
    assert parsed("humidity:>3%", "scan", dialect) == Between("humidity", low=3, without_low=True, unit="%")
    assert parsed("quantity.humidity:>3%") == parsed("humidity:>3%")
    assert parsed("quantity.energy:>3keV") == parsed("energy:>3keV")
    assert parsed("energy.mean:>3keV") == parsed("energy:>3keV")
    assert parsed("energy.max:<20keV") == Between("energy.max", high=20, without_high=True, unit="keV")
    assert parsed("channel.roi1.max:>1e4") == Between("channel.roi1.max", low=1e4, without_low=True)


def instant(*wall: int) -> float:
    return datetime(*wall, tzinfo=UTC).timestamp()  # type: ignore[misc,arg-type]


def test_days_are_those_of_the_beamline_whatever_its_clocks_do() -> None:
    berlin = Dialect(zone=ZoneInfo("Europe/Berlin"))

    def span(query: str) -> tuple[float, float]:
        node = parsed(query, "scan", berlin)
        assert isinstance(node, Between)
        assert node.without_high
        return node.low, node.high

    assert span("date:2023-10-06") == (instant(2023, 10, 5, 22), instant(2023, 10, 6, 22))
    assert span("date:2023-10-29") == (instant(2023, 10, 28, 22), instant(2023, 10, 29, 23))  # 25 hours
    assert span("date:2023-03-26") == (instant(2023, 3, 25, 23), instant(2023, 3, 26, 22))  # 23 hours
    assert span("date:2023-10") == (instant(2023, 9, 30, 22), instant(2023, 10, 31, 23))
    assert span("date:2023") == (instant(2022, 12, 31, 23), instant(2023, 12, 31, 23))
    assert span("date:2023-10-29T02") == (instant(2023, 10, 29, 0), instant(2023, 10, 29, 2))  # it comes twice
    assert span("date:2023-10-29T01") == (instant(2023, 10, 28, 23), instant(2023, 10, 29, 0))
    low, high = span("date:2023-03-26T02")  # it never comes
    assert low == high


def test_a_date_may_name_an_hour_or_a_minute_and_a_range_stand_in_either_order() -> None:
    half_past = instant(2023, 10, 6, 14, 30)
    assert parsed("date:2023-10-06T14") == Between(
        "date", instant(2023, 10, 6, 14), instant(2023, 10, 6, 15), without_high=True
    )
    assert parsed("date:2023-10-06T14:30") == Between("date", half_past, half_past + 60, without_high=True)
    assert parsed("date:>=2023-10-06T14:30") == parsed("date>=2023-10-06T14:30") == Between("date", low=half_past)
    assert parsed("date:2023-12..2023-10") == parsed("date:2023-10..2023-12")
    assert parsed("month:2023-10") == Value("month", "2023-10")
    assert parsed("month:>2023-10") == parsed("date:>2023-10")


def test_has_asks_for_a_mark_any_value_of_a_facet_or_a_number() -> None:
    assert parsed("has:image") == parsed('has:"Image"') == Value("has", "image")
    assert parsed("-has:image") == parsed("NOT has:image") == Not(Value("has", "image"))
    assert parsed("has:sample") == Present("sample")
    assert parsed("has:on_disk", "dataset") == Present("dataset.on_disk")
    assert parsed("has:positioner") == Present("positioner")
    assert parsed("has:energy") == Between("energy")
    assert parsed("has:Positioner.chi") == Between("positioner.chi")
    assert parsed("has:channel.roi1.max") == Between("channel.roi1.max")
    assert parsed("has:size", "dataset") == OfDataset(Between("size"))
    assert parsed("has:date") == Between("date")
    assert parsed("has:humidity", "scan", Dialect(quantities=("humidity",))) == Between("humidity")


def test_what_holds_no_letter_or_digit_asks_for_nothing() -> None:
    assert parsed("") == parsed("  ") == parsed("& -") == Everything()
    assert parsed("Si & Ge") == parsed("Si Ge")
    assert parsed("& OR ge") == parsed("ge")


@pytest.mark.parametrize(
    ("query", "position", "message"),
    [
        ("*a*", 0, "star can only stand at the end"),
        ("??????*", 0, "no letters or digits stand before the star"),
        ("aa OR", 5, "a word is missing"),
        ("OR aa", 0, "OR stands where a word is expected"),
        ("aa AND OR bb", 7, "OR stands where a word is expected"),
        ("aa (bb", 3, "this bracket is not closed"),
        ("aa) bb", 2, "this bracket closes nothing"),
        ('say "aa', 4, "this quotation mark is not closed"),
        ("*to20*", 0, "the middle of a name is found without one"),
        ("name:*to20", 5, "the middle of a name is found without one"),
        ("smaple:sto", 0, "did you mean 'sample'?"),
        ("x enrgy:high", 2, "did you mean 'energy'?"),
        ("positoner.chi:>4", 0, "did you mean 'positioner.chi'?"),
        ("channel.roi1:>4", 0, "write channel.roi1.max"),
        ("positioner.:>4", 0, "write positioner.name"),
        ("positioner.chi:high", 15, "'high' is not a number"),
        ("energy:>15furlong", 10, "no unit 'furlong'; known are: GeV, MeV, eV"),
        ("energy:15..18s", 13, "'s' is no unit of energy"),
        ("energy:1mev", 8, "can mean MeV or meV"),
        ("size:>2s", 7, "size is given in B, kB"),
        ("points:>2keV", 9, "points has no unit"),
        ("energy:>15kevs", 10, "no unit 'kevs'; did you mean 'keV'?"),
        ("chi:>2degs", 6, "did you mean 'deg'?"),
        ("z:1mm..2s", 2, "mm and s do not measure the same"),
        ("energy:>", 8, "a number is missing here; write energy:>15keV"),
        ("energy:15,5keV", 9, "write decimals with a point"),
        ("size:>=2GB..3GB", 5, ">= stands before a range"),
        ("date:>2023..2024", 5, "> stands before a range"),
        ("energy:1..x", 10, "'x' is not a number"),
        ("date:2023-10..soon", 14, "'soon' is not a date"),
        ("date:9999-12-31", 5, "is not a date"),
        ("date:today", 5, "is not a date"),
        ("has:imgae", 4, "did you mean 'image'?"),
        ("has:chi", 4, "nothing is known as 'chi' to have"),
        ("has:positoner.chi", 4, "did you mean 'positioner.chi'?"),
        ("date:2023-13", 5, "is not a date"),
        ("sample: sto", 7, "has no value"),
        ("sample:(a OR b)", 7, "brackets cannot follow a field"),
        ("a" * 2001, 2000, "at most 2,000"),
        ("(" * 500 + "a" + ")" * 500, 20, "nested deeper than 20"),
        ("w " * 200, 200, "more than 100 words"),
        ("a_" * 600, 0, "more than 500 parts; ask for fewer at a time"),
        (f"{'a_' * 400} {'½' * 120}", 801, "more than 500 parts"),
        (f'title:"{"½ " * 600}"', 7, "more than 500 parts"),
    ],
)
def test_a_mistake_says_what_is_wrong_and_points_at_the_place(query: str, position: int, message: str) -> None:
    with pytest.raises(QueryMistake, match="query, character") as caught:
        parsed(query)
    assert message in str(caught.value)
    assert caught.value.position == position


def test_a_mistake_survives_the_way_between_processes() -> None:
    with pytest.raises(QueryMistake) as caught:
        parsed("(")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_a_quantity_of_the_site_is_suggested() -> None:
    with pytest.raises(QueryMistake, match="did you mean 'humidity'"):
        parsed("humidty:wet", "scan", Dialect(quantities=("humidity",)))


@pytest.mark.parametrize(
    "query",
    [
        "a" * 1_000_000,
        "(" * 500,
        "-(" * 500 + "a" + ")" * 500,
        "NOT " * 499 + "a",
        "w OR " * 200 + "w",
        "\x00\x01\x1b[31m\x7f\x9f",
        "\ud800 sample:\udfff energy:>\ud83d",
        "x" * 1990 + ":a",
        "energy:>15" + "k" * 1900,
        "has:" + "e" * 1900,
        "size:" + "1" * 1900,
        "size:0." + "1" * 1900,
        "energy:1e99..1e99keV",
        "temperature:9e99°C",
        "date:" + "2" * 1900,
        "??????*",
        '"' * 1999,
    ],
)
def test_nothing_hostile_takes_long_and_a_mistake_stays_short(query: str) -> None:
    started = time.process_time()
    said = ""
    try:
        parsed(query, "dataset", Dialect(zone=ZoneInfo("Europe/Berlin")))
    except QueryMistake as mistake:
        said = str(mistake)
    assert time.process_time() - started < 0.2
    assert len(said) < 400


_SNIPPETS = st.sampled_from(
    [
        "AND",
        "OR",
        "NOT",
        "-",
        "(",
        ")",
        '"',
        "*",
        "?",
        ":",
        "sample:",
        "date:",
        "energy:",
        ">",
        "..",
        " ",
        "\x00",
        "9e99",
        "has:",
        "keV",
        "positioner.",
        "2023-10-06T",
        "..",
    ]
)


@given(st.lists(st.one_of(_SNIPPETS, st.text(max_size=5)), max_size=60).map("".join))
def test_any_text_is_a_query_or_a_mistake_within_the_text(query: str) -> None:
    mistakes = []
    try:
        parsed(query)
    except QueryMistake as mistake:
        mistakes.append(mistake)
    assert all(mistake.position is not None and 0 <= mistake.position <= len(query) for mistake in mistakes)
