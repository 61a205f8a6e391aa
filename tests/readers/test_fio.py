"""Every dialect of ``.fio`` says what it holds, and what of it could not be understood."""

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from catalog_builder.commands import parse
from catalog_builder.errors import CatalogError
from catalog_builder.readers import Surroundings, fio
from catalog_builder.readers.fio import READER
from catalog_builder.signals import Reading, Roi

SARDANA = """!
! Comments
!
%c
dscan om -1.0 1.0 2 0.5
user p08user Acquisition started at Thu Feb  5 16:20:16 2026
!
! Parameter
!
%p
sample_name = DPPC monolayer
title = Water / GIXS
scanmode = measurement
signalcounter = eiger_roi1
sdd = None
hkl = [0.5, -0.25, 1]
ub_matrix = [[ 7.4e-01 -7.4e-01 -3.6e-06]; [ 2.5e-06 0.009 1.04]]
rois eiger4m  = [2012, 2010, 2024, 2034, 9, 40, 3, 30]
chi = 45.5
atten = 9.97774e+07
!
! Data
!
%d
 Col 1 om DOUBLE
 Col 2 eiger_roi1 DOUBLE
 Col 3 timestamp DOUBLE
 -1.0 10 0.5
 0.0 nan 1.0
 1.0 30 1.5
! Acquisition ended at Thu Feb  5 16:20:58 2026
"""

ONLINE = """!
! Comments
%c
 S2_CX-Scan started at 31-Dec-2018 23:59:50, ended 00:00:10
 Name: slit_00021 from 0.14 to 0.20 by 0.02 sampling 0.5 s
 Counter readings are offset corrected, the offsets are:
!
! Data
%d
 Col 1 SLIT_00021_POS  FLOAT
 Col 2 SLIT_00021_S2_CX  FLOAT
 Col 3 SLIT_00021_VFC02  FLOAT
 Col 4 SLIT_00021_IPETRA  FLOAT
   0.14   125.5   125.5  100.35
   0.16   124     124    100.33
   0.18   128     128    100.29
   0.20   124     124    100.28
"""


def read(tmp_path: Path, content: str | bytes, name: str = "scan_00001.fio", zone: str = "Europe/Berlin") -> Reading:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    (reading,) = READER.read(path, Surroundings(boundary=tmp_path, timezone=ZoneInfo(zone)))
    return reading


def column(reading: Reading, name: str) -> list[float]:
    (found,) = [c.values.tolist() for c in reading.columns if c.name == name]
    return list(found)


def test_a_sardana_file_says_what_was_scanned_where_everything_stood_and_what_was_counted(tmp_path: Path) -> None:
    reading = read(tmp_path, SARDANA)
    assert (reading.command, reading.user, reading.state) == ("dscan om -1.0 1.0 2 0.5", "p08user", "complete")
    assert (reading.title, reading.sample, reading.flag) == ("Water / GIXS", "DPPC monolayer", "measurement")
    assert reading.signal == "eiger_roi1"
    assert reading.positioners == {"chi": 45.5, "atten": 9.97774e07}
    assert reading.parameters["sdd"] is None
    assert reading.parameters["hkl"] == [0.5, -0.25, 1.0]
    assert reading.parameters["ub_matrix"] == [[0.74, -0.74, -3.6e-06], [2.5e-06, 0.009, 1.04]]
    assert reading.parameters["rois eiger4m"] == [2012.0, 2010.0, 2024.0, 2034.0, 9.0, 40.0, 3.0, 30.0]
    assert column(reading, "om") == [-1.0, 0.0, 1.0]
    assert np.isnan(column(reading, "eiger_roi1")[1])
    assert reading.started == datetime(2026, 2, 5, 15, 20, 16, tzinfo=UTC)
    assert reading.ended == datetime(2026, 2, 5, 15, 20, 58, tzinfo=UTC)
    assert reading.problems == ()


def test_without_its_end_line_a_file_is_still_being_written(tmp_path: Path) -> None:
    reading = read(tmp_path, SARDANA[: SARDANA.index("! Acquisition ended")])
    assert (reading.state, reading.ended) == ("running", None)


