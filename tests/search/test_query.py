import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_builder.search.query import (
    And,
    Between,
    Everything,
    Not,
    OfDataset,
    Or,
    QueryMistake,
    Value,
    Words,
    parsed,
)


def word(*atoms: str, field: str | None = None, beginning: bool = True) -> Words:
    return Words(atoms, () if field is None else (field,), beginning)


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
    assert parsed("-sto") == Not(word("sto"))


def test_fields_take_words_phrases_values_numbers_and_dates() -> None:
    assert parsed("sample:STO") == word("sto", field="sample")
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
    assert parsed("scan:11017404/gk_00173") == word("11017404", "gk", "00173", field="name")
    assert parsed("dataset:11017404/gk") == Words(("11017404", "gk"), ("dataset", "dataset_title"), True)


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
        ("smaple:sto", 0, "did you mean 'sample'?"),
        ("energy:15keV", 7, "units are not understood"),
        ("date:2023-13", 5, "is not a date"),
        ("sample: sto", 7, "has no value"),
        ("sample:(a OR b)", 7, "brackets cannot follow a field"),
        ("a" * 2001, 2000, "at most 2,000"),
        ("(" * 500 + "a" + ")" * 500, 20, "nested deeper than 20"),
        ("w " * 200, 200, "more than 100 words"),
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
