"""Scan commands say what was moved, how far, and in how many points."""

import os
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_builder.commands import main_ranges, parse
from catalog_builder.readers import Surroundings, fio, spec
from catalog_builder.records import Range
from catalog_builder.signals import Reading


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
    [
        "ascan",
        "d2scan",
        "mesh",
        "hklscan",
        "timescan",
        "fscan",
        "ct",
        "scan",
        "uascan",
        "r2scan",
        "om",
        "1",
        "-0.5",
        "40",
        "nan",
        "1e999",
        "'",
        "(",
    ]
)


@given(st.one_of(st.text(), st.lists(_WORDS).map(" ".join)))
def test_no_text_makes_parsing_fail(text: str) -> None:
    command = parse(text)
    assert command.points is None or command.points > 0
    main_ranges(command)


def test_gda_counts_from_start_to_stop_in_steps_the_last_dimension_inside_the_others() -> None:
    command = parse("scan eta 43.51399999999992 43.57399999999992 0.001 pil100k 1 roi1")
    assert command.ranges == (Range(positioner="eta", start=43.51399999999992, stop=43.57399999999992, intervals=60),)
    assert (command.points, command.exposure) == (61, 1.0)
    grid = parse("scan y 0 5 -1 x 0 10 2 z det 0.5")
    assert [(r.positioner, r.intervals) for r in grid.ranges] == [("x", 5), ("y", 5)]
    assert (grid.points, grid.exposure) == (36, 0.5)


@pytest.mark.parametrize("text", ["scan x 0 10 3 det 1", "scan x 0 1 0", "scan x 1 1 0.1"])
def test_steps_that_do_not_fit_leave_the_number_of_points_open(text: str) -> None:
    assert (parse(text).points, len(parse(text).ranges)) == (None, 1)


@pytest.mark.parametrize("text", ["scan", "scan x", "scan x 0 1", "scan x 0 10 40 1", "scan(detectors=['a'], num=1)"])
def test_another_program_s_scan_is_not_taken_for_gda_s(text: str) -> None:
    assert (parse(text).points, parse(text).ranges) == (None, ())


def test_a_timescan_of_spec_runs_until_somebody_stops_it() -> None:
    assert (parse("timescan 9 1.0").points, parse("timescan 9 1.0").exposure) == (10, 1.0)
    assert (parse("timescan 1 2").points, parse("timescan 1 2").exposure) == (None, None)
    assert (parse("timescan 1 0").points, parse("timescan 1 0").exposure) == (None, 1.0)


def test_meshes_of_bliss_and_continuous_ones_have_the_same_words() -> None:
    for macro in ("amesh", "mesh", "meshct", "dmesh"):
        assert parse(f"{macro} x 0 1 10 y -2 2 4 0.1").points == 55


def test_relative_alignment_scans_of_spec_are_known() -> None:
    assert (parse("lup om -1 1 20 1").points, parse("lup om -1 1 20 1").relative) == (21, True)
    command = parse("th2th -1 1 20 1")
    assert (command.ranges[0].positioner, command.points, command.relative) == ("tth", 21, True)


def test_of_scans_by_regions_it_is_known_who_moves() -> None:
    assert [r.positioner for r in parse("rscan m 1 0 5 10 7 3").ranges] == ["m"]
    assert [r.positioner for r in parse("r2scan a b 1 0 5 10").ranges] == ["a", "b"]
    assert parse("r2scan a b 1 0 5 10").points is None
    assert parse("rscan 1 2").ranges == ()


SEEN = {
    "": (0, False),
    "31oct98.dat": (0, False),
    "a2scan": (2, True),
    "aaaaaa": (0, False),
    "ascan": (1, True),
    "count": (0, False),
    "dscan": (1, True),
    "flyscan": (0, False),
    "hklmesh": (2, True),
    "hklscan": (3, True),
    "loopscan": (0, True),
    "measure_usaxs_transmission": (0, False),
    "tune_a2rp": (0, False),
    "tune_ar": (0, False),
    "tune_m2rp": (0, False),
    "tune_mr": (0, False),
    "uascan": (1, False),
    "yyyyyy": (0, False),
    "zapline": (0, False),
}
"""Every macro in real files: how many ranges are understood, and whether the number of points is."""
SHORT_WITHOUT_A_WORD = {
    "dscan ga -0.3 0.3 30 1.0": 20,
    "dscan pth -0.2 0.2 40 4.0": 0,
    "a2scan si1t 204.998 1205 si1b 1195 194.998 40 1": 26,
    "loopscan 100 2 0": 33,
    "ascan herixE -10 40 100 60": 100,
    "ascan a2rp 2.71 3.71 40 0.2": 4,
    "ascan ss1vo -4.55687 -0.556875 40 0.2": 4,
    "ascan c3th 1.33245 1.52245 40 0.15": 4,
    "ascan mr 15.6102 15.6052 30 0.3": 3,
    "ascan m2rp 1.9475 2.9475 40 0.2": 3,
    "ascan ar 15.5006 15.4966 40 0.3": 3,
}
"""Scans in real files with fewer points than planned whose file does not say that they were aborted, and the points."""


@pytest.mark.skipif(
    not os.environ.get("CATBUILD_REAL_DATA"), reason="CATBUILD_REAL_DATA names no folder with real instrument files"
)
def test_commands_of_real_files_are_understood_as_written_here_and_points_planned_are_measured() -> None:
    short = {}
    seen: dict[str, tuple[int, bool]] = {}
    for scan in real_scans():
        command = parse(scan.command)
        if command.text != "ascan omega 180.0 180.5 3:10/1 4":
            told = seen.setdefault(command.macro.lower(), (len(command.ranges), command.points is not None))
            assert told == (len(command.ranges), command.points is not None), command.text
        measured = len(scan.columns[0].values) if scan.columns else 0
        if command.points is not None and scan.state != "aborted" and measured != command.points:
            short[command.text] = measured
    assert (seen, short) == (SEEN, SHORT_WITHOUT_A_WORD)


def real_scans() -> Iterator[Reading]:
    """Give the scans of all text files among the real ones."""
    for path in sorted(Path(os.environ["CATBUILD_REAL_DATA"]).rglob("*")):
        for reader in (fio.READER, spec.READER):
            if path.is_file() and path.suffix in reader.suffixes and reader.recognises(path.read_bytes()[:4096]):
                yield from reader.read(path, Surroundings(boundary=path.parent, timezone=ZoneInfo("UTC")))
