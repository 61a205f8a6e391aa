"""Every scan, label, value and position of real SPEC files is what other readers find, or it is listed why not.

Compared with ``silx.io.specfile`` and with ``spec2nexus.spec``, neither of which the reader uses. Two things differ
everywhere and are no disagreement: a column SPEC writes twice is one channel here, and the numbers of ``#H``/``#V``
are positioners here while the others leave them alone.
"""

import os
import re
import warnings
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from silx.io.specfile import SpecFile

from catalog_builder.readers import Surroundings
from catalog_builder.readers.spec import READER
from catalog_builder.signals import Column, Reading

FOLDER = os.environ.get("CATBUILD_REAL_DATA", "")

pytestmark = pytest.mark.skipif(not FOLDER, reason="CATBUILD_REAL_DATA names no folder with real instrument files")


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Where another reader says something else, and the line of the file that makes it."""

    file: str
    scans: str
    """Separated by blanks; empty where it concerns the file."""
    what: str
    """All that differs, separated by semicolons; what is not named agrees."""
    line: int
    written: str
    """A piece of that line."""
    why: str


_NO_NAMES = "they have no names, so they are no positioners here"
_CR = "silx takes the carriage return of the line's end for a part of the last name"
_SCALER0 = "scaler0 in row 0 is nan, there 0.0"
_CHANNELS = "scaler0_channels_chan02 in row 0 is nan, there 0.0; scaler0_channels_chan05 in row 0 is nan, there 0.0"
_NONE = "silx reads None as 0"
_EIGHT = "8 positions of 0 names there"
SILX = (
    Disagreement("05_02_test.dat", "1.6", _SCALER0, 1042, "5.0 None", _NONE),
    Disagreement("05_02_test.dat", "1.7", _CHANNELS, 1072, "64.0 None None", _NONE),
    Disagreement("05_02_test.dat", "1.8", _CHANNELS, 1102, "1.0 None None", _NONE),
    Disagreement("05_02_test.dat", "1.9", _CHANNELS, 1132, "1.0 None None", _NONE),
    Disagreement("05_02_test.dat", "1.16", _SCALER0, 1391, "5.0 None", _NONE),
    Disagreement(
        "CdSe",
        "92.1",
        "row 19 is missing there",
        5919,
        "24.4121 48916#C Wed",
        "an abort broke the row; silx leaves it out",
    ),
    Disagreement(
        "n_m.txt",
        "6.1",
        "; ".join(f"{name} is missing there" for name in ("Epoch", "seconds", "I00", "USAXS_PD", "Monitor", "I0")),
        6,
        "#N 15 8",
        "silx takes the 8 for the number of columns; there are 15",
    ),
    Disagreement("n_m.txt", "6.1", _EIGHT, 5, "#P0 -0.5396381 -0.5675", _NO_NAMES),
    Disagreement("refresh2.txt", "4.1", _EIGHT, 11, "#P0 -0.5396381 -0.5675", _NO_NAMES),
    Disagreement("refresh2.txt", "5.1", _EIGHT, 22, "#P0 -0.5396381 -0.5675", _NO_NAMES),
    Disagreement("refresh3.txt", "6.1", _EIGHT, 5, "#P0 -0.5396381 -0.5675", _NO_NAMES),
    Disagreement("twoc.dat", "1.1", r"'Kth14\r' there", 29, "Kth14\r", _CR),
    Disagreement("twoc.dat", "2.1", r"'Kth@14\r' there", 63, "Kth@14\r", _CR),
    Disagreement("twoc.dat", "2.2", r"'Kth@14\r' there", 108, "Kth@14\r", _CR),
    Disagreement("twoc.dat", "1.1 2.1 2.2", r"'zet\r' there; '\r' there", 6, "igrec  zet\r", _CR),
    Disagreement(
        "issue64_data.txt",
        "50.1",
        "100 positions of 82 names there",
        28,
        "#O12  si5vgap   si5vcen",
        "silx parts names by two blanks, not by tabs, and gives them the values of all lines in turn",
    ),
    Disagreement(
        "ESRF_SNBL_2013.dat",
        "1.1 2.1",
        "52 positions of 53 names there",
        10,
        "#O5 Mono  piz  POWDERmono",
        "#P5 has eight; silx counts on",
    ),
)
"""What silx finds otherwise."""

_UNSURE = ("Mono", "piz", "POWDERmono", "m_vert", "sl01l", "sl01r", "sl01hg", "sl01ho")
_NO_ROW = "spec2nexus leaves out the row"
_ROW = "row 0 is missing there"
SPEC2NEXUS = (
    Disagreement("05_02_test.dat", "1.6", _ROW, 1042, "5.0 None", _NO_ROW),
    Disagreement("05_02_test.dat", "1.7", _ROW, 1072, "64.0 None None", _NO_ROW),
    Disagreement("05_02_test.dat", "1.8", _ROW, 1102, "1.0 None None", _NO_ROW),
    Disagreement("05_02_test.dat", "1.9", _ROW, 1132, "1.0 None None", _NO_ROW),
    Disagreement("05_02_test.dat", "1.16", _ROW, 1391, "5.0 None", _NO_ROW),
    Disagreement("CdSe", "92.1", "row 19 is missing there", 5919, "24.4121 48916#C Wed", _NO_ROW),
    Disagreement(
        "issue64_data.txt",
        "50.1",
        "position of si5vgap; position of si5vcen",
        50,
        "#P12 0 27999.992",
        "four values, two names: nobody knows which are theirs",
    ),
    Disagreement(
        "ESRF_SNBL_2013.dat",
        "1.1 2.1",
        "; ".join(f"position of {name}" for name in _UNSURE),
        27,
        "#P5 78.623942 4.6116",
        "eight values, nine names, of which one has two blanks in it: nobody knows which are theirs",
    ),
    Disagreement("test_specfile_sftext.dat", "", "file", 61, "#S 1 aaaaaa", "ValueError: the scan has no #D"),
    Disagreement("test_spech5_sftext_no_cols.dat", "", "file", 4, "#S 1 31oct98.dat", "TypeError: the scan has no #N"),
)
"""What spec2nexus finds otherwise, which does not know the row numbers of repeated scans and is matched by order."""

NO_SPEC_FILES = {"EXAFS_Ge.dat": b"10800 0.0709745", "Steel.spe": b"$SPEC_ID:"}
"""Files that lie among SPEC files, and how they begin: no #S, so silx cannot open them either."""


