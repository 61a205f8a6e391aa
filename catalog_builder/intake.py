"""Taking in one source, in a worker: read it, draw it, write its records and previews.

Knows the way of one source from files to records; does not know other sources, datasets or pages. Arrays end
here: what goes back are names and problems.
"""

import hashlib
import json
import logging
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Self
from zoneinfo import ZoneInfo

from catalog_builder import commands, companions, names, previews
from catalog_builder.buildstate import SourceRow
from catalog_builder.config import Settings
from catalog_builder.curves import curve_bytes, curve_document, peak
from catalog_builder.discover import BeamtimeFolder, FoundFile, Source
from catalog_builder.errors import CatalogError
from catalog_builder.facts import STALE_SECONDS, located, scan_record
from catalog_builder.files import sweep, write_if_changed
from catalog_builder.places import Places
from catalog_builder.readers import READERS, Reader, ResumingReader, Surroundings
from catalog_builder.readers.bounds import kept_inside, reason
from catalog_builder.readers.inflate import first_bytes
from catalog_builder.records import Peak, Problem, Scan
from catalog_builder.recordstore import RecordStore
from catalog_builder.signals import Choice, Reading, axis_of, choose, column_named

VERSION = 3
"""Raised whenever the same reading would give another record or preview."""

_MORE = "holds more measurements than the file of the same name beside it; they are left out"

_DAY = 86_400
"""Seconds."""

SHARED_SUFFIXES = frozenset({"", ".dat", ".txt", ".gz", ".bz2"})
"""Suffixes that all sorts of programs use: such a file that its reader does not recognise is not a source."""

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One source to take in."""

    source: Source
    folder: BeamtimeFolder
    settings: Settings
    now: datetime
    before: SourceRow | None = None
    """What was taken in last time, where every record of it still stands and was read under these settings."""

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
    bookmark: str | None = None
    """For the next time: where to read on if the file only grows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bookmark:
    """Where the last scan of a file begins; all before it stands as it was read."""

    words: str
    """The reader's own."""
    inode: int
    size: int
    """Of the file when it was read, bytes."""
    scans: int
    problems: int
    """Of the scans before."""

    def dumped(self) -> str:
        """Give the bookmark as one text."""
        return json.dumps(asdict(self))

    @classmethod
    def loaded(cls, text: str) -> Self:
        """Read what ``dumped`` gave."""
        return cls(**json.loads(text))


class _NotASource(Exception):  # noqa: N818 - no error: the file is of no kind we read
    """The file carries a suffix that other programs use too, and is theirs."""


class _NoScanError(CatalogError):
    """The source was read to its end and holds nothing."""


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
    """Read a source, draw its previews, write both; never raises, so that one source costs one source.

    Of a file that only grew, what was appended is parsed, and the last scan before it.
    """
    so_far = _Progress()
    try:
        _take(task, so_far)
    except _NotASource:
        return Taken(again_at=_quiet_at(task))
    except CannotWriteError:
        raise
    except _NoScanError as exc:
        failure = _failure(task, so_far, exc.what)
        return replace(failure, whole=failure.failed)
    except CatalogError as exc:
        return _failure(task, so_far, f"{exc.what}; {exc.remedy}" if exc.remedy else exc.what)
    except MemoryError:
        failure = _failure(task, so_far, "needs more memory than there is; it is tried again after a day")
        return replace(failure, again_at=task.now.timestamp() + _DAY) if failure.failed else failure
    except Exception as exc:
        _logger.exception("reading %s failed", task.where)
        return _failure(task, so_far, f"could not be read ({type(exc).__name__}: {reason(exc)})")
    stale_at = task.source.newest_ns / 1e9 + STALE_SECONDS
    return Taken(
        scans=tuple(so_far.scans),
        whole=True,
        problems=tuple(so_far.problems),
        again_at=stale_at if so_far.running else None,
        bookmark=so_far.bookmark,
    )


@dataclass(slots=True)
class _Progress:
    """What was taken in so far."""

    scans: list[str] = field(default_factory=list)
    """Keys."""
    problems: list[Problem] = field(default_factory=list)
    running: bool = False
    bookmark: str | None = None

    def add(self, scan: Scan, reading: Reading, file: FoundFile | None) -> None:
        if file is not None and reading.bookmark is not None:
            scans, problems = len(self.scans), len(self.problems)
            words, inode, size = reading.bookmark, file.inode, file.size
            self.bookmark = Bookmark(words=words, inode=inode, size=size, scans=scans, problems=problems).dumped()
        self.scans.append(scan.key)
        self.problems += scan.problems
        self.running = self.running or scan.state == "running"


