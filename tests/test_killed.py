"""A build that is killed leaves nothing half done that the next one does not mend."""

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from catalog_builder.demo import settings_yaml, write_beamline
from catalog_builder.facets import SearchRequest
from catalog_builder.places import Places
from catalog_builder.search import Searcher

CATBUILD = [sys.executable, "-c", "from catalog_builder.cli import main; main()"]


def build(folder: Path, *, killed_at: tuple[str, int] | None = None) -> int:
    """Run ``catbuild build``; kill it with SIGKILL once a folder of the catalogue holds so many files."""
    command = [*CATBUILD, "build", "--config", str(folder / "site_config.yaml"), "--json"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while killed_at is not None and process.poll() is None:
            written = sum(len(files) for _, _, files in os.walk(folder / "catalogue" / killed_at[0]))
            if written >= killed_at[1]:
                process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.005)
        return process.wait()


def left(catalogue: Path) -> dict[str, bytes]:
    places = Places(catalogue)
    files = {
        str(path.relative_to(catalogue)): path.read_bytes()
        for folder in (places.records, places.previews, places.site)
        for path in folder.rglob("*")
        if path.is_file()
    }
    result = Searcher(places.index).search(SearchRequest(level="scan", per_page=100), None)
    hits = json.dumps([[hit.key, dict(hit.fields)] for hit in result.hits])
    return {**files, "hits": f"{result.total} {hits}".encode()}


def the_same_as_without(folder: Path, *, scans: int | None, kills: int) -> None:
    beamline = write_beamline(folder / "beamline", scans=scans)
    (folder / "site_config.yaml").write_text(settings_yaml(beamline, Path("catalogue")), encoding="utf-8")
    assert build(folder) in (0, 1)
    expected = left(folder / "catalogue")
    sizes = {name: sum(path.startswith(name) for path in expected) for name in ("records", "previews", "build/site")}
    dice = random.Random(kills)
    killed = []
    for kill in range(kills):
        name = list(sizes)[kill % 3]
        if kill % 3 == 0:
            shutil.rmtree(folder / "catalogue")
        code = build(folder, killed_at=(name, dice.randrange(1, sizes[name])))
        killed.append((name, code == -signal.SIGKILL))
    print("killed while writing:", [name for name, hit in killed if hit])  # noqa: T201 - where the kills fell
    assert sum(hit for _, hit in killed) >= min(kills, 2)
    assert build(folder) in (0, 1)
    assert left(folder / "catalogue") == expected


def test_a_killed_build_and_then_a_whole_one_leave_what_a_whole_one_leaves(tmp_path: Path) -> None:
    the_same_as_without(tmp_path, scans=40, kills=3)


@pytest.mark.campaign
def test_many_killed_builds_of_the_demo_leave_what_a_whole_one_leaves(tmp_path: Path) -> None:
    the_same_as_without(tmp_path, scans=None, kills=30)
