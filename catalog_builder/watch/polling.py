"""Looking for changes, on file systems whose kernel is not told what other hosts write.

Knows which folders and files are worth a look; does not know what a file is, nor when it is ripe. A look costs a
``stat`` for each folder and file that changed lately and for a share of the others, not one for every file there is.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from catalog_builder.discover import DEEPEST, BeamtimeFolder
from catalog_builder.watch.changes import Changes

HOT_SECONDS = 600.0
"""A file or folder that changed within this time is looked at each time; writers rarely pause for longer."""

COLD_SECONDS = 30.0
"""Every other folder is looked at once in so many seconds; every other file by the watch's full walks alone."""

TICK_SECONDS = 2.0
"""How far apart two changes may be and yet carry the same time."""

_logger = logging.getLogger(__name__)

_Stamp = tuple[int, int]
"""Time (ns) and size."""


@dataclass(slots=True)
class _Folder:
    """A folder as it was at the last look."""

    time: int
    """Its own, ns."""
    names: frozenset[str]
    hot: dict[str, _Stamp] = field(default_factory=dict)
    """Files that changed lately, by name."""
    changed: float = 0.0
    """When something in it was last seen to change; Unix time."""


class _Tree:
    """The folders of one beamtime, as they were at the last look."""

    def __init__(self, feed: "PollingFeed", folder: BeamtimeFolder) -> None:
        self.feed = feed
        self.folder = folder
        self.folders: dict[str, _Folder] = {}
        self.metadata: _Stamp | None = None
        self.turn = 0
        self.is_known = False
        """True after the first look: what comes later did so just now, whatever its own time says."""

    def look(self, now: float) -> None:
        """Compare with the disk, and tell of what differs."""
        metadata = self.feed.metadata.replace("{id}", self.folder.id)
        stamp = _stamp(f"{self.folder.path}/{metadata}")
        if stamp != self.metadata:
            self.metadata = stamp
            self.feed.tell(self.folder.id, metadata)
        if self.feed.raw not in self.folders:
            self._enter(self.feed.raw, now)
            self.is_known = True
            return
        for path in self._worth_a_look(now):
            if path in self.folders and not self.feed.is_closed:
                self._look_at(path, now)

    def _worth_a_look(self, now: float) -> list[str]:
        """Give the folders that changed lately, and those of the others whose turn it is."""
        turns = max(1, round(COLD_SECONDS / self.feed.seconds))
        self.turn = (self.turn + 1) % turns
        return [
            path
            for number, (path, known) in enumerate(self.folders.items())
            if known.hot
            or path == self.feed.raw
            or now - max(known.changed, known.time / 1e9) < HOT_SECONDS
            or number % turns == self.turn
        ]

    def _look_at(self, path: str, now: float) -> None:
        known = self.folders[path]
        time_ns = _folder_time(f"{self.folder.path}/{path}")
        if time_ns is None:
            self._leave(path)
        elif time_ns != known.time:
            self._list(path, time_ns, now)
        for name, before in list(known.hot.items()):
            after = _stamp(f"{self.folder.path}/{path}/{name}")
            if after != before:
                self.feed.tell(self.folder.id, f"{path}/{name}")
                known.changed = now
            if after is None or now - max(after[0] / 1e9, known.changed) > HOT_SECONDS:
                known.hot.pop(name)
            else:
                known.hot[name] = after

    def _enter(self, path: str, now: float) -> None:
        """Take up a folder that came, with those below it."""
        time_ns = _folder_time(f"{self.folder.path}/{path}")
        if time_ns is not None and path.count("/") < DEEPEST:
            self.folders[path] = _Folder(time=0, names=frozenset())
            self._list(path, time_ns, now)

    def _leave(self, path: str) -> None:
        for gone in [one for one in self.folders if one == path or one.startswith(f"{path}/")]:
            del self.folders[gone]
        self.feed.tell(self.folder.id, path)

    def _list(self, path: str, time_ns: int, now: float) -> None:
        """List a folder whose time changed: tell of what came and went in it."""
        known = self.folders[path]
        place = f"{self.folder.path}/{path}"
        try:
            with os.scandir(place) as entries:
                listed = {e.name: e.is_dir(follow_symlinks=False) for e in entries if not e.name.startswith(".")}
        except OSError:  # gone, or not for us to read: the build says so
            return
        # A folder's clock ticks coarsely: of one that changed just now, more may come under the same time.
        known.time = time_ns if now - time_ns / 1e9 > TICK_SECONDS else 0
        before, known.names = known.names, frozenset(listed)
        if before != known.names and self.is_known:
            known.changed = now
        for name in sorted(before ^ listed.keys()):
            self.feed.tell(self.folder.id, f"{path}/{name}")
            if listed.get(name):
                self._enter(f"{path}/{name}", now)
            elif name in listed and self.feed.may_grow(name) and (stamp := _stamp(f"{place}/{name}")) is not None:
                if now - stamp[0] / 1e9 < HOT_SECONDS:
                    known.hot[name] = stamp
            elif f"{path}/{name}" in self.folders:
                self._leave(f"{path}/{name}")


