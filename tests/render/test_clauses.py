"""The name and days asked for beside the text, and the query that says all of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_builder.errors import CatalogError
from catalog_builder.render.clauses import Clauses, asked, clauses_of
from catalog_builder.search.query import parsed
from catalog_builder.search.tree import And, Everything, Node, QueryMistake

WORDS = [
    "film",
    "OR",
    "AND",
    "NOT",
    "name:a",
    '"b c"',
    "(",
    ")",
    '"',
    "-x",
    "STO(111)",
    "date:2023-10",
    "date:>=2023-10-01",
]
queries = st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join)
names = st.sampled_from(["", "gk", "gk sto", "gk*", "STO(111)", 'a"b', "(", "x:y"])
days = st.sampled_from(["", "2023-10-01", "2024-02-29"])


def parts_of(node: Node) -> list[Node]:
    """Give all that a query asks for at once, whatever brackets stand around it."""
    if isinstance(node, And):
        return [part for each in node.parts for part in parts_of(each)]
    return [] if isinstance(node, Everything) else [node]


@pytest.mark.parametrize(
    ("clauses", "query"),
    [
        (Clauses(text=" film ", name="gk  sto"), "film name:gk name:sto"),
        (Clauses(text="a OR b", date_from="2023-10-01"), "(a OR b) date:>=2023-10-01"),
        (Clauses(text="(a OR b) c", date_to="2023-10-01"), "(a OR b) c date:<=2023-10-01"),
        (Clauses(text='"a OR b"', name="x"), '"a OR b" name:x'),
        (Clauses(date_from="2023-10-01", date_to="2023-10-31"), "date:2023-10-01..2023-10-31"),
        (Clauses(name="STO(111)"), 'name:"STO(111)"'),
        (Clauses(text="a OR b"), "a OR b"),
        (Clauses(), ""),
    ],
)
def test_the_parts_become_a_query_and_come_back(clauses: Clauses, query: str) -> None:
    assert clauses.query() == query
    assert clauses_of(query).query() == query
    assert clauses_of(query).name.split() == clauses.name.split()
    assert clauses_of(query).text == clauses.text.strip()


@pytest.mark.parametrize(
    "query",
    [
        "a OR name:x",
        "a OR b name:x",
        "NOT name:x",
        "-name:x",
        "(a name:x",
        '"a name:x',
        "(a name:x)",
        "a) (b name:x",
        "a AND date:<=2023-10-01",
        "date:>=2023-99-01",
        "date:2023-10",
        "name:x date:>=2023-10-01 name:y",
        "(a OR b) OR (c OR d) name:x",
    ],
)
def test_an_end_that_does_not_stand_by_itself_is_text(query: str) -> None:
    assert clauses_of(query) == Clauses(text=query)


@given(queries)
def test_taking_a_query_apart_loses_nothing(query: str) -> None:
    assert clauses_of(query).query() == query.strip()


@given(queries, names, days, days)
def test_what_the_form_adds_narrows_the_text_and_changes_nothing_in_it(
    q: str, name: str, first: str, last: str
) -> None:
    try:
        text = parsed(q)
    except QueryMistake:
        return
    beside = Clauses(name=name, date_from=first, date_to=last)
    composed = Clauses(text=q, name=name, date_from=first, date_to=last).query()
    assert parts_of(parsed(composed)) == [*parts_of(text), *parts_of(parsed(beside.query()))]


@given(queries, names, days, days)
def test_a_form_sent_twice_asks_the_same(q: str, name: str, first: str, last: str) -> None:
    once = asked(q, name, first, last)
    shown = clauses_of(once)
    assert asked(shown.text, shown.name, shown.date_from, shown.date_to) == once


def test_what_is_typed_into_the_text_counts_before_the_inputs() -> None:
    assert asked("film name:new", "old", "2023-10-01", "") == "film name:new date:>=2023-10-01"
    assert asked("film date:<=2024-01-01", "old", "2023-10-01", "") == "film name:old date:<=2024-01-01"


@pytest.mark.parametrize("day", ["yesterday", "2023-02-30", "2023-10", "2023-10-01 OR", "٢٠٢٣-10-01"])
def test_a_day_that_is_none_is_refused(day: str) -> None:
    with pytest.raises(CatalogError, match="is not a day"):
        asked("", "", day, "")


def test_a_query_of_any_length_is_taken_apart_at_once() -> None:
    assert clauses_of("name:a " * 100_000 + "(").name == ""
