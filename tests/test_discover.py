"""What belongs together by name, and what walking a beamtime finds."""

import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import pytest

from catalog_builder.config import BeamtimeSettings
from catalog_builder.discover import BeamtimeFolder, Found, Source, Walk, beamtime_folders, beamtimes
from catalog_builder.errors import CatalogError

SUFFIXES: Mapping[str, tuple[str, ...]] = {
    ".fio": ("fio",),
    ".nxs": ("nexus",),
    ".h5": ("nexus",),
    ".dat": ("spec",),
    ".spec": ("spec",),
    "": ("spec",),
}


def put(root: Path, *names: str, content: bytes = b"x") -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)


def walk(folder: Path) -> Found:
    settings = BeamtimeSettings(roots=(folder,))
    return Walk(BeamtimeFolder(id="1", year=None, path=folder), settings, SUFFIXES, frozenset({"spec"})).run()


def paths(found: Found) -> list[str]:
    return [source.path for source in found.sources]


def only(found: Found) -> Source:
    (source,) = found.sources
    return source


def test_every_scan_file_below_raw_is_a_source(tmp_path: Path) -> None:
    put(tmp_path, "raw/a_00001.fio", "raw/night2/align_00012.fio", "raw/spec/feo.dat", "processed/b_00001.fio")
    assert paths(walk(tmp_path)) == ["a_00001.fio", "night2/align_00012.fio", "spec/feo.dat"]


def test_files_of_one_stem_and_folder_are_one_source_and_the_first_reader_speaks(tmp_path: Path) -> None:
    put(tmp_path, "raw/a_00001.nxs", "raw/a_00001.fio", "raw/night2/a_00001.nxs")
    first, other = walk(tmp_path).sources
    assert (first.path, first.readers) == ("a_00001.fio", ("fio", "nexus"))
    assert other.path == "night2/a_00001.nxs"


def test_a_spec_file_keeps_its_name_and_joins_nobody(tmp_path: Path) -> None:
    put(tmp_path, "raw/a.fio", "raw/a.dat", "raw/a")
    assert paths(walk(tmp_path)) == ["a", "a.dat", "a.fio"]


def test_a_scans_own_folder_belongs_to_it_by_exact_name_never_by_prefix(tmp_path: Path) -> None:
    put(tmp_path, "raw/scan_1.fio", "raw/scan_10.fio", "raw/scan_10/p100k/scan_10_00001.cbf")
    one, ten = walk(tmp_path).sources
    assert one.series == ()
    (series,) = ten.series
    assert (series.path, series.suffix, series.count, series.detector) == ("raw/scan_10/p100k", ".cbf", 1, "p100k")


def test_a_series_of_frames_is_one_thing(tmp_path: Path) -> None:
    put(tmp_path, "raw/s.fio", *(f"raw/s/p100k/s_{n:05d}.cbf" for n in range(50)), content=b"1234")
    (series,) = only(walk(tmp_path)).series
    assert (series.count, series.size) == (50, 200)


def test_nexus_files_in_a_scans_folder_are_its_frames_not_scans(tmp_path: Path) -> None:
    put(tmp_path, "raw/s.fio", "raw/s/eiger4m/s_master.h5", "raw/s/eiger4m/s_data_000001.h5")
    assert [(s.path, s.suffix, s.count) for s in only(walk(tmp_path)).series] == [("raw/s/eiger4m", ".h5", 2)]


def test_a_folder_of_frames_without_a_scan_file_is_a_source(tmp_path: Path) -> None:
    put(tmp_path, "raw/s_00002/lambda/s_00002_m1_part00000.nxs", "raw/s_00002/lambda/s_00002_m1_part00001.nxs")
    source = only(walk(tmp_path))
    assert (source.path, source.files, source.series[0].count) == ("s_00002", (), 2)


def test_a_folder_of_scans_is_not_taken_for_frames(tmp_path: Path) -> None:
    put(tmp_path, "raw/night2/first/a_00001.nxs", "raw/night2/first/a_00002.nxs")
    assert paths(walk(tmp_path)) == ["night2/first/a_00001.nxs", "night2/first/a_00002.nxs"]


def test_an_image_beside_a_scan_file_belongs_to_it_only_with_exactly_its_stem(tmp_path: Path) -> None:
    put(tmp_path, "raw/s_1.fio", "raw/s_1.tif", "raw/s_10.tif")
    assert [series.path for series in only(walk(tmp_path)).series] == ["raw/s_1.tif"]


def test_lists_of_datasets_are_found_and_are_no_sources(tmp_path: Path) -> None:
    put(tmp_path, "raw/scicat-datasets-1.lst", "raw/a.fio")
    found = walk(tmp_path)
    assert [file.path for file in found.lists] == ["raw/scicat-datasets-1.lst"]
    assert paths(found) == ["a.fio"]


