"""Every pixel of every real image against fabio's own reader, and some written down by hand from the files.

``CATBUILD_REAL_DATA`` names the folder. The only difference allowed is what a pixel's value means: in an image of
signed integers a negative value is NaN, in one of unsigned integers of two bytes or more the largest value is, in
floating point what is not finite is; values are float32.
"""

import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from fabio.cbfimage import CbfImage
from fabio.edfimage import EdfImage
from fabio.tifimage import TifImage

from catalog_builder.errors import CatalogError
from catalog_builder.readers import Surroundings
from catalog_builder.readers.imagefiles import IMAGE_SUFFIXES
from catalog_builder.readers.images import frames_in
from catalog_builder.signals import Frames

REAL = os.environ.get("CATBUILD_REAL_DATA", "")
INSTRUMENTS = Path(REAL) / "instrument-files"

pytestmark = pytest.mark.skipif(not REAL, reason="CATBUILD_REAL_DATA names no folder with real instrument files")

KINDS: dict[str, Any] = {".cbf": CbfImage, ".tif": TifImage, ".tiff": TifImage, ".edf": EdfImage}


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What was written down from a file's bytes."""

    shape: tuple[int, int]
    pixels: dict[tuple[int, int], float] = field(default_factory=dict)
    masked: tuple[tuple[int, int], ...] = ()
    """Some of the pixels that are NaN."""
    all_masked: int = 0
    cutoff: float | None = None


WRITTEN_DOWN = {
    "LAOS3_05461.cbf": Expected(
        shape=(195, 487),
        pixels={(0, 0): 33, (0, 5): 24, (90, 200): 179, (114, 292): 1447, (194, 486): 14},
        masked=((0, 426), (0, 427), (17, 421)),
        all_masked=21,
        cutoff=126367,
    ),
    "Pilatus1M_org_00020.cbf": Expected(
        shape=(1043, 981), pixels={(0, 0): 0, (503, 474): 1279, (500, 471): 3}, cutoff=1050770
    ),
    "test_file.tif": Expected(
        shape=(195, 487),
        pixels={(0, 0): 3, (0, 3): 4, (0, 4): 0, (103, 255): 24, (100, 203): 10},
        masked=((31, 251), (32, 319), (114, 388)),
        all_masked=6,
        cutoff=1048574,
    ),
    # flags, no counts: uint32 of which none is 2**32 - 1; 2**31 and more lose their last bits as float32
    "Module_2017-004_GaAs_mask.tif": Expected(shape=(516, 1554), pixels={(0, 0): 0, (258, 100): 2147483648}),
    # corrected, with -30 and -60 where nothing was counted
    "original.tif": Expected(
        shape=(195, 1475),
        pixels={(0, 0): 68, (5, 807): 5272, (194, 1474): 2497},
        masked=((0, 243), (97, 737)),
        all_masked=3374,
    ),
    "ii32.tiff": Expected(
        shape=(2, 4),
        pixels={(0, 1): 200, (0, 3): 400, (1, 0): 200, (1, 2): 600},
        masked=((0, 0), (0, 2), (1, 1), (1, 3)),
        all_masked=4,
    ),
    "iui8.tiff": Expected(shape=(2, 4), pixels={(0, 0): 1, (0, 3): 4, (1, 0): 2, (1, 1): 4, (1, 2): 6, (1, 3): 8}),
}

REFUSED = {
    # both are one file: git took it for text and dropped its carriage returns
    "Pilatus.tiff": "the image is damaged or cut short",
    "hasylab_00136_00001.tif": "the image is damaged or cut short",
}


def images() -> list[Path]:
    if not REAL:
        return []
    return sorted(path for path in Path(REAL).rglob("*") if path.is_file() and path.suffix.lower() in IMAGE_SUFFIXES)


def label(path: Path) -> str:
    return "/".join(path.parts[-2:])


def alone(path: Path, folder: Path) -> Frames:
    """Give the frames of a folder that holds a copy of this file only."""
    shutil.copyfile(path, folder / path.name)
    found = frames_in(folder, "det", Surroundings(boundary=folder, timezone=ZoneInfo("UTC")))
    assert found is not None
    return found


def readable() -> list[Path]:
    return [path for path in images() if path.name not in REFUSED]


@pytest.mark.parametrize("path", readable(), ids=label)
def test_every_pixel_is_fabio_s(path: Path, tmp_path: Path) -> None:
    frames = alone(path, tmp_path)
    ours = frames.load(0)
    with KINDS[path.suffix.lower()]() as opened:
        theirs = np.array(opened.read(str(path)).data)
        assert frames.count == opened.nframes
    masked = np.zeros(theirs.shape, dtype=bool)
    if theirs.dtype.kind == "i":
        masked = theirs < 0
    elif theirs.dtype.kind == "u" and theirs.dtype.itemsize > 1:
        masked = theirs == np.iinfo(theirs.dtype).max
    elif theirs.dtype.kind == "f":
        masked = ~np.isfinite(theirs)
    assert ours.dtype == np.float32
    np.testing.assert_array_equal(np.isnan(ours), masked)
    np.testing.assert_array_equal(ours[~masked], theirs[~masked].astype(np.float32))


@pytest.mark.parametrize("path", readable(), ids=label)
def test_pixels_written_down_by_hand_are_found(path: Path, tmp_path: Path) -> None:
    expected = WRITTEN_DOWN.get(path.name)
    if expected is None:  # a beamtime's copies carry a scan's name
        same = [other for other in INSTRUMENTS.rglob("*") if other.name in WRITTEN_DOWN]
        (original,) = [other for other in same if other.read_bytes() == path.read_bytes()]
        expected = WRITTEN_DOWN[original.name]
    frames = alone(path, tmp_path)
    image = frames.load(0)
    assert image.shape == expected.shape
    assert {place: float(image[place]) for place in expected.pixels} == expected.pixels
    assert all(np.isnan(image[place]) for place in expected.masked)
    assert int(np.isnan(image).sum()) == expected.all_masked
    assert frames.cutoff == expected.cutoff


@pytest.mark.parametrize("path", [path for path in images() if path.name in REFUSED], ids=label)
def test_a_damaged_image_is_refused_in_these_words(path: Path, tmp_path: Path) -> None:
    with pytest.raises(CatalogError) as caught:
        alone(path, tmp_path).load(0)
    assert str(caught.value) == f"{path.name}: {REFUSED[path.name]}"


def test_every_file_of_the_folder_is_spoken_of() -> None:
    names = {path.name for folder in ("images", "broken") for path in (INSTRUMENTS / folder).rglob("*")}
    spoken = {*WRITTEN_DOWN, *REFUSED}
    assert {name for name in names if Path(name).suffix.lower() in IMAGE_SUFFIXES} <= spoken
