"""Which beamtimes are current: not ended by their metadata, or with files younger than a week.

Knows folders and metadata; does not know what is done with a current beamtime.
"""

import os
from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from catalog_builder import discover
from catalog_builder.buildstate import BuildState
from catalog_builder.config import Settings
from catalog_builder.discover import BeamtimeFolder
from catalog_builder.errors import CatalogError
from catalog_builder.files import read_inside
from catalog_builder.sidecars import LONGEST_SIDECAR, beamtime_from_metadata

WEEK = 7 * 86_400.0


def is_current(folder: BeamtimeFolder, settings: Settings, state: BuildState, now: datetime) -> bool:
    """Tell whether a beamtime is being measured, is about to be, or was within a week."""
    end = _end(folder, settings)
    if end is not None and end > now:
        return True
    since = (now.timestamp() - WEEK) * 1e9
    sweep = state.sweep(folder.id)
    if sweep is not None and sweep.folders:  # the last build found it ended: nothing changed since but what came
        times = (discover.folder_time(folder, path) for path in sweep.folders)
        return any(time is not None and time > since for time in times)
    return any(time > since for time in _times(folder, settings.beamtimes.raw))


def _end(folder: BeamtimeFolder, settings: Settings) -> datetime | None:
    name = settings.beamtimes.metadata.replace("{id}", folder.id)
    try:
        text = read_inside(folder.path, name, limit=LONGEST_SIDECAR).decode("utf-8", "replace")
    except CatalogError:
        return None
    return beamtime_from_metadata(folder.id, folder.year, text, where=name, timezone=ZoneInfo(settings.timezone)).end


def _times(folder: BeamtimeFolder, raw: str) -> Iterator[int]:
    """Give the times (ns) of raw folder and what lies in it; deeper, a folder's own time tells of what came."""
    place = f"{folder.path}/{raw}"
    try:
        yield os.stat(place).st_mtime_ns  # noqa: PTH116 - a Path each costs 5 µs
        with os.scandir(place) as entries:
            for entry in entries:
                yield entry.stat(follow_symlinks=False).st_mtime_ns
    except OSError:
        return
