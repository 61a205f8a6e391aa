"""The whole story: what a build leaves, what the next one does, and what failure costs."""

import errno
import json
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import h5py
import pytest

from catalog_builder.build import build
from catalog_builder.errors import CatalogError
from catalog_builder.facets import SearchRequest
from catalog_builder.places import Places
from catalog_builder.publish import Published, Publisher
from catalog_builder.records import Beamtime, Scan
from catalog_builder.recordstore import RecordStore
from catalog_builder.report import BuildSummary, PlainReporter
from catalog_builder.search import Indexer, Searcher

from .conftest import Site, fio

SPEC = """#F align.dat
#E 1672531200
#D Sun Jan 01 00:00:00 2023

#S 1 ascan th 0 1 2 1
#D Sun Jan 01 00:00:01 2023
#N 2
#L Theta  Detector
0 1
0.5 20
1 3

#S 2 ascan th 0 1 2 1
#D Sun Jan 01 00:00:02 2023
#N 2
#L Theta  Detector
0 1
0.5 20
"""


def run(site: Site, **more: object) -> BuildSummary:
    return build(site.settings, PlainReporter(), **more)  # type: ignore[arg-type]


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def kept(site: Site) -> dict[str, bytes]:
    places = Places(site.settings.catalogue)
    return {
        f"{folder.name}/{name}": content
        for folder in (places.records, places.previews, places.site)
        for name, content in tree(folder).items()
    }


def found(site: Site, q: str, level: str = "scan") -> list[str]:
    searcher = Searcher(Places(site.settings.catalogue).index)
    result = searcher.search(SearchRequest(q=q, level=level), None)  # type: ignore[arg-type]
    assert result.total == len(result.hits)
    return sorted(hit.key for hit in result.hits)


@pytest.fixture
def two_beamtimes(site: Site) -> Site:
    one, two = site.beamtime("11"), site.beamtime("22", proposalId="20240117")
    for number in (1, 2):
        site.write(one / f"gk_{number:05d}.fio", fio())
    site.write(one / "align.dat", SPEC)
    site.write(two / "feo_00001.fio", fio(sample="FeO", command="dscan om -1 1 4 1", flag="None"))
    return site


def test_a_build_makes_records_previews_pages_and_index_that_agree(two_beamtimes: Site) -> None:
    summary = run(two_beamtimes)
    assert (summary.read, summary.current, summary.failed, summary.problems) == (4, 0, 0, ())
    assert (summary.scans, summary.datasets) == (5, 3)
    places = Places(two_beamtimes.settings.catalogue)
    assert RecordStore(places).scan_names("11") == ["align.dat~1.1", "align.dat~2.1", "gk_00001", "gk_00002"]
    pages = [path for path in places.site.rglob("index.html") if path.parent.parent.name == "scans"]
    assert len(pages) == len(found(two_beamtimes, "")) == summary.scans
    assert len(found(two_beamtimes, "", "dataset")) == summary.datasets
    assert (places.previews / "11" / "gk_00001" / "thumb.png").exists()


def test_a_second_build_reads_and_writes_nothing(two_beamtimes: Site) -> None:
    run(two_beamtimes)
    catalogue = two_beamtimes.settings.catalogue
    before = {path: path.stat().st_mtime_ns for path in catalogue.rglob("*") if path.name != "status.json"}
    again = run(two_beamtimes)
    assert (again.read, again.current, again.pages_written, again.scans) == (0, 4, 0, 5)
    after = {path: path.stat().st_mtime_ns for path in catalogue.rglob("*") if path.name != "status.json"}
    changed = {
        str(path.relative_to(catalogue)) for path in before.keys() | after.keys() if before.get(path) != after.get(path)
    }
    assert {name for name in changed if not name.startswith("build/buildstate")} <= {"build", "state"}  # SQLite's own


