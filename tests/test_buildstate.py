"""The build's memory: counted by beamtime, and read by a server without being touched."""

import sqlite3
from pathlib import Path

import pytest

from catalog_builder.backup import back_up, verified
from catalog_builder.build import build
from catalog_builder.buildstate import BuildState, DamagedStateError, ScanRow
from catalog_builder.errors import CatalogError
from catalog_builder.places import Places
from catalog_builder.records import Problem
from catalog_builder.report import PlainReporter

from .conftest import Site, fio


def row(beamtime: str, name: str, dataset: str) -> ScanRow:
    return ScanRow(
        key=f"scan:{beamtime}/{name}",
        beamtime=beamtime,
        dataset=f"dataset:{beamtime}/{dataset}",
        on_disk="disk",
        size=1,
        files=1,
    )


def test_scans_and_datasets_are_counted_by_beamtime(tmp_path: Path) -> None:
    with BuildState(tmp_path / "state.sqlite3") as state:
        state.put_scans("1", [row("1", "a_1", "a"), row("1", "a_2", "a"), row("1", "b_1", "b")])
        state.put_scans("2", [row("2", "a_1", "a")])
        assert state.counts_by_beamtime() == {"1": (3, 2), "2": (1, 1)}


def test_a_reader_sees_what_a_writer_has_kept_and_cannot_write(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite3"
    with BuildState(path) as writer, BuildState(path, read_only=True) as reader:
        with writer.transaction():
            writer.put_scans("1", [row("1", "a_1", "a")])
            assert reader.counts_by_beamtime() == {}  # and does not wait for the writer
        assert reader.counts_by_beamtime() == {"1": (1, 1)}
        with pytest.raises(CatalogError, match="readonly"):
            reader.put_digest("1", "x")


def test_reading_what_is_not_there_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="catbuild build"):
        BuildState(tmp_path / "build" / "state.sqlite3", read_only=True)
    assert list(tmp_path.iterdir()) == []


def test_a_server_of_an_older_program_leaves_a_newer_state_alone(tmp_path: Path) -> None:
    path = tmp_path / "state.sqlite3"
    with BuildState(path) as state:
        state.put_scans("1", [row("1", "a_1", "a")])
    newer = sqlite3.connect(path)
    newer.execute("PRAGMA user_version = 999")
    newer.close()
    with pytest.raises(CatalogError, match="another version"):
        BuildState(path, read_only=True)
    kept = sqlite3.connect(path)
    assert kept.execute("SELECT count(*) FROM scan").fetchone()[0] == 1
    kept.close()


def test_a_damaged_file_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "buildstate.sqlite3"
    path.write_bytes(b"no database at all" * 100)
    with BuildState(path) as state:
        assert state.counts() == (0, 0)
    with BuildState(path, read_only=True) as state:
        assert state.counts() == (0, 0)


def damage_behind_the_first_page(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    with path.open("r+b") as stream:
        stream.seek(4096)
        stream.write(b"\xab" * (path.stat().st_size - 4096))


def test_damage_that_shows_only_when_rows_are_read_is_said_in_words(tmp_path: Path) -> None:
    path = tmp_path / "buildstate.sqlite3"
    with BuildState(path) as state:
        state.put_scans("1", [row("1", f"a_{n}", "a") for n in range(200)])
    damage_behind_the_first_page(path)
    with BuildState(path, read_only=True) as state:
        for read in (lambda: state.scan("scan:1/a_1"), state.counts, lambda: list(state.problems())):
            with pytest.raises(DamagedStateError, match="build/ may be deleted"):
                read()


@pytest.mark.parametrize("command", ["build", "backup", "restore"])
def test_a_damaged_state_stands_in_nobodys_way(site: Site, command: str) -> None:
    for number in range(60):
        site.write(site.beamtime("1") / f"gk_{number:05d}.fio", fio())
    build(site.settings, PlainReporter())
    archive = site.folder / "archive.tar"
    if command == "restore":
        back_up(site.settings, archive)
    damage_behind_the_first_page(Places(site.settings.catalogue).buildstate)
    if command == "backup":
        assert back_up(site.settings, archive).scans == 60  # which of them are on disk is not known
    elif command == "restore":
        verified(archive).restore(site.settings, replace=True)
    summary = build(site.settings, PlainReporter())
    assert (summary.read, summary.scans) == (60, 60)
    assert build(site.settings, PlainReporter()).read == 0


def test_a_failure_of_the_disk_is_said_in_words(tmp_path: Path) -> None:
    with BuildState(tmp_path / "buildstate.sqlite3") as state:
        state._db.execute("PRAGMA max_page_count = 1")
        with pytest.raises(CatalogError, match=r"build/: the build state cannot be used \(database or disk is full\)"):
            state.put_problems("1", [Problem(where="x" * 100_000, what="y")])
