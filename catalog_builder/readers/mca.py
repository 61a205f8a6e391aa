"""Spectra that lie in a scan's own folder, one ``.fio`` file a point, as Sardana writes them.

Knows their names (``<scan>_mca_s1.fio`` …: the point's number from 1, after the last underscore) and how they become
one array; does not know which scan they belong to. Source: DESY's ``FIO_FileRecorder._writeMcaFile``.
"""

import re
from pathlib import Path

import numpy as np

from catalog_builder.errors import CatalogError
from catalog_builder.readers import Surroundings
from catalog_builder.readers.bounds import kept_inside, reason
from catalog_builder.readers.complaints import Complaints
from catalog_builder.readers.fio import READER
from catalog_builder.readers.texts import encodable
from catalog_builder.signals import Floats, Spectra

_OF_POINT = re.compile(r"(.*)_mca_s(\d{1,9})\.fio", re.IGNORECASE)
MOST_VALUES = 16_000_000
"""Values of a scan's spectra that are kept together; of more, evenly chosen spectra are."""
_LARGEST = 16 * 1024 * 1024
"""Bytes of one spectrum's file; a larger one is none."""


def spectra_in(
    folder: Path, detector: str, surroundings: Surroundings, complaints: Complaints | None = None
) -> Spectra | None:
    """Give the spectra in a scan's folder, shape (points, channels), or None where there is no file of them.

    Of files with several analysers it is the column named as the detector, else the first. The point is the number
    in the file's name; one without a file, or whose file is damaged, is a row of NaN. What is damaged, and that not
    all spectra are kept, is told to ``complaints``. Raises CatalogError where the folder cannot be listed.
    """
    complaints = complaints or Complaints(encodable(folder.name))
    files = _files(folder, surroundings)
    sample = next((s for path in files.values() if (s := _spectrum(path, detector, surroundings))), None)
    if sample is None:
        if files:
            complaints.add(f"none of the {len(files)} files of spectra can be read")
        return None
    channels = sample.values.shape[1]
    points = _points(list(files))
    kept = min(len(points), max(MOST_VALUES // channels, 1))
    if kept < len(points):
        complaints.add(f"of {len(points)} spectra {kept} are kept, evenly chosen")
    values = np.full((kept, channels), np.nan)
    for row, at in enumerate(np.linspace(0, len(points) - 1, kept).round().astype(int)):
        path = files.get(points[at])
        found = None if path is None else _spectrum(path, detector, surroundings, complaints)
        if found is not None and path is not None:
            _fill(values[row], found.values[0], path, complaints)
    return Spectra(detector=detector, values=values, energy=sample.energy)


def _files(folder: Path, surroundings: Surroundings) -> dict[int, Path]:
    """Give the files of spectra by the point's number, in order; of two with one number the first by name."""
    inside = kept_inside(folder, surroundings.boundary)
    try:
        named = sorted(((int(m[2]), p) for p in inside.iterdir() if (m := _OF_POINT.fullmatch(p.name))), reverse=True)
    except OSError as exc:
        raise CatalogError(f"cannot be listed: {exc.strerror or reason(exc)}", where=encodable(folder.name)) from exc
    return dict(sorted(dict(named).items()))


def _points(numbers: list[int]) -> list[int]:
    """Give the number of every point, those without a file too, unless the numbers are no such count."""
    first, last = min(numbers[0], 1), numbers[-1]
    return list(range(first, last + 1)) if last - first < 4 * len(numbers) else numbers


def _spectrum(
    path: Path, detector: str, surroundings: Surroundings, complaints: Complaints | None = None
) -> Spectra | None:
    """Give the detector's spectrum in a file, shape (1, channels); None, and a complaint, where there is none."""
    wrong = "holds no spectrum"
    try:
        if kept_inside(path, surroundings.boundary).stat().st_size > _LARGEST:
            raise CatalogError("is too long for one spectrum")
        for reading in READER.read(path, surroundings):
            named = (s for s in reading.spectra if s.detector.casefold() == detector.casefold())
            if reading.spectra:
                return next(named, reading.spectra[0])
    except (CatalogError, OSError) as exc:
        wrong = exc.what if isinstance(exc, CatalogError) else f"cannot be read: {exc.strerror}"
    if complaints is not None:
        complaints.add(f"{encodable(path.name)} {wrong}")
    return None


def _fill(row: Floats, spectrum: Floats, path: Path, complaints: Complaints) -> None:
    if len(spectrum) != len(row):
        complaints.add(f"{encodable(path.name)} has {len(spectrum)} channels, others {len(row)}")
    row[: len(spectrum)] = spectrum[: len(row)]