def test_links_that_lead_out_of_the_beamtime_are_named_and_not_followed(tmp_path: Path) -> None:
    put(tmp_path, "elsewhere/secret.fio", "bt/raw/a.fio")
    (tmp_path / "bt/raw/b.fio").symlink_to(tmp_path / "elsewhere/secret.fio")
    (tmp_path / "bt/raw/more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "bt/raw/c.fio").symlink_to("nowhere.fio")
    found = walk(tmp_path / "bt")
    assert paths(found) == ["a.fio"]
    assert [problem.where for problem in found.problems] == ["1/raw/b.fio", "1/raw/c.fio", "1/raw/more"]


def test_fifos_and_hidden_files_are_passed_over(tmp_path: Path) -> None:
    put(tmp_path, "raw/a.fio", "raw/.b.fio", "raw/.git/c.fio")
    os.mkfifo(tmp_path / "raw/d.fio")
    assert paths(walk(tmp_path)) == ["a.fio"]


def test_the_signature_tells_a_file_swapped_for_one_of_the_same_size_and_time(tmp_path: Path) -> None:
    put(tmp_path, "raw/a.fio", content=b"one")
    before = only(walk(tmp_path))
    time = before.files[0].mtime_ns
    put(tmp_path, "raw/new", content=b"two")
    os.utime(tmp_path / "raw/new", ns=(time, time))
    (tmp_path / "raw/new").replace(tmp_path / "raw/a.fio")
    assert only(walk(tmp_path)).signature != before.signature


@pytest.mark.parametrize(
    ("pattern", "folder", "year"),
    [
        ("{year}/data/{id}", "2023/data/11017404", 2023),
        ("{id}", "11017404", None),
        ("p08/*/{year}/{id}", "p08/gpfs/2023/11017404", 2023),
        ("bt-{id}", "bt-11017404", None),
    ],
)
def test_beamtimes_lie_where_the_pattern_says(tmp_path: Path, pattern: str, folder: str, year: int | None) -> None:
    put(tmp_path, f"{folder}/raw/a.fio", "README")
    found, problems = beamtimes(BeamtimeSettings(roots=(tmp_path,), pattern=pattern))
    assert found == [BeamtimeFolder(id="11017404", year=year, path=tmp_path / folder)]
    assert problems == []


def test_two_folders_of_one_beamtime_are_a_problem_and_the_first_counts(tmp_path: Path) -> None:
    put(tmp_path, "2023/data/1/raw/a.fio", "2024/data/1/raw/a.fio")
    settings = BeamtimeSettings(roots=(tmp_path,))
    assert beamtime_folders(settings) == {"1": tmp_path / "2023/data/1"}
    (problem,) = beamtimes(settings)[1]
    assert problem.what == f"is beamtime 1 in {tmp_path}/2023/data/1 already"


def test_a_folder_that_is_anothers_by_a_link_is_no_beamtime_of_its_own(tmp_path: Path) -> None:
    put(tmp_path, "2023/data/1/raw/a.fio")
    (tmp_path / "2023/data/2").symlink_to("1")
    settings = BeamtimeSettings(roots=(tmp_path,))
    assert list(beamtime_folders(settings)) == ["1"]


def test_a_raw_folder_that_leads_out_of_the_beamtime_is_not_walked(tmp_path: Path) -> None:
    put(tmp_path, "other/raw/secret.fio")
    (tmp_path / "bt").mkdir()
    (tmp_path / "bt/raw").symlink_to(tmp_path / "other/raw")
    found = walk(tmp_path / "bt")
    assert (found.sources, [problem.where for problem in found.problems]) == ([], ["1/raw"])
    assert "secret" not in repr(found)


def test_a_name_that_is_not_utf8_is_named_and_costs_itself_alone(tmp_path: Path) -> None:
    put(tmp_path, "raw/a.fio")
    (tmp_path / os.fsdecode(b"raw/b\xff.fio")).write_bytes(b"x")
    found = walk(tmp_path)
    assert paths(found) == ["a.fio"]
    assert [(problem.where, problem.what) for problem in found.problems] == [
        ("1/raw/b\\xff.fio", "the name is not UTF-8; rename it")
    ]


def test_folders_nested_without_end_are_named_and_the_rest_is_found(tmp_path: Path) -> None:
    put(tmp_path, "raw/a.fio", "/".join(["raw", *["d"] * 60, "b.fio"]))
    found = walk(tmp_path)
    assert paths(found) == ["a.fio"]
    assert "too deep" in found.problems[0].what


def test_what_lies_in_a_folder_that_could_not_be_listed_is_unseen(tmp_path: Path) -> None:
    found = Found(unseen=[PurePosixPath("night2")])
    assert [found.is_unseen(path) for path in ("night2/a.fio", "night2", "night20/a.fio", "a.fio")] == [
        True, True, False, False
    ]  # fmt: skip


def test_a_root_that_is_not_there_is_an_error_that_names_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=r"not there; mount it, or correct beamtimes\.roots"):
        beamtimes(BeamtimeSettings(roots=(tmp_path / "gone",)))