def _failure(task: Task, so_far: _Progress, what: str) -> Taken:
    """Name the problem behind the scans before it; a file that is still being written is only looked at again."""
    keys = tuple(so_far.scans)
    quiet_at = _quiet_at(task)
    if quiet_at is not None:
        return Taken(scans=keys, again_at=quiet_at)
    return Taken(scans=keys, problems=(*so_far.problems, Problem(where=task.where, what=what)), failed=True)


def _quiet_at(task: Task) -> float | None:
    """Give the Unix time at which a young source has been quiet for long enough; None where it has."""
    quiet_at = task.source.newest_ns / 1e9 + task.settings.beamtimes.quiet_seconds
    return quiet_at if task.now.timestamp() < quiet_at else None


def _age(task: Task) -> float:
    """Give the seconds since the source's newest file changed."""
    return task.now.timestamp() - task.source.newest_ns / 1e9


def _take(task: Task, so_far: _Progress) -> None:
    """Read scan after scan, and add each whose previews and record are written."""
    places = Places(task.settings.catalogue)
    with closing(_readings(task, so_far)) as readings:
        for reader, reading in readings:
            scan = _kept(task, reader, reading, places)
            with _writing():
                RecordStore(places).save_scan(scan)
            so_far.add(scan, reading, task.source.files[0] if task.source.files else None)
    if not so_far.scans:
        raise _NoScanError("holds no scan")


@contextmanager
def _writing() -> Iterator[None]:
    """Tell a disk of ours that refuses from a source that cannot be read."""
    try:
        yield
    except OSError as exc:
        what = f"cannot be written ({exc.strerror or exc})"
        remedy = "mend it and build again; what stands is kept"
        raise CannotWriteError(what, where=exc.filename or "the catalogue", remedy=remedy) from exc


def _readings(task: Task, so_far: _Progress) -> Generator[tuple[Reader | None, Reading], None, None]:
    """Give the source's readings: the first file speaks, its namesakes fill what is missing."""
    surroundings = Surroundings(boundary=task.folder.path, timezone=ZoneInfo(task.settings.timezone))
    around = companions.beside(task.source, surroundings)
    if not task.source.files:
        yield None, around
        return
    reader, first = _resumed(task, surroundings, so_far) or _opened(task, 0, surroundings)
    with closing(first):
        others = [_opened(task, n, surroundings)[1] for n in range(1, len(task.source.files))]
        for reading in first:
            for other in others:
                reading = companions.filled(reading, next(other, None))
            yield reader, reading if reading.measurement else companions.filled(reading, around)
        for other, file in zip(others, task.source.files[1:], strict=True):
            with closing(other), suppress(CatalogError):
                if next(other, None) is not None:
                    so_far.problems.append(Problem(where=f"{task.source.beamtime}/{file.path}", what=_MORE))


def _resumed(
    task: Task, surroundings: Surroundings, so_far: _Progress
) -> tuple[Reader, Generator[Reading, None, None]] | None:
    """Open a file behind the scans that stand, or None where it must be read from its beginning."""
    before = task.before
    if before is None or before.failed or before.bookmark is None or len(task.source.files) > 1 or task.source.series:
        return None
    reader, file, bookmark = READERS.get(task.source.readers[0]), task.source.files[0], Bookmark.loaded(before.bookmark)
    has_grown = file.size > bookmark.size or before.signature == task.source.signature
    if not isinstance(reader, ResumingReader) or file.inode != bookmark.inode or not has_grown:
        return None
    path = kept_inside(task.folder.path / file.path, task.folder.path)
    readings = reader.resume(path, surroundings, bookmark.words)
    if readings is None:
        return None
    so_far.scans += before.scans[: bookmark.scans]
    so_far.problems += before.problems[: bookmark.problems]
    return reader, _generator(readings)


def _opened(task: Task, n: int, surroundings: Surroundings) -> tuple[Reader, Generator[Reading, None, None]]:
    """Open the n-th file with its reader; raises where it is not what its suffix says."""
    reader = READERS.get(task.source.readers[n])
    relative = PurePosixPath(task.source.files[n].path)
    path = kept_inside(task.folder.path / relative, task.folder.path)
    try:
        head = first_bytes(path)
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
    folder.mkdir(parents=True, exist_ok=True)  # one without previews has a folder too, so that a lost one is missed
    for name, data in content.items():
        write_if_changed(folder / name, data)
    sweep(folder)
    for path in folder.iterdir():
        if path.name not in content and not path.name.startswith("."):
            path.unlink(missing_ok=True)