def test_the_epoch_channel_knows_the_time_better_than_a_clock_without_a_zone(tmp_path: Path) -> None:
    content = SARDANA.replace("timestamp", "epoch").replace(" 10 0.5", " 10 1770304839.5")
    content = content.replace(" nan 1.0", " nan 1770304840.5").replace(" 30 1.5", " 30 1770304841.5")
    reading = read(tmp_path, content, zone="UTC")
    assert reading.started == datetime.fromtimestamp(1770304839.5, UTC)
    assert reading.ended == datetime.fromtimestamp(1770304841.5, UTC)


def test_a_scan_of_online_is_said_as_a_command_with_its_own_ends_and_time(tmp_path: Path) -> None:
    reading = read(tmp_path, ONLINE)
    assert reading.command == "ascan S2_CX 0.14 0.20 3 0.5"
    assert parse(reading.command).points == 4
    assert [c.name for c in reading.columns] == ["POS", "S2_CX", "VFC02", "IPETRA"]
    assert reading.state == "complete"
    assert reading.started == datetime(2018, 12, 31, 22, 59, 50, tzinfo=UTC)
    assert reading.ended == datetime(2018, 12, 31, 23, 0, 10, tzinfo=UTC)


def test_in_online_s_files_the_column_named_after_the_positioner_is_what_was_counted(tmp_path: Path) -> None:
    reading = read(tmp_path, ONLINE)
    assert (reading.axes, reading.signal) == (("POS",), "VFC02")


def test_a_hash_before_every_header_line_changes_nothing(tmp_path: Path) -> None:
    head, rows = ONLINE.split("   0.14", 1)
    hashed = "".join(f"# {line}\n" for line in head.splitlines()) + "   0.14" + rows
    assert READER.recognises(hashed.encode())
    assert read(tmp_path, hashed).command == read(tmp_path, ONLINE).command


def test_an_mca_file_of_online_keeps_its_keys(tmp_path: Path) -> None:
    reading = read(
        tmp_path,
        "!\n%c\n File_name = mca_00001\n Storage_time = 12-May-2012 18:33:49\n Start_time = 12-May-2012 17:22:40\n"
        " Calibration MCA01: (0, 1)\n!\n%p\n ENERGY  =  14410.8\nDCM_Z=1.2\n!\n%d\n"
        "Col 1 MCA_00001_EXP_MCA01 FLOAT\n0\n5\n",
        "renamed.fio",
    )
    assert reading.command == ""
    assert reading.positioners == {"ENERGY": 14410.8, "DCM_Z": 1.2}
    assert [c.name for c in reading.columns] == ["EXP_MCA01"]
    assert reading.started == datetime(2012, 5, 12, 15, 22, 40, tzinfo=UTC)
    assert reading.state == "complete"


def test_text_columns_have_no_numbers_and_absent_values_are_no_fault(tmp_path: Path) -> None:
    reading = read(
        tmp_path,
        "%c\nascan omega 180 181 1 4\nuser x, acquisition started at Thu Dec 12 18:00:00 2021\n%d\n"
        " Col 1 omega(encoder) DOUBLE\n Col 2 filename STRING\n Col 3 unix time DOUBLE\n Col 4 enable BOOLEAN\n"
        " 180.0 00001 1576165741.2 True\n nan <no-data> nan <no-data>\n",
    )
    assert [(c.name, c.unit) for c in reading.columns] == [
        ("omega(encoder)", "deg"),
        ("unix time", "s"),
        ("enable", None),
    ]
    assert column(reading, "enable")[0] == 1.0
    assert reading.parameters["filename"] == ["00001", None]
    assert (reading.user, reading.state, reading.problems) == ("x", "running", ())


def test_a_short_row_keeps_what_is_there_and_names_its_line(tmp_path: Path) -> None:
    reading = read(tmp_path, SARDANA.replace(" 0.0 nan 1.0", " 0.0"))
    assert column(reading, "om") == [-1.0, 0.0, 1.0]
    assert column(reading, "timestamp")[2] == 1.5
    (problem,) = reading.problems
    assert problem.where == "scan_00001.fio:29"
    assert problem.what == "the row has 1 values for 3 columns"


def test_of_a_row_cut_in_the_middle_of_a_number_the_number_is_left_out(tmp_path: Path) -> None:
    reading = read(tmp_path, SARDANA[: SARDANA.index("30 1.5") + 1])
    assert column(reading, "om") == [-1.0, 0.0, 1.0]
    assert np.isnan(column(reading, "eiger_roi1")[2])


