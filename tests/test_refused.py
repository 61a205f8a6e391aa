"""A disk that is full or fails: the site that stands is left as it was, one line says so, the next build repairs."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog_builder.demo import settings_yaml, write_beamline

from .test_killed import left

CATBUILD = [sys.executable, "-c", "from catalog_builder.cli import main; main()"]


def build(folder: Path, *before: str) -> subprocess.CompletedProcess[str]:
    words = ["build", "--json", "--executor", "serial", "--config", str(folder / "site_config.yaml")]
    return subprocess.run([*before, *CATBUILD, *words], capture_output=True, text=True, check=False, timeout=300)


def refused(done: subprocess.CompletedProcess[str], *says: str) -> None:
    """Assert that a build ended with 2 and one line that says why."""
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("catbuild: ")]
    assert any(one in line for one in says), line


@pytest.fixture
def beamline(tmp_path: Path) -> Path:
    made = write_beamline(tmp_path / "beamline", scans=12)
    (tmp_path / "site_config.yaml").write_text(settings_yaml(made, Path("catalogue")), encoding="utf-8")
    return tmp_path


@pytest.fixture
def small_disk(beamline: Path) -> Iterator[Path]:
    """Give the folder of a catalogue that is a disk of its own."""
    place = beamline / "catalogue"
    place.mkdir()
    if os.geteuid() != 0 or resized(place, "1m", new=True).returncode != 0:
        pytest.skip("needs to mount a tmpfs, as root")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def resized(place: Path, size: str, *, new: bool = False) -> subprocess.CompletedProcess[bytes]:
    what = ["-t", "tmpfs", "-o", f"size={size}", "tmpfs"] if new else ["-o", f"remount,size={size}"]
    return subprocess.run(["mount", *what, str(place)], capture_output=True, check=False)


def pages(catalogue: Path) -> dict[str, bytes]:
    site = catalogue / "build/site"
    return {str(path.relative_to(site)): path.read_bytes() for path in site.rglob("*.html")}


def test_a_full_disk_leaves_whole_pages_says_so_and_the_next_build_repairs(beamline: Path, small_disk: Path) -> None:
    resized(small_disk, "500m")
    assert build(beamline).returncode in (0, 1)
    whole, used = left(small_disk), sum(path.stat().st_size for path in small_disk.rglob("*") if path.is_file())
    for share in (0.4, 0.85):
        for path in small_disk.iterdir():
            shutil.rmtree(path)
        resized(small_disk, f"{int(used * share)}")
        refused(build(beamline), "No space left", "disk is full")
        assert all(content.endswith(b"</html>\n") for content in pages(small_disk).values())
        assert not [path for path in small_disk.rglob("*.json") if path.stat().st_size == 0]
    before = pages(small_disk)
    refused(build(beamline), "No space left", "disk is full")
    assert pages(small_disk).items() >= before.items()
    resized(small_disk, "500m")
    assert build(beamline).returncode in (0, 1)
    assert left(small_disk) == whole


@pytest.mark.parametrize(("call", "after"), [("fsync", 9), ("rename", 20), ("pwrite64", 25)])
def test_a_failing_disk_is_said_in_one_line_and_the_next_build_repairs(beamline: Path, call: str, after: int) -> None:
    """Every call from the nth on fails: of records that are made durable, files put in place, SQLite's pages."""
    if shutil.which("strace") is None:
        pytest.skip("needs the program strace")
    assert build(beamline).returncode in (0, 1)
    whole = left(beamline / "catalogue")
    shutil.rmtree(beamline / "catalogue")
    fault = f"inject={call}:error=EIO:when={after}+"
    refused(
        build(beamline, "strace", "-f", "-qq", "-o", os.devnull, "-e", f"trace={call}", "-e", fault),
        "Input/output error",
        "disk I/O error",
    )
    assert build(beamline).returncode in (0, 1)
    assert left(beamline / "catalogue") == whole
