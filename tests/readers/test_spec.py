"""A SPEC file gives every scan it holds, broken ones included."""

import bz2
import gzip
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from silx.io.specfile import SpecFile

from catalog_builder.errors import CatalogError
from catalog_builder.readers import ResumingReader, Surroundings, inflate, spec, specmca
from catalog_builder.readers.spec import READER
from catalog_builder.signals import Reading

NAN = float("nan")

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


def resumed(path: Path, bookmark: str) -> list[Reading] | None:
    found = READER.resume(path, Surroundings(boundary=path.parent, timezone=ZoneInfo("Europe/Berlin")), bookmark)
    return None if found is None else list(found)


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


@pytest.mark.parametrize(
    ("comment", "state"),
    [
        ("Wed Nov 03 13:43:00 2010.  Scan aborted after 0 points.", "aborted"),
        ("Scan aborted", "aborted"),
        ("Wed Nov 03 13:43:00 2010.  exit_status = fail", "aborted"),
        ("Wed Nov 03 13:43:00 2010.  exit_status = abort", "aborted"),
        ("Wed Nov 03 13:43:00 2010.  exit_status = success", "complete"),
        ("The last scan was NOT aborted", "complete"),
        ("Wed Nov 03 13:43:00 2010.  no abort needed, the scan aborted before was fine", "complete"),
    ],
)
def test_a_scan_is_aborted_by_what_the_program_writes_and_by_no_other_word_of_it(
    tmp_path: Path, comment: str, state: str
) -> None:
    first, _ = read(tmp_path, f"{HEADER}{SCAN}#C {comment}\n{SCAN}")
    assert first.state == state


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


def test_a_name_with_two_blanks_in_it_gives_no_value_to_a_wrong_name(tmp_path: Path) -> None:
    names = "#O0 Mono  piz  b  c  d  e  f  g  h\n#O1 x\n"
    (scan,) = read(tmp_path, HEADER + SCAN.replace("#P0 10 20 -0.5", f"{names}#P0 1 2 3 4 5 6 7 8\n#P1 9"))
    assert scan.positioners == {"x": 9.0}
    assert [p.what for p in scan.problems] == ["#P0 has 8 values, but #O0 has 9 names"]


def test_positions_nobody_names_are_one_problem(tmp_path: Path) -> None:
    (scan,) = read(tmp_path, SCAN.replace("#P0 10 20 -0.5", "#P0 10 20 -0.5\n#P1 5 6"))
    assert [p.what for p in scan.problems] == ["the positions of #P have no names, there is no #O line"]


MCA = """
#S 5  ascan  x 0 1  1 1
#@MCA %16C
#@CHANN 4 10 13 1
#@CALIB 1 2 0.5
#N 2
#L x  c
@A 1 2\\
 3 4
0 5
@A 5 6 7 8
1 6
"""


def test_a_point_s_spectrum_is_a_row_and_the_calibration_gives_its_energies(tmp_path: Path) -> None:
    (scan,) = read(tmp_path, HEADER + MCA)
    (spectra,) = scan.spectra
    assert (spectra.detector, spectra.values.tolist()) == ("mca", [[1, 2, 3, 4], [5, 6, 7, 8]])
    assert spectra.energy is not None
    assert spectra.energy.values.tolist() == [1 + 2 * n + 0.5 * n**2 for n in (10, 11, 12, 13)]
    assert table(scan) == {"x": [0, 1], "c": [5, 6]}
    assert scan.parameters["mca_spectra"] == 2.0
    assert scan.problems == ()
    (plain,) = read(tmp_path, HEADER + MCA.replace("#@CALIB 1 2 0.5", "#@CALIB 0 1 0"))
    assert plain.spectra[0].energy is None


