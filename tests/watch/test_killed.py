"""A watch that is killed at any moment leaves nothing half done, and loses nothing that was acknowledged."""

import os
import random
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest

from catalog_builder.database import Database
from catalog_builder.places import Places
from catalog_builder.remarks import Remarks

from ..conftest import Site, fio
from ..test_killed import CATBUILD, STAGES, left, written

PATIENCE = 60.0


def command(site: Site, *words: str) -> list[str]:
    return [*CATBUILD, *words, "--config", str(site.folder / "site_config.yaml")]


def begun(site: Site) -> subprocess.Popen[bytes]:
    """Start a watch, and wait until it watches."""
    process = subprocess.Popen(command(site, "watch"), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    assert process.stderr is not None
    for line in process.stderr:
        if b"watching" in line:
            break
    return process


def killed_while_writing(site: Site, process: subprocess.Popen[bytes], stage: str, more: int) -> bool:
    """Kill a watch with SIGKILL once so many files came to a folder; tells whether they did."""
    catalogue = site.settings.catalogue
    before, until = written(catalogue, stage), time.monotonic() + PATIENCE
    came = False
    while not came and time.monotonic() < until:
        now = written(catalogue, stage)
        came = now >= before + more or (stage == "build/index" and now != before)
    workers = children(process.pid)
    process.kill()
    process.wait()
    assert process.stderr is not None
    process.stderr.close()
    # A worker that outlives it for a moment may still be writing: what it writes is nobody's to clear away yet.
    while any(Path(f"/proc/{pid}").exists() for pid in workers) and time.monotonic() < until + PATIENCE:
        time.sleep(0.01)
    return came


def children(pid: int) -> list[int]:
    """Give the processes a process has started, those they have started too."""
    try:
        told = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [each for child in map(int, told) for each in (child, *children(child))]


def the_same_as_without(site: Site, kills: int) -> None:
    site.configured(executor="processes", workers=1, watch={"settle_seconds": 0.05})
    raw = site.beamtime("11", eventEnd="2099-01-01T00:00:00")
    (raw / "gk_00000.fio").write_text(fio())
    assert subprocess.run(command(site, "build"), capture_output=True, check=False).returncode == 0
    dice, hit, said, number = random.Random(kills), Counter[str](), 0, 0
    for kill in range(kills):
        stage = STAGES[kill % len(STAGES)]
        process = begun(site)
        for _ in range(3):
            number += 1
            (raw / f"gk_{number:05d}.fio").write_text(fio(points=3 + number % 7))
        hit[stage] += killed_while_writing(site, process, stage, dice.randrange(1, 3))
        if kill % 5 == 0:
            words = ["remark", "set", "11/gk_00000", "keywords", f"kill-{kill}", "--who", "somebody"]
            said += subprocess.run(command(site, *words), capture_output=True, check=False).returncode == 0
    print("killed while writing:", dict(hit))  # noqa: T201 - where the kills fell
    for path in raw.iterdir():
        os.utime(path, (1_700_000_000, 1_700_000_000))
    assert subprocess.run(command(site, "build"), capture_output=True, check=False).returncode == 0
    places = Places(site.settings.catalogue)
    with Database(places.database) as database:
        assert len(Remarks(database).of_beamtime("11")) == said > 0
    repaired = left(site.settings.catalogue)
    assert len([name for name in repaired if name.startswith("records/11/scans/")]) == number + 1
    for folder in (places.build, places.records, places.previews):
        folder.rename(site.folder / f"before-{folder.name}")
    assert subprocess.run(command(site, "build"), capture_output=True, check=False).returncode == 0
    assert left(site.settings.catalogue) == repaired
    if kills >= 10 * len(STAGES):
        assert all(hit[stage] >= 9 for stage in STAGES)


def test_a_killed_watch_and_then_a_build_leave_what_a_build_alone_leaves(site: Site) -> None:
    the_same_as_without(site, 2)


@pytest.mark.campaign
def test_many_killed_watches_and_then_a_build_leave_what_a_build_alone_leaves(site: Site) -> None:
    the_same_as_without(site, 44)
