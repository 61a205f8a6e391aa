"""What lies beside a scan's file: its detectors' frames, spectra, and what an ingest left.

Knows which companion goes to which reader, and what a reading takes over from another; does not know formats.
"""

from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from catalog_builder import ingested
from catalog_builder.discover import FoundFile, Source
from catalog_builder.errors import CatalogError
from catalog_builder.files import read_inside
from catalog_builder.readers import Surroundings
from catalog_builder.readers.bounds import kept_inside
from catalog_builder.readers.complaints import Complaints
from catalog_builder.readers.images import FRAME_SUFFIXES, frames_in, frames_of_files, frames_of_master
from catalog_builder.readers.mca import spectra_in
from catalog_builder.records import Problem
from catalog_builder.signals import Frames, Picture, Reading, Spectra

_LONGEST_SIDECAR = 32 * 2**20
"""Bytes; an attachment holds a picture, a third longer than it is."""

_FILLED = (
    "command",
    "title",
    "sample",
    "user",
    "started",
    "ended",
    "flag",
    "signal",
    "columns",
    "axes",
    "map",
    "frames",
    "spectra",
    "rois",
)
"""Of a reading, taken from another where it is missing."""


def beside(source: Source, surroundings: Surroundings) -> Reading:
    """Give what lies beside a source's files as a reading of its own; what cannot be read of it is a problem."""
    complaints = Complaints(PurePosixPath(source.path).name)
    found = Reading(
        frames=(*_frames(source, surroundings), *_loose_frames(source, surroundings)),
        spectra=_spectra(source, surroundings, complaints),
        problems=complaints.all(),
    )
    for file in source.sidecars:
        try:
            found = filled(found, _sidecar(file, surroundings.boundary))
        except CatalogError as exc:
            problem = Problem(where=PurePosixPath(file.path).name, what=exc.what)
            found = replace(found, problems=(*found.problems, problem))
    return found


def filled(reading: Reading, other: Reading | None) -> Reading:
    """Fill what a reading lacks from another of the same scan, and add up what both may tell."""
    if other is None:
        return reading
    lacking: dict[str, Any] = {name: getattr(other, name) for name in _FILLED if not getattr(reading, name)}
    return replace(
        reading,
        **lacking,
        positioners={**other.positioners, **reading.positioners},
        parameters={**other.parameters, **reading.parameters},
        units={**other.units, **reading.units},
        pictures=(*reading.pictures, *other.pictures),
        problems=(*reading.problems, *other.problems),
    )


def _frames(source: Source, surroundings: Surroundings) -> Iterator[Frames]:
    """Give the frames in the source's own folders, one a detector."""
    for folder, detector in _folders(source, surroundings.boundary, FRAME_SUFFIXES):
        if (frames := frames_in(folder, detector or folder.name, surroundings)) is not None:
            yield frames


def _folders(source: Source, boundary: Path, suffixes: Collection[str]) -> Iterator[tuple[Path, str]]:
    """Give the source's own folders that hold files of these suffixes, with the detector each is named after."""
    series = {(s.path, s.detector or "") for s in source.series if s.suffix.lower() in suffixes}
    for path, detector in sorted(series):
        folder = kept_inside(boundary / path, boundary)
        if folder.is_dir():
            yield folder, detector


def _loose_frames(source: Source, surroundings: Surroundings) -> Iterator[Frames]:
    """Give the frames in files that lie beside the scan's: single images, and an Eiger's series by its master."""
    files = [surroundings.boundary / series.path for series in source.series if not series.suffix]
    for master in files:
        if master.stem.endswith("_master") and (frames := frames_of_master(master, surroundings)) is not None:
            yield frames
    if (frames := frames_of_files(files, "detector", surroundings)) is not None:
        yield frames


def _spectra(source: Source, surroundings: Surroundings, complaints: Complaints) -> tuple[Spectra, ...]:
    """Give the spectra in the source's own folders: ``.fio`` files of a multichannel analyser, one a point."""
    found = (
        spectra_in(folder, detector or "mca", surroundings, complaints)
        for folder, detector in _folders(source, surroundings.boundary, (".fio",))
    )
    return tuple(spectra for spectra in found if spectra is not None)


def _sidecar(file: FoundFile, boundary: Path) -> Reading:
    text = read_inside(boundary, file.path, limit=_LONGEST_SIDECAR).decode("utf-8", "replace")
    name = PurePosixPath(file.path).name
    if name.endswith(ingested.ATTACHMENT_SUFFIX):
        picture = ingested.attachment(text)
        return Reading(pictures=(Picture(where=name, caption=picture.caption, content=picture.content),))
    said = ingested.metadata(text)
    left_out = f"{said.left_out} values more than are taken from such a file"
    problems = (Problem(where=name, what=left_out),) if said.left_out else ()
    return Reading(
        title=said.title, command=said.command, parameters=said.parameters, units=said.units, problems=problems
    )
