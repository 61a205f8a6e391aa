"""Real files of instruments, where a folder with them is named by ``CATBUILD_REAL_DATA``."""

import json
import os
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from silx.io.specfile import SpecFile

from catalog_builder.errors import CatalogError
from catalog_builder.readers import READERS, Surroundings
from catalog_builder.readers.images import FRAME_SUFFIXES, frames_in
from catalog_builder.signals import Reading

HDF4 = b"\x0e\x03\x13\x01"
FOLDER = os.environ.get("CATBUILD_REAL_DATA", "")

pytestmark = pytest.mark.skipif(not FOLDER, reason="CATBUILD_REAL_DATA names no folder with real instrument files")


def found(*suffixes: str) -> list[Path]:
    """Give the real files with one of these suffixes."""
    if not FOLDER:
        return []
    return sorted(path for path in Path(FOLDER).rglob("*") if path.is_file() and path.suffix.lower() in suffixes)


def of(reader: str) -> list[Path]:
    chosen = READERS.get(reader)
    return [path for path in found(*chosen.suffixes) if chosen.recognises(path.read_bytes()[:4096])]


def label(path: Path) -> str:
    return "/".join(path.parts[-2:])


def surroundings(path: Path) -> Surroundings:
    return Surroundings(boundary=path.parent, timezone=ZoneInfo("Europe/Berlin"))


def read(reader: str, path: Path) -> list[Reading]:
    return list(READERS.get(reader).read(path, surroundings(path)))


def check(scan: Reading) -> None:
    assert len({len(column.values) for column in scan.columns}) <= 1
    names = [column.name for column in scan.columns]
    assert len(names) == len(set(names))
    assert set(scan.axes) <= set(names)
    json.dumps(dict(scan.parameters), allow_nan=False)


@pytest.mark.parametrize("path", found(".fio"), ids=label)
def test_every_fio_file_is_read(path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert READERS.get("fio").recognises(path.read_bytes()[:4096])
    (scan,) = read("fio", path)
    check(scan)
    assert scan.columns
    assert scan.started is not None
    assert len(scan.problems) == (1 if path.name == "slit_05x05_00001.fio" else 0)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("path", of("spec"), ids=label)
def test_every_spec_file_gives_the_scans_and_values_silx_finds(path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    scans = read("spec", path)
    assert capfd.readouterr() == ("", "")
    theirs = SpecFile(str(path))
    assert [scan.measurement for scan in scans] == theirs.keys()
    for scan in scans:
        check(scan)
        if scan.columns and not any("values for" in problem.what for problem in scan.problems):
            compare(scan, theirs[scan.measurement])
    theirs.close()
    capfd.readouterr()


def compare(scan: Reading, theirs: object) -> None:
    """Compare values by name, but where silx reads a ``nan`` as 0, and half of rows wrapped by ``#N 15 8``."""
    labels: list[str] = theirs.labels  # type: ignore[attr-defined]
    values = theirs.data  # type: ignore[attr-defined]
    points = len(scan.columns[0].values)
    if points == 0:
        assert values.size == 0
        return
    assert values.shape == (len(labels), points) or values.shape == (8, points)
    for column in scan.columns:
        place = labels.index(column.name) if labels.count(column.name) == 1 else len(values)
        if place < len(values):
            there = np.isfinite(column.values)
            assert np.allclose(column.values[there], values[place][there])


@pytest.mark.parametrize("path", found(".nxs", ".h5", ".hdf5"), ids=label)
def test_every_hdf5_file_is_read_or_refused_in_plain_words(path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    scans = []
    try:
        for scan in READERS.get("nexus").read(path, surroundings(path)):
            check(scan)
            scans.append(scan)
            for frames in scan.frames:
                assert frames.load(0).ndim == 2
    except CatalogError as exc:
        assert path.name in str(exc)  # noqa: PT017
    head = path.read_bytes()[:4096]
    assert bool(scans) == (READERS.get("nexus").recognises(head) and not head.startswith(HDF4))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("folder", sorted({path.parent for path in found(*FRAME_SUFFIXES)}), ids=label)
def test_every_folder_of_images_is_read_or_refused_in_plain_words(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    frames = frames_in(folder, folder.name, Surroundings(boundary=folder, timezone=ZoneInfo("UTC")))
    for number in range(min(frames.count, 3) if frames else 0):
        assert frames is not None
        try:
            assert frames.load(number).ndim == 2
        except CatalogError as exc:
            assert "damaged or cut short" in str(exc)  # noqa: PT017
    assert capfd.readouterr() == ("", "")
