"""What rules would do, told on the scans of a small catalogue."""

from typing import Any

import pytest

from catalog_builder.build import build
from catalog_builder.check import must_be_built, rule_hits, told
from catalog_builder.config import Rule, Settings
from catalog_builder.errors import CatalogError
from catalog_builder.places import Places
from catalog_builder.recordstore import RecordStore
from catalog_builder.report import PlainReporter

from .conftest import Site, fio


def with_rules(settings: Settings, *rules: dict[str, Any]) -> Settings:
    return settings.model_copy(update={"rules": tuple(Rule.model_validate(rule) for rule in rules)})


def lines(site: Site, *rules: dict[str, Any]) -> list[str]:
    settings = with_rules(site.settings, *rules)
    return list(told(*rule_hits(RecordStore(Places(settings.catalogue)), settings)))


@pytest.fixture
def built(site: Site) -> Site:
    raw = site.beamtime("11")
    site.write(raw / "align_00001.fio", fio(flag="calibration"))
    for number in range(2, 9):
        site.write(raw / f"align_{number:05d}.fio", fio(flag="None"))
    site.write(raw / "gk_00009.fio", fio(flag="None"))
    build(site.settings, PlainReporter())
    return site


def test_a_rule_tells_how_many_scans_it_hits_and_where_it_applies(built: Site) -> None:
    rule = {"name": "by name", "match": {"file": "align_"}, "set": {"flag": "alignment", "keywords": ("adj",)}}
    assert lines(built, rule) == [
        "rule 'by name' hits 8 of 9 scans",
        "    flag alignment: applies to 7 of them; for the others a file or an earlier rule speaks",
        "    keywords adj",
        "    11/align_00001, 11/align_00002, 11/align_00003, 11/align_00004, 11/align_00005 and 3 more",
    ]


def test_an_earlier_rule_speaks_before_a_later_one(built: Site) -> None:
    first = {"name": "first", "match": {"file": "gk_"}, "set": {"group": "GK"}}
    later = {"name": "later", "match": {"file": "."}, "set": {"group": "all"}}
    said = lines(built, first, later)
    assert "    dataset 'GK': applies to all of them" in said
    assert "    dataset 'all': applies to 8 of them; for the others a file or an earlier rule speaks" in said


def test_a_rule_that_hits_nothing_says_so(built: Site) -> None:
    rule = {"name": "never", "match": {"title": "no such title"}, "set": {"flag": "alignment"}}
    assert lines(built, rule) == ["rule 'never' hits none of 9 scans"]


def test_without_rules_and_without_a_catalogue_it_says_what_to_do(built: Site, tmp_path_factory: Any) -> None:
    assert lines(built) == ["site_config.yaml has no rules"]
    with pytest.raises(CatalogError, match="run: catbuild build"):
        must_be_built(RecordStore(Places(tmp_path_factory.mktemp("empty"))))
