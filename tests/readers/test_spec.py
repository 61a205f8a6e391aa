"""A SPEC file gives every scan it holds, broken ones included."""

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from silx.io.specfile import SpecFile

from catalog_builder.errors import CatalogError
from catalog_builder.readers import Surroundings
from catalog_builder.readers.spec import READER
from catalog_builder.signals import Reading

HEADER = """#F align.spec
#E 1288809574
#D Wed Nov 03 13:39:34 2010
#C Interesting samples  User = someone
#O0 Two Theta  Theta  Sample X
#o0 tth th sx
"""

SCAN = """
#S 1  ascan  th 1 2  2 0.5
#D Wed Nov 03 13:42:03 2010
#T 0.5  (Seconds)
#G0 0 1 2.5
#Q 0.1 0.2 2
#P0 10 20 -0.5
#N 4
#L Theta  Epoch  I0  Detector
1 100 50 7
1.5 101.5 51 8
2 103 52 9
"""


def read(tmp_path: Path, content: str | bytes, name: str = "align.spec") -> list[Reading]:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(READER.read(path, Surroundings(boundary=tmp_path, timezone=ZoneInfo("Europe/Berlin"))))


def table(reading: Reading) -> dict[str, list[float]]:
    return {column.name: column.values.tolist() for column in reading.columns}


def test_a_scan_says_its_command_its_positions_and_its_columns(tmp_path: Path) -> None:
    (scan,) = read(tmp_path, HEADER + SCAN)
    assert (scan.measurement, scan.number, scan.command) == ("1.1", 1, "ascan th 1 2 2 0.5")
    assert table(scan) == {
        "Theta": [1, 1.5, 2],
        "Epoch": [100, 101.5, 103],
        "I0": [50, 51, 52],
        "Detector": [7, 8, 9],
    }
    assert scan.positioners == {"Two Theta": 10.0, "Theta": 20.0, "Sample X": -0.5}
    assert scan.parameters["hkl"] == [0.1, 0.2, 2.0]
    assert scan.parameters["G0"] == [0.0, 1.0, 2.5]
    assert scan.parameters["preset_time"] == 0.5
    assert scan.user == "someone"
    assert scan.started == datetime(2010, 11, 3, 12, 42, 3, tzinfo=UTC)
    assert scan.ended == datetime(2010, 11, 3, 12, 42, 6, tzinfo=UTC)
    assert (scan.state, scan.problems) == ("complete", ())


def test_the_axis_is_found_by_mnemonic_by_name_or_by_its_place(tmp_path: Path) -> None:
    (by_mnemonic,) = read(tmp_path, HEADER + SCAN.replace("Theta  Epoch", "Epoch  Theta"))
    assert by_mnemonic.axes == ("Theta",)
    (by_place,) = read(tmp_path, HEADER.replace("#o0 tth th sx\n", "") + SCAN)
    assert by_place.axes == ("Theta",)
    (spock,) = read(tmp_path, SCAN.replace("#L Theta  Epoch", "#L Pt_No  Th"))
    assert spock.axes == ("Th",)


def test_repeated_numbers_are_told_apart_by_their_order(tmp_path: Path) -> None:
    scans = read(tmp_path, HEADER + SCAN + SCAN.replace("#S 1 ", "#S 2 ") + SCAN)
    assert [scan.measurement for scan in scans] == ["1.1", "2.1", "1.2"]


def test_a_new_file_header_forgets_the_names_of_the_old_one(tmp_path: Path) -> None:
    again = HEADER.replace("Two Theta  Theta  Sample X", "A  B  C")
    scans = read(tmp_path, HEADER + SCAN + again + SCAN)
    assert [sorted(scan.positioners) for scan in scans] == [["Sample X", "Theta", "Two Theta"], ["A", "B", "C"]]


def test_names_of_positioners_in_the_scan_go_before_those_of_the_file(tmp_path: Path) -> None:
    (scan,) = read(tmp_path, HEADER + SCAN.replace("#P0", "#O0 om  chi  phi\n#P0"))
    assert scan.positioners == {"om": 10.0, "chi": 20.0, "phi": -0.5}


