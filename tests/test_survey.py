"""Ended beamtimes rest on their folders' times, and are walked in full once a week."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from catalog_builder import discover
from catalog_builder.build import build
from catalog_builder.places import Places
from catalog_builder.recordstore import RecordStore
from catalog_builder.report import BuildSummary, PlainReporter

from .conftest import LONG_AGO, Site, fio

NOW = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture
def ended(site: Site) -> Path:
    """Give the raw folder of a beamtime that ended long ago and is built."""
    raw = site.beamtime("11", eventEnd="2023-11-20 08:00:00")
    site.write(raw / "gk_00001.fio", fio())
    site.write(raw / "night2" / "gk_00002.fio", fio())
    for folder in (raw / "night2", raw, raw.parent):
        os.utime(folder, (LONG_AGO, LONG_AGO))
    build(site.settings, PlainReporter(), now=NOW)
    return raw


@pytest.fixture
def walks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note the beamtimes that are walked."""
    walked: list[str] = []
    run = discover.Walk.run

    def noted(self: discover.Walk) -> discover.Found:
        walked.append(self.folder.id)
        return run(self)

    monkeypatch.setattr(discover.Walk, "run", noted)
    return walked


def again(site: Site, after: timedelta = timedelta(hours=1)) -> BuildSummary:
    return build(site.settings, PlainReporter(), now=NOW + after)


def test_an_ended_beamtime_is_not_walked_while_nothing_comes_or_goes(site: Site, ended: Path, walks: list[str]) -> None:
    summary = again(site)
    assert (summary.current, summary.read, walks) == (2, 0, [])


def test_a_file_that_comes_or_goes_in_any_folder_is_noticed(site: Site, ended: Path, walks: list[str]) -> None:
    site.write(ended / "night2" / "gk_00003.fio", fio())
    assert (again(site).read, walks) == (1, ["11"])
    (ended / "night2" / "gk_00002.fio").unlink()
    assert (again(site).removed, walks) == (1, ["11", "11"])


def test_a_file_written_to_in_place_is_noticed_within_the_week(site: Site, ended: Path, walks: list[str]) -> None:
    site.write(ended / "gk_00001.fio", fio(sample="FeO"))
    assert again(site).read == 0
    assert (again(site, timedelta(days=8)).read, walks) == (1, ["11"])
    assert RecordStore(Places(site.settings.catalogue)).scan("scan:11/gk_00001").sample == "FeO"


@pytest.mark.parametrize("what", ["metadata", "timezone", "record", "page"])
def test_whatever_else_it_depends_on_is_noticed_too(site: Site, ended: Path, what: str) -> None:
    places = Places(site.settings.catalogue)
    page = places.site / "beamtimes/11/scans/gk_00001/index.html"
    if what == "metadata":
        (ended.parent / "beamtime-metadata-11.json").write_text('{"beamtimeId": "11", "title": "Another title"}')
        again(site)
        assert "Another title" in (places.site / "beamtimes/11/index.html").read_text()
    elif what == "timezone":
        site.configured(timezone="Asia/Tokyo")
        assert again(site).read == 2
    elif what == "record":
        places.scan_record("scan:11/gk_00001").unlink()
        assert again(site).read == 1
    else:
        page.unlink()
        page.with_name("scan.json").unlink()
        page.parent.rmdir()
        again(site)
        assert page.exists()


def test_a_page_that_went_from_its_folder_is_noticed_within_the_week(site: Site, ended: Path) -> None:
    page = Places(site.settings.catalogue).site / "beamtimes/11/scans/gk_00001/index.html"
    page.unlink()
    again(site)
    assert not page.exists()
    again(site, timedelta(days=8))
    assert page.exists()


def test_a_beamtime_that_has_not_ended_is_walked_each_time(site: Site, walks: list[str]) -> None:
    site.write(site.beamtime("22", eventEnd="2026-03-20 08:00:00") / "gk_00001.fio", fio())
    build(site.settings, PlainReporter(), now=NOW)
    again(site)
    assert walks == ["22", "22"]
