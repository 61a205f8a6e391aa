"""Scans become datasets: who speaks first, and what is folded how."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from catalog_builder.config import Settings
from catalog_builder.merge import folded_on_disk, merged
from catalog_builder.records import (
    Beamtime,
    Channel,
    Command,
    CuratedDataset,
    CuratedScan,
    DataFile,
    OnDisk,
    Origin,
    Preview,
    Scan,
)

RULES = [
    {"name": "aligning", "match": {"command": "^dscan om"}, "set": {"flag": "alignment", "keywords": ["align"]}},
    {"name": "by powder", "match": {"sample": "LaB6"}, "set": {"flag": "calibration", "group": "LaB6 powder"}},
]


def settings(**more: Any) -> Settings:
    document = {"beamtimes": {"roots": ["/data"]}, "catalogue": "/catalogue", "rules": RULES, **more}
    return Settings.model_validate_json(json.dumps(document), context={"folder": Path("/")})


def scan(name: str, **more: Any) -> Scan:
    defaults: dict[str, Any] = {
        "key": f"scan:1/{name}",
        "name": name,
        "stem": name.rpartition("_")[0],
        "beamtime": "1",
        "command": Command(text="ascan tt 0 1 10 1", macro="ascan"),
    }
    return Scan(**{**defaults, **more})


def datasets(*scans: Scan, on_disk: Mapping[str, OnDisk] | None = None, **more: Any) -> dict[str, CuratedDataset]:
    groups = more.pop("scan_groups", {})
    made = merged(Beamtime(id="1", scan_groups=groups), scans, on_disk or {}, settings(**more))
    return {dataset.facts.slug: dataset for dataset in made}


def only(*scans: Scan, **more: Any) -> CuratedScan:
    ((dataset),) = datasets(*scans, **more).values()
    (one,) = dataset.scans
    return one


def test_scans_of_one_stem_are_one_dataset_by_default() -> None:
    found = datasets(scan("gk_00002"), scan("gk_00001"), scan("feo_00001"))
    assert {slug: dataset.facts.scans for slug, dataset in found.items()} == {
        "gk": ("scan:1/gk_00001", "scan:1/gk_00002"),
        "feo": ("scan:1/feo_00001",),
    }


def test_a_list_of_datasets_comes_before_a_rule_and_a_rule_before_the_stem() -> None:
    lab6 = scan("a_00001", sample="LaB6")
    assert only(lab6, scan_groups={"a_00001": "my calib"}).dataset == "dataset:1/my=20calib"
    assert only(lab6).dataset == "dataset:1/LaB6=20powder"
    assert only(lab6).origin["dataset"] == Origin(source="rule", name="by powder")
    assert only(lab6, rules=[]).dataset == "dataset:1/a"


@pytest.mark.parametrize(
    ("grouping", "slug"), [("stem", "f.dat"), ("sample", "Si=28111=29"), ("file", "f.dat"), ("scan", "f.dat~2.1")]
)
def test_the_configured_grouping_decides_what_is_left(grouping: str, slug: str) -> None:
    spec = scan("f.dat~2.1", stem="f.dat", measurement="2.1", sample="Si(111)")
    assert only(spec, grouping=grouping).dataset == f"dataset:1/{slug}"


def test_the_files_own_word_is_the_flag_before_any_rule() -> None:
    command = Command(text="dscan om -1 1 10 1", macro="dscan")
    said = only(scan("a_1", command=command, flag="Measurement"))
    assert (said.flag, said.origin["flag"]) == ("measurement", Origin(source="file"))
    ruled = only(scan("a_1", command=command))
    assert (ruled.flag, ruled.origin["flag"]) == ("alignment", Origin(source="rule", name="aligning"))
    assert (only(scan("a_1")).flag, only(scan("a_1")).origin["flag"]) == ("measurement", Origin(source="default"))


def test_a_word_of_the_file_outside_the_vocabulary_is_no_flag() -> None:
    assert only(scan("a_1", flag="whatever")).flag == "measurement"


def test_a_flag_added_to_the_configuration_works_without_code() -> None:
    found = only(
        scan("a_1", flag="radiation damage"), flags=["measurement", "alignment", "calibration", "radiation damage"]
    )
    assert found.flag == "radiation damage"


def test_a_dataset_shows_the_set_of_its_scans_flags_and_keywords() -> None:
    align = scan("a_1", command=Command(text="dscan om -1 1 10 1", macro="dscan"))
    facts = datasets(align, scan("a_2"))["a"].facts
    assert (facts.flags, facts.keywords, facts.macros) == (("measurement", "alignment"), ("align",), ("ascan", "dscan"))


def test_quantities_come_from_the_first_source_recorded_and_fold_to_mean_and_extremes() -> None:
    wanted = {"temperature": {"from": ["t_probe", "t_set"], "unit": "°C"}}
    one = scan("a_1", channels=(Channel(name="t_probe", finite=3, minimum=20.0, maximum=22.0, mean=21.0),))
    two = scan("a_2", positioners={"t_set": 31.0})
    (quantity,) = datasets(one, two, scan("a_3"), quantities=wanted)["a"].facts.quantities
    assert (quantity.average, quantity.minimum, quantity.maximum, quantity.unit) == (26.0, 20.0, 31.0, "°C")


def test_a_quantity_may_be_a_number_or_a_list_of_numbers_among_the_parameters() -> None:
    wanted = {"pressure": {"from": ["data.pressure", "mode"], "unit": "mbar"}}
    one = scan("a_1", parameters={"data.pressure": [999.0, 1001.0], "mode": "auto"}, units={"data.pressure": "hPa"})
    (quantity,) = only(one, quantities=wanted).quantities
    assert (quantity.average, quantity.minimum, quantity.maximum, quantity.unit) == (1000.0, 999.0, 1001.0, "hPa")
    assert only(scan("a_2", parameters={"mode": "auto", "data.pressure": [True]}), quantities=wanted).quantities == ()


def test_the_unit_a_file_names_comes_before_the_settings() -> None:
    wanted = {"energy": {"from": ["mono"], "unit": "eV"}}
    named = only(scan("a_1", positioners={"mono": 15.0}, units={"mono": "keV"}), quantities=wanted)
    silent = only(scan("a_1", positioners={"mono": 15000.0}), quantities=wanted)
    assert [each.quantities[0].unit for each in (named, silent)] == ["keV", "eV"]


def test_a_file_that_holds_many_scans_counts_once_in_the_size() -> None:
    file = DataFile(path="raw/f.dat", size=100)
    facts = datasets(scan("f_1", files=(file,)), scan("f_2", files=(file,)))["f"].facts
    assert (facts.size, facts.files) == (100, 1)


def test_the_main_scan_is_a_drawn_measurement_with_the_most_points() -> None:
    drawn = (Preview(name="preview", kind="curve", caption=""),)
    align = scan("a_1", points=500, previews=drawn, command=Command(text="dscan om -1 1 499 1", macro="dscan"))
    few, many = scan("a_2", points=11, previews=drawn), scan("a_3", points=201, previews=drawn)
    assert datasets(align, few, many, scan("a_4", points=999))["a"].facts.main_scan == "scan:1/a_3"


def test_scans_stand_in_order_of_time_and_those_without_come_last() -> None:
    early, late = datetime(2023, 1, 1, tzinfo=UTC), datetime(2023, 1, 2, tzinfo=UTC)
    found = datasets(scan("a_1"), scan("a_2", started=late), scan("a_3", started=early))["a"].facts
    assert found.scans == ("scan:1/a_3", "scan:1/a_2", "scan:1/a_1")
    assert (found.started, found.ended) == (early, late)


@pytest.mark.parametrize(
    ("states", "folded"),
    [
        (["disk", "disk"], "disk"),
        (["disk", "tape"], "part"),
        (["tape", "tape"], "tape"),
        (["disk", "both"], "disk"),
        (["unknown", "tape"], "tape"),
        ([], "unknown"),
    ],
)
def test_where_a_datasets_data_are(states: list[OnDisk], folded: OnDisk) -> None:
    assert folded_on_disk(states) == folded
