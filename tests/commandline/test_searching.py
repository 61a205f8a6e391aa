"""``catbuild search``: hits for people, tables for spreadsheets, JSON for programs, and mistakes pointed at."""

import csv
import io
import json
import subprocess
from pathlib import Path

import pytest

from catalog_builder.facets import FACETS, Facet

from ..conftest import Site, fio
from ..test_cli import CATBUILD, catbuild, could_not_run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a catalogue of four scans in two datasets."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "data").mkdir()
    site = Site(folder)
    raw = site.beamtime("11")
    for number in (1, 2, 3):
        site.write(raw / f"gk_{number:05d}.fio", fio(points=number + 2))
    site.write(raw / "feo_00001.fio", fio(sample="FeO", flag="alignment"))
    assert catbuild(folder, "build").returncode == 0
    return folder


def printed(folder: Path, *words: str) -> str:
    done = catbuild(folder, "search", *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def keys(folder: Path, *words: str) -> list[str]:
    return [line.split("\t")[0] for line in printed(folder, *words).splitlines()]


def test_hits_are_printed_for_people_and_for_programs(folder: Path) -> None:
    assert keys(folder, "SrTiO3") == ["dataset:11/gk"]
    found = json.loads(printed(folder, "I-20230412", "--level", "scan", "--sort", "name", "--json"))
    assert found["hits"][0]["key"] == "scan:11/feo_00001"
    assert {"value": "measurement", "count": 3} in found["facets"]["flag"]
    assert list(found) == ["total", "level", "hits", "facets", "unlisted", "without", "took_ms"]


def test_without_a_query_everything_is_listed(folder: Path) -> None:
    assert set(keys(folder)) == {"dataset:11/gk", "dataset:11/feo"}


@pytest.mark.parametrize("star", ["*", "**"])
def test_a_star_alone_is_told_how_to_list_everything(folder: Path, star: str) -> None:
    could_not_run(folder, ["search", star], "to list everything leave the query out")


def test_filters_are_options_and_repeated_ones_mean_any(folder: Path) -> None:
    scans = ["--level", "scan", "--sort", "name"]
    assert keys(folder, *scans, "--flag", "alignment") == ["scan:11/feo_00001"]
    assert len(keys(folder, *scans, "--flag", "alignment", "--flag", "measurement")) == 4
    assert keys(folder, *scans, "--sample", "FeO", "--on-disk", "disk", "--year", "2026") == ["scan:11/feo_00001"]


@pytest.mark.parametrize("facet", FACETS, ids=lambda facet: facet.name)
def test_every_facet_is_an_option(folder: Path, facet: Facet) -> None:
    name = facet.name.replace("_", "-")
    assert printed(folder, f"--{name}", "nowhere", "--count") == "0\n"


def test_pages_follow_each_other(folder: Path) -> None:
    pages = [keys(folder, "--level", "scan", "--sort", "name", "--per-page", "3", "--page", page) for page in "12"]
    assert [len(page) for page in pages] == [3, 1]
    assert len(set(pages[0] + pages[1])) == 4
    beyond = catbuild(folder, "search", "--page", "7")
    assert (beyond.stdout, beyond.stderr) == ("", "2 datasets, none on page 7; the last page is 1\n")


def test_numbers_sort_too(folder: Path) -> None:
    found = keys(folder, "gk", "--level", "scan", "--sort", "-points")
    assert found == ["scan:11/gk_00003", "scan:11/gk_00002", "scan:11/gk_00001"]
    could_not_run(folder, ["search", "--sort", "pionts"], "did you mean 'points'?")


def test_the_number_alone(folder: Path) -> None:
    done = catbuild(folder, "search", "gk", "--level", "scan", "--count")
    assert (done.stdout, done.stderr) == ("3\n", "")


def test_a_table_has_all_hits_whatever_the_page(folder: Path) -> None:
    text = printed(folder, "--level", "scan", "--sort", "name", "--per-page", "1", "--csv")
    found = list(csv.DictReader(io.StringIO(text)))
    assert [row["name"] for row in found] == ["feo_00001", "gk_00001", "gk_00002", "gk_00003"]
    assert found[0]["key"] == "scan:11/feo_00001"


def test_counts_are_a_table(folder: Path) -> None:
    text = printed(folder, "--level", "scan", "--facets")
    assert "Flag (--flag)\n  3  measurement\n  1  alignment\n" in text
    assert "On disk (--on-disk)\n  4  disk\n" in text
    assert "Keyword" not in text


def test_where_nothing_is_found_it_says_what_to_leave_out(folder: Path) -> None:
    done = catbuild(folder, "search", "gk", "--sample", "FeO", "--level", "scan")
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "0 scans",
        "without --sample there would be 3",
        "without the words there would be 1",
    ]


@pytest.mark.parametrize(
    ("query", "shown", "caret"),
    [
        ("film (gk", "  film (gk", "       ^"),
        ("größe 界 (gk", "  größe 界 (gk", "           ^"),
        ("a" * 100 + " (gk " + "b" * 100, f"  …{'a' * 59} (gk {'b' * 56}…", " " * 63 + "^"),
        ("a\x1b[1m (gk", "  a\ufffd[1m (gk", "        ^"),
    ],
)
def test_a_mistake_is_pointed_at(folder: Path, query: str, shown: str, caret: str) -> None:
    could_not_run(folder, ["search", query], shown, caret, "this bracket is not closed")
    assert catbuild(folder, "search", query).stderr.splitlines()[:2] == [shown, caret]


def test_who_reads_only_the_beginning_ends_it_quietly(folder: Path) -> None:
    with subprocess.Popen(
        [*CATBUILD, "search", "--csv"], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        run.stdout.close()
        assert run.stderr.read() == b""


def test_before_the_first_build_it_says_what_to_do_instead_of_finding_nothing(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    Site(tmp_path).beamtime("11")
    could_not_run(tmp_path, ["search", "gk"], "there is no search index yet; run 'catbuild build'")


def test_a_table_without_a_standard_output_is_an_error_of_one_line(folder: Path) -> None:
    closing = ["sh", "-c", '"$@" >&-', "sh", *CATBUILD, "search", "--csv"]
    done = subprocess.run(closing, cwd=folder, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines() == ["catbuild: standard output is closed; let it lead to a file or a program"]
