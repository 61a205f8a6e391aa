"""What people say is on the page and in search at once, whoever publishes, and stays."""

import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from catalog_builder.build import build
from catalog_builder.cli import main
from catalog_builder.database import Database
from catalog_builder.facets import SearchRequest
from catalog_builder.files import locked
from catalog_builder.places import Places
from catalog_builder.remarks import Draft, Remarks
from catalog_builder.report import BuildSummary, PlainReporter
from catalog_builder.search import Searcher

from .conftest import Site, fio

SECONDS = 2.0
"""Until a remark is to be seen, DESIGN says; the wait for the lock of a builder at work included."""


@pytest.fixture
def built(site: Site) -> Site:
    for id in ("11", "22"):
        site.write(site.beamtime(id) / "gk_00001.fio", fio(flag="None"))
    run(site)
    return site


def run(site: Site) -> BuildSummary:
    return build(site.settings, PlainReporter())


def catbuild(site: Site, *words: str) -> None:
    done = CliRunner().invoke(main, [*words, "--config", str(site.folder / "site_config.yaml")])
    assert done.exit_code == 0, done.output


def page(site: Site, id: str = "11") -> str:
    path = Places(site.settings.catalogue).site / "beamtimes" / id / "scans/gk_00001/index.html"
    return path.read_text(encoding="utf-8")


def flags(site: Site) -> dict[str, int]:
    result = Searcher(Places(site.settings.catalogue).index).search(SearchRequest(level="scan"), None)
    return {count.value: count.count for count in result.facets["flag"] if count.count}


def test_a_remark_is_on_its_page_in_search_and_in_the_counts_at_once(built: Site) -> None:
    begun = time.monotonic()
    catbuild(built, "remark", "set", "11/gk_00001", "flag", "alignment", "--who", "somebody")
    assert time.monotonic() - begun < SECONDS
    assert "somebody" in page(built)
    assert flags(built) == {"alignment": 1, "measurement": 1}


def test_an_undone_remark_is_gone_at_once_and_stays_in_the_log(built: Site) -> None:
    before = page(built)
    catbuild(built, "remark", "set", "11/gk_00001", "flag", "alignment", "--who", "somebody")
    catbuild(built, "remark", "undo", "1", "--who", "somebody")
    assert (page(built), flags(built)) == (before, {"measurement": 2})
    with Database(Places(built.settings.catalogue).database) as database:
        assert len(Remarks(database).of_beamtime("11")) == 2


def test_a_build_after_a_remark_does_nothing_and_one_that_reads_again_keeps_it(built: Site) -> None:
    catbuild(built, "remark", "set", "11/gk_00001", "flag", "alignment", "--who", "somebody")
    assert run(built).pages_written == 0
    built.write(built.root / "2023/data/11/raw/gk_00001.fio", fio(flag="calibration", sample="FeO"))
    assert run(built).read == 1
    assert "FeO" in page(built)
    assert flags(built) == {"alignment": 1, "measurement": 1}


def said(catalogue: Path, id: str) -> None:
    """Say something without bringing it anywhere, as a process that was killed then does."""
    with Database(Places(catalogue).database) as database:
        draft = Draft(target=f"scan:{id}/gk_00001", field="flag", new="alignment", underlying="measurement")
        Remarks(database).append([draft], who="somebody")


def test_whoever_publishes_anything_applies_what_waits(built: Site) -> None:
    said(built.settings.catalogue, "22")
    assert flags(built) == {"measurement": 2}
    built.write(built.root / "2023/data/11/raw/gk_00002.fio", fio(flag="None"))
    build(built.settings, PlainReporter(), chosen=("11",))  # the other beamtime is not even looked at
    assert flags(built) == {"alignment": 1, "measurement": 2}
    assert "somebody" in page(built, "22")


def test_a_damaged_beamtime_that_remarks_wait_for_is_made_again_with_them(built: Site) -> None:
    said(built.settings.catalogue, "22")
    Places(built.settings.catalogue).beamtime_record("22").write_text("{")
    assert run(built).scans == 2
    assert flags(built) == {"alignment": 1, "measurement": 1}
    assert run(built).problems == ()


def test_a_remark_waits_for_the_step_of_a_builder_and_no_longer(built: Site) -> None:
    with locked(Places(built.settings.catalogue).lock):
        said(built.settings.catalogue, "11")
        assert flags(built) == {"measurement": 2}
    catbuild(built, "remark", "set", "22/gk_00001", "flag", "calibration", "--who", "somebody")
    assert flags(built) == {"alignment": 1, "calibration": 1}
