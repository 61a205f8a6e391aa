"""A beamtime full of damaged files of every format: the build ends, names each, and costs little."""

import json
import os
import random
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from catalog_builder.demo import write_beamline
from catalog_builder.places import Places
from catalog_builder.recordstore import RecordStore

from .conftest import Site

CATBUILD = [sys.executable, "-c", "from catalog_builder.cli import main; main()"]
SECONDS = 10
MEMORY = 2 * 2**30
SUFFIXES = (".fio", ".spec", ".dat", ".nxs", ".h5", ".hdf5", ".cbf", ".tif", ".tiff", ".edf")
SAMPLES = 6
"""Files of each suffix the damage starts from."""


def damaged(content: bytes, dice: random.Random) -> bytes:
    """Cut a file, flip some of its bytes, or splice a piece of it in elsewhere."""
    at = dice.randrange(max(len(content), 1))
    match dice.randrange(3):
        case 0:
            return content[:at]
        case 1:
            changed = bytearray(content)
            for _ in range(dice.choice((1, 4, 64))):
                changed[dice.randrange(max(len(changed), 1))] ^= 1 << dice.randrange(8)
            return bytes(changed)
        case _:
            begin = dice.randrange(max(len(content), 1))
            return content[:at] + content[begin : begin + 4096] + content[at:]


def originals(folder: Path) -> list[Path]:
    """Give files of every format: the real ones where they are named, and the demo's."""
    write_beamline(folder / "demo", scans=60)
    roots = [folder / "demo"]
    if real := os.environ.get("CATBUILD_REAL_DATA"):
        roots.append(Path(real))
    found: dict[str, list[Path]] = {}
    for root in roots:
        for path in sorted(root.rglob("*")):
            if path.suffix.lower() in SUFFIXES and path.is_file() and 0 < path.stat().st_size < 4 * 2**20:
                found.setdefault(f"{root.name}{path.suffix.lower()}", []).append(path)
    dice = random.Random(1)
    return [path for paths in found.values() for path in dice.sample(paths, min(SAMPLES, len(paths)))]


def written(raw: Path, files: int, folder: Path) -> Iterator[str]:
    """Write so many damaged files as scans, images beside a scan of their own, and give the sources' names."""
    chosen, dice = originals(folder), random.Random(files)
    for number in range(files):
        original = chosen[number % len(chosen)]
        content = damaged(original.read_bytes(), dice)
        stem, suffix = f"x_{number:05d}", original.suffix.lower()
        if suffix in (".cbf", ".tif", ".tiff", ".edf"):
            (raw / f"{stem}.fio").write_text("%c\nct 1\n%d\n Col 1 det DOUBLE\n 1\n")
            (raw / stem / "detector").mkdir(parents=True)
            (raw / stem / "detector" / f"{stem}_00001{suffix}").write_bytes(content)
            yield f"{stem}.fio"
        else:
            (raw / f"{stem}{suffix}").write_bytes(content)
            yield f"{stem}{suffix}"


def build_of_damaged_files(site: Site, files: int) -> None:
    raw = site.beamtime("11")
    sources = list(written(raw, files, site.folder / "originals"))
    for path in raw.rglob("*"):
        os.utime(path, (1_700_000_000, 1_700_000_000))
    site.configured(executor="processes", source_seconds=SECONDS, workers=2)
    command = [*CATBUILD, "build", "--json", "--config", str(site.folder / "site_config.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr[-2000:]
    assert "Traceback" not in done.stderr
    problems = json.loads(done.stdout)["problems"]
    assert not [problem for problem in problems if "the worker died" in problem["what"]]
    scans = RecordStore(Places(site.settings.catalogue)).scans()
    told = {scan.source.removeprefix("raw/") for scan in scans} | {p["where"].removeprefix("11/raw/") for p in problems}
    silent = [s for s in sources if s not in told and not any(where.startswith(f"{s}:") for where in told)]
    assert [s for s in silent if not s.endswith((".dat", ".txt"))] == []  # of a shared suffix what is no SPEC is none
    used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    print(f"{len(sources)} sources, {len(problems)} problems, {used / 2**20:.0f} MiB at most")  # noqa: T201
    assert used < MEMORY


def test_a_beamtime_of_damaged_files_is_built_and_every_file_told(site: Site) -> None:
    build_of_damaged_files(site, 60)


@pytest.mark.campaign
def test_a_beamtime_of_two_thousand_damaged_files_is_built_and_every_file_told(site: Site) -> None:
    build_of_damaged_files(site, 2000)
