"""The demo's files as the libraries for each format read them: complete ones, aborted ones, broken ones."""

import re
from pathlib import Path
from typing import Any

import fabio
import h5py
import hdf5plugin
import numpy as np
import pytest
from numpy.typing import NDArray
from silx.io.specfile import SpecFile

assert hdf5plugin.PLUGIN_PATH  # importing it is what makes bitshuffle readable


def parsed(path: Path) -> tuple[str, dict[str, str], dict[str, NDArray[np.float64]]]:
    """Give command, parameters and columns of a .fio file that is not broken."""
    comments, parameters, data = re.split(r"^%[cpd]\n", path.read_text(), flags=re.MULTILINE)[1:]
    pairs = dict(line.split(" = ", 1) for line in parameters.splitlines() if " = " in line)
    names = re.findall(r"^ Col \d+ (\S+) DOUBLE$", data, flags=re.MULTILINE)
    rows = [line.split() for line in data.splitlines() if line[0] == " " and not line.startswith(" Col")]
    return comments.splitlines()[0], pairs, dict(zip(names, np.array(rows, dtype=float).T, strict=True))


def test_a_reflectivity_has_eight_decades_fringes_and_counting_noise(oxides: Path) -> None:
    command, parameters, columns = parsed(oxides / "lsmo12_00005.fio")
    assert command == "a2scan tt 0.04 5.0 om 0.02 2.5 320 1.0"
    signal = columns[parameters["signalcounter"]]
    assert np.log10(signal.max() / signal[signal > 0].min()) > 7.5
    assert signal.size == 321
    dips = np.flatnonzero((signal[1:-1] < signal[:-2]) & (signal[1:-1] < signal[2:]))
    assert 10 <= dips.size <= 40
    assert set(columns["atten_position"]) == set(range(6))
    assert np.array_equal(columns["p100k_roi1"] * 10 ** columns["atten_position"], columns["p100k_roi1_corr"])


def test_a_fio_tells_sample_mode_positioners_and_clocks(monolayers: Path) -> None:
    command, parameters, columns = parsed(monolayers / "dspc_20degc_00005.fio")
    assert command == "timescan 180 10.0"
    assert parameters["sample_name"] == "DSPC monolayer on water"
    assert parameters["scanmode"] == "measurement"
    assert len(parameters) > 60
    assert abs(float(parameters["energyfmb"]) - 15000) < 2
    known = {"epoch", "timestamp", "petra_beamcurrent", "ion_bl", "beckhoff_temp1", "trough_pressure"}
    assert known <= columns.keys()
    assert np.all(np.diff(columns["epoch"]) > 10)
    assert np.ptp(columns["epoch"] - columns["timestamp"]) < 1e-5
    assert 25 < columns["trough_pressure"][-1] < 31


def test_a_mesh_is_complete_and_its_first_positioner_is_the_fast_one(oxides: Path) -> None:
    command, _, columns = parsed(oxides / "lsmo12_00009.fio")
    assert command.startswith("mesh om 9.82 10.32 19 tt ")
    assert columns["om"].size == 400
    assert np.unique(columns["tt"][:20]).size == 1
    assert np.all(np.diff(columns["om"][:20]) > 0)


def test_an_aborted_fio_has_an_end_and_too_few_rows(oxides: Path) -> None:
    command, _, columns = parsed(oxides / "lsmo12_00006.fio")
    assert command.split()[-2] == "90"
    assert columns["om"].size == 37
    assert "! Acquisition ended at " in (oxides / "lsmo12_00006.fio").read_text()


def test_one_fio_ends_in_the_middle_of_a_row(monolayers: Path) -> None:
    text = (monolayers / "dspc_peptide_00013.fio").read_text()
    rows = text.rsplit("DOUBLE\n", 1)[1].splitlines()
    assert "Acquisition ended" not in text
    assert not text.endswith("\n")
    assert len(rows) > 30
    assert len(rows[-1].split()) < len(rows[0].split()) or len(rows[-1]) < len(rows[0])


def test_lab6_peaks_stand_where_the_lattice_says(oxides: Path) -> None:
    _, _, columns = parsed(oxides / "lab6_00001.fio")
    highest = columns["tt"][np.argmax(columns["p100k_roi1"])]
    assert highest == pytest.approx(np.degrees(2 * np.arcsin(12398.42 / 18000 * np.sqrt(2) / (2 * 4.1569))), abs=0.06)


def test_spec_files_hold_many_scans_a_repeated_number_and_an_aborted_scan(spec_night: Path) -> None:
    file = SpecFile(str(spec_night / "sro_film.spec"))
    keys = list(file.keys())
    assert len(keys) == 17 + 1
    assert {"6.1", "6.2"} <= set(keys)
    aborted, again = file["6.1"], file["6.2"]
    assert aborted.data.shape[1] == 22
    assert again.data.shape[1] == 91
    assert len(again.motor_names) == len(again.motor_positions) > 55
    assert aborted.scan_header_dict["S"] == "6  dscan  om  -0.243  0.243  90  1"
    assert "Scan aborted after 22 points." in (spec_night / "sro_film.spec").read_text()
    assert again.labels[0] == "om"
    assert again.labels[-1] == "p100k_roi1"