def test_an_aborted_scan_says_so(tmp_path: Path) -> None:
    (scan,) = read(tmp_path, HEADER + SCAN + "#C Wed Nov 03 13:43:00 2010.  Scan aborted after 3 points.\n")
    assert scan.state == "aborted"
    assert scan.comments == ("Wed Nov 03 13:43:00 2010.  Scan aborted after 3 points.",)


def test_the_last_scan_of_a_file_may_still_be_running_when_points_are_missing(tmp_path: Path) -> None:
    short = SCAN.replace("2 103 52 9\n", "")
    assert [scan.state for scan in read(tmp_path, HEADER + short + SCAN)] == ["complete", "complete"]
    assert [scan.state for scan in read(tmp_path, HEADER + SCAN + short)] == ["complete", "unknown"]


def test_spock_says_when_the_acquisition_began_and_ended(tmp_path: Path) -> None:
    started = "#U p08user\n#C Acquisition started at Mon Jul  8 13:35:50 2019\n"
    growing = SCAN.replace("#T", started + "#T")
    (running,) = read(tmp_path, growing.replace("2 103 52 9\n", ""))
    assert (running.state, running.user, running.ended) == ("running", "p08user", None)
    (ended,) = read(tmp_path, growing + "#C Acquisition ended at Mon Jul  8 13:36:56 2019\n")
    assert ended.state == "complete"
    assert ended.ended == datetime(2019, 7, 8, 11, 36, 56, tzinfo=UTC)


def test_a_counter_spec_repeats_at_the_end_is_one_channel(tmp_path: Path) -> None:
    (same,) = read(
        tmp_path,
        SCAN.replace("I0  Detector", "I0  I0").replace("50 7", "7 7").replace("51 8", "8 8").replace("52 9", "9 9"),
    )
    assert list(table(same)) == ["Theta", "Epoch", "I0"]
    (different,) = read(tmp_path, SCAN.replace("I0  Detector", "I0  I0"))
    assert list(table(different)) == ["Theta", "Epoch", "I0", "I0 (2)"]


def test_labels_parted_by_single_blanks_are_understood_where_the_rows_agree(tmp_path: Path) -> None:
    (scan,) = read(tmp_path, SCAN.replace("#L Theta  Epoch  I0  Detector", "#L Theta Epoch I0 Detector"))
    assert list(table(scan)) == ["Theta", "Epoch", "I0", "Detector"]


def test_a_wrong_number_of_columns_is_no_harm_where_names_and_rows_agree(tmp_path: Path) -> None:
    (scan,) = read(tmp_path, HEADER + SCAN.replace("#N 4", "#N 31"))
    assert scan.problems == ()
    assert list(table(scan)) == ["Theta", "Epoch", "I0", "Detector"]


def test_more_columns_than_labels_are_kept_and_named_after_their_place(tmp_path: Path) -> None:
    (scan,) = read(tmp_path, HEADER + SCAN.replace("  Detector", ""))
    assert table(scan)["column 4"] == [7, 8, 9]
    assert [(p.where, p.what) for p in scan.problems] == [("align.spec:15", "scan 1 has 3 labels but 4 columns")]


def test_rows_wrapped_over_two_lines_are_one_row(tmp_path: Path) -> None:
    (scan,) = read(
        tmp_path,
        HEADER
        + SCAN.replace("#N 4", "#N 4 2")
        .replace(" 50 7", " \n50 7")
        .replace(" 51 8", " \n51 8")
        .replace(" 52 9", " \n52 9"),
    )
    assert table(scan)["Detector"] == [7, 8, 9]
    assert scan.problems == ()


def test_a_row_an_abort_broke_keeps_its_whole_numbers(tmp_path: Path) -> None:
    broken = SCAN.replace("2 103 52 9\n", "2 103 \n5#C Wed Nov 03 13:43:00 2010.  Scan aborted after 2 points.\n")
    (scan,) = read(tmp_path, HEADER + broken)
    assert scan.state == "aborted"
    assert table(scan)["Epoch"] == [100, 101.5, 103]
    assert np.isnan(table(scan)["I0"][2])
    assert [p.what for p in scan.problems] == ["scan 1: the row has 2 values for 4 columns"]


