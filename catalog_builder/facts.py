"""From what files say to records: a reading becomes a Scan, sidecar files become a Beamtime.

Knows how facts are put together and judged; does not know how data are read, drawn or grouped.
"""

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import PurePosixPath
from zoneinfo import ZoneInfo

import numpy as np

from catalog_builder import names
from catalog_builder.config import Settings
from catalog_builder.discover import BeamtimeFolder, FoundFile, FoundSeries, Source
from catalog_builder.errors import CatalogError
from catalog_builder.files import read_inside
from catalog_builder.readers import Reader
from catalog_builder.records import Beamtime, Channel, Command, DataFile, Problem, Scan, ScanState
from catalog_builder.sidecars import LONGEST_SIDECAR, beamtime_from_metadata, sane_time, scan_groups
from catalog_builder.signals import Column, Reading, roi_detector

STALE_SECONDS = 3600
"""A scan without its end line that has not grown for so long is not running: nobody ended it."""


def scan_record(
    source: Source, reader: Reader | None, reading: Reading, command: Command, *, raw: str, age: float
) -> Scan:
    """Give the record of a reading, without what is known only after drawing.

    Parameters
    ----------
    reader
        None for a source of frames alone.
    raw
        Name of the raw folder.
    age
        Seconds since the source's newest file changed.
    """
    path = PurePosixPath(source.path)
    whole = reader is None or reader.keeps_suffix
    name = names.scan_name(path, keep_suffix=whole, measurement=reading.measurement)
    points = _points(reading)
    own_number = names.scan_number(path.name if whole else path.stem)
    return Scan(
        key=names.scan_key(source.beamtime, name),
        name=name,
        stem=_stem(path, reader),
        beamtime=source.beamtime,
        measurement=reading.measurement,
        number=own_number if reading.number is None else reading.number,
        command=command,
        title=reading.title,
        sample=reading.sample,
        user=reading.user,
        started=sane_time(reading.started),
        ended=sane_time(reading.ended),
        state=scan_state(reading.state, command.points, points, age),
        points=points,
        comments=reading.comments,
        positioners=dict(sorted(reading.positioners.items())),
        parameters=dict(sorted(reading.parameters.items())),
        units=dict(sorted(reading.units.items())),
        channels=tuple(_channel(column) for column in reading.columns),
        detectors=_detectors(reading, source.series),
        files=_data_files(source, reading.extent),
        flag=reading.flag,
        problems=located(reading.problems, source, raw),
        reader="" if reader is None else reader.name,
        reader_version=0 if reader is None else reader.version,
        source=source.files[0].path if source.files else source.series[0].path,
    )


def beamtime_record(
    folder: BeamtimeFolder,
    lists: Iterable[FoundFile],
    before: Beamtime | None,
    on_disk: Collection[str],
    settings: Settings,
) -> Beamtime:
    """Give a beamtime's record from its metadata and its ``scicat-datasets-*.lst``.

    What cannot be read any more stays as the record said before; so do the groups of scans gone from disk.

    Parameters
    ----------
    on_disk
        Keys of the scans whose files are on disk.
    """
    now = _metadata(folder, settings)
    if now.problems and before is not None:
        now = replace(before, problems=now.problems)
    kept = before.scan_groups if before else {}
    groups = {name: group for name, group in kept.items() if names.scan_key(folder.id, name) not in on_disk}
    raw = PurePosixPath(settings.beamtimes.raw)
    for file in lists:
        path = PurePosixPath(file.path)
        try:
            text = read_inside(folder.path, path, limit=LONGEST_SIDECAR).decode("utf-8", "replace")
        except CatalogError as exc:
            problem = Problem(where=f"{folder.id}/{path}", what=f"{exc.what}; its groups are missing")
            now = replace(now, problems=(*now.problems, problem))
            continue
        groups |= scan_groups(text, path.parent.relative_to(raw))
    return replace(now, scan_groups=dict(sorted(groups.items())))


