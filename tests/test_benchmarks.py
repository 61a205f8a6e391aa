"""The benchmarks run, at a size that measures nothing."""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from benchmarks.build import as_text
from benchmarks.clock import Shares
from benchmarks.search import as_text as searching_as_text
from benchmarks.search import percentile
from benchmarks.search_contender import Answer
from benchmarks.search_documents import beamtime_ids, documents
from benchmarks.search_parts import differences, taking_part
from benchmarks.search_queries import QUESTIONS

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


SEARCHED = 200


@pytest.fixture(scope="module")
def searching() -> dict[str, Any]:
    done = _run("--scale", str(SEARCHED), "--rounds", "1", "--one-process", "--json", name="search")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_searching_times_every_contender_in_every_state_and_for_every_kind_of_query(searching: dict[str, Any]) -> None:
    found = searching["scales"][str(SEARCHED)]
    assert list(found["contenders"]) == taking_part(SEARCHED)
    assert found["contenders"].keys() >= {"ours", "fts5", "whoosh"}
    for each in found["contenders"].values():
        for state in ("cold", "warm", "updated"):
            assert {"all", "words", "prefixes", "deep pages"} < each["ms"][state].keys()
            assert all(0 < figures["p50"] <= figures["p95"] for figures in each["ms"][state].values())
            assert len(each["ms_a_query"][state]) == len(QUESTIONS) == 40
        assert each["first_ms"] > 0
        assert each["visible_ms"]["p95"] >= each["visible_ms"]["p50"] > 0
        assert each["build"]["documents"] >= SEARCHED
        assert each["searching"]["peak_mb"] >= each["searching"]["before_mb"] > 20


def test_all_contenders_find_the_same_and_most_queries_find_something(searching: dict[str, Any]) -> None:
    found = searching["scales"][str(SEARCHED)]
    assert found["agreement"] == {"queries": 72, "with": taking_part(SEARCHED)[1:], "differences": []}
    assert sum(total > 0 for total, _ in found["totals"]) > 30


def test_searching_tells_ratios_and_whether_aims_are_reached(searching: dict[str, Any]) -> None:
    found = searching["scales"][str(SEARCHED)]
    theirs, ours = (found["contenders"][name]["ms"]["warm"]["all"]["p95"] for name in ("fts5", "ours"))
    assert found["ratios"]["warm"]["fts5"]["all"] == pytest.approx(theirs / ours)
    text = searching_as_text(searching)
    assert "0 differences" in text
    assert text.count("20 times faster than FTS5") == 3


def test_an_answer_that_is_not_the_same_is_named_with_its_query() -> None:
    same = [Answer(total=0, rows=(), facets={"flag": (("alignment", 0),)}) for _ in range(2 * len(QUESTIONS))]
    without_zero = [Answer(total=0, rows=(), facets={"flag": ()}) for _ in same]
    assert differences(same, without_zero) == []
    more = [Answer(total=1234, rows=(), facets={"flag": ()}), *without_zero[1:]]
    assert differences(same, more) == ['words, "lsmo", all: total 0 and 1,234']
    counted = [same[0], Answer(total=0, rows=(), facets={"flag": (("alignment", 2),)}), *same[2:]]
    assert differences(same, counted) == ['words, "lsmo", a tenth: counts of facet flag']


def test_documents_to_search_are_the_same_each_time_and_of_very_unequal_beamtimes() -> None:
    scans = [document for document in documents(SEARCHED) if document.level == "scan"]
    assert len(scans) == SEARCHED
    assert scans == [document for document in documents(SEARCHED) if document.level == "scan"]
    sizes = Counter(document.beamtime for document in scans)
    assert set(sizes) == set(beamtime_ids(SEARCHED))
    assert max(sizes.values()) > 5 * min(sizes.values())
    assert all(20 <= sum(name.startswith("positioner.") for name in scan.numbers) <= 64 for scan in scans)


def test_the_share_of_few_figures_that_is_not_exceeded_is_the_largest() -> None:
    assert percentile([3.0, 1.0, 2.0]) == 3.0
    assert percentile([float(n) for n in range(1, 101)]) == 95.0