def test_of_unequal_names_and_positions_no_value_is_given_to_a_wrong_name(tmp_path: Path) -> None:
    (fewer,) = read(tmp_path, HEADER + SCAN.replace("#P0 10 20 -0.5", "#P0 10 20"))
    assert fewer.positioners == {"Two Theta": 10.0, "Theta": 20.0}
    (more,) = read(tmp_path, HEADER + SCAN.replace("#P0 10 20 -0.5", "#P0 10 20 30 40"))
    assert more.positioners == {}
    assert [p.what for p in more.problems] == ["#P0 has 4 values, but #O0 has 3 names"]


def test_positions_nobody_names_are_one_problem(tmp_path: Path) -> None:
    (scan,) = read(tmp_path, SCAN.replace("#P0 10 20 -0.5", "#P0 10 20 -0.5\n#P1 5 6"))
    assert [p.what for p in scan.problems] == ["the positions of #P have no names, there is no #O line"]


def test_spectra_are_counted_and_left_alone(tmp_path: Path) -> None:
    (scan,) = read(tmp_path, SCAN.replace("1.5 101.5", "@A 1 2 3\\\n 4 5 6\n1.5 101.5"))
    assert table(scan)["Theta"] == [1, 1.5, 2]
    assert scan.parameters["mca_spectra"] == 1.0


def test_site_values_are_kept_with_their_names(tmp_path: Path) -> None:
    header = HEADER + "#H0  DCM_energy  mode\n"
    (scan,) = read(tmp_path, header + SCAN.replace("#N 4", "#V0 11.4 theta\n#N 4"))
    assert scan.positioners["DCM_energy"] == 11.4
    assert scan.parameters["mode"] == "theta"


def test_a_scan_without_a_number_costs_itself_alone(tmp_path: Path) -> None:
    scans = read(tmp_path, SCAN + SCAN.replace("#S 1 ", "#S ") + SCAN)
    assert [scan.measurement for scan in scans] == ["1.1", "1.2"]
    assert "is a scan without a number" in scans[0].problems[0].what


def test_line_ends_of_windows_and_a_date_as_epoch_are_read(tmp_path: Path) -> None:
    content = SCAN.replace("#D Wed Nov 03 13:42:03 2010", "#D 1288809574").replace("\n", "\r\n")
    (scan,) = read(tmp_path, content)
    assert scan.started == datetime.fromtimestamp(1288809574, UTC)
    assert table(scan)["Detector"] == [7, 8, 9]


def test_a_header_without_scans_gives_none_yet(tmp_path: Path) -> None:
    assert read(tmp_path, HEADER) == []


def test_tables_and_xdi_files_are_no_spec_files(tmp_path: Path) -> None:
    assert not READER.recognises(b"# XDI/1.0\n# Column.1: energy eV\n#---\n# energy i0\n1 2\n")
    assert not READER.recognises(b"1.0 2.0\n3.0 4.0\n")
    assert not READER.recognises(b"$SPEC_ID:\n\n$DATA:\n0 2047\n")
    with pytest.raises(CatalogError, match="no SPEC file"):
        read(tmp_path, "1.0 2.0\n")


@pytest.mark.parametrize("end", range(len(HEADER), len(HEADER + SCAN), 3))
def test_a_growing_file_may_end_anywhere(tmp_path: Path, end: int) -> None:
    for scan in read(tmp_path, (HEADER + SCAN)[:end]):
        assert len({len(c.values) for c in scan.columns}) <= 1


def test_whole_scans_read_as_silx_reads_them(tmp_path: Path) -> None:
    content = HEADER + SCAN + SCAN.replace("#S 1 ", "#S 7 ") + SCAN
    scans = read(tmp_path, content)
    file = SpecFile(str(tmp_path / "align.spec"))
    assert len(scans) == len(file)
    for scan in scans:
        theirs = file[scan.measurement]
        assert list(table(scan)) == theirs.labels
        assert np.array_equal(np.array([c.values for c in scan.columns]), theirs.data)
    file.close()