def test_what_an_ingest_left_beside_a_scan_belongs_to_it_by_exact_stem(tmp_path: Path) -> None:
    put(tmp_path, "raw/a_00001.fio", "raw/a_00001.scan.json", "raw/a_00001.attachment.json", "raw/a_000011.scan.json")
    source = only(walk(tmp_path))
    assert [file.path for file in source.sidecars] == ["raw/a_00001.attachment.json", "raw/a_00001.scan.json"]


def test_a_new_sidecar_makes_the_source_stale(tmp_path: Path) -> None:
    put(tmp_path, "raw/a_00001.fio")
    before = only(walk(tmp_path)).signature
    put(tmp_path, "raw/a_00001.scan.json")
    assert only(walk(tmp_path)).signature != before


def test_a_folder_listed_for_a_scan_is_the_scans_and_nothing_in_it_a_scan(tmp_path: Path) -> None:
    put(tmp_path, "raw/night/a_00001.fio", "raw/lambda1/m1_part00000.nxs", "raw/lambda2/b_00001.nxs")
    put(tmp_path, "raw/night/scicat-datasets-1.lst", content=b"a_00001 ../lambda1/\n")
    found = walk(tmp_path)
    assert paths(found) == ["lambda2/b_00001.nxs", "night/a_00001.fio"]
    (series,) = found.sources[1].series
    assert (series.path, series.suffix, series.detector) == ("raw/lambda1", ".nxs", "lambda1")


def test_a_scans_file_in_a_folder_listed_for_another_is_named(tmp_path: Path) -> None:
    put(tmp_path, "raw/a_00001.fio", "raw/night2/b_00002.fio", "raw/night2/c.dat", "raw/night2/deep/d.spec")
    put(tmp_path, "raw/night2/m1_part00000.nxs", "raw/night2/a_00001_mca_s1.fio", "raw/night2/x.cbf")
    put(tmp_path, "raw/scicat-datasets-1.lst", content=b"a_00001 night2\n")
    found = walk(tmp_path)
    assert paths(found) == ["a_00001.fio"]
    what = "lies in a folder that is listed for the scan a_00001, so it is no scan itself; list it too, or move it"
    assert [(problem.where, problem.what) for problem in found.problems] == [
        ("1/raw/night2/b_00002.fio", what),
        ("1/raw/night2/c.dat", what),
        ("1/raw/night2/deep/d.spec", what),
    ]


def test_what_a_list_names_as_a_scan_stays_one_in_a_folder_listed_for_another(tmp_path: Path) -> None:
    put(tmp_path, "raw/a_00001.fio", "raw/night2/b_00002.fio", "raw/night2/m1_part00000.nxs")
    put(tmp_path, "raw/scicat-datasets-1.lst", content=b"a_00001 night2\nnight2/b_00002\n")
    assert paths(walk(tmp_path)) == ["a_00001.fio", "night2/b_00002.fio"]


@pytest.mark.parametrize(
    "line", ["a_00001 ../..", "a_00001 a_00002", "a_00001 .", "a_00001 nowhere", "gone ../lambda1"]
)
def test_a_list_takes_nothing_that_is_another_scans_or_not_there(tmp_path: Path, line: str) -> None:
    put(tmp_path, "raw/a_00001.fio", "raw/a_00002.fio", "raw/a_00002/p/x.cbf", "raw/lambda1/x_00001.nxs")
    put(tmp_path, "raw/scicat-datasets-1.lst", content=line.encode())
    found = walk(tmp_path)
    assert paths(found) == ["a_00001.fio", "a_00002.fio", "lambda1/x_00001.nxs"]
    assert found.sources[0].series == ()
    assert found.problems == []


def test_an_eiger_beside_a_scan_is_the_scans_frames(tmp_path: Path) -> None:
    put(tmp_path, "raw/a_1.fio", "raw/a_1_master.h5", "raw/a_1_data_000001.h5", "raw/a_1_data_000002.h5")
    source = only(walk(tmp_path))
    assert source.path == "a_1.fio"
    assert [series.path for series in source.series] == [
        "raw/a_1_data_000001.h5",
        "raw/a_1_data_000002.h5",
        "raw/a_1_master.h5",
    ]


@pytest.mark.parametrize("note", ["a_1.spec", "a_1.dat", "a_1"])
def test_a_note_or_spec_file_of_its_name_takes_no_eiger_away(tmp_path: Path, note: str) -> None:
    put(tmp_path, f"raw/{note}", "raw/a_1_master.h5", "raw/a_1_data_000001.h5")
    assert sorted(paths(walk(tmp_path))) == sorted([note, "a_1_master.h5"])


def test_an_eigers_master_alone_is_a_scan_and_owns_its_data(tmp_path: Path) -> None:
    put(tmp_path, "raw/a_1_master.h5", "raw/a_1_data_000001.h5", "raw/b_data_000001.h5")
    first, other = walk(tmp_path).sources
    assert (first.path, [series.path for series in first.series]) == ("a_1_master.h5", ["raw/a_1_data_000001.h5"])
    assert other.path == "b_data_000001.h5"