def candidates() -> list[Path]:
    """Give all files of the folders with SPEC files, whatever they are, and those with SPEC's suffixes elsewhere."""
    if not FOLDER:
        return []
    found = (path for path in Path(FOLDER).rglob("*") if path.is_file() and not path.name.startswith("."))
    return sorted(p for p in found if "spec" in p.parts or ("raw" in p.parts and p.suffix in READER.suffixes))


def label(path: Path) -> str:
    return "/".join(path.parts[-2:])


def is_spec(path: Path) -> bool:
    return READER.recognises(path.read_bytes()[:4096])


def told_once(paths: Sequence[Path]) -> list[Path]:
    """Leave out files whose bytes are another one's: beamtimes hold copies under other names."""
    return list({path.read_bytes(): path for path in reversed(paths)}.values())[::-1]


SPEC_FILES = told_once([p for p in sorted(candidates(), key=lambda p: "raw" in p.parts) if is_spec(p)])


@lru_cache(maxsize=1)
def ours(path: Path) -> list[Reading]:
    return list(READER.read(path, Surroundings(boundary=path.parent, timezone=ZoneInfo("Europe/Berlin"))))


def same(one: Any, other: Any) -> bool:
    return np.array_equal(np.asarray(one, dtype=float), np.asarray(other, dtype=float), equal_nan=True)


