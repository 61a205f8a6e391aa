"""The watch: told of changes, it has the build take in what is ripe, beamtime by beamtime, until it is stopped.

Knows which beamtimes are watched and how, and what to do when something fails; judges no file itself.
"""

import errno
import fcntl
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from types import FrameType
from typing import Protocol

from catalog_builder import discover
from catalog_builder.build import Builder, limits_of
from catalog_builder.buildstate import BuildState, DamagedStateError, discard
from catalog_builder.config import Settings
from catalog_builder.database import Database
from catalog_builder.discover import BeamtimeFolder
from catalog_builder.errors import CatalogError, did_you_mean
from catalog_builder.executors import EXECUTORS, Crew
from catalog_builder.files import open_inside, read_inside
from catalog_builder.mounts import NETWORK_FILE_SYSTEMS, file_system
from catalog_builder.places import Places
from catalog_builder.readers import READERS, EndingReader, Reader
from catalog_builder.remarks import Remarks
from catalog_builder.sidecars import LONGEST_SIDECAR, listed_scans
from catalog_builder.watch.changes import Changes, Touched
from catalog_builder.watch.current import Currency
from catalog_builder.watch.inotify import InotifyFeed
from catalog_builder.watch.polling import PollingFeed
from catalog_builder.watch.settling import SOON, Settling
from catalog_builder.watch.systemd import Notifier, Pulse
from catalog_builder.watch.telling import StoppedError, WatchReporter
from catalog_builder.watch.warming import warm

POLLED = NETWORK_FILE_SYSTEMS | {"fuse", "virtiofs", "vboxsf", "panfs", "orangefs"}
"""File systems whose kernel is not told, or not surely, what others write."""

GLANCE_SECONDS = 1.0
"""How often it is seen whether the watched folders are there, and whether to stop."""

AWAY_SECONDS = 5.0
"""How often at least beamtimes are looked for while something is not there."""

STOP_SECONDS = 20.0
"""How long a run that does not end by itself goes on once the watch is to stop."""

TAIL = 4096
"""Last bytes of a file that may say that it is complete."""

RETRY_SECONDS = (5.0, 15.0, 60.0)
"""How long until a run that failed is tried again: after the first failure, the second, all others."""

_logger = logging.getLogger(__name__)


class Feed(Protocol):
    """A way to learn of changes, filling the box of changes from a thread of its own."""

    method: str
    refused: dict[str, OSError]
    """Beamtimes of which not all is watched, by id."""

    def watch(self, folder: BeamtimeFolder) -> None:
        """Watch a beamtime's folder; raises OSError where that cannot be had."""

    def forget(self, id: str) -> None:
        """Watch a beamtime no longer."""

    def close(self) -> None:
        """End."""


@dataclass(slots=True)
class Watched:
    """A beamtime that is watched; times are the monotonic clock's."""

    folder: BeamtimeFolder
    settling: Settling
    feed: Feed | None = None
    """None while its folder is not there."""
    identity: tuple[int, int] | None = None
    """Device and inode of its raw folder."""
    due: float | None = 0.0
    """When to look at it; None while nothing is expected."""
    swept: float = float("-inf")
    not_before: float = 0.0
    """No run before this: the last one failed, or only just ended."""
    failures: int = 0
    said: str = ""
    """What was said of the last failure."""


def watch(
    settings: Settings,
    *,
    chosen: Sequence[str] = (),
    notifier: Notifier | None = None,
    stopping: threading.Event | None = None,
) -> None:
    """Keep beamtimes up to date until SIGTERM or SIGINT, or until ``stopping`` is set.

    Parameters
    ----------
    chosen
        Ids of the beamtimes to watch; empty means the current ones, looked for now and then.

    Raises
    ------
    CatalogError
        Where another watch is at work on this catalogue, or a chosen beamtime is not there.
    """
    limits = limits_of(settings)
    with _alone(Places(settings.catalogue).watch_lock), EXECUTORS.get(settings.executor).opened(limits) as crew:
        _Watch(settings, chosen, crew, notifier or Notifier(), stopping or threading.Event()).run()


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold the lock of which a catalogue has one; raises CatalogError that names who holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            stream.seek(0)
            who = stream.read(200).strip() or "a process that does not say"
            remedy = "end that one first; one watch sees to all beamtimes"
            raise CatalogError(f"this catalogue is watched already, by {who}", remedy=remedy) from exc
        stream.truncate(0)
        stream.write(f"process {os.getpid()} since {datetime.now(UTC):%Y-%m-%d %H:%M} UTC")
        stream.flush()
        yield