@pytest.mark.parametrize("lost", [("build",), ("records",), ("previews",), ("build", "records", "previews")])
def test_what_was_deleted_is_made_again_to_the_same_bytes(two_beamtimes: Site, lost: tuple[str, ...]) -> None:
    run(two_beamtimes)
    before = kept(two_beamtimes)
    for name in lost:
        shutil.rmtree(two_beamtimes.settings.catalogue / name)
    run(two_beamtimes)
    assert kept(two_beamtimes) == before
    assert len(found(two_beamtimes, "")) == 5


def test_previews_lost_of_some_scans_are_drawn_again_whether_they_had_any_or_not(two_beamtimes: Site) -> None:
    two_beamtimes.write(two_beamtimes.root / "2023/data/11/raw/empty_00001.fio", "%c\nct 1\n%p\nom = 1\n%d\n")
    run(two_beamtimes)
    before, previews = kept(two_beamtimes), two_beamtimes.settings.catalogue / "previews/11"
    for name in ("gk_00001", "empty_00001"):
        shutil.rmtree(previews / name)
    assert run(two_beamtimes).read == 2
    assert kept(two_beamtimes) == before
    assert run(two_beamtimes).read == 0


def test_the_order_of_work_and_the_executor_leave_the_same_bytes(two_beamtimes: Site) -> None:
    run(two_beamtimes)
    before = kept(two_beamtimes)
    shutil.rmtree(two_beamtimes.settings.catalogue)
    two_beamtimes.configured(executor="processes", workers=2)
    run(two_beamtimes)
    assert kept(two_beamtimes) == before


def test_only_what_changed_is_read_again(two_beamtimes: Site) -> None:
    run(two_beamtimes)
    raw = two_beamtimes.root / "2023/data/11/raw"
    two_beamtimes.write(raw / "gk_00002.fio", fio(sample="LaB6"))
    two_beamtimes.write(raw / "gk_00003.fio", fio())
    again = run(two_beamtimes)
    assert (again.read, again.current, again.scans) == (2, 3, 6)
    assert found(two_beamtimes, "LaB6") == ["scan:11/gk_00002"]


def test_only_the_chosen_beamtime_is_looked_at(two_beamtimes: Site) -> None:
    summary = run(two_beamtimes, chosen=["22"])
    assert (summary.read, summary.scans) == (1, 1)
    with pytest.raises(CatalogError, match="there is no beamtime '2'"):
        run(two_beamtimes, chosen=["2"])


def test_a_corrupt_file_costs_itself_alone_and_is_named(two_beamtimes: Site) -> None:
    raw = two_beamtimes.root / "2023/data/11/raw"
    two_beamtimes.write(raw / "broken.nxs", b"\x89HDF\r\n\x1a\n" + bytes(100))
    summary = run(two_beamtimes)
    assert (summary.failed, summary.scans, summary.exit_status) == (1, 5, 1)
    (problem,) = summary.problems
    assert problem.where == "11/raw/broken.nxs"
    assert "\n" not in problem.what
    again = run(two_beamtimes)
    assert (again.read, again.failed, again.problems) == (0, 1, summary.problems)


def test_a_file_that_becomes_unreadable_keeps_the_record_it_had(two_beamtimes: Site) -> None:
    run(two_beamtimes)
    two_beamtimes.write(two_beamtimes.root / "2023/data/11/raw/gk_00001.fio", b"\x00" * 50)
    summary = run(two_beamtimes)
    assert (summary.failed, summary.scans) == (1, 5)
    assert "scan:11/gk_00001" in found(two_beamtimes, "SrTiO3")


def test_a_file_being_written_again_keeps_the_record_it_had(two_beamtimes: Site) -> None:
    run(two_beamtimes)
    (two_beamtimes.root / "2023/data/11/raw/gk_00001.fio").write_bytes(b"")
    summary = run(two_beamtimes)
    assert (summary.failed, summary.scans, summary.problems) == (0, 5, ())
    summary = run(two_beamtimes, now=datetime.now(UTC) + timedelta(minutes=1))
    assert (summary.failed, summary.scans) == (1, 5)
    assert found(two_beamtimes, "on_disk:tape") == []