def test_a_rod_in_spec_moves_along_l_and_shows_bragg_peaks(spec_night: Path) -> None:
    scan = SpecFile(str(spec_night / "nio_mgo.dat"))["7.1"]
    order, counts = scan.data_column_by_name("L"), scan.data_column_by_name("p100k_roi1_corr")
    assert scan.labels[:3] == ["H", "K", "L"]
    assert np.ptp(scan.data_column_by_name("H")) == 0
    for peak in (1, 2, 3):
        near = np.abs(order - peak) < 0.05
        assert counts[near].max() > 1000 * np.median(counts)


def test_a_nexus_scan_names_its_plot_units_and_command(particles: Path) -> None:
    with h5py.File(particles / "aunp_00005.nxs") as file:
        entry = file[file.attrs["default"]]
        data: Any = entry[entry.attrs["default"]]
        assert entry.attrs["NX_class"] == "NXentry"
        assert data.attrs["signal"] == "lambda_roi1"
        assert list(data.attrs["axes"]) == ["dummymot"]
        assert data["lambda_roi1"].shape == data["dummymot"].shape == (31,)
        assert data["lambda_roi1"].attrs["units"] == "counts"
        assert entry["program_name"].attrs["scan_command"].startswith("dscan dummymot -1.0 1.0 30 ")
        assert entry["instrument/monochromator/energy"].attrs["units"] == "eV"
        assert entry["sample/name"].asstr()[()] == "Au nanoparticles 8 nm on water"


def test_a_nexus_scan_links_to_the_stack_in_its_companion_folder(particles: Path) -> None:
    with h5py.File(particles / "aunp_00005.nxs") as file:
        link = file.get("/scan/instrument/lambda/data", getlink=True)
        assert link.filename == "aunp_00005/lambda/aunp_00005_part00000.nxs"
        assert file["/scan/data/lambda"].shape == (31, 256, 516)
        assert file["/scan/data/lambda"].dtype == np.int16
    assert (particles / "aunp_00005/lambda/aunp_00005_part00000.nxs").is_file()


def test_one_nexus_scan_links_to_a_stack_that_is_gone(particles: Path) -> None:
    with h5py.File(particles / "fenp_00012.nxs") as file:
        assert isinstance(file.get("/scan/instrument/lambda/data", getlink=True), h5py.ExternalLink)
        with pytest.raises(KeyError):
            file["/scan/instrument/lambda/data"]


def test_one_nexus_file_holds_two_entries(particles: Path) -> None:
    with h5py.File(particles / "fenp_overview_00001.nxs") as file:
        assert sorted(file) == ["height", "lateral"]
        assert file.attrs["default"] == "height"


def test_one_scan_has_a_fio_and_a_nexus_file_that_agree(particles: Path) -> None:
    _, _, columns = parsed(particles / "water_00003.fio")
    with h5py.File(particles / "water_00003.nxs") as file:
        assert np.array_equal(file["/scan/data/lambda_roi1_corr"][()], columns["lambda_roi1_corr"])


def test_one_nexus_file_is_cut_in_half(particles: Path) -> None:
    path = particles / "fenp_00014.nxs"
    assert path.stat().st_size > 10_000
    with pytest.raises(OSError, match="truncated file"):
        h5py.File(path)


def test_an_eiger_master_leads_to_a_bitshuffled_stack_with_dead_pixels(monolayers: Path) -> None:
    folder = monolayers / "dspc_20degc_00009" / "eiger4m"
    with h5py.File(folder / "dspc_20degc_00009_data_000001.h5") as file:
        assert "32008" in file["/entry/data/data"]._filters  # bitshuffle's number among HDF5 filters
    with h5py.File(folder / "dspc_20degc_00009_master.h5") as file:
        stack = file["/entry/data/data_000001"]
        assert (stack.shape, stack.dtype) == ((31, 512, 514), np.uint32)
        frame = stack[7]
    dead = frame == 2**32 - 1
    assert 6000 < np.count_nonzero(dead) < 6500
    assert 50 < frame[~dead].max() < 1e6


@pytest.mark.parametrize("name", ["lsmo12_00005/p100k/lsmo12_00005_00002.cbf", "lab6_00001/p100k/lab6_00001_00002.tif"])
def test_pilatus_frames_are_masked_where_pixels_are_bad(oxides: Path, name: str) -> None:
    with fabio.open(str(oxides / name)) as image:
        counts = image.data
        assert counts.shape == (195, 487)
        assert np.issubdtype(counts.dtype, np.signedinteger)
        assert np.count_nonzero(counts == -1) == 195
        assert counts.min() == -2
        assert 10 < np.count_nonzero(counts == -2) <= 24
        assert counts.max() > 20


def test_a_series_of_frames_maps_to_rows_by_its_index_column(oxides: Path) -> None:
    for scan, frames in (("night3/sto_bare_00006", 31), ("lsmo12_00005", 9)):
        _, _, columns = parsed(oxides / f"{scan}.fio")
        found = sorted((oxides / scan / "p100k").iterdir())
        assert len(found) == frames
        assert columns["p100k_index"].max() == frames - 1
