"""Our own part in the reading benchmark: reading, drawing, and the whole intake of one source.

Knows the catalogue's entry points; does not know what they are compared with.
"""

import shutil
from collections.abc import Generator, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import PurePosixPath
from zoneinfo import ZoneInfo

from benchmarks.clock import CannotTakePartError, Watch
from benchmarks.corpus import Case
from catalog_builder import commands, names, previews
from catalog_builder.errors import CatalogError
from catalog_builder.intake import Task, take_in
from catalog_builder.places import Places
from catalog_builder.readers import READERS, Surroundings
from catalog_builder.readers.images import frames_in
from catalog_builder.signals import Frames, Reading, choose


def readings(case: Case) -> Generator[Reading, None, None]:
    """Give a case's scans, one after the other; a file that cannot be understood takes no part."""
    surroundings = Surroundings(boundary=case.folder.path, timezone=ZoneInfo(case.settings.timezone))
    try:
        if case.source.files:
            yield from READERS.get(case.source.readers[0]).read(case.path, surroundings)
        else:
            yield Reading(frames=tuple(_frames(case, surroundings)))
    except CatalogError as exc:
        raise CannotTakePartError(exc.what) from exc


def _frames(case: Case, surroundings: Surroundings) -> Iterator[Frames]:
    """Give the frames in a case's folder, one a detector."""
    for path, detector in sorted({(series.path, series.detector or case.path.name) for series in case.source.series}):
        frames = frames_in(case.folder.path / path, detector, surroundings)
        if frames is not None:
            yield frames


def read(case: Case, watch: Watch) -> int:
    """Read a case to its end; gives how many scans it holds."""
    with watch.running(), closing(readings(case)) as scans:
        number = sum(1 for _ in scans)
    if not number:
        raise CannotTakePartError("holds no scan")
    return number


def draw(case: Case, watch: Watch) -> int:
    """Draw all scans of a case in both sizes, reading left aside; gives how many have a preview."""
    drawn = 0
    for number, reading in enumerate(readings(case)):
        title = title_of(case, reading, number)
        with watch.running():
            command = commands.parse(reading.command)
            choice = choose(reading, command, case.settings.signals)
            drawing = previews.draw(reading, command, choice, title, command.points)
        drawn += bool(drawing.images)
    if not drawn:
        raise CannotTakePartError("nothing to draw")
    return drawn


def intake(case: Case, watch: Watch) -> int:
    """Take a case in, as a build does: read, draw, write records and previews; gives how many scans were written."""
    catalogue = Places(case.settings.catalogue)
    for folder in (catalogue.records, catalogue.previews):
        shutil.rmtree(folder, ignore_errors=True)  # else what stands is only compared
    task = Task(source=case.source, folder=case.folder, settings=case.settings, now=datetime.now(UTC))
    with watch.running():
        taken = take_in(task)
    if not taken.scans:
        raise CannotTakePartError(taken.problems[0].what if taken.problems else "holds no scan")
    return len(taken.scans)


def title_of(case: Case, reading: Reading, number: int) -> str:
    """Give a scan's title as its preview bears it."""
    path = PurePosixPath(case.source.path)
    return names.readable(names.scan_name(path, measurement=reading.measurement or (str(number) if number else None)))
