"""How changes are learned of: by the kernel and by looking, the same contract for both."""

import errno
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from catalog_builder.discover import BeamtimeFolder
from catalog_builder.watch import watching as loop
from catalog_builder.watch.changes import Changes
from catalog_builder.watch.inotify import InotifyFeed
from catalog_builder.watch.polling import PollingFeed

from ..conftest import Site, fio
from .conftest import Begin, configure, until

SUFFIXES = (".fio", ".nxs")


@pytest.fixture
def changes() -> Changes:
    return Changes()


@pytest.fixture
def folder(tmp_path: Path) -> BeamtimeFolder:
    (tmp_path / "11" / "raw").mkdir(parents=True)
    return BeamtimeFolder(id="11", year=2023, path=tmp_path / "11")


@pytest.fixture(params=["inotify", "poll"])
def feed(request: pytest.FixtureRequest, changes: Changes) -> Iterator[loop.Feed]:
    metadata = "beamtime-metadata-{id}.json"
    made: loop.Feed = (
        InotifyFeed(changes, "raw", metadata)
        if request.param == "inotify"
        else PollingFeed(changes, "raw", metadata, SUFFIXES, 0.05)
    )
    yield made
    made.close()


def told(changes: Changes) -> Callable[..., bool]:
    """Give what tells whether one of these paths has been told of so far."""
    heard: set[str] = set()

    def has(*paths: str) -> bool:
        for touched in changes.take(0.05).values():
            heard.update(touched.paths)
        return not heard.isdisjoint(paths)

    return has


def test_files_that_come_grow_and_go_are_told_of(feed: loop.Feed, folder: BeamtimeFolder, changes: Changes) -> None:
    (folder.path / "raw" / "old_00001.fio").write_text("before")
    feed.watch(folder)
    place = folder.path / "raw" / "a_00001.fio"

    def again() -> None:
        place.write_text("again")

    def away() -> None:
        place.rename(folder.path / "raw" / "b_00001.fio")

    for change in (lambda: place.write_text("one"), lambda: place.write_text("one and two"), away, again, place.unlink):
        until(lambda: not changes.take(0.3))  # what was said of the change before is said
        heard = told(changes)
        change()
        until(partial(heard, "raw/a_00001.fio"))


def test_folders_that_come_are_told_of_with_what_is_in_them(
    feed: loop.Feed, folder: BeamtimeFolder, changes: Changes
) -> None:
    feed.watch(folder)
    heard = told(changes)
    (folder.path / "raw" / "night" / "late").mkdir(parents=True)
    until(lambda: heard("raw/night"))
    heard = told(changes)
    for number in range(20):  # the folder may not be known yet when the first are written
        name = f"raw/night/late/a_{number:05d}.fio"
        (folder.path / name).write_text("x")
        until(partial(heard, name, "raw/night/late"))
    until(lambda: heard("raw/night/late/a_00019.fio"))
    shutil.rmtree(folder.path / "raw" / "night")
    heard = told(changes)
    until(lambda: heard("raw/night"))


def test_a_raw_folder_and_metadata_that_come_late_are_told_of(
    feed: loop.Feed, folder: BeamtimeFolder, changes: Changes
) -> None:
    (folder.path / "raw").rmdir()
    feed.watch(folder)
    heard = told(changes)
    (folder.path / "beamtime-metadata-11.json").write_text("{}")
    until(lambda: heard("beamtime-metadata-11.json"))
    (folder.path / "raw").mkdir()
    (folder.path / "raw" / "a_00001.fio").write_text("x")
    until(lambda: heard("raw/a_00001.fio") or heard("raw"))
    heard = told(changes)
    (folder.path / "raw" / "b_00001.fio").write_text("x")
    until(lambda: heard("raw/b_00001.fio"))


def test_what_is_forgotten_is_not_told_of(feed: loop.Feed, folder: BeamtimeFolder, changes: Changes) -> None:
    other = BeamtimeFolder(id="22", year=2023, path=folder.path.with_name("22"))
    (other.path / "raw").mkdir(parents=True)
    feed.watch(folder)
    feed.watch(other)
    feed.forget("11")
    changes.take(0)
    (folder.path / "raw" / "a_00001.fio").write_text("x")
    heard = told(changes)
    (other.path / "raw" / "b_00001.fio").write_text("x")
    until(lambda: heard("raw/b_00001.fio"))
    assert not heard("raw/a_00001.fio")


def test_what_the_kernel_drops_is_said_to_be_missed(
    folder: BeamtimeFolder, changes: Changes, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    feed = InotifyFeed(changes, "raw", "m.json")
    standing, read = threading.Event(), os.read

    def held(descriptor: int, length: int) -> bytes:
        standing.wait()  # watchdog's thread stands still while the kernel's queue runs over
        return read(descriptor, length)

    try:
        feed.watch(folder)
        with monkeypatch.context() as patched:
            patched.setattr(os, "read", held)
            for number in range(most // 2 + 10_000):
                os.close(os.open(folder.path / "raw" / "abc"[number % 3], os.O_WRONLY | os.O_CREAT))
            (folder.path / "raw" / "unseen").mkdir()
            standing.set()
            until(lambda: any(touched.is_partial for touched in changes.take(0.1).values()))
        heard = told(changes)

        def told_of_new_files() -> bool:
            (folder.path / "raw" / "unseen" / "a_00001.fio").write_text("x")
            return heard("raw/unseen/a_00001.fio")

        until(told_of_new_files)
    finally:
        standing.set()
        feed.close()


def test_polling_leaves_what_has_long_been_at_rest_alone(folder: BeamtimeFolder, changes: Changes) -> None:
    raw = folder.path / "raw"
    for number in range(50):
        (raw / f"s{number}").mkdir()
        (raw / f"s{number}" / "a_00001.fio").write_text("x")
        for path in (raw / f"s{number}" / "a_00001.fio", raw / f"s{number}", raw):
            os.utime(path, (1_700_000_000, 1_700_000_000))
    feed = PollingFeed(changes, "raw", "m.json", SUFFIXES, 0.05)
    try:
        feed.watch(folder)
        heard = told(changes)
        until(lambda: heard("raw/s49/a_00001.fio"))
        tree = feed._trees["11"]
        assert not any(known.hot for known in tree.folders.values())
        assert len(tree._worth_a_look(1_700_100_000)) < 5
    finally:
        feed.close()


@pytest.mark.parametrize(("number", "why"), [(errno.ENOSPC, "max_user_watches"), (errno.EMFILE, "max_user_instances")])
def test_where_the_kernel_refuses_it_is_polled_and_said(
    site: Site, begin: Begin, monkeypatch: pytest.MonkeyPatch, number: int, why: str
) -> None:
    class Refused(InotifyFeed):
        def watch(self, folder: BeamtimeFolder) -> None:
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(loop, "InotifyFeed", Refused)
    configure(site)
    raw = site.beamtime("11", eventEnd="2099-01-01T00:00:00")
    watching = begin()
    watching.says(why)
    assert "polled instead" in watching.said()
    (raw / "gk_00001.fio").write_text(fio(points=0))
    watching.shows("11", "gk_00001")


def test_a_file_system_that_others_write_to_is_polled(
    site: Site, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "file_system", lambda path: "gpfs")
    site.beamtime("11", eventEnd="2099-01-01T00:00:00")
    watching = begin()
    assert "11: polling" in watching.said()
    assert "the kernel is not told what others write to gpfs" in watching.said()
