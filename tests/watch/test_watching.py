"""The watch as a beamline meets it: a process of its own, and files that come as they come."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from catalog_builder.build import build
from catalog_builder.errors import CatalogError
from catalog_builder.report import PlainReporter
from catalog_builder.watch import watch
from catalog_builder.watch.systemd import Notifier

from ..conftest import Site, fio
from .conftest import CATBUILD, Begin, Process, Start, configure, until

HEAD, END = fio(points=0).split("! Acquisition ended")

WRITER = """
import sys, time, h5py
path, rows = sys.argv[1], int(sys.argv[2])
with h5py.File(path, "w", libver="latest") as file:
    entry = file.create_group("entry")
    entry.attrs["NX_class"] = "NXentry"
    data = entry.create_group("data")
    data.attrs.update({"NX_class": "NXdata", "signal": "det", "axes": "om"})
    columns = [data.create_dataset(name, (0,), "f8", maxshape=(None,), chunks=(16,)) for name in ("om", "det")]
    file.swmr_mode = True
    for row in range(rows):
        for column in columns:
            column.resize((row + 1,))
            column[row] = float(row)
            column.flush()
        time.sleep(0.03)
print("written without a fault")
"""


@pytest.fixture(params=["inotify", "poll"])
def raw(request: pytest.FixtureRequest, site: Site) -> Path:
    """The raw folder of a current beamtime, watched either way."""
    configure(site, method=request.param)
    return site.beamtime("11", eventEnd="2099-01-01T00:00:00")


def test_a_scan_written_as_the_beamline_does_is_on_its_page_and_in_search(raw: Path, begin: Begin) -> None:
    watching = begin()
    with (raw / "gk_00001.fio").open("w") as file:
        file.write(HEAD)
        for point in range(3):
            file.write(f" {point}.0 {10 * point}.0\n")
            file.flush()
        watching.shows("11", "gk_00001", "running")
        file.write(" 3.0 7.0\n 4.0 5.0\n! Acquisition ended" + END)
    watching.shows("11", "gk_00001", "complete")
    assert "Traceback" not in watching.said()


def test_a_folder_made_after_the_start_is_watched_too(raw: Path, begin: Begin) -> None:
    watching = begin()
    for night in range(3):
        folder = raw / f"night{night}" / "late"
        folder.mkdir(parents=True)
        (folder / "a_00001.fio").write_text(fio())
    for night in range(3):
        watching.shows("11", f"night{night}~late~a_00001", "complete")
    (raw / "night1" / "late" / "b_00001.fio").write_text(fio())
    watching.shows("11", "night1~late~b_00001", "complete")


def test_a_burst_loses_none(raw: Path, begin: Begin) -> None:
    watching = begin()
    nothing_to_draw = fio(points=0)
    for number in range(200):
        (raw / f"gk_{number:05d}.fio").write_text(nothing_to_draw)
    until(lambda: watching.total() == 200, watching.said())


@pytest.mark.campaign
@pytest.mark.parametrize("method", ["inotify", "poll"])
def test_a_burst_of_thousands_loses_none(site: Site, begin: Begin, method: str) -> None:
    configure(site, method=method)
    site.configured(executor="processes", watch=site.settings.watch.model_dump())
    raw = site.beamtime("11", eventEnd="2099-01-01T00:00:00")
    watching = begin()
    for number in range(2000):
        folder = raw / f"s{number % 20}"
        folder.mkdir(exist_ok=True)
        (folder / f"gk_{number:05d}.fio").write_text(fio())
    deadline = time.monotonic() + 600
    while watching.total() != 2000:
        assert time.monotonic() < deadline
        time.sleep(0.5)


def test_a_scan_that_its_list_names_is_taken_in_at_once(site: Site, begin: Begin) -> None:
    configure(site, settle_seconds=300, running_seconds=300)
    raw = site.beamtime("11", eventEnd="2099-01-01T00:00:00")
    watching = begin()
    with (raw / "gk_00001.fio").open("w") as file:  # kept open: nobody says that it is closed
        file.write(HEAD + " 0.0 1.0\n")
        file.flush()
        (raw / "scicat-datasets-11.lst").write_text("night:gk_00001\n")
        watching.shows("11", "gk_00001", "night")


def test_a_swmr_writer_never_meets_a_lock(quick: Site, begin: Begin) -> None:
    raw = quick.beamtime("11", eventEnd="2099-01-01T00:00:00")
    watching = begin()
    command = [sys.executable, "-c", WRITER, str(raw / "map.nxs"), "60"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as writer:
        watching.shows("11", "map")  # read while it is being written
        said, faults = writer.communicate()
    assert (writer.returncode, said, faults) == (0, "written without a fault\n", "")
    watching.shows("11", "map", "60")


def test_a_root_that_goes_away_changes_nothing_and_is_taken_up_again(raw: Path, site: Site, begin: Begin) -> None:
    site.write(raw / "gk_00001.fio", fio())
    build(site.settings, PlainReporter())
    watching = begin()
    away = site.folder / "elsewhere"
    site.root.rename(away)
    watching.says("nothing is changed")
    site.root.mkdir()  # the mount point, empty
    watching.says("nothing is changed")
    assert watching.has("11", "gk_00001", "complete")
    site.root.rmdir()
    away.rename(site.root)
    watching.says("is back")
    (raw / "gk_00002.fio").write_text(fio())
    watching.shows("11", "gk_00002", "complete")
    assert watching.has("11", "gk_00001", "complete")
    assert watching.said().count("nothing is changed") == 1


def test_a_root_that_is_not_there_yet_is_waited_for_while_others_are_watched(site: Site, begin: Begin) -> None:
    site.beamtime("11", eventEnd="2099-01-01T00:00:00")
    site.configured(beamtimes={"roots": ["data", "late"]}, watch={"look_seconds": 0.2})
    watching = begin()
    watching.says("late: the folder of beamtimes is not there")
    (site.root / "2023/data/11/raw/gk_00001.fio").write_text(fio(points=0))
    watching.shows("11", "gk_00001")
    raw = site.folder / "late" / "2023" / "data" / "22" / "raw"
    raw.mkdir(parents=True)
    (raw / "gk_00002.fio").write_text(fio(points=0))
    watching.says("late: is back")
    watching.shows("22", "gk_00002")


def test_a_nightly_build_works_beside_it(raw: Path, site: Site, begin: Begin) -> None:
    watching = begin()
    nightly = subprocess.Popen([*CATBUILD, "build"], cwd=site.folder, stderr=subprocess.PIPE, text=True)
    with nightly:
        for number in range(15):
            (raw / f"gk_{number:05d}.fio").write_text(fio())
        _, said = nightly.communicate()
    assert nightly.returncode == 0, said
    for number in range(15):
        watching.shows("11", f"gk_{number:05d}", "complete")
    assert build(site.settings, PlainReporter()).exit_status == 0
    assert watching.total() == 15
    assert "tried again" not in watching.said()


def test_only_current_beamtimes_are_watched_and_new_ones_found(site: Site, begin: Begin) -> None:
    configure(site, look_seconds=0.2)
    old = site.beamtime("11", eventEnd="2023-01-01T00:00:00")
    site.write(old / "gk_00001.fio", fio())
    os.utime(old, (1_700_000_000, 1_700_000_000))
    watching = begin()
    watching.says("watching for beamtimes to begin")
    new = site.beamtime("22", eventEnd="2099-01-01T00:00:00")
    (new / "gk_00002.fio").write_text(fio())
    watching.shows("22", "gk_00002", "complete")
    assert watching.found("name:gk_00001") == []
    watching.end()
    chosen = begin("11")
    chosen.shows("11", "gk_00001", "complete")


def test_a_beamtime_that_is_not_there_is_refused(quick: Site) -> None:
    quick.beamtime("11")
    with pytest.raises(CatalogError, match="there is no beamtime '12'"):
        watch(quick.settings, chosen=["12"])


def test_a_second_watch_is_refused_in_one_line(quick: Site, start: Start) -> None:
    quick.beamtime("11", eventEnd="2099-01-01T00:00:00")
    first = start("--poll")
    assert "11: polling" in first.said()
    with pytest.raises(CatalogError, match=f"watched already, by process {first.process.pid} since") as refused:
        watch(quick.settings)
    assert "\n" not in str(refused.value)
    first.process.kill()  # a dead holder holds nothing
    first.process.wait()
    stopping = threading.Event()
    stopping.set()
    watch(quick.settings, stopping=stopping)


@pytest.mark.parametrize(("ending", "executor"), [(signal.SIGTERM, "processes"), (signal.SIGINT, "serial")])
def test_it_ends_cleanly_in_the_middle_of_a_run(
    site: Site, start: Start, ending: signal.Signals, executor: str
) -> None:
    site.configured(executor=executor)
    raw = site.beamtime("11", eventEnd="2099-01-01T00:00:00")
    for number in range(150):
        site.write(raw / f"gk_{number:05d}.fio", fio())
    watching = start()
    records = site.settings.catalogue / "records" / "11" / "scans"
    until(lambda: records.is_dir() and len(list(records.iterdir())) > 3)
    assert watching.end(ending) == 0
    assert "left in the middle" in watching.said()
    assert "Traceback" not in watching.said()


def test_a_disk_that_refuses_is_one_line_and_tried_again(quick: Site, begin: Begin) -> None:
    raw = quick.beamtime("11", eventEnd="2099-01-01T00:00:00")
    watching = begin()
    (raw / "gk_00001.fio").write_text(fio())
    watching.shows("11", "gk_00001")
    site_folder = watching.places.site / "beamtimes" / "11" / "scans"
    aside = site_folder.with_name("aside")
    site_folder.rename(aside)
    site_folder.write_text("no folder")
    (raw / "gk_00002.fio").write_text(fio())
    watching.says("tried again until it works")
    site_folder.unlink()
    aside.rename(site_folder)
    watching.says("works again")
    watching.shows("11", "gk_00002")
    assert watching.said().count("tried again") == 1


def test_a_build_state_damaged_below_it_is_made_again(quick: Site, begin: Begin) -> None:
    raw = quick.beamtime("11", eventEnd="2099-01-01T00:00:00")
    watching = begin()
    (raw / "gk_00001.fio").write_text(fio())
    watching.shows("11", "gk_00001")
    state = watching.places.buildstate
    for path in state.parent.glob("buildstate.sqlite3*"):
        path.write_bytes(b"no database at all" * 1000)
    (raw / "gk_00002.fio").write_text(fio())
    watching.shows("11", "gk_00002")


def test_a_build_folder_deleted_below_it_is_made_again(quick: Site, begin: Begin) -> None:
    raw = quick.beamtime("11", eventEnd="2099-01-01T00:00:00")
    watching = begin()
    (raw / "gk_00001.fio").write_text(fio())
    watching.shows("11", "gk_00001")
    with contextlib.suppress(OSError):
        shutil.rmtree(watching.places.build)
    (raw / "gk_00002.fio").write_text(fio())
    watching.shows("11", "gk_00002")
    watching.shows("11", "gk_00001")


@pytest.mark.parametrize("abstract", [False, True], ids=["path", "abstract"])
def test_systemd_is_told(quick: Site, begin: Begin, abstract: bool) -> None:
    quick.beamtime("11", eventEnd="2099-01-01T00:00:00")
    name = f"@catbuild-test-{os.getpid()}" if abstract else str(quick.folder / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0{name[1:]}" if abstract else name)
        manager.settimeout(60)
        watching = begin(notifier=Notifier({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "300000"}))
        heard: list[str] = []
        while not {"READY=1", "WATCHDOG=1"} <= set(heard):
            heard += manager.recv(4096).decode().splitlines()
        assert any(line.startswith("STATUS=Watching 11") for line in heard)
        watching.end()
        while "STOPPING=1" not in heard:
            heard += manager.recv(4096).decode().splitlines()


def test_the_journal_gets_lines_with_priorities_and_no_times(quick: Site) -> None:
    raw = quick.beamtime("11", eventEnd="2099-01-01T00:00:00")
    quick.write(raw / "broken.nxs", b"no")
    log = quick.folder / "watch.log"
    log.touch()
    at = log.stat()
    watching = Process(quick, JOURNAL_STREAM=f"{at.st_dev}:{at.st_ino}")
    try:
        watching.says("<4>11/raw/broken.nxs: is not a file the nexus reader knows")
        watching.says("<6>watching 11")
        assert watching.end() == 0
        assert all(line.startswith("<") for line in watching.said().splitlines())
    finally:
        watching.process.kill()
        watching.process.wait()


def test_the_status_names_what_is_wrong(quick: Site, begin: Begin) -> None:
    raw = quick.beamtime("11", eventEnd="2099-01-01T00:00:00")
    watching = begin()
    quick.write(raw / "broken.nxs", b"no")
    watching.says("11/raw/broken.nxs")
    status = json.loads(watching.places.status.read_bytes())
    assert [problem["where"] for problem in status["problems"]] == ["11/raw/broken.nxs"]
