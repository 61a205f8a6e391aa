from typing import get_args
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_builder.facets import Level
from catalog_builder.search.query import Dialect, parsed
from catalog_builder.search.said import said
from catalog_builder.search.tree import QueryMistake

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("query", "plain"),
    [
        ("", "everything"),
        ("gk command:sto energy:15..18keV", "“gk” and command begins with “sto” and energy from 15 to 18 keV"),
        ("sample:sto", "sample contains “sto”"),
        ('title:"thin film"', "title has exactly “thin film”"),
        ('"thin film" -xrr', "exactly “thin film” and not “xrr”"),
        ("(film OR layer) gid", "(“film” or “layer”) and “gid”"),
        ("a1 b1 OR c1", "(“a1” and “b1”) or “c1”"),
        ("NOT (a1 OR b1)", "not (“a1” or “b1”)"),
        ("macro:asc* state:aborted", "scan macro begins with “asc” and state is “aborted”"),
        ('pi:"Müller"', "PI is exactly “Müller”"),
        ("has:image has:keyword", "has images or spectra of a detector and has any keyword"),
        ("-has:comment -has:energy", "has no comment and has no energy"),
        ("points:>=41 exposure:<500ms", "points at least 41 and exposure below 500 ms"),
        ("temperature:>25°C chi:<=4", "temperature above 25 °C and chi at most 4"),
        ("size:>2GB", "the dataset’s size above 2 GB"),
        ("has:scans", "the dataset has any scans"),
        ("number:173 points:41", "number 173 and points 41"),
        ("energy:15keV", "energy from 14.5 to 15.5 keV"),
        ("on_disk:part", "on disk is “part”"),
        ("date:2023-10-29", "date 2023-10-29"),
        ("date:2023-10", "date from 2023-10-01 to 2023-10-31"),
        ("date:>2023-10-06", "date from 2023-10-07 on"),
        ("date:<=2023-10-06", "date before 2023-10-07"),
        ("date:2023-10-06T14", "date from 2023-10-06 14:00 to 2023-10-06 15:00"),
        ("has:date", "has any date"),
    ],
)
def test_a_query_is_said_back_in_plain_words(query: str, plain: str) -> None:
    assert said(parsed(query, "dataset", Dialect(zone=BERLIN)), BERLIN) == plain


_PIECES = st.sampled_from(
    ["gk", "NOT", "OR", "(", ")", '"a b"', "has:image", "date:1800", "date:>2199-12-31", "energy:..5keV", "sample:x"]
)


@given(st.lists(_PIECES, max_size=20).map(" ".join), st.sampled_from(get_args(Level)))
def test_whatever_is_understood_can_be_said(query: str, level: Level) -> None:
    try:
        node = parsed(query, level, Dialect(zone=BERLIN))
    except QueryMistake:
        return
    assert said(node, BERLIN)
