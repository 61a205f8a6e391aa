"""A folder with one spectrum a point becomes one array, whatever of it is missing."""

from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from catalog_builder.errors import CatalogError
from catalog_builder.readers import Surroundings, mca
from catalog_builder.readers.complaints import Complaints
from catalog_builder.readers.fio import READER
from catalog_builder.readers.mca import spectra_in
from catalog_builder.signals import Reading, Spectra

NAN = float("nan")


def write(folder: Path, point: int, *counts: float) -> None:
    """Write a point's spectrum, and beside it another analyser's of ones."""
    rows = "".join(f" {count} 1\n" for count in counts)
    head = f"!\n%c\n Position {point / 2}, Index {point - 1} \n!\n%p\n Sample_time = 1 \n!\n%d\n"
    columns = " Col 1 exp_mca01 FLOAT \n Col 2 exp_mca02 FLOAT \n"
    (folder / f"{folder.name}_mca_s{point}.fio").write_text(head + columns + rows)


def gather(folder: Path, detector: str = "exp_mca01") -> tuple[Spectra | None, list[str]]:
    complaints = Complaints("scan.fio")
    surroundings = Surroundings(boundary=folder.parent, timezone=ZoneInfo("UTC"))
    return spectra_in(folder, detector, surroundings, complaints), [p.what for p in complaints.all()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "scan_00001"
    made.mkdir()
    return made


def test_points_come_by_number_not_by_letters(folder: Path) -> None:
    for point in range(1, 12):
        write(folder, point, point, 0)
    spectra, problems = gather(folder)
    assert spectra is not None
    assert spectra.values[:, 0].tolist() == list(range(1, 12))
    assert (spectra.detector, problems) == ("exp_mca01", [])
    other, _ = gather(folder, "EXP_MCA02")
    assert other is not None
    assert (other.values == 1).all()


def test_a_missing_and_a_damaged_file_are_rows_without_numbers(folder: Path) -> None:
    write(folder, 1, 1, 2, 3)
    write(folder, 3, 7, 8, 9)
    (folder / "scan_00001_mca_s4.fio").write_bytes(b"\0\0")
    write(folder, 5, 4, 5)
    write(folder, 6, 1, 2, 3, 4)
    spectra, problems = gather(folder)
    assert spectra is not None
    assert np.array_equal(
        spectra.values,
        np.array([[1, 2, 3], [NAN, NAN, NAN], [7, 8, 9], [NAN, NAN, NAN], [4, 5, NAN], [1, 2, 3]]),
        equal_nan=True,
    )
    assert problems == [
        "scan_00001_mca_s4.fio has no %c, %p or %d section, so it is no .fio file",
        "scan_00001_mca_s5.fio has 2 channels, others 3",
        "scan_00001_mca_s6.fio has 4 channels, others 3",
    ]


def test_numbers_that_are_no_count_of_points_are_an_order(folder: Path) -> None:
    write(folder, 5, 1)
    write(folder, 900000000, 2)
    spectra, _ = gather(folder)
    assert spectra is not None
    assert spectra.values.tolist() == [[1], [2]]


def test_of_too_many_evenly_chosen_ones_are_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for point in range(1, 11):
        write(folder, point, point, 0)
    monkeypatch.setattr(mca, "MOST_VALUES", 8)
    spectra, problems = gather(folder)
    assert spectra is not None
    assert spectra.values[:, 0].tolist() == [1, 4, 7, 10]
    assert problems == ["of 10 spectra 4 are kept, evenly chosen"]


def test_of_too_many_files_evenly_chosen_ones_are_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for point in range(1, 31):
        write(folder, point, point, 0)
    opened: list[str] = []
    read = READER.read

    def counted(path: Path, surroundings: Surroundings) -> Iterator[Reading]:
        opened.append(path.name)
        return read(path, surroundings)

    monkeypatch.setattr(mca, "MOST_FILES", 4)
    monkeypatch.setattr(type(READER), "read", lambda _, path, surroundings: counted(path, surroundings))
    spectra, problems = gather(folder)
    assert spectra is not None
    assert spectra.values[:, 0].tolist() == [1, 11, 20, 30]
    assert problems == ["of 30 spectra 4 are kept, evenly chosen"]
    assert len(opened) == 5  # the first one tells how many channels there are
    for path in folder.iterdir():
        path.write_text("nothing")
    opened.clear()
    assert gather(folder) == (None, ["none of 4 evenly chosen of the 30 files of spectra can be read"])
    assert len(opened) == 4


def test_what_has_more_channels_than_any_spectrum_is_none(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mca, "MOST_CHANNELS", 3)
    write(folder, 1, 1, 2, 3)
    write(folder, 2, 1, 2, 3, 4)
    spectra, problems = gather(folder)
    assert spectra is not None
    assert np.isnan(spectra.values[1]).all()
    assert problems == ["scan_00001_mca_s2.fio has 4 channels; a spectrum has at most 3"]


def test_a_folder_without_spectra_has_none_and_a_missing_one_is_refused(folder: Path) -> None:
    (folder / "image.cbf").write_bytes(b"x")
    assert gather(folder) == (None, [])
    (folder / "a_mca_s1.fio").write_text("nothing")
    assert gather(folder) == (None, ["none of the 1 files of spectra can be read"])
    with pytest.raises(CatalogError, match="missing: cannot be listed"):
        gather(folder / "missing")


def test_a_file_that_is_a_link_out_of_the_beamtime_is_not_read(folder: Path, tmp_path: Path) -> None:
    write(folder, 1, 1)
    (folder / "scan_00001_mca_s2.fio").symlink_to(Path(__file__))
    spectra, problems = gather(folder)
    assert spectra is not None
    assert np.isnan(spectra.values[1]).all()
    assert "leads out of the beamtime's folder" in problems[0]
