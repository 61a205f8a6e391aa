"""What a search found, as programs and spreadsheets take it."""

import csv
import io
from dataclasses import replace

import pytest

from catalog_builder.facets import Hit, SearchRequest
from catalog_builder.records import Json
from catalog_builder.render.found import COLUMNS, file_name, result_json, table

from .conftest import hit, result


def rows(*hits: Hit) -> list[dict[str, str]]:
    text = b"".join(table(hits)).decode("utf-8")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_a_table_has_a_heading_and_a_line_a_hit_with_the_key_first() -> None:
    (row,) = rows(hit("word"))
    assert list(row) == ["key", *COLUMNS]
    assert (row["key"], row["flags"], row["energy"]) == ("dataset:11017404/a", "measurement; word", "15000.0")
    assert rows() == []


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+A1", "'+A1"),
        ("-A1", "'-A1"),
        ("@sum", "'@sum"),
        ("\tx", "'\tx"),
        ("\rx", "'\rx"),
        ("-0.5", "-0.5"),
        ("+1e3", "+1e3"),
        ("-1+1", "'-1+1"),
        ("-", "'-"),
        (-20.5, "-20.5"),
        (["=a", "b"], "'=a; b"),
        (["a", "=b"], "a; =b"),
        ([], ""),
        (None, ""),
        ('a "b", c\nd', 'a "b", c\nd'),
        ("Größe", "Größe"),
    ],
)
def test_no_cell_is_taken_for_a_formula_and_no_number_is_changed(value: Json, written: str) -> None:
    assert rows(Hit(key="scan:1/a", fields={"sample": value}))[0]["sample"] == written


def test_every_field_of_a_row_has_a_column() -> None:
    assert set(hit().fields) <= set(COLUMNS)


def test_a_long_table_comes_piece_by_piece() -> None:
    hits = [Hit(key=f"scan:1/{number}", fields={}) for number in range(1000)]
    assert len(list(table(hits))) > 3
    assert [row["key"] for row in rows(*hits)] == [one.key for one in hits]


def test_letters_that_cannot_be_written_do_not_break_a_table() -> None:
    assert rows(Hit(key="scan:1/a", fields={"title": "a\ud800"}))[0]["title"] == "a?"


@pytest.mark.parametrize(
    ("q", "name"),
    [("", "scans.csv"), ("sto 20", "scans-sto-20.csv"), ('"/../é"', "scans.csv"), ("x" * 99, f"scans-{'x' * 60}.csv")],
)
def test_a_file_is_named_for_what_was_asked(q: str, name: str) -> None:
    assert file_name(SearchRequest(q=q, level="scan"), "csv") == name


def test_an_answer_in_json_says_what_is_not_listed_and_what_to_leave_out() -> None:
    told = result_json(replace(result(hit(), flag={"a": 2}), unlisted={"sample": 3}, without={"q": 4}))
    assert (told["unlisted"], told["without"], told["took_ms"]) == ({"sample": 3}, {"q": 4}, 4.2)
    assert told["facets"] == {"flag": [{"value": "a", "count": 2}]}
