"""Being told of changes by the kernel.

Knows inotify(7) and its races; does not know what a file is, nor when it is ripe. By hand, as what the kernel
dropped (``IN_Q_OVERFLOW``) must be known, and a folder that cannot be watched must not pass in silence.
"""

import ctypes
import errno
import logging
import os
import selectors
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from catalog_builder.discover import DEEPEST, BeamtimeFolder
from catalog_builder.watch.changes import Changes

# From <sys/inotify.h>
IN_MODIFY, IN_ATTRIB, IN_CLOSE_WRITE = 0x2, 0x4, 0x8
IN_MOVED_FROM, IN_MOVED_TO, IN_CREATE, IN_DELETE = 0x40, 0x80, 0x100, 0x200
IN_UNMOUNT, IN_Q_OVERFLOW, IN_IGNORED = 0x2000, 0x4000, 0x8000
IN_ONLYDIR, IN_DONT_FOLLOW, IN_EXCL_UNLINK, IN_ISDIR = 0x0100_0000, 0x0200_0000, 0x0400_0000, 0x4000_0000

_CHANGES = IN_MODIFY | IN_ATTRIB | IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE
_ASKED = _CHANGES | IN_ONLYDIR | IN_DONT_FOLLOW | IN_EXCL_UNLINK
_EVENT = struct.Struct("iIII")
_BUFFER = 256 * 1024

_logger = logging.getLogger(__name__)

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class _Place:
    """A watched folder: where it lies below its beamtime's."""

    folder: BeamtimeFolder
    path: str
    """Empty for the beamtime's own folder."""


class InotifyFeed:
    """Tells of changes in watched beamtimes, from a thread of its own.

    Raises OSError where the kernel refuses: ENOSPC where a user's watches, EMFILE where the instances are used up.
    """

    method = "inotify"

    def __init__(self, changes: Changes, raw: str, metadata: str) -> None:
        self._changes = changes
        self._raw, self._metadata = raw, metadata
        self._places: dict[int, _Place] = {}
        self._lock = threading.Lock()
        self.refused: dict[str, OSError] = {}
        """Beamtimes of which a folder could not be watched any more since they are, by id."""
        self._fd = _checked(_libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        self._stop = os.eventfd(0, os.EFD_CLOEXEC)
        self._thread = threading.Thread(target=self._run, name="inotify", daemon=True)
        self._thread.start()

    def watch(self, folder: BeamtimeFolder) -> None:
        """Watch a beamtime's folder; again, where it is watched already, for folders that were missed."""
        self.refused.pop(folder.id, None)
        self._add(_Place(folder, ""))
        self._add_below(_Place(folder, self._raw))

    def forget(self, id: str) -> None:
        """Watch a beamtime no longer."""
        with self._lock:
            gone = [wd for wd, place in self._places.items() if place.folder.id == id]
            for wd in gone:
                del self._places[wd]
                _libc.inotify_rm_watch(self._fd, wd)
        self.refused.pop(id, None)

    def close(self) -> None:
        """End the thread and let go of everything."""
        os.eventfd_write(self._stop, 1)
        self._thread.join()
        os.close(self._fd)
        os.close(self._stop)

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._fd, selectors.EVENT_READ)
            selector.register(self._stop, selectors.EVENT_READ)
            while all(key.fd == self._fd for key, _ in selector.select()):
                try:
                    events = os.read(self._fd, _BUFFER)
                except BlockingIOError:
                    continue
                for wd, mask, name in _events(events):
                    try:
                        self._take(wd, mask, name)
                    except Exception as exc:  # noqa: BLE001 - an event's edge: it costs this event, which is made up for
                        _logger.warning("a change was missed (%s: %s)", type(exc).__name__, exc)
                        self._changes.miss({place.folder.id for place in list(self._places.values())})

    def _take(self, wd: int, mask: int, name: str) -> None:
        if mask & IN_Q_OVERFLOW:
            self._catch_up()
            return
        with self._lock:
            place = self._places.get(wd)
            if mask & IN_IGNORED:
                self._places.pop(wd, None)
        if place is None:
            return
        if not name or mask & IN_UNMOUNT:
            self._changes.add(place.folder.id, place.path or self._raw)
        elif not name.startswith(".") and (place.path or name in (self._metadata_of(place), self._raw.split("/")[0])):
            self._tell(place, mask, f"{place.path}/{name}".lstrip("/"))

    def _metadata_of(self, place: _Place) -> str:
        return self._metadata.replace("{id}", place.folder.id)

    def _tell(self, place: _Place, mask: int, path: str) -> None:
        if mask & IN_ISDIR and mask & (IN_CREATE | IN_MOVED_TO):
            below = path if place.path else self._raw
            try:
                self._add_below(_Place(place.folder, below))
            except OSError as exc:
                self.refused[place.folder.id] = exc
                self._changes.miss([place.folder.id])
        self._changes.add(place.folder.id, path, closed=bool(mask & IN_CLOSE_WRITE))

    def _catch_up(self) -> None:
        """After the kernel dropped events: watch what folders there are, and have everything looked at."""
        with self._lock:
            folders = {place.folder.id: place.folder for place in self._places.values()}
        for id, folder in folders.items():
            try:
                self._add_below(_Place(folder, self._raw))
            except OSError as exc:
                self.refused[id] = exc
        self._changes.miss(folders)

    def _add_below(self, place: _Place) -> None:
        """Watch a folder and those below it; each is listed once it is watched, so that none is missed."""
        waiting = [place]
        while waiting:
            current = waiting.pop()
            if not self._add(current) or current.path.count("/") >= DEEPEST:
                continue
            try:
                with os.scandir(f"{current.folder.path}/{current.path}") as entries:
                    below = [e.name for e in entries if not e.name.startswith(".") and e.is_dir(follow_symlinks=False)]
            except OSError:  # gone, or not for us to read: the build says so
                continue
            waiting += [_Place(current.folder, f"{current.path}/{name}") for name in below]

    def _add(self, place: _Place) -> bool:
        """Watch one folder; False where it is not there, or no folder."""
        path = os.fsencode(f"{place.folder.path}/{place.path}")
        with self._lock:
            try:
                wd = _checked(_libc.inotify_add_watch(self._fd, path, _ASKED))
            except OSError as exc:
                if exc.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EACCES):
                    return False
                raise
            self._places[wd] = place
        return True


def _events(buffer: bytes) -> Iterator[tuple[int, int, str]]:
    """Give descriptor, mask and name of each event; the name of what happened to the watched folder is empty."""
    at = 0
    while at < len(buffer):
        wd, mask, _, length = _EVENT.unpack_from(buffer, at)
        at += _EVENT.size
        yield wd, mask, os.fsdecode(buffer[at : at + length].rstrip(b"\0"))
        at += length


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
