"""The benchmarks run, at a size that measures nothing."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).parent.parent


def _run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if name != "CATBUILD_REAL_DATA"}
    call = [sys.executable, "-m", "benchmarks.reading", *arguments]
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
