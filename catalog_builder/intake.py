"""Taking in one source, in a worker: read it, draw it, write its records and previews.

Knows the way of one source from files to records; does not know other sources, datasets or pages. Arrays end
here: what goes back are names and problems.
"""

import hashlib
import logging
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any
from zoneinfo import ZoneInfo

from catalog_builder import commands, names, previews
from catalog_builder.config import Settings
from catalog_builder.curves import curve_bytes, curve_document, peak
from catalog_builder.discover import BeamtimeFolder, Source
from catalog_builder.errors import CatalogError
from catalog_builder.facts import STALE_SECONDS, located, scan_record
from catalog_builder.files import sweep, write_if_changed
from catalog_builder.places import Places
from catalog_builder.readers import READERS, Reader, Surroundings
from catalog_builder.readers.bounds import kept_inside, reason
from catalog_builder.readers.images import frames_in
from catalog_builder.records import Peak, Problem, Scan
from catalog_builder.recordstore import RecordStore
from catalog_builder.signals import Choice, Frames, Reading, axis_of, choose, column_named

VERSION = 1
"""Raised whenever the same reading would give another record or preview."""

SHARED_SUFFIXES = frozenset({"", ".dat", ".txt"})
"""Suffixes that all sorts of programs use: such a file that its reader does not recognise is not a source."""

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One source to take in."""

    source: Source
    folder: BeamtimeFolder
    settings: Settings
    now: datetime

    @property
    def where(self) -> str:
        """The source's place, for messages."""
        return f"{self.source.beamtime}/{self.settings.beamtimes.raw}/{self.source.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What taking in a source gave."""

    scans: tuple[str, ...] = ()
    """Keys of the scans whose records were written."""
    whole: bool = False
    """True where the source was read to its end: scans that it gave before and not now are gone from it."""
    problems: tuple[Problem, ...] = ()
    again_at: float | None = None
    """Unix time from which it would be judged differently though nothing changed."""
    failed: bool = False
    """True where nothing could be understood."""


class _NotASource(Exception):  # noqa: N818 - no error: the file is of no kind we read
    """The file carries a suffix that other programs use too, and is theirs."""


class CannotWriteError(CatalogError):
    """The catalogue's own disk refuses: no source's fault, and nothing to go on with."""


def settings_digest(settings: Settings) -> str:
    """Give a digest of the settings and versions that taking in a source depends on."""
    concerned = (
        VERSION,
        previews.VERSION,
        tuple((name, READERS.get(name).version) for name in settings.readers),
        settings.signals,
        settings.timezone,
    )
    return hashlib.sha256(repr(concerned).encode()).hexdigest()


def take_in(task: Task) -> Taken:
    """Read a source, draw its previews, write both; never raises, so that one source costs one source."""
    scans: list[Scan] = []
    try:
        _take(task, scans)
    except _NotASource:
        return Taken(again_at=_quiet_at(task))
    except CannotWriteError:
        raise
    except CatalogError as exc:
        return _failure(task, scans, f"{exc.what}; {exc.remedy}" if exc.remedy else exc.what)
    except MemoryError:
        return replace(_failure(task, scans, "needs more memory than there is"), again_at=0)
    except Exception as exc:
        _logger.exception("reading %s failed", task.where)
        return _failure(task, scans, f"could not be read ({type(exc).__name__}: {reason(exc)})")
    stale_at = task.source.newest_ns / 1e9 + STALE_SECONDS
    return Taken(
        scans=tuple(scan.key for scan in scans),
        whole=True,
        problems=tuple(problem for scan in scans for problem in scan.problems),
        again_at=stale_at if any(scan.state == "running" for scan in scans) else None,
    )


def _failure(task: Task, scans: Sequence[Scan], what: str) -> Taken:
    """Name the problem behind the scans before it; a file that is still being written is only looked at again."""
    keys = tuple(scan.key for scan in scans)
    quiet_at = _quiet_at(task)
    if quiet_at is not None:
        return Taken(scans=keys, again_at=quiet_at)
    problems = [problem for scan in scans for problem in scan.problems]
    return Taken(scans=keys, problems=(*problems, Problem(where=task.where, what=what)), failed=True)


def _quiet_at(task: Task) -> float | None:
    """Give the Unix time at which a young source has been quiet for long enough; None where it has."""
    quiet_at = task.source.newest_ns / 1e9 + task.settings.beamtimes.quiet_seconds
    return quiet_at if task.now.timestamp() < quiet_at else None


def _age(task: Task) -> float:
    """Give the seconds since the source's newest file changed."""
    return task.now.timestamp() - task.source.newest_ns / 1e9


def _take(task: Task, scans: list[Scan]) -> None:
    """Read scan after scan, and add each whose previews and record are written."""
    places = Places(task.settings.catalogue)
    with _writing():
        (places.previews / task.source.beamtime).mkdir(parents=True, exist_ok=True)
    with closing(_readings(task)) as readings:
        for reader, reading in readings:
            scan = _kept(task, reader, reading, places)
            with _writing():
                RecordStore(places).save_scan(scan)
            scans.append(scan)
    if not scans:
        raise CatalogError("holds no scan")