class PollingFeed:
    """Tells of changes in watched beamtimes, from a thread of its own.

    Parameters
    ----------
    suffixes
        Of files that grow while they are written, and are looked at for that; of others, only that they come and go.
    """

    method = "poll"

    def __init__(
        self,
        changes: Changes,
        raw: str,
        metadata: str,
        suffixes: Iterable[str],
        seconds: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.raw, self.metadata, self.seconds = raw, metadata, seconds
        self.refused: dict[str, OSError] = {}
        """Nothing ever: any folder can be looked at."""
        self._changes = changes
        self._suffixes = frozenset((*suffixes, ".lst"))
        self._clock = clock
        self._trees: dict[str, _Tree] = {}
        self._came = threading.Condition()
        self.is_closed = False
        self._thread = threading.Thread(target=self._run, name="polling", daemon=True)
        self._thread.start()

    def watch(self, folder: BeamtimeFolder) -> None:
        """Watch a beamtime's folder."""
        with self._came:
            known = self._trees.get(folder.id)
            if known is None or known.folder != folder:
                self._trees = {**self._trees, folder.id: _Tree(self, folder)}
                self._came.notify()

    def forget(self, id: str) -> None:
        """Watch a beamtime no longer."""
        with self._came:
            self._trees = {other: tree for other, tree in self._trees.items() if other != id}

    def close(self) -> None:
        """End the thread."""
        with self._came:
            self.is_closed = True
            self._came.notify()
        self._thread.join()

    def tell(self, id: str, path: str) -> None:
        """Put a change into the box."""
        if id in self._trees:
            self._changes.add(id, path)

    def may_grow(self, name: str) -> bool:
        """Tell whether a file is worth a look while it is there."""
        return os.path.splitext(name)[1].lower() in self._suffixes  # noqa: PTH122 - a Path each costs 7 µs

    def _run(self) -> None:
        while not self.is_closed:
            begun = time.monotonic()
            for id, tree in self._trees.items():
                try:
                    tree.look(self._clock())
                except Exception as exc:  # noqa: BLE001 - an event's edge: a look that fails costs this look
                    _logger.warning("%s: could not be looked at (%s: %s)", id, type(exc).__name__, exc)
                    self._changes.miss([id])
            spent = time.monotonic() - begun
            with self._came:
                if not self.is_closed:  # looks that take long leave as much time to others as they took
                    self._came.wait(max(self.seconds - spent, spent))


def _folder_time(path: str) -> int | None:
    """Give a folder's time (ns) by opening it: NFS asks the server anew then, where ``stat`` trusts its cache."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return os.fstat(fd).st_mtime_ns
    finally:
        os.close(fd)


def _stamp(path: str) -> _Stamp | None:
    try:
        at = os.stat(path)  # noqa: PTH116 - a Path each costs 5 µs
    except OSError:
        return None
    return at.st_mtime_ns, at.st_size