def test_with_more_names_than_values_no_value_gets_a_name_that_may_be_wrong(tmp_path: Path) -> None:
    lines = [
        line if "Col" in line or not line.startswith("   0") else line[:7] + line[-8:] for line in ONLINE.splitlines()
    ]
    reading = read(tmp_path, "\n".join(lines) + "\n")
    assert [c.name for c in reading.columns] == ["POS", "column 2"]
    assert column(reading, "column 2") == [100.35, 100.33, 100.29, 100.28]
    (problem,) = reading.problems
    assert "4 Col lines, but the rows have 2 values" in problem.what


def test_latin_1_is_read_and_a_malformed_parameter_is_named(tmp_path: Path) -> None:
    content = SARDANA.replace("DPPC monolayer", "Tropfen 5 µl").replace("chi = 45.5", "chi 45.5")
    reading = read(tmp_path, content.encode("latin-1"))
    assert reading.sample == "Tropfen 5 µl"
    assert [(p.where, p.what) for p in reading.problems] == [("scan_00001.fio:19", "'chi 45.5' is no 'name = value'")]


@pytest.mark.parametrize("end", range(SARDANA.index("%c") + 3, SARDANA.index(" ended"), 7))
def test_a_file_may_end_anywhere(tmp_path: Path, end: int) -> None:
    reading = read(tmp_path, SARDANA[:end])
    assert len({len(c.values) for c in reading.columns}) <= 1
    assert reading.state != "complete"


def test_a_file_without_sections_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=r"scan_00001\.fio: has no %c, %p or %d section"):
        read(tmp_path, "!\n! Comments\n")


def test_a_parameter_is_never_evaluated(tmp_path: Path) -> None:
    reading = read(tmp_path, SARDANA.replace("sdd = None", "sdd = [__import__('os').getcwd()]"))
    assert reading.parameters["sdd"] == "[__import__('os').getcwd()]"


def test_two_corners_are_a_rectangle_whichever_comes_first(tmp_path: Path) -> None:
    (rois,) = read(tmp_path, SARDANA).rois.values()
    assert rois == (Roi(left=2012, top=2010, right=2024, bottom=2034), Roi(left=3, top=30, right=9, bottom=40))
    assert list(read(tmp_path, SARDANA).rois) == ["eiger4m"]


@pytest.mark.parametrize(
    ("written", "rectangles", "problem"),
    [
        ("[1, 2, 3, 4, 5]", 1, "has 5 numbers, which are no corners x1, y1, x2, y2 of rectangles"),
        ("[1, 2, 3.5, 4]", 0, "are no whole numbers of pixels"),
        ("[1, 2, None, 4]", 0, "are no whole numbers of pixels"),
        ("everything", 0, "are no whole numbers of pixels"),
        ("[" + ", ".join(["1, 2, 3, 4"] * 300) + "]", 256, "has more than 256 rectangles; the first ones are kept"),
    ],
)
def test_rectangles_that_are_none_are_named_and_kept_as_they_stand(
    tmp_path: Path, written: str, rectangles: int, problem: str
) -> None:
    reading = read(tmp_path, SARDANA.replace("[2012, 2010, 2024, 2034, 9, 40, 3, 30]", written))
    assert len(reading.rois["eiger4m"]) == rectangles
    assert [p.what for p in reading.problems] == [f"'rois eiger4m' {problem}"]
    assert reading.parameters["rois eiger4m"]


def test_units_are_given_where_the_name_or_the_file_says_them(tmp_path: Path) -> None:
    written = "energyfmb = 14995.4\nenergy = 12.5\ngap [mm] = 12.1\nsamx = 27\nbias = 2.5 kV\npiezo = 3 mV"
    reading = read(tmp_path, SARDANA.replace("atten = 9.97774e+07", written))
    assert dict(reading.units) == {
        "chi": "deg",
        "energyfmb": "eV",
        "gap [mm]": "mm",
        "piezo": "mV",
        "om": "deg",
        "timestamp": "s",
    }
    assert reading.positioners["piezo"] == 3
    assert reading.parameters["bias"] == "2.5 kV"  # a unit nobody listed stays part of the text
    assert [c.unit for c in reading.columns] == ["deg", None, "s"]


def test_the_text_of_a_string_column_may_have_blanks(tmp_path: Path) -> None:
    content = "%c\nct 1\n%d\n Col 1 om DOUBLE\n Col 2 remark STRING\n Col 3 c DOUBLE\n"
    reading = read(tmp_path, content + " 1 very good 5\n 2 bad 6\n 3 7\n")
    assert reading.parameters["remark"] == ["very good", "bad", "7"]
    assert column(reading, "c")[:2] == [5, 6]
    assert [p.what for p in reading.problems] == ["the row has 2 values for 3 columns"]


