"""Being told of changes by the kernel, through watchdog.

Knows watchdog's observer and what it says only in its log; does not know what a file is, nor when it is ripe.
"""

import logging
import os
import threading
from collections.abc import Callable
from pathlib import PurePosixPath

from watchdog.events import (
    FileClosedEvent,
    FileClosedNoWriteEvent,
    FileOpenedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver, ObservedWatch

from catalog_builder.discover import BeamtimeFolder
from catalog_builder.watch.changes import Changes

_THEIRS = logging.getLogger("watchdog.observers")


class InotifyFeed:
    """Tells of changes in watched beamtimes, from watchdog's threads.

    Raises OSError where the kernel refuses: ENOSPC where a user's watches, EMFILE where the instances are used up.
    """

    method = "inotify"

    def __init__(self, changes: Changes, raw: str, metadata: str) -> None:
        self._changes = changes
        self._raw, self._metadata = raw, metadata
        self._watches: dict[str, list[ObservedWatch]] = {}
        self._lock = threading.RLock()
        self.refused: dict[str, OSError] = {}
        """Beamtimes whose folder could not be watched any more since they are, by id."""
        self._losses = _Losses(self._miss_all)
        _THEIRS.addHandler(self._losses)
        self._observer: BaseObserver = Observer()
        self._observer.start()

    def watch(self, folder: BeamtimeFolder) -> None:
        """Watch a beamtime's folder; again, where it is watched already, for folders that were missed."""
        self.forget(folder.id)
        with self._lock:
            watches = self._watches.setdefault(folder.id, [])
            own = _Handler(folder, self._told_beside)
            watches.append(self._observer.schedule(own, str(folder.path), recursive=False))
        self._watch_raw(folder)

    def forget(self, id: str) -> None:
        """Watch a beamtime no longer."""
        with self._lock:
            for watch in self._watches.pop(id, []):
                self._observer.unschedule(watch)
        self.refused.pop(id, None)

    def close(self) -> None:
        """End the threads and let go of everything."""
        _THEIRS.removeHandler(self._losses)
        self._observer.stop()
        self._observer.join()

    def _watch_raw(self, folder: BeamtimeFolder) -> None:
        """Watch the raw folder and all below it, where it is there."""
        place = folder.path / self._raw
        if not place.is_dir() or place.is_symlink():
            return
        with self._lock:
            watches = self._watches.setdefault(folder.id, [])
            for before in [watch for watch in watches if watch.path == str(place)]:
                watches.remove(before)
                self._observer.unschedule(before)
            watches.append(self._observer.schedule(_Handler(folder, self._told), str(place), recursive=True))

    def _told_beside(self, folder: BeamtimeFolder, path: str, *, closed: bool) -> None:
        """Take what happened directly in the beamtime's folder: to its metadata, or to the way to its raw folder."""
        if path == self._metadata.replace("{id}", folder.id):
            self._changes.add(folder.id, path, closed=closed)
        elif path == self._raw.split("/")[0]:
            try:
                self._watch_raw(folder)
            except OSError as exc:
                self.refused[folder.id] = exc
            self._changes.add(folder.id, self._raw)
            self._changes.miss([folder.id])

    def _told(self, folder: BeamtimeFolder, path: str, *, closed: bool) -> None:
        if not any(part.startswith(".") for part in PurePosixPath(path).parts):
            self._changes.add(folder.id, path, closed=closed)

    def _miss_all(self) -> None:
        self._changes.miss(list(self._watches))


class _Handler(FileSystemEventHandler):
    """Hands events of one beamtime on, with paths below its folder."""

    def __init__(self, folder: BeamtimeFolder, told: Callable[..., None]) -> None:
        self._folder, self._told = folder, told

    def on_any_event(self, event: FileSystemEvent) -> None:
        if isinstance(event, FileOpenedEvent | FileClosedNoWriteEvent):
            return
        for path in (event.src_path, event.dest_path):
            below = os.path.relpath(os.fsdecode(path), self._folder.path) if path else "."
            if below != "." and not below.startswith(".."):
                self._told(self._folder, below, closed=isinstance(event, FileClosedEvent))


class _Losses(logging.Handler):
    """Learns from watchdog's log, which alone tells of it, that the kernel dropped events."""

    def __init__(self, lost: Callable[[], None]) -> None:
        super().__init__(logging.WARNING)
        self._lost = lost

    def emit(self, record: logging.LogRecord) -> None:
        self._lost()
