"""Which beamtimes are watched where none is named."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from catalog_builder.buildstate import BuildState, Sweep
from catalog_builder.discover import BeamtimeFolder
from catalog_builder.watch.current import Currency

from ..conftest import LONG_AGO, Site, fio

NOW = datetime.fromtimestamp(LONG_AGO, UTC) + timedelta(days=400)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[BuildState]:
    with BuildState(tmp_path / "build" / "state.sqlite3") as opened:
        yield opened


def made(site: Site, end: str = "2023-01-01T00:00:00", *, written: datetime | None = None) -> BeamtimeFolder:
    raw = site.beamtime("11", eventEnd=end)
    file = site.write(raw / "a_00001.fio", fio())
    os.utime(raw, (LONG_AGO, LONG_AGO))
    if written is not None:
        os.utime(file, (written.timestamp(), written.timestamp()))
    return BeamtimeFolder(id="11", year=2023, path=raw.parent)


def test_one_that_has_not_ended_by_its_metadata_is_current(site: Site, state: BuildState) -> None:
    assert Currency(site.settings).is_current(made(site, "2099-01-01T00:00:00"), state, NOW)


def test_one_that_ended_is_current_while_its_newest_file_is_younger_than_a_week(site: Site, state: BuildState) -> None:
    folder = made(site, written=NOW - timedelta(days=6))
    assert Currency(site.settings).is_current(folder, state, NOW)
    assert not Currency(site.settings).is_current(folder, state, NOW + timedelta(days=2))


def test_one_that_the_last_build_found_ended_is_current_only_where_something_came(
    site: Site, state: BuildState
) -> None:
    folder = made(site, written=NOW)
    state.put_sweep("11", Sweep(at=0, folders={"raw": 1}, mark=""))
    currency = Currency(site.settings)
    assert not currency.is_current(folder, state, NOW)
    os.utime(folder.path / "raw", (NOW.timestamp(), NOW.timestamp()))
    assert currency.is_current(folder, state, NOW)


def test_an_answer_stands_until_the_folder_changes_or_an_hour_is_over(site: Site, state: BuildState) -> None:
    folder = made(site)
    currency = Currency(site.settings)
    assert not currency.is_current(folder, state, NOW)
    os.utime(folder.path / "raw" / "a_00001.fio", (NOW.timestamp(), NOW.timestamp()))
    assert not currency.is_current(folder, state, NOW)
    assert currency.is_current(folder, state, NOW + timedelta(hours=1))
