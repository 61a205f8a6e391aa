"""Wishes become remarks: on the scans a dataset holds now, with what files and rules say of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from catalog_builder.build import build
from catalog_builder.buildstate import BuildState
from catalog_builder.curation import Curator, change_of
from catalog_builder.database import Database
from catalog_builder.errors import CatalogError
from catalog_builder.places import Places
from catalog_builder.records import Json, Remark
from catalog_builder.remarks import Remarks
from catalog_builder.report import reporter

from .conftest import Site, fio


@pytest.fixture
def built(site: Site) -> Site:
    site.configured(
        keywords=["XRR", "GID"], rules=[{"name": "r", "match": {"command": "om"}, "set": {"keywords": ["rock"]}}]
    )
    raw = site.beamtime("11")
    for name in ("gk_00001", "gk_00002", "feo_00001"):
        site.write(raw / f"{name}.fio", fio())
    site.write(site.beamtime("12") / "x_00001.fio", fio())
    with reporter() as progress:
        build(site.settings, progress)
    return site


@contextmanager
def curating(site: Site) -> Iterator[Curator]:
    places = Places(site.settings.catalogue)
    with Database(places.database) as database, BuildState(places.buildstate, read_only=True) as state:
        yield Curator(site.settings, Remarks(database), state)


def said(site: Site, key: str, field: str, value: Json) -> list[Remark]:
    with curating(site) as curator:
        return curator.remarks.append(curator.drafts(key, field, value), who="anna")


def brief(remarks: list[Remark]) -> list[tuple[str, str, Any]]:
    return [(one.target, one.field, one.new) for one in remarks]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("11/gk_00001", "scan:11/gk_00001"),
        ("scan:11/gk_00001", "scan:11/gk_00001"),
        ("11/gk", "dataset:11/gk"),
        ("dataset:11/gk", "dataset:11/gk"),
    ],
)
def test_a_scan_or_dataset_is_named_by_key_or_by_beamtime_and_name(built: Site, text: str, key: str) -> None:
    with curating(built) as curator:
        assert curator.key(text) == key


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("11/gk_0001", "beamtime 11 has no scan or dataset 'gk_0001'; did you mean 'gk_00001'?"),
        ("dataset:11/gk_00001", "beamtime 11 has no dataset 'gk_00001'"),
        ("13/gk_00001", "there is no beamtime '13'"),
        ("gk_00001", "neither a key nor <beamtime>/<name>"),
        ("file:11/gk_00001", "neither a key nor <beamtime>/<name>"),
        ("11/../12", "neither a key nor <beamtime>/<name>"),
    ],
)
def test_what_is_not_here_is_named_with_the_way_out(built: Site, text: str, says: str) -> None:
    with curating(built) as curator, pytest.raises(CatalogError) as caught:
        curator.key(text)
    assert says in str(caught.value)


def test_flagging_a_dataset_speaks_of_the_scans_it_holds_now_in_one_action(built: Site) -> None:
    made = said(built, "dataset:11/gk", "flag", "Calibration")
    assert brief(made) == [
        ("scan:11/gk_00001", "flag", "calibration"),
        ("scan:11/gk_00002", "flag", "calibration"),
    ]
    assert {(one.batch, one.old, one.underlying) for one in made} == {(made[0].id, "measurement", "measurement")}


def test_scans_that_moved_since_the_last_build_count_where_they_are_now(built: Site) -> None:
    said(built, "scan:11/gk_00001", "group", "dataset:11/feo")
    assert [one.target for one in said(built, "dataset:11/feo", "flag", "alignment")] == [
        "scan:11/feo_00001",
        "scan:11/gk_00001",
    ]
    assert [one.target for one in said(built, "dataset:11/gk", "flag", "alignment")] == ["scan:11/gk_00002"]


def test_a_group_is_a_datasets_key_its_name_or_a_new_name(built: Site) -> None:
    one = "scan:11/gk_00001"
    assert brief(said(built, one, "group", "feo")) == [(one, "group", "feo")]
    assert brief(said(built, one, "group", " bad  night ")) == [(one, "group", "bad=20night")]
    assert brief(said(built, one, "group", "bad=20night")) == [(one, "group", "bad=20night")]
    assert brief(said(built, one, "group", "a=b")) == [(one, "group", "a=3Db")]
    assert brief(said(built, one, "group", None)) == [(one, "group", None)]


def test_a_dataset_of_a_name_too_long_for_an_address_has_it_as_title(built: Site) -> None:
    name = "a very long name " * 10
    (moved, titled) = said(built, "scan:11/gk_00001", "group", name)
    assert len(str(moved.new)) <= 120
    assert brief([titled]) == [(f"dataset:11/{moved.new}", "title", name.strip())]


@pytest.mark.parametrize("group", ["dataset:12/x", "scan:11/gk_00002"])
def test_grouping_stays_within_a_beamtime(built: Site, group: str) -> None:
    with pytest.raises(CatalogError, match="a dataset of their own beamtime"):
        said(built, "scan:11/gk_00001", "group", group)
    with pytest.raises(CatalogError, match="there is no dataset:11/nowhere"):
        said(built, "scan:11/gk_00001", "group", "dataset:11/nowhere")


def test_a_dataset_that_is_renamed_takes_its_own_keywords_along(built: Site) -> None:
    said(built, "dataset:11/gk", "keywords", {"add": ["XRR"]})
    assert brief(said(built, "dataset:11/gk", "group", "films")) == [
        ("scan:11/gk_00001", "group", "films"),
        ("scan:11/gk_00002", "group", "films"),
        ("dataset:11/films", "keywords", {"add": ["XRR"], "remove": []}),
    ]
    with curating(built) as curator:
        (films,) = curator.held("11", ["films", "gk"])
    assert (films.facts.slug, films.facts.title, films.facts.keywords) == ("films", "films", ("XRR", "rock"))


def test_the_title_of_a_dataset_is_said_of_the_dataset(built: Site) -> None:
    (made,) = said(built, "dataset:11/gk", "title", "Thin films")
    assert (made.target, made.old, made.underlying) == ("dataset:11/gk", "gk", "gk")
    (again,) = said(built, "dataset:11/gk", "title", "Thick films")
    assert (again.old, again.underlying) == ("Thin films", "gk")


def test_keywords_are_added_to_a_dataset_and_removed_from_it_and_its_scans(built: Site) -> None:
    assert brief(said(built, "dataset:11/gk", "keywords", {"add": ["xrr"]})) == [
        ("dataset:11/gk", "keywords", {"add": ["XRR"], "remove": []})
    ]
    made = said(built, "dataset:11/gk", "keywords", {"remove": ["XRR", "rock"]})
    assert brief(made) == [
        ("dataset:11/gk", "keywords", {"add": [], "remove": ["XRR"]}),
        ("scan:11/gk_00001", "keywords", {"add": [], "remove": ["rock"]}),
        ("scan:11/gk_00002", "keywords", {"add": [], "remove": ["rock"]}),
    ]
    with curating(built) as curator:
        assert curator.held("11", ["gk"])[0].facts.keywords == ()
    with pytest.raises(CatalogError, match="neither it nor its scans have these keywords"):
        said(built, "dataset:11/gk", "keywords", {"remove": ["XRR"]})


def test_a_value_is_checked_before_anything_is_written(built: Site) -> None:
    with pytest.raises(CatalogError, match="'alignmnet' is not one of the flags; did you mean 'alignment'"):
        said(built, "dataset:11/gk", "flag", "alignmnet")
    with pytest.raises(CatalogError, match="there is no field 'flags'; did you mean 'flag'"):
        said(built, "dataset:11/gk", "flags", "alignment")
    with curating(built) as curator:
        assert curator.remarks.newest_id() == 0


def test_remarks_are_found_by_scan_by_dataset_and_by_beamtime(built: Site) -> None:
    said(built, "dataset:11/gk", "flag", "alignment")
    said(built, "dataset:11/gk", "title", "films")
    said(built, "scan:12/x_00001", "flag", "alignment")
    with curating(built) as curator:

        def ids(text: str | None) -> list[int]:
            return [one.id for one in curator.about(text)]

        assert (ids("11/gk_00002"), ids("11/gk"), ids("11"), ids("12"), ids(None)) == (
            [2],
            [1, 2, 3],
            [1, 2, 3],
            [4],
            [1, 2, 3, 4],
        )
        assert ids("11/feo") == []
        with pytest.raises(CatalogError, match="neither a key"):
            ids("13")


def test_the_remarks_on_what_is_gone_are_still_found(built: Site) -> None:
    said(built, "scan:12/x_00001", "flag", "alignment")
    places = Places(built.settings.catalogue)
    with BuildState(places.buildstate) as state:
        state.forget_beamtime("12")
    with curating(built) as curator:
        assert [one.id for one in curator.about("scan:12/x_00001")] == [1]


@pytest.mark.parametrize(
    ("texts", "change"),
    [
        (["XRR"], {"add": ["XRR"], "remove": []}),
        (["+XRR,-GID", "radiation damage"], {"add": ["XRR", "radiation damage"], "remove": ["GID"]}),
        (["-GID"], {"add": [], "remove": ["GID"]}),
    ],
)
def test_a_change_of_keywords_is_written_with_signs(texts: list[str], change: Json) -> None:
    assert change_of(texts) == change