def test_a_full_disk_stops_the_build_in_one_line_and_the_next_build_goes_on(
    two_beamtimes: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: RecordStore, scan: Scan) -> bool:
        raise OSError(errno.ENOSPC, "No space left on device", "records/x.json")

    with monkeypatch.context() as patched:
        patched.setattr(RecordStore, "save_scan", full)
        with pytest.raises(CatalogError, match=r"records/x\.json: cannot be written \(No space left on device\)"):
            run(two_beamtimes)
    summary = run(two_beamtimes)
    assert (summary.failed, summary.scans, summary.problems) == (0, 5, ())


def test_the_scans_before_the_damage_of_a_file_are_on_disk_not_on_tape(
    two_beamtimes: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = RecordStore.save_scan

    def fails_at_the_second(self: RecordStore, scan: Scan) -> bool:
        if scan.measurement == "2.1":
            raise ValueError("a reader's fault")
        return save(self, scan)

    monkeypatch.setattr(RecordStore, "save_scan", fails_at_the_second)
    summary = run(two_beamtimes)
    assert (summary.failed, summary.scans) == (1, 4)
    assert found(two_beamtimes, "on_disk:disk") == found(two_beamtimes, "")


def test_a_setting_changed_and_changed_back_around_a_kill_leaves_no_stale_page(
    two_beamtimes: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(two_beamtimes)
    before = kept(two_beamtimes)
    two_beamtimes.configured(title="Another title")
    with monkeypatch.context() as patched:
        patched.setattr(Indexer, "apply", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run(two_beamtimes)
    two_beamtimes.configured()
    run(two_beamtimes)
    assert kept(two_beamtimes) == before


def test_a_damaged_record_is_named_at_every_build_until_it_is_mended(two_beamtimes: Site) -> None:
    run(two_beamtimes)
    path = Places(two_beamtimes.settings.catalogue).scan_record("scan:11/gk_00001")
    good = path.read_bytes()
    path.write_bytes(b"{")
    for _ in range(2):
        summary = run(two_beamtimes)
        assert ([problem.where for problem in summary.problems], summary.scans) == (["11/gk_00001"], 4)
    path.write_bytes(good)
    assert (run(two_beamtimes).problems, len(found(two_beamtimes, ""))) == ((), 5)


def test_a_fio_beside_a_nexus_file_takes_its_scan_over(two_beamtimes: Site) -> None:
    raw = two_beamtimes.root / "2023/data/22/raw"
    with h5py.File(raw / "two_00001.nxs", "w") as file:
        for entry in ("a", "b"):
            file.create_group(entry).attrs["NX_class"] = "NXentry"
            file[entry]["data"] = [1.0, 2.0]
    os.utime(raw / "two_00001.nxs", (1_700_000_000, 1_700_000_000))
    run(two_beamtimes)
    assert found(two_beamtimes, "two") == ["scan:22/two_00001~a", "scan:22/two_00001~b"]
    two_beamtimes.write(raw / "two_00001.fio", fio())
    run(two_beamtimes)
    assert found(two_beamtimes, "two") == ["scan:22/two_00001"]


def test_one_of_two_roots_without_beamtimes_changes_nothing_but_a_warning(two_beamtimes: Site) -> None:
    other = two_beamtimes.folder / "other"
    (two_beamtimes.root / "2023/data/22").rename(two_beamtimes.folder / "22")
    (other / "2023/data").mkdir(parents=True)
    (two_beamtimes.folder / "22").rename(other / "2023/data/22")
    two_beamtimes.configured(beamtimes={"roots": ["data", "other"]})
    run(two_beamtimes)
    (other / "2023").rename(two_beamtimes.folder / "unmounted")
    summary = run(two_beamtimes)
    assert [problem.where for problem in summary.problems] == [str(other)]
    assert (summary.scans, found(two_beamtimes, "on_disk:tape")) == (5, [])


def test_raw_data_gone_to_tape_change_the_on_disk_state_and_nothing_else(two_beamtimes: Site) -> None:
    run(two_beamtimes)
    places = Places(two_beamtimes.settings.catalogue)
    records, previews = tree(places.records), tree(places.previews)
    shutil.rmtree(two_beamtimes.root / "2023/data/11/raw")
    summary = run(two_beamtimes)
    assert (summary.removed, summary.scans) == (3, 5)
    assert (tree(places.records), tree(places.previews)) == (records, previews)
    assert len(found(two_beamtimes, "on_disk:tape")) == 4
    shutil.rmtree(two_beamtimes.root / "2023/data/11")
    assert run(two_beamtimes).scans == 5


def test_raw_data_that_come_back_are_on_disk_again_and_not_read(two_beamtimes: Site) -> None:
    run(two_beamtimes)
    before = kept(two_beamtimes)
    raw, tape = two_beamtimes.root / "2023/data/11/raw", two_beamtimes.folder / "tape"
    shutil.move(raw / "gk_00001.fio", tape)
    assert run(two_beamtimes).removed == 1
    assert found(two_beamtimes, "on_disk:tape") == ["scan:11/gk_00001"]
    shutil.copy2(tape, raw / "gk_00001.fio")  # as a recall does: the same bytes and time, another inode
    again = run(two_beamtimes)
    assert (again.read, again.current, again.removed) == (0, 4, 0)
    assert kept(two_beamtimes) == before
    assert found(two_beamtimes, "on_disk:tape") == []


def test_a_whole_beamtime_that_comes_back_is_not_read_again(two_beamtimes: Site) -> None:
    run(two_beamtimes)
    before = kept(two_beamtimes)
    folder, tape = two_beamtimes.root / "2023/data/11", two_beamtimes.folder / "tape"
    folder.rename(tape)
    assert run(two_beamtimes).removed == 3
    tape.rename(folder)
    assert run(two_beamtimes).read == 0
    assert kept(two_beamtimes) == before


def test_a_renamed_file_takes_its_scan_along_and_leaves_none_behind(two_beamtimes: Site) -> None:
    run(two_beamtimes)
    raw, other = two_beamtimes.root / "2023/data/22/raw", two_beamtimes.root / "2023/data/11/raw"
    (raw / "feo_00001.fio").rename(raw / "fe3o4_00001.fio")
    (other / "gk_00002.fio").rename(raw / "gk_00002.fio")  # to a beamtime that is walked later
    run(two_beamtimes)
    assert found(two_beamtimes, "fio OR gk OR feo OR fe3o4 OR align") == [
        "scan:11/align.dat~1.1",
        "scan:11/align.dat~2.1",
        "scan:11/gk_00001",
        "scan:22/fe3o4_00001",
        "scan:22/gk_00002",
    ]
    assert run(two_beamtimes).read == 0


@pytest.mark.parametrize("first", ["11", "22"])
def test_a_file_moved_between_beamtimes_built_one_by_one_leaves_no_scan_behind(two_beamtimes: Site, first: str) -> None:
    run(two_beamtimes)
    old = two_beamtimes.root / "2023/data/11/raw/gk_00002.fio"
    old.rename(two_beamtimes.root / "2023/data/22/raw/mv_00002.fio")
    for id in (first, "11" if first == "22" else "22"):
        run(two_beamtimes, chosen=(id,))
    assert found(two_beamtimes, "gk OR mv") == ["scan:11/gk_00001", "scan:22/mv_00002"]
    again = run(two_beamtimes)
    assert (again.read, again.removed, again.pages_written) == (0, 0, 0)


def test_most_beamtimes_empty_at_once_is_not_believed_until_somebody_says_so(site: Site) -> None:
    for id in ("11", "22", "33", "44"):
        site.write(site.beamtime(id) / "gk_00001.fio", fio())
    run(site)
    before = kept(site)
    for id in ("11", "22", "33"):
        (site.root / "2023/data" / id / "raw" / "gk_00001.fio").unlink()
    doubted = run(site)
    assert [problem.what[:44] for problem in doubted.problems] == ["the raw data of 3 of 4 beamtimes are gone at"]
    assert (doubted.removed, kept(site)) == (0, before)
    assert build(site.settings, PlainReporter(), believe_gone=True).removed == 3
    assert len(found(site, "on_disk:tape")) == 3


def test_a_scan_its_file_no_longer_holds_goes(two_beamtimes: Site) -> None:
    run(two_beamtimes)
    spec = two_beamtimes.root / "2023/data/11/raw/align.dat"
    two_beamtimes.write(spec, SPEC[: SPEC.index("#S 2")])
    assert run(two_beamtimes).scans == 4
    places = Places(two_beamtimes.settings.catalogue)
    assert not (places.site / "beamtimes/11/scans/align.dat~2.1").exists()
    assert not places.scan_previews("scan:11/align.dat~2.1").exists()


def test_a_root_that_is_empty_changes_nothing(two_beamtimes: Site) -> None:
    run(two_beamtimes)
    before = kept(two_beamtimes)
    shutil.rmtree(two_beamtimes.root / "2023")
    with pytest.raises(CatalogError, match="nothing was changed; mount the file system"):
        run(two_beamtimes)
    assert kept(two_beamtimes) == before


def test_a_pattern_that_finds_no_beamtime_is_said(site: Site) -> None:
    (problem,) = run(site).problems
    assert problem.where == str(site.root)
    assert "'{year}/data/{id}'" in problem.what


def test_a_fresh_scan_without_an_end_is_running_and_looked_at_again(two_beamtimes: Site) -> None:
    raw = two_beamtimes.root / "2023/data/11/raw"
    text = fio(points=3)
    path = raw / "gk_00009.fio"
    path.write_text(text[: text.index("! Acquisition ended")])
    store = RecordStore(Places(two_beamtimes.settings.catalogue))
    run(two_beamtimes)
    assert store.scan("scan:11/gk_00009").state == "running"
    assert run(two_beamtimes).read == 0
    later = datetime.now(UTC) + timedelta(hours=2)
    assert run(two_beamtimes, now=later).read == 1
    assert store.scan("scan:11/gk_00009").state == "aborted"
    assert run(two_beamtimes, now=later).read == 0


def test_a_fresh_file_that_cannot_be_read_yet_is_no_problem_until_it_is_quiet(two_beamtimes: Site) -> None:
    (two_beamtimes.root / "2023/data/11/raw/new.nxs").write_bytes(b"")
    assert run(two_beamtimes).problems == ()
    later = datetime.now(UTC) + timedelta(minutes=1)
    (problem,) = run(two_beamtimes, now=later).problems
    assert (problem.where, problem.what) == ("11/raw/new.nxs", "is empty")


def test_a_changed_rule_is_on_the_pages_without_reading_anything(two_beamtimes: Site) -> None:
    run(two_beamtimes)
    rule = {"name": "by sample", "match": {"sample": "FeO"}, "set": {"flag": "calibration", "keywords": ["oxide"]}}
    two_beamtimes.configured(rules=[rule])
    assert run(two_beamtimes).read == 0
    assert found(two_beamtimes, "flag:calibration keyword:oxide") == ["scan:22/feo_00001"]


def test_lists_group_scans_and_a_regrouped_dataset_leaves_no_page_behind(two_beamtimes: Site) -> None:
    run(two_beamtimes)
    raw = two_beamtimes.root / "2023/data/11/raw"
    two_beamtimes.write(raw / "scicat-datasets-11.lst", "film:gk_00001\nfilm:gk_00002\n")
    run(two_beamtimes)
    datasets = Places(two_beamtimes.settings.catalogue).site / "beamtimes/11/datasets"
    assert sorted(path.name for path in datasets.iterdir()) == ["align.dat", "film"]
    assert found(two_beamtimes, "", "dataset") == ["dataset:11/align.dat", "dataset:11/film", "dataset:22/feo"]


def test_broken_metadata_is_a_named_problem_and_keeps_what_was_known(two_beamtimes: Site) -> None:
    run(two_beamtimes)
    metadata = two_beamtimes.root / "2023/data/11/beamtime-metadata-11.json"
    two_beamtimes.write(metadata, "Something{ wrong")
    summary = run(two_beamtimes)
    assert [problem.where for problem in summary.problems] == ["11/beamtime-metadata-11.json"]
    record = RecordStore(Places(two_beamtimes.settings.catalogue)).beamtime("11")
    assert record.proposal_id == "20230412"


def test_a_build_of_one_beamtime_leaves_the_problems_of_others_on_the_status_page(two_beamtimes: Site) -> None:
    two_beamtimes.write(two_beamtimes.root / "2023/data/22/raw/broken.nxs", b"nothing")
    run(two_beamtimes)
    assert run(two_beamtimes, chosen=["11"]).problems == ()
    status = json.loads(Places(two_beamtimes.settings.catalogue).status.read_bytes())
    assert [problem["where"] for problem in status["problems"]] == ["22/raw/broken.nxs"]


def test_sidecars_that_are_no_plain_files_of_the_beamtime_are_problems_and_tell_nothing(two_beamtimes: Site) -> None:
    one, two = two_beamtimes.root / "2023/data/11", two_beamtimes.root / "2023/data/22"
    two_beamtimes.write(two / "raw/scicat-datasets-22.lst", "secretgroup:feo_00001\n")
    (one / "beamtime-metadata-11.json").unlink()
    (one / "beamtime-metadata-11.json").symlink_to("../22/beamtime-metadata-22.json")
    (one / "raw/scicat-datasets-11.lst").symlink_to("../../22/raw/scicat-datasets-22.lst")
    summary = run(two_beamtimes)
    assert {problem.where for problem in summary.problems} == {
        "11/beamtime-metadata-11.json", "11/raw/scicat-datasets-11.lst"
    }  # fmt: skip
    record = RecordStore(Places(two_beamtimes.settings.catalogue)).beamtime("11")
    assert (record.proposal_id, record.scan_groups) == (None, {})
    (one / "beamtime-metadata-11.json").unlink()
    os.mkfifo(one / "beamtime-metadata-11.json")
    assert "11/beamtime-metadata-11.json" in {problem.where for problem in run(two_beamtimes).problems}


def test_a_beamtime_that_cannot_be_published_costs_itself_alone(
    two_beamtimes: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = Publisher.steps

    def fails_for_11(self: Publisher, beamtime: Beamtime, **more: bool) -> Iterator[Published]:
        if beamtime.id == "11":
            raise ValueError("a fault of ours")
        return steps(self, beamtime, **more)

    monkeypatch.setattr(Publisher, "steps", fails_for_11)
    (problem,) = run(two_beamtimes).problems
    assert (problem.where, "a fault of ours" in problem.what) == ("11", True)
    assert found(two_beamtimes, "") == ["scan:22/feo_00001"]


def test_figures_and_times_beyond_all_sense_cost_themselves_alone(two_beamtimes: Site) -> None:
    raw = two_beamtimes.root / "2023/data/22/raw"
    for number in (7, 8):
        text = fio().replace("energyfmb = 15000", "energyfmb = 1.7e308").replace("2026", "9999")
        two_beamtimes.write(raw / f"huge_{number:05d}.fio", text)
    summary = run(two_beamtimes)
    assert (summary.failed, summary.scans) == (0, 7)
    assert len(found(two_beamtimes, "huge")) == 2


def test_the_status_file_says_what_the_summary_says(two_beamtimes: Site) -> None:
    two_beamtimes.write(two_beamtimes.root / "2023/data/22/raw/broken.nxs", b"nothing")
    summary = run(two_beamtimes)
    status = json.loads(Places(two_beamtimes.settings.catalogue).status.read_bytes())
    assert status["summary"]["scans"] == summary.scans
    (problem,) = status["problems"]
    assert (problem["beamtime"], problem["where"]) == ("22", "22/raw/broken.nxs")
