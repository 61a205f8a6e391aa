"""A build that is killed leaves nothing half done that the next one does not mend."""

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections import Counter
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


STAGES = ("records", "previews", "build/site", "build/index")
"""What a build is killed in the middle of, by the folder that is being written."""


def written(catalogue: Path, stage: str) -> int:
    return sum(len(files) for _, _, files in os.walk(catalogue / stage))


def the_same_as_without(folder: Path, *, scans: int | None, kills: int) -> None:
    beamline = write_beamline(folder / "beamline", scans=scans)
    (folder / "site_config.yaml").write_text(settings_yaml(beamline, Path("catalogue")), encoding="utf-8")
    assert build(folder) in (0, 1)
    expected = left(folder / "catalogue")
    sizes = {stage: written(folder / "catalogue", stage) for stage in STAGES}
    dice = random.Random(kills)
    hit: Counter[str] = Counter()
    for kill in range(kills):
        stage = STAGES[kill % len(STAGES)]
        if kill % len(STAGES) == 0 or stage == "build/index":
            shutil.rmtree(folder / "catalogue" / ("build" if kill % len(STAGES) else ""))
        code = build(folder, killed_at=(stage, dice.randrange(1, max(2, sizes[stage]))))
        hit[stage] += code == -signal.SIGKILL
    print("killed while writing:", dict(hit))  # noqa: T201 - where the kills fell
    assert sum(hit.values()) >= min(kills, 2)
    assert build(folder) in (0, 1)
    assert left(folder / "catalogue") == expected
    if kills >= 10 * len(STAGES):
        assert all(hit[stage] >= 10 for stage in STAGES)


def test_a_killed_build_and_then_a_whole_one_leave_what_a_whole_one_leaves(tmp_path: Path) -> None:
    the_same_as_without(tmp_path, scans=40, kills=4)


@pytest.mark.campaign
def test_many_killed_builds_of_the_demo_leave_what_a_whole_one_leaves(tmp_path: Path) -> None:
    the_same_as_without(tmp_path, scans=None, kills=64)