def test_several_analysers_take_turns_or_have_their_own_letters(tmp_path: Path) -> None:
    turns = "#@MCADEV 1\n#@CALIB 0 2 0\n#@MCADEV 2\n#@CALIB 0 3 0\n"
    content = HEADER + MCA.replace("#@MCA %16C\n#@CHANN 4 10 13 1\n#@CALIB 1 2 0.5\n", turns)
    (scan,) = read(tmp_path, content)
    found = [(s.detector, s.values.tolist(), s.energy.values.tolist() if s.energy else None) for s in scan.spectra]
    assert found == [("mca 1", [[1, 2, 3, 4]], [0, 2, 4, 6]), ("mca 2", [[5, 6, 7, 8]], [0, 3, 6, 9])]
    (scan,) = read(tmp_path, HEADER + MCA.replace("@A 1", "@A1 1").replace("@A 5", "@A2 5"))
    assert [(s.detector, s.values.tolist()) for s in scan.spectra] == [
        ("mca A1", [[1, 2, 3, 4]]),
        ("mca A2", [[5, 6, 7, 8]]),
    ]


def test_a_spectrum_cut_short_is_filled_and_a_word_in_it_is_named(tmp_path: Path) -> None:
    (scan,) = read(tmp_path, HEADER + MCA.replace("5 6 7 8", "5 x6") + "@A 7 7 7 7\n")
    assert np.array_equal(
        scan.spectra[0].values, np.array([[1, 2, 3, 4], [5, NAN, NAN, NAN], [7, 7, 7, 7]]), equal_nan=True
    )
    assert [(p.where, p.what) for p in scan.problems] == [
        ("align.spec:17", "'x6' in a spectrum is no number"),
        ("align.spec:8", "1 of 3 spectra of mca have other than 4 channels"),
    ]


def test_a_spectrum_that_goes_on_ends_before_the_next_scan(tmp_path: Path) -> None:
    first, second = read(tmp_path, HEADER + MCA.replace("5 6 7 8\n1 6", "5 6 7 8\\") + SCAN)
    assert first.spectra[0].values.tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]
    assert (second.measurement, table(second)["Theta"]) == ("1.1", [1, 1.5, 2])


def test_of_too_many_spectra_every_second_point_s_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(specmca, "MOST_VALUES", 24)
    points = "".join(f"@A {n} {n}\n@A -{n} -{n}\n{n} 0\n" for n in range(20))
    (scan,) = read(tmp_path, f"#S 1 ascan x 0 19 19 1\n#@MCADEV 1\n#@MCADEV 2\n#L x  c\n{points}")
    assert [s.values[:, 0].tolist() for s in scan.spectra] == [[0, 4, 8, 12, 16], [0, -4, -8, -12, -16]]
    assert [p.what for p in scan.problems] == ["of 40 spectra every 4th of each analyser is kept"]
    assert len(table(scan)["x"]) == 20


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


PACK: list[Callable[[bytes], bytes]] = [gzip.compress, bz2.compress]
MANY = HEADER + "".join(SCAN.replace("#S 1 ", f"#S {n} ").replace("50 7", f"5{n} 7") for n in range(1, 400))


