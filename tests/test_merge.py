"""Scans become datasets: who speaks first, and what is folded how."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_builder.config import Settings
from catalog_builder.merge import folded_on_disk, merged, moved_slugs
from catalog_builder.records import (
    Beamtime,
    Channel,
    Command,
    CuratedDataset,
    CuratedScan,
    DataFile,
    Json,
    OnDisk,
    Origin,
    Preview,
    Remark,
    Scan,
    Underlying,
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
    groups, remarks = more.pop("scan_groups", {}), more.pop("remarks", ())
    made = merged(Beamtime(id="1", scan_groups=groups), scans, on_disk or {}, settings(**more), remarks)
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


# Remarks

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
ANNA = Origin(source="person", name="anna", at=NOON)
DEFAULT = Origin(source="default")


def remark(id: int, target: str, field: str, new: Json, **more: Any) -> Remark:
    defaults: dict[str, Any] = {"batch": id, "at": NOON, "who": "anna", "via": "account", "old": None}
    defaults |= {"underlying": None}
    return Remark(**{**defaults, "id": id, "target": target, "field": field, "new": new, **more})


def words(id: int, target: str, *add: str, remove: tuple[str, ...] = ()) -> Remark:
    return remark(id, target, "keywords", {"add": [*add], "remove": [*remove]})


def test_a_person_comes_before_the_file_a_rule_and_the_default_and_what_they_said_stays_visible() -> None:
    command = Command(text="dscan om -1 1 10 1", macro="dscan")
    said = [remark(1, "scan:1/a_1", "flag", "calibration")]
    by_file = only(scan("a_1", flag="measurement", command=command), remarks=said)
    by_rule = only(scan("a_1", command=command), remarks=said)
    by_default = only(scan("a_1"), remarks=said)
    for one in (by_file, by_rule, by_default):
        assert (one.flag, one.origin["flag"]) == ("calibration", ANNA)
    assert [one.underlying["flag"] for one in (by_file, by_rule, by_default)] == [
        Underlying(value="measurement", origin=Origin(source="file")),
        Underlying(value="alignment", origin=Origin(source="rule", name="aligning")),
        Underlying(value="measurement", origin=DEFAULT),
    ]
    assert only(scan("a_1")).underlying == {}


def test_the_title_of_a_scan_is_a_persons_when_they_gave_one() -> None:
    found = only(scan("a_1", title="macro 7"), remarks=[remark(1, "scan:1/a_1", "title", "first good one")])
    assert (found.title, found.facts.title, found.origin["title"]) == ("first good one", "macro 7", ANNA)


def test_people_add_and_remove_keywords_beside_those_of_rules() -> None:
    command = Command(text="dscan om -1 1 10 1", macro="dscan")
    said = [words(1, "scan:1/a_1", "XRR"), words(2, "scan:1/a_1", "GID", remove=("align",))]
    found = only(scan("a_1", command=command), remarks=said)
    assert found.keywords == ("GID", "XRR")
    assert {name: one.source for name, one in found.origin.items() if name.startswith("keywords")} == {
        "keywords.GID": "person",
        "keywords.XRR": "person",
    }
    assert found.underlying["keywords"].value == ["align"]


def test_a_scan_moves_to_the_dataset_a_person_names() -> None:
    said = [remark(1, "scan:1/a_1", "group", "b"), remark(2, "scan:1/a_2", "group", "bad=20night")]
    found = datasets(scan("a_1"), scan("a_2"), scan("a_3"), scan("b_1"), remarks=said)
    assert {slug: one.facts.scans for slug, one in found.items()} == {
        "a": ("scan:1/a_3",),
        "b": ("scan:1/a_1", "scan:1/b_1"),
        "bad=20night": ("scan:1/a_2",),
    }
    assert (found["b"].facts.title, found["b"].origin["scans"].source) == ("b", "default")
    assert (found["bad=20night"].facts.title, found["bad=20night"].origin["scans"]) == ("bad night", ANNA)
    moved = found["b"].scans[0]
    assert (moved.origin["dataset"], moved.underlying["group"].value) == (ANNA, "a")


def test_a_slug_that_is_no_folders_name_moves_nothing() -> None:
    found = only(scan("a_1"), remarks=[remark(1, "scan:1/a_1", "group", "../../etc")])
    assert (found.dataset, found.origin["dataset"].source, found.underlying) == ("dataset:1/a", "default", {})


def test_a_dataset_has_the_title_and_keywords_people_gave_it_beside_those_of_its_scans() -> None:
    align = scan("a_1", command=Command(text="dscan om -1 1 10 1", macro="dscan"))
    said = [remark(1, "dataset:1/a", "title", "Thin films"), words(2, "dataset:1/a", "XRR")]
    found = datasets(align, remarks=said)["a"]
    assert (found.facts.title, found.facts.slug, found.facts.keywords) == ("Thin films", "a", ("XRR", "align"))
    assert (found.origin["title"], found.origin["keywords.XRR"], found.underlying["title"].value) == (ANNA, ANNA, "a")
    assert found.scans[0].keywords == ("align",)


def test_a_fact_that_changed_under_what_a_person_said_is_a_conflict_until_they_agree() -> None:
    said = [remark(1, "scan:1/a_1", "flag", "calibration", underlying="measurement")]
    conflicts = [
        only(scan("a_1", flag=flag), remarks=said).conflicts for flag in ("measurement", "alignment", "calibration")
    ]
    assert conflicts == [(), ("flag",), ()]
    kept = remark(2, "scan:1/a_1", "flag", "calibration", underlying="alignment")
    assert only(scan("a_1", flag="alignment"), remarks=[*said, kept]).conflicts == ()


def test_a_list_that_regroups_a_scan_a_person_moved_is_a_conflict_and_moves_it_not() -> None:
    said = [remark(1, "scan:1/a_1", "group", "mine", underlying="a")]
    found = only(scan("a_1"), remarks=said, scan_groups={"a_1": "theirs"})
    assert (found.dataset, found.conflicts, found.underlying["group"].value) == ("dataset:1/mine", ("group",), "theirs")


def test_a_flag_a_person_set_counts_though_it_left_the_configuration() -> None:
    found = datasets(scan("a_1"), scan("a_2"), remarks=[remark(1, "scan:1/a_1", "flag", "beam test")])["a"]
    assert found.facts.flags == ("measurement", "beam test")


def test_emptied_slugs_lead_to_where_most_of_their_scans_are() -> None:
    scans = [scan("a_1"), scan("a_2"), scan("a_3"), scan("b_1")]
    said = [
        remark(1, "scan:1/a_1", "group", "x", old="a", underlying="a"),
        remark(2, "scan:1/a_2", "group", "b", old="a", underlying="a"),
        remark(3, "scan:1/a_3", "group", "b", old="a", underlying="a"),
        remark(4, "scan:1/a_1", "group", "y", old="x", underlying="a"),
        remark(5, "scan:1/gone_1", "group", "z", old="gone", underlying="gone"),
    ]
    found = list(datasets(*scans, remarks=said).values())
    assert moved_slugs(found, said) == {"a": ("dataset:1/b", "dataset:1/y"), "x": ("dataset:1/y",)}
    undone = [*said, *(remark(id + 10, said[id - 1].target, "group", None, undoes=id) for id in (4, 3, 2, 1))]
    back = list(datasets(*scans, remarks=undone).values())
    assert moved_slugs(back, undone) == {"x": ("dataset:1/a",), "y": ("dataset:1/a",)}


NAMES = ("a_1", "a_2", "b_1")
DRAFTS: st.SearchStrategy[tuple[str, tuple[str, Json]]] = st.one_of(
    st.tuples(
        st.sampled_from([f"scan:1/{name}" for name in NAMES]),
        st.sampled_from(
            [
                ("flag", "calibration"),
                ("flag", "alignment"),
                ("flag", None),
                ("title", "mine"),
                ("group", "b"),
                ("group", "c"),
                ("keywords", {"add": ["XRR"], "remove": ["align"]}),
                ("keywords", {"add": ["align"], "remove": []}),
            ]
        ),
    ),
    st.tuples(
        st.sampled_from(["dataset:1/a", "dataset:1/c"]),
        st.sampled_from([("title", "ours"), ("keywords", {"add": ["GID"], "remove": []})]),
    ),
)
JOURNALS = st.lists(DRAFTS, max_size=8).map(
    lambda drafts: [remark(id, target, field, new) for id, (target, (field, new)) in enumerate(drafts, 1)]
)
FACTS = st.fixed_dictionaries(
    {
        "flag": st.sampled_from([None, "measurement", "calibration"]),
        "title": st.sampled_from([None, "macro 7"]),
        "sample": st.sampled_from([None, "LaB6"]),
        "command": st.sampled_from(
            [Command(text="ascan tt 0 1 1 1", macro="ascan"), Command(text="dscan om", macro="")]
        ),
    }
)
READINGS = st.tuples(FACTS, FACTS, FACTS).map(
    lambda facts: [scan(name, **one) for name, one in zip(NAMES, facts, strict=True)]
)


@given(READINGS, READINGS, JOURNALS)
def test_reading_again_never_changes_what_a_person_set(
    first: list[Scan], second: list[Scan], said: list[Remark]
) -> None:
    was, now = (
        {one.facts.key: one for dataset in datasets(*scans, remarks=said).values() for one in dataset.scans}
        for scans in (first, second)
    )
    for key, one in was.items():
        for name in set(one.underlying) & {"flag", "title"}:
            assert getattr(one, name) == getattr(now[key], name)
        if "group" in one.underlying:
            assert one.dataset == now[key].dataset
        for name, origin in one.origin.items():
            if name.startswith("keywords.") and origin.source == "person":
                assert now[key].origin[name] == origin
        assert set(one.underlying) == set(now[key].underlying)


@given(READINGS, JOURNALS)
def test_grouping_neither_loses_nor_doubles_a_scan(scans: list[Scan], said: list[Remark]) -> None:
    found = [key for dataset in datasets(*scans, remarks=said).values() for key in dataset.facts.scans]
    assert sorted(found) == [f"scan:1/{name}" for name in NAMES]


@given(READINGS, JOURNALS, st.randoms(use_true_random=False))
def test_undoing_everything_in_any_order_gives_what_files_and_rules_say(
    scans: list[Scan], said: list[Remark], dice: Any
) -> None:
    ids = [one.id for one in said]
    dice.shuffle(ids)
    undone = [remark(100 + n, said[id - 1].target, said[id - 1].field, None, undoes=id) for n, id in enumerate(ids)]
    assert datasets(*scans, remarks=[*said, *undone]) == datasets(*scans)


@given(READINGS, JOURNALS, st.randoms(use_true_random=False))
def test_the_order_of_remarks_on_different_targets_does_not_matter(
    scans: list[Scan], said: list[Remark], dice: Any
) -> None:
    by_target: dict[str, list[Remark]] = {}
    for one in said:
        by_target.setdefault(one.target, []).append(one)
    waiting = [list(remarks) for remarks in by_target.values()]
    mixed: list[Remark] = []
    while waiting:
        line = dice.choice(waiting)
        one = line.pop(0)
        mixed.append(replace(one, id=len(mixed) + 1, batch=len(mixed) + 1))
        waiting = [line for line in waiting if line]
    assert datasets(*scans, remarks=mixed) == datasets(*scans, remarks=said)
    dice.shuffle(mixed)
    assert datasets(*scans, remarks=mixed) == datasets(*scans, remarks=said)