def test_of_very_many_texts_the_first_the_last_and_their_number_are_kept(tmp_path: Path) -> None:
    rows = "".join(f" {n} {n:05}\n" for n in range(1001))
    reading = read(tmp_path, "%c\nct 1\n%d\n Col 1 om DOUBLE\n Col 2 file STRING\n" + rows)
    assert reading.parameters["file"] == {"count": 1001.0, "first": "00000", "last": "01000"}


def test_a_file_of_one_column_and_no_scan_is_a_spectrum_calibrated_as_it_says(tmp_path: Path) -> None:
    head = "%c\n File_name = m_00001\n Calibration EXP_MCA01: Channels (0, 2) mapped to (100, 120)\n%p\n%d\n"
    reading = read(tmp_path, head + " Col 1 M_00001_EXP_MCA01 FLOAT\n5\n7\n6\n", "m_00001.fio")
    (spectra,) = reading.spectra
    assert (spectra.detector, spectra.values.tolist()) == ("EXP_MCA01", [[5, 7, 6]])
    assert spectra.energy is not None
    assert spectra.energy.values.tolist() == [100, 110, 120]
    assert column(reading, "EXP_MCA01") == [5, 7, 6]
    plain = read(tmp_path, head.replace("(100, 120)", "(0, 2)") + " Col 1 M_00001_EXP_MCA01 FLOAT\n5\n", "m_00001.fio")
    assert plain.spectra[0].energy is None
    assert read(tmp_path, SARDANA).spectra == ()


def test_sardana_s_file_of_one_point_s_spectra_says_which_point(tmp_path: Path) -> None:
    reading = read(
        tmp_path, "!\n%c\n Position 0.5, Index 3\n%p\n Sample_time = 1\n%d\n Col 1 a FLOAT\n Col 2 b FLOAT\n1 2\n3 4\n"
    )
    assert [(s.detector, s.values.tolist()) for s in reading.spectra] == [("a", [[1, 3]]), ("b", [[2, 4]])]
    assert (reading.command, reading.parameters["Index"], reading.parameters["Position"]) == ("", 3.0, 0.5)


def test_python_s_way_of_writing_large_numbers_is_no_number(tmp_path: Path) -> None:
    reading = read(tmp_path, SARDANA.replace("chi = 45.5", "chi = 4_5").replace(" 10 0.5", " 1_0 0.5"))
    assert reading.parameters["chi"] == "4_5"
    assert np.isnan(column(reading, "eiger_roi1")[0])
    assert [p.what for p in reading.problems] == ["'1_0' in column 'eiger_roi1' is no number"]


def test_zeros_a_crash_left_behind_good_lines_cost_no_more_than_themselves(tmp_path: Path) -> None:
    content = SARDANA[: SARDANA.index(" 1.0 30")].encode() + bytes(64)
    assert READER.recognises(content[:4096])
    reading = read(tmp_path, content)
    assert (reading.sample, column(reading, "timestamp")[:2]) == ("DPPC monolayer", [0.5, 1.0])
    assert reading.state == "running"
    assert not READER.recognises(b"!\n%c\n\0\0\n%d\n")


def test_of_absurdly_many_rows_the_first_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fio, "_MOST_ROWS", 2)
    reading = read(tmp_path, "%c\nct\n%d\n Col 1 det DOUBLE\n 7\n 8\n 9\n! Acquisition ended at x\n")
    assert column(reading, "det") == [7, 8]
    assert reading.state == "complete"
    assert [problem.what for problem in reading.problems] == ["there are 1 rows too many, which are left out"]


def test_a_file_says_by_its_last_line_that_it_is_complete() -> None:
    for tail, ended in (
        (b" 1.0 2.0\n! Acquisition ended at Thu Feb  5 16:20:58 2026\n", True),
        (b"! Acquisition interrupted\n\n", True),
        (b"! Acquisition ended at Thu Feb  5 16:20:58 2026\n 1.0 2.0\n", False),
        (b"comment = acquisition ended early\n", False),
        (b" 1.0 2.0\n! Acquis", False),
        (b"\xff\xfe", False),
        (b"", False),
    ):
        assert READER.has_ended(tail) is ended, tail
