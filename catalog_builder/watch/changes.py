"""What has changed on disk and has not been looked at yet, by beamtime.

Knows how to be filled by feeds and emptied by the watch, in threads of their own; does not know what a change means.
"""

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Touched:
    """What changed in one beamtime."""

    paths: dict[str, bool] = field(default_factory=dict)
    """Files and folders below the beamtime's folder, in the order of their last change.

    True where a file was closed by who wrote it and has not been written to since.
    """
    is_partial: bool = False
    """True where more changed than is told here: all of it must be looked at."""


class Changes:
    """A box between the feeds, which never wait for long, and the watch; nothing put into it is lost."""

    def __init__(self) -> None:
        self._touched: dict[str, Touched] = {}
        self._there = threading.Condition()

    def add(self, beamtime: str, path: str, *, closed: bool = False) -> None:
        """Say that a file or folder below a beamtime's folder came, went or changed."""
        with self._there:
            paths = self._touched.setdefault(beamtime, Touched()).paths
            paths.pop(path, None)
            paths[path] = closed
            self._there.notify()

    def miss(self, beamtimes: Iterable[str]) -> None:
        """Say that something may have changed in these beamtimes, unseen."""
        with self._there:
            for beamtime in beamtimes:
                self._touched.setdefault(beamtime, Touched()).is_partial = True
            self._there.notify()

    def take(self, seconds: float) -> dict[str, Touched]:
        """Take all there is out, by beamtime; waits for so long where there is nothing."""
        with self._there:
            if not self._touched and seconds > 0:
                self._there.wait(seconds)
            taken, self._touched = self._touched, {}
            return taken