def told_apart(labels: Sequence[str], values: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    """Give columns without those that repeat another of the same name."""
    kept: list[tuple[str, Any]] = []
    for name, column in zip(labels, values, strict=True):
        if not any(name == other and same(column, there) for other, there in kept):
            kept.append((name, column))
    yield from kept


def columns_differ(columns: Sequence[Column], theirs: Sequence[tuple[str, Any]]) -> Iterator[str]:
    """Tell all that differs in columns: labels, columns, rows and values that one of the readers has alone.

    Columns are matched by name and, of one name, by order; rows by order, so that of two readers the one with fewer
    lacks the last ones.
    """
    names = [re.sub(r" \(\d\)$", "", column.name) for column in columns]
    here = {f"{name}/{names[:place].count(name)}": columns[place].values for place, name in enumerate(names)}
    others = [name for name, _ in theirs]
    there = {f"{name}/{others[:place].count(name)}": theirs[place][1] for place, name in enumerate(others)}
    yield from (f"{key.partition('/')[0]} is missing there" for key in here.keys() - there.keys())
    yield from (f"{key.partition('/')[0]} is missing here" for key in there.keys() - here.keys())
    both = [key for key in here if key in there]
    if both != [key for key in there if key in here]:
        yield "the columns' order"
    for key in both:
        one, other = np.asarray(here[key], dtype=float), np.asarray(there[key], dtype=float)
        yield from (f"row {row} is missing there" for row in range(len(other), len(one)))
        yield from (f"row {row} is missing here" for row in range(len(one), len(other)))
        for row, (mine, yours) in enumerate(zip(one, other, strict=False)):
            if not same(mine, yours):
                yield f"{key.partition('/')[0]} in row {row} is {mine}, there {yours}"


def positions_differ(scan: Reading, stood: Mapping[str, float], extra: Container[str]) -> Iterator[str]:
    """Tell which positioners stand elsewhere, or are there for one of the readers alone."""
    here = {name: where for name, where in scan.positioners.items() if name in stood or name not in extra}
    yield from (f"position of {name}" for name in {**here, **stood} if here.get(name) != stood.get(name))


def site_values(path: Path) -> set[str]:
    """Give the names in ``#H`` lines."""
    text = path.read_text("latin-1")
    return {
        name for line in re.findall(r"^#H\d+ +(.*)$", text, re.MULTILINE) for name in re.split(r" {2,}", line.strip())
    }


def silx_differences(path: Path) -> Iterator[tuple[str, str]]:
    """Give the scans, and all of them that silx finds otherwise."""
    file = SpecFile(str(path))
    extra = site_values(path)
    for scan in ours(path):
        theirs = file[scan.measurement]
        number = scan.measurement or ""
        labels, motors = ([name.rstrip("\r") for name in names] for names in (theirs.labels, theirs.motor_names))
        ends = [name for names in (theirs.labels, theirs.motor_names) for name in names if name.endswith("\r")]
        yield from ((number, f"{name!r} there") for name in ends)
        points = [theirs.data[n] for n in range(len(theirs.data))]
        if points or scan.columns:
            columns = points or [[] for _ in dict.fromkeys(labels)]
            labels = labels if points else [*dict.fromkeys(labels)]
            found = list(told_apart(labels[: len(columns)], columns[: len(labels)]))
            yield from ((number, what) for what in columns_differ(scan.columns, found))
        stood = {name: at for name, at in zip(motors, theirs.motor_positions, strict=False) if name}
        if len(motors) != len(theirs.motor_positions):
            yield number, f"{len(theirs.motor_positions)} positions of {len(motors)} names there"
            more = Counter(scan.positioners.values()) - Counter(theirs.motor_positions)
            stood = {name: where for name, where in scan.positioners.items() if where not in more}
        yield from ((number, what) for what in positions_differ(scan, stood, extra))
        spectra = [row for spectra in scan.spectra for row in spectra.values]
        if len(spectra) != len(theirs.mca) or not turned(scan, [theirs.mca[n] for n in range(len(theirs.mca))]):
            yield number, "spectra"
    file.close()


def points_of(scan: Reading) -> int:
    return len(scan.columns[0].values) if scan.columns else 0


def turned(scan: Reading, theirs: Sequence[Any]) -> bool:
    """Tell whether the spectra are theirs, where several analysers take turns."""
    turns = max(len(scan.spectra), 1)
    return all(same(scan.spectra[n % turns].values[n // turns], row) for n, row in enumerate(theirs))


def spec2nexus_differences(path: Path) -> Iterator[tuple[str, str]]:
    """Give the scans, and all of them that spec2nexus finds otherwise; ``file`` where it reads none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from spec2nexus.spec import SpecDataFile

        try:
            scans = list(SpecDataFile(str(path)).scans.values())
            for scan in scans:
                scan.interpret()
        except (ValueError, TypeError):
            yield "", "file"
            return
        if len(scans) != len(ours(path)):
            yield "", "scans"
        extra = site_values(path)
        for scan, theirs in zip(ours(path), scans, strict=False):
            labels = [re.sub(r"_\d+$", "", n) if re.sub(r"_\d+$", "", n) in theirs.data else n for n in theirs.data]
            found = list(told_apart(labels, list(theirs.data.values())))
            number = scan.measurement or ""
            if found or points_of(scan):
                yield from ((number, what) for what in columns_differ(scan.columns, found))
            yield from ((number, what) for what in positions_differ(scan, dict(theirs.positioner), extra))


def scans_of(disagreements: Sequence[Disagreement], path: Path) -> set[tuple[str, str]]:
    return {
        (scan, what)
        for d in disagreements
        if d.file == path.name
        for scan in d.scans.split() or [""]
        for what in d.what.split("; ")
    }


@pytest.mark.parametrize("path", SPEC_FILES, ids=label)
def test_silx_finds_the_same_scans_labels_values_positions_and_spectra(
    path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    scans = ours(path)
    assert capfd.readouterr() == ("", "")
    file = SpecFile(str(path))
    assert [scan.measurement for scan in scans] == file.keys()
    file.close()
    assert set(silx_differences(path)) == scans_of(SILX, path)
    capfd.readouterr()  # silx tells of broken lines there


@pytest.mark.parametrize("path", SPEC_FILES, ids=label)
def test_spec2nexus_finds_the_same_scans_labels_values_and_positions(path: Path) -> None:
    assert set(spec2nexus_differences(path)) == scans_of(SPEC2NEXUS, path)


@pytest.mark.parametrize("listed", [*SILX, *SPEC2NEXUS], ids=lambda d: f"{d.file}:{d.line}")
def test_the_file_holds_the_line_that_a_disagreement_is_laid_to(listed: Disagreement) -> None:
    (path,) = (path for path in SPEC_FILES if path.name == listed.file)
    line = path.read_bytes().split(b"\n")[listed.line - 1] + b"\n"
    assert listed.written.encode() in line


@pytest.mark.parametrize(
    "listed", [d for d in SPEC2NEXUS if " is missing there" in d.what], ids=lambda d: f"{d.file}:{d.line}"
)
def test_a_row_that_others_leave_out_holds_the_numbers_of_its_line(listed: Disagreement) -> None:
    (path,) = (path for path in SPEC_FILES if path.name == listed.file)
    (scan,) = (scan for scan in ours(path) if scan.measurement == listed.scans)
    lines = path.read_text("latin-1").split("\n")
    first = listed.line - 1
    while lines[first - 1].endswith(" "):  # a row that goes on in the next line ends with a blank
        first -= 1
    row_there, mark, _ = "".join(lines[first : listed.line]).partition("#")
    words = row_there.split()[: -1 if mark else None]  # the abort's comment cut the last number
    expected = [np.nan if word == "None" else float(word) for word in words]
    expected += [np.nan] * (len(scan.columns) - len(expected))
    row = int(listed.what.split()[1])
    assert same([column.values[row] for column in scan.columns], expected)


def test_every_difference_of_two_tables_is_told() -> None:
    def column(name: str, *values: float) -> Column:
        return Column(name=name, values=np.array(values))

    one = [column("a", 1, 2, 3), column("b", 4, np.nan), column("b (2)", 6, 7), column("d", 0), column("e", 0)]
    other = [("b", [5, np.nan]), ("a", [1, 9]), ("b", [6, 7]), ("c", [0]), ("e", [0, 1])]
    assert sorted(columns_differ(one, other)) == [
        "a in row 1 is 2.0, there 9.0",
        "b in row 0 is 4.0, there 5.0",
        "c is missing here",
        "d is missing there",
        "row 1 is missing here",
        "row 2 is missing there",
        "the columns' order",
    ]


def test_every_file_among_spec_files_is_read_or_named_here() -> None:
    others = [path for path in candidates() if not is_spec(path)]
    assert {path.name: path.read_bytes()[: len(NO_SPEC_FILES[path.name])] for path in others} == NO_SPEC_FILES
    assert len(SPEC_FILES) > 15
    for path in others:
        with pytest.raises(OSError, match="File open error"):
            SpecFile(str(path))


@pytest.mark.parametrize("path", SPEC_FILES, ids=label)
def test_real_files_are_read_on_from_every_scan_as_from_the_beginning(path: Path) -> None:
    surroundings = Surroundings(boundary=path.parent, timezone=ZoneInfo("Europe/Berlin"))
    scans = ours(path)
    for place in range(0, len(scans), max(len(scans) // 12, 1)):
        bookmark = scans[place].bookmark
        assert bookmark is not None
        found = READER.resume(path, surroundings, bookmark)
        assert found is not None
        for one, other in zip(found, scans[place:], strict=True):
            assert all(same(a.values, b.values) for a, b in zip(one.columns, other.columns, strict=True))
            without = {"columns": (), "spectra": ()}
            assert replace(one, **without) == replace(other, **without)  # type: ignore[arg-type]
