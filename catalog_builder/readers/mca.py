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
MOST_FILES = 4096
"""Files that are read, some 0.5 ms each; of more, evenly chosen ones are."""
MOST_CHANNELS = 1 << 16
"""Of a spectrum; what has more is none."""
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
    chosen = _evenly(list(files), MOST_FILES)
    sample = next((s for point in chosen if (s := _spectrum(files[point], detector, surroundings))), None)
    if sample is None:
        if files:
            asked = "the" if len(chosen) == len(files) else f"{len(chosen)} evenly chosen of the"
            complaints.add(f"none of {asked} {len(files)} files of spectra can be read")
        return None
    channels = sample.values.shape[1]
    points = _points(chosen) if len(chosen) == len(files) else chosen
    kept = _evenly(points, max(MOST_VALUES // channels, 1))
    there_are = max(len(points), len(files))
    if len(kept) < there_are:
        complaints.add(f"of {there_are} spectra {len(kept)} are kept, evenly chosen")
    values = np.full((len(kept), channels), np.nan)
    for row, point in enumerate(kept):
        path = files.get(point)
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


def _evenly(points: list[int], most: int) -> list[int]:
    """Give all, or as many as there may be of them, the first and the last included."""
    if len(points) <= most:
        return points
    return [points[at] for at in np.linspace(0, len(points) - 1, most).round().astype(int)]


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
                return _short_enough(next(named, reading.spectra[0]))
    except (CatalogError, OSError) as exc:
        wrong = exc.what if isinstance(exc, CatalogError) else f"cannot be read: {exc.strerror}"
    if complaints is not None:
        complaints.add(f"{encodable(path.name)} {wrong}")
    return None


def _short_enough(spectra: Spectra) -> Spectra:
    channels = spectra.values.shape[1]
    if channels > MOST_CHANNELS:
        raise CatalogError(f"has {channels} channels; a spectrum has at most {MOST_CHANNELS}")
    return spectra


def _fill(row: Floats, spectrum: Floats, path: Path, complaints: Complaints) -> None:
    if len(spectrum) != len(row):
        complaints.add(f"{encodable(path.name)} has {len(spectrum)} channels, others {len(row)}")
    row[: len(spectrum)] = spectrum[: len(row)]
