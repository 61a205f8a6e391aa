"""When a source of a watched beamtime is ripe to be taken in: settled, at its end, or growing for long enough.

Knows one beamtime's files as they were told of and seen; does not know how changes are learned of, nor builds.
"""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from catalog_builder.buildstate import SourceRow
from catalog_builder.config import WatchSettings
from catalog_builder.discover import Source

SOON = 0.05
"""Seconds from a sign that a file is complete until it is looked at: what comes along with it goes along."""

Clock = Callable[[], float]


@dataclass(slots=True)
class _Seen:
    """A source that was not ripe when it was seen last; times are the monotonic clock's."""

    signature: str
    since: float
    """When it was first seen like this."""
    first: float
    """When it was first seen unripe."""


@dataclass(slots=True)
class _Held:
    """A source that was not ripe."""

    due: float
    """When it is looked at again."""
    latest: float
    """The latest time for that, however it grows."""


class Settling:
    """Judges the sources of one beamtime.

    Parameters
    ----------
    has_ended
        Tells whether a file, by its path below the beamtime's folder, says that it is complete.
    clock
        The monotonic clock, in s.
    wall
        The Unix time, in s.
    """

    def __init__(
        self,
        settings: WatchSettings,
        has_ended: Callable[[str], bool],
        clock: Clock = time.monotonic,
        wall: Clock = time.time,
    ) -> None:
        self._settings = settings
        self._has_ended = has_ended
        self._clock = clock
        self._wall = wall
        self._seen: dict[str, _Seen] = {}
        self._still: dict[str, _Seen] = {}
        """What has been seen unripe in the walk under way."""
        self._held: dict[str, _Held] = {}
        """By path of a file, or of a folder of frames, below the beamtime's folder."""
        self._read_at: dict[str, float] = {}
        """When a source was taken in last, by path of its files."""
        self._asked: set[str] = set()
        self._complete: set[str] = set()
        """Files that somebody said are complete: who closed them, or by their names without suffix a list.

        Those that were said to be before the walk under way had their chance in it: ``_asked``.
        """
        self._listed: Counter[str] | None = None

    # -- what is told

    def told(self, path: str, *, closed: bool) -> float:
        """Take a change of a file or folder; gives the time from which the beamtime should be looked at."""
        now = self._clock()
        if closed and not self._was_read_lately(path, now):
            self._complete.add(path)
            return now + SOON
        self._complete.discard(path)
        if self._has_ended(path):
            return now + SOON
        held = self._held.get(path) or self._held.get(str(PurePosixPath(path).parent))
        if held is None:
            return now + self._settings.settle_seconds
        held.due = min(now + self._settings.settle_seconds, held.latest)
        return held.due

    def told_lists(self, stems: Iterable[str]) -> bool:
        """Take what the beamtime's lists name now, a path without suffix a line; tells whether any is new."""
        now = Counter(stems)
        new = now - self._listed if self._listed is not None else Counter()
        self._listed = now
        self._complete.update(new)
        return bool(new)

    # -- what is asked

    def begin(self) -> None:
        """Say that the beamtime is walked now: what is not asked about in this walk is held no longer."""
        self._still, self._held, self._asked = {}, {}, set(self._complete)

    def end(self) -> None:
        """Say that the walk is over."""
        self._seen = self._still
        self._complete -= self._asked
        oldest = self._clock() - max(self._settings.running_seconds, self._settings.sweep_minutes * 60)
        self._read_at = {path: at for path, at in self._read_at.items() if at > oldest}

    def is_ripe(self, source: Source, row: SourceRow | None) -> bool:
        """Tell whether a source that is not current is to be taken in now; if not, when it is looked at again."""
        now, paths = self._clock(), _paths(source)
        if row is not None and row.signature == source.signature:
            ripe_at, latest = self._again_at(row, paths, now), None
        elif self._is_complete(source):
            ripe_at, latest = now, None
        else:
            ripe_at, latest = self._settled_at(source, row, paths, now)
        if ripe_at <= now:
            self._read_at.update(dict.fromkeys(paths, now))
            self._complete.difference_update(_names(source))
            return True
        held = _Held(due=ripe_at, latest=ripe_at if latest is None else latest)
        self._held.update(dict.fromkeys((*paths, *(each.path for each in source.series)), held))
        return False

    def due(self) -> float | None:
        """Give the time at which the first source that is held becomes ripe; None where none is held."""
        return min((held.due for held in self._held.values()), default=None)

    def _again_at(self, row: SourceRow, paths: Iterable[str], now: float) -> float:
        """Give when a source is read again though its files are the same; one that killed its worker, not soon."""
        return self._taken_at(paths) + self._settings.sweep_minutes * 60 if row.again_at == 0 else now

    def _taken_at(self, paths: Iterable[str]) -> float:
        return max((self._read_at.get(path, 0.0) for path in paths), default=0.0)

    def _is_complete(self, source: Source) -> bool:
        return not self._complete.isdisjoint(_names(source)) or any(
            self._has_ended(file.path) for file in source.files[:1]
        )

    def _settled_at(
        self, source: Source, row: SourceRow | None, paths: Iterable[str], now: float
    ) -> tuple[float, float]:
        """Give when a source that changed is ripe if it stays as it is, and when it is at the latest."""
        seen = self._seen.get(source.path)
        if seen is None:
            seen = _Seen(source.signature, now, now)
        elif seen.signature != source.signature:
            seen = _Seen(source.signature, now, seen.first)
        self._still[source.path] = seen
        age = self._wall() - source.newest_ns / 1e9
        quiet = max(now - seen.since, age)
        if row is None or not row.scans:
            latest = seen.first + self._settings.settle_seconds
        else:
            latest = self._taken_at(paths) + self._settings.running_seconds
        return min(now + self._settings.settle_seconds - quiet, latest), latest

    def _was_read_lately(self, path: str, now: float) -> bool:
        return now - self._read_at.get(path, float("-inf")) < self._settings.running_seconds


def _paths(source: Source) -> tuple[str, ...]:
    """Give the paths below the beamtime's folder that a source goes by."""
    return tuple(file.path for file in source.files) or tuple(each.path for each in source.series[:1])


def _names(source: Source) -> set[str]:
    """Give the names under which a source may be said to be complete."""
    return {name for path in _paths(source) for name in (path, os.path.splitext(path)[0])}  # noqa: PTH122 - as text