@pytest.mark.parametrize("pack", PACK)
def test_a_compressed_file_gives_the_same_scans_and_no_bookmark(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    plain = read(tmp_path, HEADER + SCAN + MCA)
    packed = read(tmp_path, pack((HEADER + SCAN).encode()) + pack(MCA.encode()))
    assert [scan.bookmark for scan in packed] == [None, None]
    assert same_but_bookmarks(plain, packed)
    assert READER.recognises(inflate.first_bytes(tmp_path / "align.spec"))


def test_a_compressed_file_of_another_kind_is_not_recognised(tmp_path: Path) -> None:
    (tmp_path / "x.gz").write_bytes(gzip.compress(b"1.0 2.0\n" * 99))
    assert not READER.recognises((tmp_path / "x.gz").read_bytes()[:4096])
    assert READER.recognises(gzip.compress((HEADER + SCAN).encode())[:4096])
    for content in (gzip.compress(b"1.0 2.0\n"), b"\x1f\x8b", b"BZh", b"BZh91AY&SY", gzip.compress(b"")):
        with pytest.raises(CatalogError, match=r"align\.spec: has no #S or #F line"):
            read(tmp_path, content)


@pytest.mark.parametrize("pack", PACK)
@pytest.mark.parametrize("part", [0.3, 0.6, 0.99])
def test_a_cut_archive_gives_the_scans_before_and_a_problem(
    tmp_path: Path, pack: Callable[[bytes], bytes], part: float
) -> None:
    whole = read(tmp_path, MANY)
    packed = b"".join(pack(MANY[start : start + 9000].encode()) for start in range(0, len(MANY), 9000))
    scans = read(tmp_path, packed[: int(len(packed) * part)])
    assert len(scans) > part * len(whole) - 60
    assert same_but_bookmarks(scans[:-1], whole[: len(scans) - 1])
    assert scans[-1].problems[0].what == "the archive ends too early; what stands behind is missing"


def test_a_file_that_inflates_beyond_measure_is_not_read_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = gzip.compress((HEADER + SCAN).encode() + b"0 0 0 0\n" * 500_000)
    monkeypatch.setattr(inflate, "_HARMLESS", 100_000)
    (scan,) = read(tmp_path, bomb)
    assert (
        scan.problems[0].what == "the archive inflates to more than 250 times its size; what stands behind is missing"
    )
    monkeypatch.setattr(inflate, "MOST_BYTES", 1 << 20)
    monkeypatch.setattr(inflate, "_HARMLESS", 1 << 30)
    (scan,) = read(tmp_path, bomb)
    assert scan.problems[0].what == "the archive inflates to more than 1 MiB; what stands behind is missing"


def same(one: object, other: object) -> bool:
    """Tell whether two readings, or parts of them, say the same, NaN for NaN."""
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return np.array_equal(one, other, equal_nan=True)
    if isinstance(one, tuple | list) and isinstance(other, tuple | list):
        return len(one) == len(other) and all(map(same, one, other))
    if hasattr(one, "__dataclass_fields__") and type(one) is type(other):
        return all(same(getattr(one, f.name), getattr(other, f.name)) for f in fields(one))  # type: ignore[arg-type]
    return one == other


def same_but_bookmarks(one: list[Reading], other: list[Reading]) -> bool:
    return same(
        [replace(r, bookmark=None, extent=None) for r in one], [replace(r, bookmark=None, extent=None) for r in other]
    )


AGAIN = HEADER.replace("Two Theta  Theta", "A  B").replace("#E", "#C none\n#E")
GROWING = "\n#S\n".join([HEADER + SCAN + SCAN, AGAIN + MCA + SCAN, "#E 5\n#O0 x\n" + SCAN])


def test_the_reader_goes_on_in_files_that_grew() -> None:
    assert isinstance(READER, ResumingReader)


def test_from_each_bookmark_on_the_same_is_read_as_from_the_beginning(tmp_path: Path) -> None:
    scans = read(tmp_path, GROWING)
    assert [scan.measurement for scan in scans] == ["1.1", "1.2", "5.1", "1.3", "1.4"]
    for place, scan in enumerate(scans):
        assert scan.bookmark is not None
        assert same(resumed(tmp_path / "align.spec", scan.bookmark), scans[place:])


def grown(tmp_path: Path, cuts: list[int]) -> Iterator[tuple[list[Reading] | None, list[Reading], int]]:
    """Let a file grow from cut to cut; gives what is read on from the last scan, the whole, and that scan's place."""
    before: list[Reading] = []
    for end in sorted(cuts):
        path = tmp_path / "align.spec"
        path.write_text(GROWING[:end])
        bookmark = before[-1].bookmark if before else None
        found = resumed(path, bookmark) if bookmark else None
        try:
            whole = read(tmp_path, GROWING[:end])
        except CatalogError:
            whole = []
        if bookmark:
            yield found, whole, len(before) - 1
        before = whole


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(cuts=st.lists(st.integers(0, len(GROWING)), min_size=2, max_size=8, unique=True))
def test_however_a_file_grew_the_last_scan_and_those_behind_it_are_as_if_read_afresh(
    tmp_path: Path, cuts: list[int]
) -> None:
    for found, whole, place in grown(tmp_path, cuts):
        assert found is not None
        assert same(found, whole[place:])


def test_a_bookmark_fits_no_file_that_was_cut_or_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "align.spec"
    bookmark = read(tmp_path, GROWING)[2].bookmark
    assert bookmark is not None
    at = json.loads(bookmark)["at"]
    for content in (
        GROWING[:at],
        GROWING.replace("someone", "anybody"),
        GROWING[: at - 1] + " " + GROWING[at:],
        GROWING[:at] + "#C" + GROWING[at + 2 :],
        "",
    ):
        path.write_text(content)
        assert resumed(path, bookmark) is None
    path.write_text(GROWING)
    for broken in ("", "{}", "[]", "1", bookmark[:-3], bookmark.replace('"at":', '"at":"x","b":'), '{"at": -1}'):
        assert resumed(path, broken) is None
    assert resumed(path, bookmark) is not None
    with pytest.raises(CatalogError, match="missing: cannot be read"):
        resumed(tmp_path / "missing", bookmark)


def test_a_bookmark_fits_no_file_that_was_edited_anywhere_before_it_and_grew(tmp_path: Path) -> None:
    path = tmp_path / "align.spec"
    bookmark = read(tmp_path, MANY)[-1].bookmark
    assert bookmark is not None
    before = json.loads(bookmark)["at"]
    content = MANY.encode()
    for at in (0, 1, before // 3, before // 2, before - 5000, before - 1):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :] + SCAN.encode())
        assert resumed(path, bookmark) is None
    path.write_bytes(content + SCAN.encode())
    assert resumed(path, bookmark) is not None


def test_of_a_long_file_only_the_header_and_what_stands_behind_the_bookmark_are_parsed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bookmark = read(tmp_path, MANY)[-1].bookmark
    assert bookmark is not None
    assert len(bookmark) < 250
    lines = []
    taken = spec._Lines.__iter__

    def counted(self: spec._Lines) -> Iterator[tuple[int, str]]:
        for line in taken(self):
            lines.append(line)
            yield line

    monkeypatch.setattr(spec._Lines, "__iter__", counted)
    found = resumed(tmp_path / "align.spec", bookmark)
    assert found is not None
    assert [scan.measurement for scan in found] == ["399.1"]
    assert len(lines) < 30


def test_no_more_than_a_mebibyte_of_lines_waits_to_be_digested() -> None:
    lines = spec._Lines(BytesIO(b"9" * 5_000_000 + b"\n" + b"1234567 \n" * 300_000))
    most = max(sum(map(len, lines.before.waiting)) for place, _ in lines if place < 8 or not place % 10_000)
    assert 500_000 < most <= 2**20 + 9


def test_scan_numbers_in_too_wild_an_order_make_no_bookmark(tmp_path: Path) -> None:
    scans = read(tmp_path, "".join(f"#S {1000 - n}\n" for n in range(600)))
    assert [scan.bookmark is None for scan in scans] == [n > 500 for n in range(600)]
    assert read(tmp_path, "#S\n#S 1\n")[0].bookmark is None  # the problem before it belongs to the first scan


def test_a_scan_of_absurdly_many_lines_keeps_the_first_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spec, "_MOST_LINES", 4)
    first, other = read(tmp_path, "#S 1 ct\n#N 1\n#L det\n7\n8\n9\n#S 2 ct\n#N 1\n#L det\n5\n")
    assert (table(first), table(other)) == ({"det": [7, 8]}, {"det": [5]})
    assert [problem.what for problem in first.problems] == ["scan 1 has 1 lines too many, which are left out"]


def test_twenty_thousand_columns_of_one_name_are_told_apart_in_no_time(tmp_path: Path) -> None:
    labels, values = "  ".join(["x"] * 20_000), " ".join(map(str, range(10_000)))
    began = time.process_time()
    (reading,) = read(tmp_path, f"#S 1 ct\n#N 20000\n#L {labels}\n{values} {values}\n")
    assert time.process_time() - began < 5
    assert [column.name for column in reading.columns[:2]] == ["x", "x (2)"]
    assert len(reading.columns) == 10_000
    assert [float(column.values[0]) for column in reading.columns] == list(range(10_000))
