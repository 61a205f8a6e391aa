"""Scan commands say what was moved, how far, and in how many points."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_builder.commands import main_ranges, parse
from catalog_builder.records import Range


def test_a_scan_has_one_point_more_than_intervals() -> None:
    command = parse("ascan om 0 4.5 40 0.5")
    assert command.macro == "ascan"
    assert command.ranges == (Range(positioner="om", start=0.0, stop=4.5, intervals=40),)
    assert (command.points, command.exposure, command.relative) == (41, 0.5, False)


def test_a_relative_scan_says_so() -> None:
    command = parse("dscan dummymot -1.0 1.0 1 15.0")
    assert command.relative
    assert (command.points, command.exposure) == (2, 15.0)


def test_double_blanks_of_spec_and_words_behind_the_last_argument_do_not_matter() -> None:
    assert parse("ascan  th 19.022 19.222  60 -20000").ranges == parse("ascan th 19.022 19.222 60 -20000 True x").ranges
    assert parse("ascan  th 19.022 19.222  60 -20000").exposure == -20000


def test_two_positioners_move_together() -> None:
    command = parse("a2scan  th -1.0005 0.9995  tth 0.9995 -1.0005  20 1")
    assert [(r.positioner, r.start, r.stop, r.intervals) for r in command.ranges] == [
        ("th", -1.0005, 0.9995, 20),
        ("tth", 0.9995, -1.0005, 20),
    ]
    assert command.points == 21
    assert len(parse("a3scan a 0 1 b 0 1 c 0 1 10 0.1").ranges) == 3
    assert len(parse("dmultiscan a 0 1 b 0 1 10 0.1").ranges) == 2


def test_a_mesh_has_the_product_of_both_sides() -> None:
    command = parse("mesh x 0 1 10 y -2 2 4 0.1 True")
    assert [r.positioner for r in command.ranges] == ["x", "y"]
    assert (command.points, command.exposure) == (55, 0.1)
    assert parse("dmesh x -1 1 2 y -1 1 2 1").relative
    assert parse("hklmesh  H 1.9 2.1 100  K 1.9 2.1 100  -800000").points == 101 * 101


def test_a_reciprocal_scan_names_h_k_and_l() -> None:
    command = parse("hklscan  1.00133 1.00133  1.00133 1.00133  2.85 3.05  200 -400000")
    assert [(r.positioner, r.start, r.stop) for r in command.ranges] == [
        ("h", 1.00133, 1.00133),
        ("k", 1.00133, 1.00133),
        ("l", 2.85, 3.05),
    ]
    assert command.points == 201
    assert [r.positioner for r in main_ranges(command)] == ["l"]
    assert parse("lscan 1 2 10 1").ranges[0].positioner == "l"


def test_scans_over_time_have_points_but_no_ranges() -> None:
    assert (parse("loopscan 100 2 0").points, parse("loopscan 100 2 0").exposure) == (100, 2.0)
    assert (parse("timescan 9 1 0").points, parse("timescan 9 1 0").exposure) == (10, 1.0)
    assert (parse("timescan 0.5").points, parse("timescan 0.5").exposure) == (None, 0.5)
    assert (parse("ct 2").points, parse("ct 2").exposure) == (1, 2.0)


def test_of_an_fscan_it_is_known_who_moves() -> None:
    command = parse("fscan 'x=[1,2,3],y=[4,5,6]' 0.1 mot1 'x**2' mot2 'y'")
    assert [(r.positioner, r.start) for r in command.ranges] == [("mot1", None), ("mot2", None)]
    assert command.exposure == 0.1


def test_of_regions_it_is_known_how_far_but_not_in_how_many_points() -> None:
    command = parse("ascan omega 180.0 180.5 3:10/1 4")
    assert command.ranges == (Range(positioner="omega", start=180.0, stop=180.5, intervals=None),)
    assert (command.points, command.exposure) == (None, None)


@pytest.mark.parametrize(
    ("text", "macro"),
    [
        ("", ""),
        ("   ", ""),
        ("zapline mono 10.3 9.9 7244 100", "zapline"),
        ("tune_mr()", "tune_mr"),
        ("count(detectors=['scaler0'], num=1)", "count"),
        ("ascan om", "ascan"),
        ("ascan om nan 1 10 1", "ascan"),
        ("mesh x 0 1 ten y 0 1 4 1", "mesh"),
    ],
)
def test_what_nobody_knows_gives_its_name_and_no_ranges(text: str, macro: str) -> None:
    command = parse(text)
    assert (command.macro, command.ranges, command.points) == (macro, (), None)


_WORDS = st.sampled_from(
    ["ascan", "d2scan", "mesh", "hklscan", "timescan", "fscan", "ct", "om", "1", "-0.5", "40", "nan", "1e999", "'", "("]
)


@given(st.one_of(st.text(), st.lists(_WORDS).map(" ".join)))
def test_no_text_makes_parsing_fail(text: str) -> None:
    command = parse(text)
    assert command.points is None or command.points > 0
    main_ranges(command)
