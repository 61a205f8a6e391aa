"""Detector images beside a scan are read one at a time, with dead and masked pixels as NaN."""

from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import fabio
import h5py
import hdf5plugin
import numpy as np
import pytest
from fabio.cbfimage import CbfImage
from fabio.edfimage import EdfImage
from fabio.tifimage import TifImage

from catalog_builder.errors import CatalogError
from catalog_builder.readers import Surroundings
from catalog_builder.readers.images import FRAME_SUFFIXES, frames_in
from catalog_builder.readers.pixels import image
from catalog_builder.signals import Frames


def frames(folder: Path, boundary: Path | None = None) -> Frames | None:
    return frames_in(folder, folder.name, Surroundings(boundary=boundary or folder, timezone=ZoneInfo("UTC")))


def some(folder: Path) -> Frames:
    found = frames(folder)
    assert found is not None
    return found


def picture(value: int = 7) -> Any:
    data = np.full((20, 30), value, np.int32)
    data[0, :2] = (-1, -2)
    return data


@pytest.mark.parametrize(("kind", "suffix"), [(CbfImage, ".cbf"), (TifImage, ".tif"), (EdfImage, ".edf")])
def test_a_series_is_read_in_the_order_of_its_names(tmp_path: Path, kind: Any, suffix: str) -> None:
    for number in (3, 1, 2):
        kind(data=picture(10 * number)).write(str(tmp_path / f"scan_{number:05d}{suffix}"))
    (tmp_path / "readme.txt").write_text("no image")
    series = some(tmp_path)
    assert (series.detector, series.count) == (tmp_path.name, 3)
    assert [float(series.load(number)[5, 5]) for number in range(3)] == [10, 20, 30]
    assert series.load(0).dtype == np.float32
    assert np.isnan(series.load(0)[0, :2]).all()
    assert suffix in FRAME_SUFFIXES
    with pytest.raises(CatalogError, match="there is no image 3, only 3"):
        series.load(3)


@pytest.mark.parametrize(("kind", "suffix"), [(CbfImage, ".cbf"), (TifImage, ".tif"), (EdfImage, ".edf")])
@pytest.mark.parametrize("left", [0, 5, 300, 0.5, 0.95])
def test_a_damaged_image_is_named_in_plain_words(tmp_path: Path, kind: Any, suffix: str, left: float) -> None:
    path = tmp_path / f"scan_00001{suffix}"
    rng = np.random.default_rng(1)
    kind(data=rng.integers(0, 100000, (200, 300), dtype=np.int32)).write(str(path))
    content = path.read_bytes()
    path.write_bytes(content[: int(left * len(content)) if left < 1 else int(left)])
    with pytest.raises(CatalogError, match=rf"scan_00001\{suffix}: the image is damaged or cut short"):
        some(tmp_path).load(0)


def test_an_image_that_is_a_link_out_of_the_beamtime_is_not_read(tmp_path: Path) -> None:
    TifImage(data=picture()).write(str(tmp_path / "secret.tif"))
    folder = tmp_path / "mine" / "p100k"
    folder.mkdir(parents=True)
    (folder / "scan_00001.tif").symlink_to(tmp_path / "secret.tif")
    found = frames(folder, tmp_path / "mine")
    assert found is not None
    with pytest.raises(CatalogError, match="leads out of the folder"):
        found.load(0)


def eiger(folder: Path, *counts: int, links: bool = True, dtype: Any = np.uint32) -> None:
    """Write a master and its data files; image ``n`` of the series is full of ``n``, with one dead pixel."""
    number = 0
    with h5py.File(folder / "scan_master.h5", "w") as master:
        data = master.create_group("entry/data")
        master["entry/instrument/detector/flatfield"] = np.ones((2, 40, 40))
        for part, count in enumerate(counts, start=1):
            name = f"scan_data_{part:06d}.h5"
            stack = np.stack([np.full((20, 30), number + n, dtype) for n in range(count)])
            stack[:, 0, 0] = np.iinfo(dtype).max
            number += count
            with h5py.File(folder / name, "w") as file:
                file.create_dataset("entry/data/data", data=stack, chunks=(1, 20, 30), **hdf5plugin.Bitshuffle())
            if links:
                data[f"data_{part:06d}"] = h5py.ExternalLink(name, "/entry/data/data")


@pytest.mark.parametrize("links", [True, False])
def test_an_eiger_s_images_are_found_through_its_master_or_beside_it(tmp_path: Path, links: bool) -> None:
    eiger(tmp_path, 3, 2, links=links)
    series = some(tmp_path)
    assert series.count == 5
    assert [float(series.load(n)[1, 1]) for n in range(5)] == [0, 1, 2, 3, 4]
    assert np.isnan(series.load(4)[0, 0])


def test_behind_a_missing_part_of_an_eiger_s_series_images_would_have_wrong_numbers(tmp_path: Path) -> None:
    eiger(tmp_path, 2, 2, 2)
    (tmp_path / "scan_data_000002.h5").unlink()
    assert some(tmp_path).count == 2


def test_a_part_cut_short_later_gives_an_error_and_not_an_image(tmp_path: Path) -> None:
    eiger(tmp_path, 2)
    series = some(tmp_path)
    path = tmp_path / "scan_data_000001.h5"
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(CatalogError, match="cut short"):
        series.load(0)


def test_of_a_lambda_s_modules_the_first_is_shown_and_said_to_be(tmp_path: Path) -> None:
    for module in (1, 2):
        for part in (0, 1):
            with h5py.File(tmp_path / f"scan_m{module}_part{part:05d}.nxs", "w") as file:
                stack = np.full((2, 20, 30), 10 * module + part, np.int16)
                stack[:, 0, 0] = -1
                file["entry/instrument/detector/data"] = stack
                file["entry/instrument/detector/pixel_mask"] = np.zeros((1, 600, 600))
    series = some(tmp_path)
    assert series.detector == f"{tmp_path.name} (m1 of 2)"
    assert [float(series.load(n)[1, 1]) for n in range(series.count)] == [10, 10, 11, 11]
    assert np.isnan(series.load(0)[0, 0])


def test_a_folder_without_images_has_none(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    (tmp_path / "broken.h5").write_bytes(b"nothing")
    assert frames(tmp_path) is None
    assert frames(tmp_path / "missing", tmp_path) is None


@pytest.mark.parametrize(
    ("dtype", "mark", "masked"),
    [
        (np.int32, -1, True),
        (np.int16, -2, True),
        (np.uint32, 2**32 - 1, True),
        (np.uint16, 2**16 - 1, True),
        (np.uint8, 255, False),
        (np.float32, np.inf, True),
        (np.float32, -1.0, False),
    ],
)
def test_dead_and_masked_pixels_are_known_by_the_type_of_the_image(dtype: Any, mark: Any, masked: bool) -> None:
    assert bool(np.isnan(image(np.array([[1, mark]], dtype=dtype))[0, 1])) is masked


def test_reading_says_nothing_on_the_terminal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.cbf").write_bytes(b"###CBF: VERSION 1.5\n" + bytes(200))
    (tmp_path / "b.cbf").write_bytes(b"")
    series = some(tmp_path)
    for number in range(series.count):
        with pytest.raises(CatalogError):
            series.load(number)
    assert capfd.readouterr() == ("", "")
    assert fabio is not None
