"""Why something is or is not current, said for every way people write a key."""

from datetime import UTC, datetime

import pytest

from catalog_builder.build import build
from catalog_builder.errors import CatalogError
from catalog_builder.explain import explained
from catalog_builder.report import PlainReporter

from .conftest import Site, fio


def said(site: Site, key: str) -> str:
    return "\n".join(explained(site.settings, key, datetime.now(UTC)))


@pytest.fixture
def built(site: Site) -> Site:
    site.write(site.beamtime("11") / "gk_00001.fio", fio())
    build(site.settings, PlainReporter())
    return site


@pytest.mark.parametrize("key", ["11/gk_00001", "scan:11/gk_00001", "11/gk", "dataset:11/gk"])
def test_what_stands_is_current(built: Site, key: str) -> None:
    lines = said(built, key).splitlines()
    assert lines[0] == "scan:11/gk_00001: from raw/gk_00001.fio, current"
    assert lines[1].endswith(": current")
    assert lines[2] == "search index: has it"


def test_a_changed_file_and_one_that_went_are_named_as_the_reason(built: Site) -> None:
    path = built.root / "2023/data/11/raw/gk_00001.fio"
    built.write(path, fio(points=3))
    assert "will be read again, for raw/gk_00001.fio had" in said(built, "11/gk_00001")
    path.unlink()
    assert "its file is gone" in said(built, "11/gk_00001")


@pytest.mark.parametrize(("key", "what"), [("gk_00001", "is no key"), ("11/gk_00002", "holds no scan:11/gk_00002")])
def test_what_is_no_key_or_nowhere_is_said(built: Site, key: str, what: str) -> None:
    with pytest.raises(CatalogError, match=what):
        said(built, key)