def _metadata(folder: BeamtimeFolder, settings: Settings) -> Beamtime:
    name = settings.beamtimes.metadata.replace("{id}", folder.id)
    where = f"{folder.id}/{name}"
    try:
        text = read_inside(folder.path, name, limit=LONGEST_SIDECAR).decode("utf-8", "replace")
    except CatalogError as exc:
        problem = Problem(where=where, what=f"{exc.what}; title and proposal are unknown")
        return Beamtime(id=folder.id, year=folder.year, problems=(problem,))
    zone = ZoneInfo(settings.timezone)
    return beamtime_from_metadata(folder.id, folder.year, text, where=where, timezone=zone)


def scan_state(said: ScanState, planned: int | None, measured: int, age: float) -> ScanState:
    """Judge a scan's state from what its file says, the points planned and measured, and the file's age in s.

    A scan without an end is running while its file is fresh; later it counts by its points alone. A scan that was
    ended with fewer points than planned was aborted.
    """
    if said == "aborted":
        return "aborted"
    is_short = planned is not None and measured < planned
    if age < STALE_SECONDS and (said == "running" or (said == "unknown" and is_short)):
        return "running"
    if is_short:
        return "aborted"
    if said == "complete" or (planned is not None and measured >= planned):
        return "complete"
    return "aborted" if said == "running" else "unknown"


def located(problems: Iterable[Problem], source: Source, raw: str) -> tuple[Problem, ...]:
    """Say in which beamtime and folder the problems of a reader are; it knows the file's name alone."""
    folder = PurePosixPath(source.beamtime, raw, source.path).parent
    return tuple(Problem(where=str(folder / problem.where), what=problem.what) for problem in problems)


def _stem(path: PurePosixPath, reader: Reader | None) -> str:
    """Give the default grouping value: a SPEC file's whole name, else the name without the scan number."""
    if reader is None:
        return names.stem(path)
    return names.joined(list(path.parts)) if reader.keeps_suffix else names.stem(path.with_suffix(""))


def _points(reading: Reading) -> int:
    """Count the points measured: rows of the columns, else frames."""
    if reading.columns:
        return int(reading.columns[0].values.shape[0])
    return max((frames.count for frames in reading.frames), default=0)


def _channel(column: Column) -> Channel:
    finite = column.values[np.isfinite(column.values)]
    if not finite.size:
        return Channel(name=column.name, unit=column.unit)
    return Channel(
        name=column.name,
        unit=column.unit,
        finite=int(finite.size),
        minimum=float(finite.min()),
        maximum=float(finite.max()),
        mean=float(np.mean(finite)),
    )


def _detectors(reading: Reading, series: Iterable[FoundSeries]) -> tuple[str, ...]:
    """Name the detectors of frames, of the scan's own folder, and of ROI channels (``p100k_roi1``).

    Frames of one module of several are labelled ``lambda (m1 of 3)``; the detector is ``lambda``.
    """
    of_frames = {frames.detector.partition(" (")[0] for frames in reading.frames}
    of_folders = {each.detector for each in series if each.detector}
    of_channels = {roi_detector(column.name) for column in reading.columns}
    return tuple(sorted(name for name in of_frames | of_folders | of_channels if name))


def _data_files(source: Source, extent: int | None) -> tuple[DataFile, ...]:
    """Give a scan's files; of one that goes on growing behind the scan, as far as the scan goes."""
    files = [DataFile(path=file.path, size=file.size, modified=_utc(file.mtime_ns)) for file in source.files]
    if extent is not None:
        files = [replace(files[0], size=extent, modified=None), *files[1:]]
    series = [
        DataFile(
            path=each.path,
            suffix=each.suffix,
            count=each.count,
            size=each.size,
            modified=_utc(each.last_ns),
            detector=each.detector,
        )
        for each in source.series
    ]
    return (*files, *series)


def _utc(ns: int) -> datetime:
    """Give a file's time to the microsecond; integer arithmetic, so that it is the same everywhere."""
    return datetime.fromtimestamp(ns // 1_000_000_000, UTC).replace(microsecond=ns // 1_000 % 1_000_000)
