"""Frames of HDF5 files in a scan's folder carry the mask and the saturation their detector tells of itself."""

from pathlib import Path
from zoneinfo import ZoneInfo

import h5py
import numpy as np

from catalog_builder.readers import Surroundings
from catalog_builder.readers.images import frames_in
from catalog_builder.signals import Frames

MASK = np.zeros((20, 24), np.uint32)
MASK[3, 4] = 1


def frames_of(folder: Path) -> Frames:
    found = frames_in(folder, "det", Surroundings(boundary=folder, timezone=ZoneInfo("UTC")))
    assert found is not None
    return found


def detector_in(file: h5py.File) -> h5py.Group:
    group = file.create_group("entry/instrument/detector")
    group.attrs["NX_class"] = "NXdetector"
    return group


def masked(frames: Frames) -> list[list[int]]:
    return [place for n in range(frames.count) for place in np.argwhere(np.isnan(frames.load(n))).tolist()]


def test_an_eigers_frames_are_masked_by_its_master(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "scan_master.h5", "w") as file:
        detector = detector_in(file)
        detector["detectorSpecific/pixel_mask"] = MASK
        detector["detectorSpecific/countrate_correction_count_cutoff"] = 4000
        for number in (1, 2):
            file[f"entry/data/data_{number:06d}"] = h5py.ExternalLink(f"scan_data_{number:06d}.h5", "/entry/data/data")
    for number in (1, 2):
        with h5py.File(tmp_path / f"scan_data_{number:06d}.h5", "w") as file:
            file["entry/data/data"] = np.full((1, 20, 24), number, np.uint16)
    frames = frames_of(tmp_path)
    assert (frames.count, frames.cutoff) == (2, 4000)
    assert masked(frames) == [[3, 4], [3, 4]]
    assert [frames.load(n)[0, 0] for n in range(2)] == [1, 2]


def test_a_lambdas_frames_are_masked_by_what_lies_beside_them(tmp_path: Path) -> None:
    for part in range(2):
        with h5py.File(tmp_path / f"scan_00001_m1_part{part:05d}.nxs", "w") as file:
            detector = detector_in(file)
            detector["data"], detector["pixel_mask"] = np.full((1, 20, 24), part, np.int16), MASK[None]
            detector["saturation_value"] = [4095]
    frames = frames_of(tmp_path)
    assert (frames.count, frames.cutoff) == (2, 4095)
    assert masked(frames) == [[3, 4], [3, 4]]
