"""Which beamtimes are current: not ended by their metadata, or with files younger than a week.

Knows folders, metadata and what the last build found; does not know what is done with a current beamtime.
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

WEEK, HOUR = 7 * 86_400.0, 3600.0


class Currency:
    """Which beamtimes are current; what was found of one stands for an hour, unless its folder changes.

    So that a look at a decade of beamtimes costs two ``stat`` each.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._found: dict[str, tuple[tuple[int | None, ...], bool]] = {}

    def is_current(self, folder: BeamtimeFolder, state: BuildState, now: datetime) -> bool:
        """Tell whether a beamtime is being measured, is about to be, or was within a week."""
        raw, metadata = self._settings.beamtimes.raw, self._metadata(folder)
        times = discover.time_of(folder, raw), discover.time_of(folder, metadata)
        stamp = (*times, int(now.timestamp() // HOUR))
        known = self._found.get(folder.id)
        if known is None or known[0] != stamp:
            known = self._found[folder.id] = stamp, self._judged(folder, state, now)
        return known[1]

    def _judged(self, folder: BeamtimeFolder, state: BuildState, now: datetime) -> bool:
        end = _end(folder, self._metadata(folder), self._settings)
        if end is not None and end > now:
            return True
        raw, since = self._settings.beamtimes.raw, (now.timestamp() - WEEK) * 1e9
        sweep = state.sweep(folder.id)
        if sweep is not None and sweep.folders:  # the last build found it ended; below raw, the next one sees to it
            return (discover.time_of(folder, raw) or 0) > since
        return any(time > since for time in _times(folder, raw))

    def _metadata(self, folder: BeamtimeFolder) -> str:
        return self._settings.beamtimes.metadata.replace("{id}", folder.id)


def _end(folder: BeamtimeFolder, name: str, settings: Settings) -> datetime | None:
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