class _Workshop:
    """The builder with its memory; both are made anew where ``build/`` was deleted below them."""

    def __init__(self, settings: Settings, crew: Crew, reporter: WatchReporter) -> None:
        self._settings, self._crew, self._reporter = settings, crew, reporter
        self._path = Places(settings.catalogue).buildstate
        self._stack = ExitStack()
        self._opened: tuple[int, BuildState, Builder] | None = None

    @property
    def state(self) -> BuildState:
        return self._ready()[1]

    @property
    def builder(self) -> Builder:
        return self._ready()[2]

    def close(self) -> None:
        self._opened = None
        self._stack.close()

    def discard(self) -> None:
        """Remove the build state, which is damaged: the next run makes it again."""
        self.close()
        discard(self._path)

    def _ready(self) -> tuple[int, BuildState, Builder]:
        inode = self._path.stat().st_ino if self._path.exists() else 0
        if self._opened is None or self._opened[0] != inode:
            self.close()
            state = BuildState(self._path)
            self._stack.callback(state.close)
            database = self._stack.enter_context(Database(Places(self._settings.catalogue).database))
            builder = Builder(self._settings, state, Remarks(database), self._crew, self._reporter)
            self._opened = self._path.stat().st_ino, state, builder
        return self._opened


class _Watch:
    """One watch, from its start to its end."""

    def __init__(
        self, settings: Settings, chosen: Sequence[str], crew: Crew, notifier: Notifier, stopping: threading.Event
    ) -> None:
        self.settings = settings
        self.chosen = chosen
        self.crew = crew
        self.notifier = notifier
        self.pulse = Pulse(notifier, settings.source_seconds + 300)
        self.stopping = stopping
        reporter = WatchReporter(_logger, stopping.is_set, self.pulse.beat)
        self.reporter = reporter
        self.workshop = _Workshop(settings, crew, reporter)
        self.changes = Changes()
        self.currency = Currency(settings)
        self.feeds: dict[str, Feed] = {}
        self.watched: dict[str, Watched] = {}
        self.away: set[Path] = set()
        """Paths that were said to be gone."""
        self.looked = self.glanced = float("-inf")
        self.said = ""
        """What was said of a failure last."""
        self.suffixes: dict[str, Reader] = {}
        for reader in map(READERS.get, settings.readers):
            for suffix in reader.suffixes:
                self.suffixes.setdefault(suffix, reader)

    def run(self) -> None:
        """Watch until stopped."""
        with ExitStack() as ending:
            ending.callback(self.pulse.close)
            ending.callback(self.workshop.close)
            ending.callback(self._close_feeds)
            ending.enter_context(self._stopped_by_signals())
            _ = self.workshop.state  # a catalogue that cannot be worked on is said now
            self._look()
            self._refuse_unknown()
            _logger.info("watching %s", self._watched_in_words())
            self.notifier.say("READY=1", f"STATUS=Watching {self._watched_in_words()}")
            self._warm()
            while not self.stopping.is_set():
                self._turn_and_go_on()
            self.notifier.say("STOPPING=1")
            _logger.info("stopped")

    def _turn_and_go_on(self) -> None:
        """Do one turn; what fails beside the runs, which see to themselves, is said once and tried again."""
        try:
            self._turn()
        except Exception as exc:
            what = str(exc) if isinstance(exc, CatalogError) else f"{type(exc).__name__}: {exc}"
            if what != self.said:
                self.said = what
                _logger.error("%s; the watch goes on", what)
            _logger.debug("a turn failed", exc_info=exc)
            self.stopping.wait(GLANCE_SECONDS)

    def _turn(self) -> None:
        """Take what changed, see whether all is there, and build what is due."""
        now = time.monotonic()
        self.pulse.beat()
        for id, touched in self.changes.take(self._pause(now)).items():
            if id in self.watched:
                self._take(self.watched[id], touched)
        now = time.monotonic()
        if now - self.glanced >= GLANCE_SECONDS:
            self.glanced = now
            self._glance()
        if now - self.looked >= min(self.settings.watch.look_seconds, AWAY_SECONDS if self.away else float("inf")):
            self._look()
        for one in list(self.watched.values()):
            if not self.stopping.is_set() and self._is_due(one, time.monotonic()):
                self._build(one)

    def _pause(self, now: float) -> float:
        """Give the seconds until something is due."""
        times = [max(one.due, one.not_before) for one in self.watched.values() if one.due is not None and one.feed]
        return min(GLANCE_SECONDS, max(0.0, min(times, default=float("inf")) - now))

    def _warm(self) -> None:
        """Have workers ready for the first scan; one that cannot be made ready says why when it is needed."""
        try:
            warm(self.crew, self.settings.workers or os.cpu_count() or 1)
        except Exception as exc:
            _logger.debug("no worker was made ready", exc_info=exc)

    # -- what is watched

    def _look(self) -> None:
        """Look which beamtimes there are; those that became current are watched, those that ended no longer."""
        self.looked = time.monotonic()
        now = datetime.now(UTC)
        for root in self.settings.beamtimes.roots:
            try:
                folders, _ = discover.beamtimes(self.settings.beamtimes.model_copy(update={"roots": (root,)}))
            except CatalogError as exc:
                self._say_away(root, exc.what)
                continue
            if folders:
                self._say_back(root)
            for folder in folders:
                self._consider(folder, now)

    def _consider(self, folder: BeamtimeFolder, now: datetime) -> None:
        known = self.watched.get(folder.id)
        try:
            is_wanted = (
                folder.id in self.chosen if self.chosen else self.currency.is_current(folder, self.workshop.state, now)
            )
        except CatalogError as exc:  # the build state: the next run says it too
            _logger.debug("%s", exc)
            return
        if known is None and is_wanted:
            one = self.watched[folder.id] = Watched(folder, Settling(self.settings.watch, self._has_ended_in(folder)))
            self._connect(one)
        elif known is not None and not is_wanted and not self.chosen:
            _logger.info("%s: it has ended and is watched no longer", folder.id)
            self._disconnect(known)
            del self.watched[folder.id]
        elif known is not None and known.folder != folder:
            self._disconnect(known)
            known.folder, known.settling = folder, Settling(self.settings.watch, self._has_ended_in(folder))
            self._connect(known)

    def _refuse_unknown(self) -> None:
        """Raise CatalogError where a chosen beamtime is not there, though all roots are."""
        if self.away:
            return
        for id in self.chosen:
            if id not in self.watched:
                known = {folder.id for folder in discover.beamtimes(self.settings.beamtimes)[0]}
                raise CatalogError(f"there is no beamtime {id!r}", remedy=did_you_mean(id, known))

    def _watched_in_words(self) -> str:
        named = sorted(self.watched)
        more = f" and {len(named) - 5} more" if len(named) > 5 else ""
        return f"{', '.join(named[:5])}{more}" if named else "for beamtimes to begin"

    # -- being told

    def _connect(self, one: Watched) -> None:
        """Begin to be told of a beamtime's changes; it is looked at as a whole then."""
        one.identity = self._identity(one)
        if one.identity is None and not one.folder.path.is_dir():
            return
        method, why = self._method(one.folder)
        try:
            one.feed = self._feed(method)
            one.feed.watch(one.folder)
        except OSError as exc:
            self._disconnect(one)
            method, why = "poll", _why_refused(exc)
            one.feed = self._feed(method)
            one.feed.watch(one.folder)
            _logger.warning("%s: %s; polled instead", one.folder.id, why)
        else:
            _logger.info("%s: %s %s (%s)", one.folder.id, _BY[method], one.folder.path, why)
        one.due, one.swept = 0.0, float("-inf")
        self._read_lists(one)

    def _disconnect(self, one: Watched) -> None:
        if one.feed is not None:
            one.feed.forget(one.folder.id)
            one.feed = None

    def _method(self, folder: BeamtimeFolder) -> tuple[str, str]:
        """Give how to watch a folder, and why."""
        if self.settings.watch.method != "auto":
            return self.settings.watch.method, "watch.method says so"
        raw = folder.path / self.settings.beamtimes.raw
        kind = file_system(raw if raw.exists() else folder.path)
        if kind in POLLED or kind.startswith("fuse."):
            return "poll", f"the kernel is not told what others write to {kind}"
        return "inotify", f"on {kind or 'a file system of unknown kind'}"

    def _feed(self, method: str) -> Feed:
        """Give the feed of a method, made where there is none yet."""
        if method not in self.feeds:
            beamtimes = self.settings.beamtimes
            self.feeds[method] = (
                InotifyFeed(self.changes, beamtimes.raw, beamtimes.metadata)
                if method == "inotify"
                else PollingFeed(
                    self.changes, beamtimes.raw, beamtimes.metadata, self.suffixes, self.settings.watch.poll_seconds
                )
            )
        return self.feeds[method]

    def _close_feeds(self) -> None:
        for feed in self.feeds.values():
            feed.close()

    def _take(self, one: Watched, touched: Touched) -> None:
        """Judge when a beamtime is to be looked at, from what changed in it."""
        if touched.is_partial:
            self._expect(one, time.monotonic())
        for path, closed in touched.paths.items():
            if fnmatch(PurePosixPath(path).name, self.settings.beamtimes.groups_file):
                self._expect(one, time.monotonic() + (SOON if self._read_lists(one) else 0.5))
            else:
                is_scan_file = PurePosixPath(path).suffix.lower() in self.suffixes
                self._expect(one, one.settling.told(path, closed=closed and is_scan_file))

    def _expect(self, one: Watched, due: float | None) -> None:
        if due is not None:
            one.due = due if one.due is None else min(one.due, due)

    def _read_lists(self, one: Watched) -> bool:
        """Read what the beamtime's lists name; tells whether that is more than before."""
        raw = PurePosixPath(self.settings.beamtimes.raw)
        stems: list[str] = []
        for path in sorted((one.folder.path / raw).glob(self.settings.beamtimes.groups_file)):
            try:
                text = read_inside(one.folder.path, raw / path.name, limit=LONGEST_SIDECAR).decode("utf-8", "replace")
            except CatalogError:  # the build says so
                continue
            stems += [str(raw / scan.path) for scan in listed_scans(text, PurePosixPath())]
        return one.settling.told_lists(stems)

    def _has_ended_in(self, folder: BeamtimeFolder) -> Callable[[str], bool]:
        """Give what tells whether a file of a beamtime says that it is complete."""

        def has_ended(path: str) -> bool:
            reader = self.suffixes.get(PurePosixPath(path).suffix.lower())
            if not isinstance(reader, EndingReader):
                return False
            try:
                fd = open_inside(folder.path, path)
            except CatalogError:
                return False
            try:
                return reader.has_ended(os.pread(fd, TAIL, max(0, os.fstat(fd).st_size - TAIL)))
            except OSError:
                return False
            finally:
                os.close(fd)

        return has_ended

    # -- what went away

    def _glance(self) -> None:
        """See whether the watched folders are there, and are the same; what cannot be watched any more is polled."""
        for one in self.watched.values():
            identity = self._identity(one)
            if identity is None or self._is_emptied(one, identity):
                if one.feed is not None and one.identity is not None:
                    self._lose(one)
            elif identity != one.identity or one.feed is None:
                self._disconnect(one)
                self._connect(one)
                self._say_back(self._raw(one))
            elif (exc := one.feed.refused.get(one.folder.id)) is not None:
                self._disconnect(one)
                one.feed = self._feed("poll")
                one.feed.watch(one.folder)
                one.due = 0.0
                _logger.warning("%s: %s; polled from now on", one.folder.id, _why_refused(exc))

    def _raw(self, one: Watched) -> Path:
        return one.folder.path / self.settings.beamtimes.raw

    def _identity(self, one: Watched) -> tuple[int, int] | None:
        try:
            status = self._raw(one).stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def _is_emptied(self, one: Watched, identity: tuple[int, int]) -> bool:
        """Tell whether a folder that was exchanged, or found anew, holds nothing although the catalogue has scans."""
        if identity == one.identity and one.feed is not None:
            return False
        return self._lacks_all(one)

    def _lacks_all(self, one: Watched) -> bool:
        has_raw = discover.has_raw(one.folder, self.settings.beamtimes)
        return not has_raw and self.workshop.state.sources_with_scans(one.folder.id) > 0

    def _lose(self, one: Watched) -> None:
        """Wait for a folder that is not there, or holds nothing any more; the catalogue stays as it is."""
        self._disconnect(one)
        one.identity = None
        raw = self._raw(one)
        above = [path for path in raw.parents if any(path.is_relative_to(r) for r in self.settings.beamtimes.roots)]
        gone = next((path for path in [*reversed(above), raw] if not path.is_dir()), None)
        self._say_away(gone or raw, "is not there" if gone else "holds nothing any more")

    def _say_away(self, path: Path, what: str) -> None:
        if path not in self.away:
            self.away.add(path)
            _logger.warning("%s: %s; nothing is changed, and the watch goes on when it is back", path, what)

    def _say_back(self, path: Path) -> None:
        for gone in [gone for gone in self.away if path.is_relative_to(gone)]:
            self.away.discard(gone)
            _logger.info("%s: is back", gone)

    # -- building

    def _is_due(self, one: Watched, now: float) -> bool:
        if one.feed is None or now < one.not_before:
            return False
        if now - one.swept >= self.settings.watch.sweep_minutes * 60:
            return True
        return one.due is not None and now >= one.due

    def _build(self, one: Watched) -> None:
        """Run the build for one beamtime; what fails costs this run, and is tried again."""
        begun, id = time.monotonic(), one.folder.id
        one.due = None
        self.notifier.say(f"STATUS=Building {id}")
        try:
            self._run(one, begun)
        except StoppedError:
            _logger.info("%s: left in the middle; the next run does the rest", id)
        except (CatalogError, OSError, MemoryError) as exc:
            self._failed(one, _in_words(exc), exc)
        except Exception as exc:  # noqa: BLE001 - an event's edge: one run costs itself alone
            self._failed(one, f"the run failed ({type(exc).__name__}: {exc})", exc)
        else:
            if one.failures:
                _logger.info("%s: works again", id)
            ended = time.monotonic()
            one.failures, one.not_before, one.said = 0, ended + min(5.0, (ended - begun) / 2), ""
        self.notifier.say(f"STATUS=Watching {self._watched_in_words()}")

    def _run(self, one: Watched, begun: float) -> None:
        if self._lacks_all(one):
            self._lose(one)
            return
        if begun - one.swept >= self.settings.watch.sweep_minutes * 60:
            one.swept = begun
            self._watch_missed(one)
        now = datetime.now(UTC)
        one.settling.begin()
        summary = self.workshop.builder.run_in(one.folder, now, one.settling.is_ripe)
        one.settling.end()
        self.reporter.summary(summary)
        self._expect(one, one.settling.due())
        again_at = self.workshop.state.read_again_at(one.folder.id, now.timestamp())
        if again_at is not None:
            self._expect(one, time.monotonic() + max(0.0, again_at - time.time()))

    def _watch_missed(self, one: Watched) -> None:
        """Watch the folders that were missed; that no more can be watched is for the next glance."""
        if one.feed is not None:
            try:
                one.feed.watch(one.folder)
            except OSError as exc:
                one.feed.refused[one.folder.id] = exc

    def _failed(self, one: Watched, what: str, exc: Exception) -> None:
        """Say what went wrong, once as long as it stays the same, and try again later."""
        if isinstance(exc, DamagedStateError):
            self.workshop.discard()
        wait = RETRY_SECONDS[min(one.failures, len(RETRY_SECONDS) - 1)]
        one.failures += 1
        one.due, one.not_before, one.swept = 0.0, time.monotonic() + wait, float("-inf")
        if what != one.said:
            one.said = what
            _logger.error("%s: %s; tried again until it works", one.folder.id, what)
        _logger.debug("%s: the run failed", one.folder.id, exc_info=exc)

    # -- stopping

    @contextmanager
    def _stopped_by_signals(self) -> Iterator[None]:
        """End on SIGTERM and SIGINT: a run that is under way ends with its next source, or is left."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)}

        def stop(number: int, frame: FrameType | None) -> None:
            if not self.stopping.is_set():
                self.stopping.set()
                signal.setitimer(signal.ITIMER_REAL, STOP_SECONDS)

        def leave(number: int, frame: FrameType | None) -> None:
            raise StoppedError

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        signal.signal(signal.SIGALRM, leave)
        try:
            yield
        except StoppedError:
            _logger.info("stopped in the middle; the next run does the rest")
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            for number, handler in before.items():
                signal.signal(number, handler)


_BY: Mapping[str, str] = {"inotify": "told by the kernel (inotify) of", "poll": "polling"}


def _why_refused(exc: OSError) -> str:
    if exc.errno == errno.ENOSPC:
        return "the kernel watches no more folders for this user (fs.inotify.max_user_watches)"
    if exc.errno == errno.EMFILE:
        return "the kernel has no more inotify instances for this user (fs.inotify.max_user_instances)"
    return f"inotify does not work here ({exc.strerror or exc})"


def _in_words(exc: CatalogError | OSError | MemoryError) -> str:
    if isinstance(exc, OSError) and exc.strerror:
        return f"{exc.filename}: {exc.strerror}" if exc.filename else exc.strerror
    return str(exc) or "there is not enough memory"