@contextmanager
def _writing() -> Iterator[None]:
    """Tell a disk of ours that refuses from a source that cannot be read."""
    try:
        yield
    except OSError as exc:
        what = f"cannot be written ({exc.strerror or exc})"
        remedy = "mend it and build again; what stands is kept"
        raise CannotWriteError(what, where=exc.filename or "the catalogue", remedy=remedy) from exc


def _readings(task: Task) -> Generator[tuple[Reader | None, Reading], None, None]:
    """Give the source's readings: the first file speaks, its namesakes fill what is missing."""
    surroundings = Surroundings(boundary=task.folder.path, timezone=ZoneInfo(task.settings.timezone))
    frames = _frames(task, surroundings)
    if not task.source.files:
        yield None, Reading(frames=frames, state="unknown")
        return
    reader, first = _opened(task, 0, surroundings)
    with closing(first):
        others = [_opened(task, n, surroundings)[1] for n in range(1, len(task.source.files))]
        for reading in first:
            for other in others:
                reading = _filled(reading, next(other, None))
            yield reader, reading if reading.frames or reading.measurement else replace(reading, frames=frames)
        for other in others:
            other.close()


def _opened(task: Task, n: int, surroundings: Surroundings) -> tuple[Reader, Generator[Reading, None, None]]:
    """Open the n-th file with its reader; raises where it is not what its suffix says."""
    reader = READERS.get(task.source.readers[n])
    relative = PurePosixPath(task.source.files[n].path)
    path = kept_inside(task.folder.path / relative, task.folder.path)
    try:
        with path.open("rb") as stream:
            head = stream.read(4096)
    except OSError as exc:
        raise CatalogError(f"cannot be opened ({exc.strerror})", where=relative) from exc
    if not reader.recognises(head):
        if relative.suffix.lower() in SHARED_SUFFIXES:
            raise _NotASource
        raise CatalogError("is empty" if not head else f"is not a file the {reader.name} reader knows", where=relative)
    return reader, _generator(reader.read(path, surroundings))


def _generator(readings: Iterator[Reading]) -> Generator[Reading, None, None]:
    """Make any iterator closable."""
    yield from readings


def _filled(reading: Reading, other: Reading | None) -> Reading:
    """Fill what a reading lacks from its namesake's of another format."""
    if other is None:
        return reading
    lacking: dict[str, Any] = {
        name: getattr(other, name)
        for name in (
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
        )
        if not getattr(reading, name)
    }
    return replace(
        reading,
        **lacking,
        positioners={**other.positioners, **reading.positioners},
        parameters={**other.parameters, **reading.parameters},
        units={**other.units, **reading.units},
        problems=(*reading.problems, *other.problems),
    )


def _frames(task: Task, surroundings: Surroundings) -> tuple[Frames, ...]:
    """Give the frames in the source's own folder, one a detector."""
    found = []
    for path, detector in sorted({(series.path, series.detector or "") for series in task.source.series}):
        folder = kept_inside(task.folder.path / path, task.folder.path)
        frames = frames_in(folder, detector or folder.name, surroundings) if folder.is_dir() else None
        if frames is not None:
            found.append(frames)
    return tuple(found)


def _kept(task: Task, reader: Reader | None, reading: Reading, places: Places) -> Scan:
    """Draw a reading, write its previews, and give its record."""
    command = commands.parse(reading.command)
    choice = choose(reading, command, task.settings.signals)
    scan = scan_record(task.source, reader, reading, command, raw=task.settings.beamtimes.raw, age=_age(task))
    drawing = previews.draw(reading, command, choice, names.readable(scan.name), command.points)
    curve = curve_bytes(curve_document(reading, choice)) if reading.columns else None
    with _writing():
        _write_previews(places.scan_previews(scan.key), drawing, curve)
    return replace(
        scan,
        signals=choice.signals,
        axes=choice.axes,
        peak=_main_peak(reading, choice),
        previews=tuple(image.preview for image in drawing.images),
        no_preview=drawing.no_preview,
        problems=(*scan.problems, *_drawing_problems(drawing, task)),
    )


def _drawing_problems(drawing: previews.Drawing, task: Task) -> Iterator[Problem]:
    """Say where the problems of drawing are: those of frames name a file below the beamtime's folder already."""
    raw = task.settings.beamtimes.raw
    for problem in drawing.problems:
        if problem.where.startswith(f"{raw}/"):
            yield replace(problem, where=f"{task.source.beamtime}/{problem.where}")
        else:
            yield from located([problem], task.source, raw)


def _main_peak(reading: Reading, choice: Choice) -> Peak | None:
    """Give the facts about the main signal's peak; a map or frames alone have none."""
    main = column_named(reading.columns, choice.signals[0]) if choice.signals and len(choice.axes) < 2 else None
    return None if main is None else peak(axis_of(reading, choice).values, main.values)


def _write_previews(folder: Path, drawing: previews.Drawing, curve: bytes | None) -> None:
    """Write what was drawn, and remove what an earlier reading drew and this one does not."""
    content = {f"{image.preview.name}.png": image.large for image in drawing.images}
    content |= {name: image.small for image in drawing.images for name in ["thumb.png"] if image.small is not None}
    if curve is not None:
        content["curve.json"] = curve
    for name, data in content.items():
        write_if_changed(folder / name, data)
    if folder.is_dir():
        sweep(folder)
        for path in folder.iterdir():
            if path.name not in content and not path.name.startswith("."):
                path.unlink(missing_ok=True)
