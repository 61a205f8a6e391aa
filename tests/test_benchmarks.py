"""The benchmarks run, at a size that measures nothing."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from benchmarks.build import as_text
from benchmarks.clock import Shares

PROJECT = Path(__file__).parent.parent


def _run(*arguments: str, name: str = "reading") -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if name != "CATBUILD_REAL_DATA"}
    call = [sys.executable, "-m", f"benchmarks.{name}", *arguments]
    return subprocess.run(call, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    done = _run("--scale", "1", "--rounds", "1", "--alone", "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_reading_times_every_part_of_every_format(report: dict[str, Any]) -> None:
    assert list(report["formats"]) == ["fio", "spec", "nexus", "images"]
    for found in report["formats"].values():
        assert (found["files"], found["scans"], found["left_out"]) == (1, 1, {})
        assert list(found["parts"]) == ["read", "draw", "read + draw", "take in"]
        for part in found["parts"].values():
            assert part["ours"]["wall_ms"] > 0
            assert part["ours"]["cpu_ms"] > 0


def test_a_plain_script_draws_the_same_scans_and_its_ratio_is_told(report: dict[str, Any]) -> None:
    for found in report["formats"].values():
        ours, script = (found["parts"]["draw"][name] for name in ("ours", "plain matplotlib"))
        assert script["files"] == ours["files"] == 1
        assert script["wall_ratio"] == pytest.approx(script["wall_ms"] / ours["wall_ms"])


def test_without_the_ingest_nothing_is_said_of_it(report: dict[str, Any]) -> None:
    assert "agreement" not in report
    assert "nxsfileinfo" not in json.dumps(report["formats"])


def test_reading_says_on_which_machine_it_ran(report: dict[str, Any]) -> None:
    assert report["machine"]["cores"] >= 1
    assert report["machine"]["python"] == ".".join(map(str, sys.version_info[:3]))


def test_a_folder_of_data_that_is_not_there_is_named() -> None:
    done = _run("--data", "no/such/folder")
    assert done.returncode == 2
    assert "no/such/folder is not a folder" in done.stderr


@pytest.fixture(scope="module")
def building() -> dict[str, Any]:
    scales = ("--scale", "8", "--scale", "16")
    done = _run(*scales, "--rounds", "1", "--draw", "no", "--executor", "serial", "--json", name="build")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_building_times_each_stage_and_what_a_builder_with_nothing_to_do_costs(building: dict[str, Any]) -> None:
    assert list(building["scales"]) == ["8", "16"]
    for scale, found in building["scales"].items():
        cold = found["cold"]
        assert (found["scans"], cold["scans"]) == (int(scale), int(scale))
        assert {"read", "write", "wait", "walk", "merge", "render", "index", "state", "rest"} <= cold["stages_s"].keys()
        told = sum(cold["stages_s"][name] for name in ("wait", "walk", "merge", "render", "index", "state", "rest"))
        assert 0.5 * cold["wall_s"] < told <= cold["wall_s"]
        assert cold["builder_mb"] > 20
        for name in ("everyday", "full sweep"):
            assert found["nothing"][name]["wall_s"] > found["nothing"]["bare walk"]["wall_s"] > 0
        assert found["new scan"]["largest"]["next_s"] > 0
        assert found["new scan"]["command"]["wall_s"] > found["new scan"]["smallest"]["next_s"]


def test_building_says_how_it_grows_and_what_was_not_drawn(building: dict[str, Any]) -> None:
    assert building["growth"]["scans"] == 2
    assert building["growth"]["full sweep, a scan"] > 0
    text = as_text(building)
    assert text.count("Previews are not drawn") == 2
    assert "Growth with 2 times the scans" in text


def test_a_stage_within_a_stage_counts_for_itself_alone() -> None:
    shares = Shares()
    with shares.stage("outer"):
        shares.within("inner", time.sleep)(0.05)
        for _ in shares.each("waiting", iter([1])):
            pass
    assert shares.seconds["inner"] >= 0.05 > shares.seconds["outer"]
    assert shares.seconds["waiting"] < 0.05
