from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from catalog_builder.facets import FACETS, SearchRequest
from catalog_builder.records import (
    Beamtime,
    Command,
    CuratedDataset,
    CuratedScan,
    Dataset,
    Preview,
    Quantity,
    Range,
    Scan,
    ScanState,
)
from catalog_builder.search import Indexer, Searcher, documents_of

STARTED = datetime(2023, 10, 6, 12, tzinfo=UTC)

BEAMTIME = Beamtime(
    id="11017404",
    proposal_id="20230412",
    proposal_type="I",
    title="Growth of oxides",
    pi="Müller",
    year=2023,
)


def scan(name: str = "gk_sto20_00173", flag: str = "measurement", keywords: tuple[str, ...] = ()) -> CuratedScan:
    facts = Scan(
        key=f"scan:11017404/{name}",
        name=name,
        stem="gk_sto20",
        beamtime="11017404",
        number=173,
        command=Command(
            text="dscan om -1 1 40 0.5",
            macro="dscan",
            ranges=(Range(positioner="om", start=-1, stop=1, intervals=40),),
            exposure=0.5,
        ),
        started=STARTED,
        points=41,
        positioners={"chi": 45.5, "Two Theta": 31.0, "samZ": 2.5},
        state="complete",
        detectors=("eiger4m",),
        previews=(Preview(name="preview", kind="curve", caption="roi1 over om"),),
    )
    return CuratedScan(
        facts=facts,
        flag=flag,
        keywords=keywords,
        sample="SrTiO3",
        title="STO(111) at 20 K",
        dataset="dataset:11017404/gk_sto20",
        on_disk="disk",
        quantities=(Quantity(name="energy", unit="eV", average=18000, minimum=1, maximum=2, source="energyfmb"),),
    )


def dataset(*scans: CuratedScan, keywords: tuple[str, ...] = ()) -> CuratedDataset:
    facts = Dataset(
        key="dataset:11017404/gk_sto20",
        slug="gk_sto20",
        beamtime="11017404",
        title="The good film",
        sample="SrTiO3",
        samples=("SrTiO3",),
        scans=tuple(s.facts.key for s in scans),
        started=STARTED,
        flags=tuple(s.flag for s in scans),
        keywords=keywords,
        macros=("dscan",),
        detectors=("eiger4m",),
        on_disk="disk",
        main_scan=scans[0].facts.key if scans else None,
    )
    return CuratedDataset(facts=facts, scans=scans)


def keys(folder: Path, q: str, level: str = "scan") -> list[str]:
    request = SearchRequest(q=q, level="scan" if level == "scan" else "dataset", sort="name")
    return [hit.key for hit in Searcher(folder).search(request, None).hits]


def test_a_dataset_gives_one_document_and_one_for_each_scan_with_every_facet() -> None:
    documents = documents_of(BEAMTIME, dataset(scan(), scan("gk_sto20_00174", "alignment"), keywords=("XRR",)))

    assert [document.key for document in documents] == [
        "dataset:11017404/gk_sto20",
        "scan:11017404/gk_sto20_00173",
        "scan:11017404/gk_sto20_00174",
    ]
    assert documents[0].facets["flag"] == ("measurement", "alignment")
    assert documents[2].facets["flag"] == ("alignment",)
    for document in documents:
        assert set(document.facets) == {facet.name for facet in FACETS} | {"dataset.on_disk", "has"}
        assert document.facets["pi"] == ("Müller",)
        assert document.facets["positioner"] == ("om",)
        assert document.facets["proposal"] == ("20230412",)


def test_a_row_shows_what_the_list_needs_and_a_dataset_the_picture_of_its_main_scan() -> None:
    whole, single = documents_of(BEAMTIME, dataset(scan()))

    assert whole.fields["thumb"] == single.fields["thumb"] == "/beamtimes/11017404/scans/gk_sto20_00173/thumb.png"
    assert whole.fields["address"] == "/beamtimes/11017404/datasets/gk_sto20/"
    assert single.fields == {
        "title": "STO(111) at 20 K",
        "name": "gk_sto20_00173",
        "sample": "SrTiO3",
        "flags": ["measurement"],
        "keywords": [],
        "beamtime": "11017404",
        "proposal": "20230412",
        "proposal_type": "I",
        "date": "2023-10-06T12:00:00+00:00",
        "scans": 1,
        "command": "dscan om -1 1 40 0.5",
        "energy": 18000,
        "on_disk": "disk",
        "thumb": "/beamtimes/11017404/scans/gk_sto20_00173/thumb.png",
        "address": "/beamtimes/11017404/scans/gk_sto20_00173/",
    }


@pytest.mark.parametrize(
    "query",
    [
        "20230412",
        "I-20230412",
        "i-20230412",
        "20230412.11017404",
        "11017404",
        "proposal:I-20230412",
        "beamtime:11017404",
        "gk_sto20_00173",
        "gk",
        "sto20",
        "00173",
        "173",
        "gk_sto20_0",
        "GK_STO*",
        "scan:11017404/gk_sto20_00173",
        "srtio3",
        "SrTi",
        "STO(111)",
        "-0.5 OR 0.5",
        '"dscan om -1 1"',
        "müller",
        "muller",
        '"good film"',
        "oxides",
        "eiger",
        "positioner:om",
        "positioner.chi:>45",
        "chi:45.5",
        "energy:18000",
        "date:2023-10",
        "date:2023-10-06..2023-10-06",
        "year:2023",
        "number:173 points:41 exposure:0.5",
        "flag:measurement macro:dscan on_disk:disk",
        "state:complete",
        'pi:"Müller" positioner:"om" state:"complete"',
        "scans:1",
        "scans:<2 -scans:>1",
        "positioner.Two_Theta:>30",
        "samz>2",
        'dataset:gk_sto20 dataset:"good film" dataset_title:good',
    ],
)
def test_a_scan_and_its_dataset_are_found_by(query: str, tmp_path: Path) -> None:
    Indexer(tmp_path).apply(documents_of(BEAMTIME, dataset(scan())))

    assert keys(tmp_path, query) == ["scan:11017404/gk_sto20_00173"]
    assert keys(tmp_path, query, "dataset") == ["dataset:11017404/gk_sto20"]


@pytest.mark.parametrize(
    "query",
    ["o20", "20230413", '"om dscan"', '"gk sto2"', "positioner.chi:>46", "-gk", "nothing", "scans:>1", "state:aborted"],
)
def test_they_are_not_found_by(query: str, tmp_path: Path) -> None:
    Indexer(tmp_path).apply(documents_of(BEAMTIME, dataset(scan())))

    assert keys(tmp_path, query) == keys(tmp_path, query, "dataset") == []


def test_a_scan_is_found_by_the_keyword_of_its_dataset_but_not_by_that_of_another_scan(tmp_path: Path) -> None:
    one, two = scan("gk_00001", keywords=("GID",)), scan("gk_00002")
    Indexer(tmp_path).apply(documents_of(BEAMTIME, dataset(one, two, keywords=("GID", "XRR"))))

    assert keys(tmp_path, "xrr") == [one.facts.key, two.facts.key]
    assert keys(tmp_path, "keyword:gid") == [one.facts.key]


def test_a_name_with_odd_letters_is_found_as_people_read_it(tmp_path: Path) -> None:
    Indexer(tmp_path).apply(documents_of(BEAMTIME, dataset(scan("night2~f=C3=BCr_00001"))))

    assert keys(tmp_path, "night2 FUR") == ["scan:11017404/night2~f=C3=BCr_00001"]
    assert keys(tmp_path, "scan:11017404/night2~f=C3=BCr_00001") == ["scan:11017404/night2~f=C3=BCr_00001"]


def test_a_dataset_is_found_by_its_own_name_and_title_and_its_scans_are_not(tmp_path: Path) -> None:
    Indexer(tmp_path).apply(documents_of(BEAMTIME, dataset(scan("other_00001"))))

    for q in (
        "name:gk_sto20",
        'title:"good film"',
        "name:gk title:good flag:measurement",
        'title:good title:"at 20 K"',
    ):
        assert keys(tmp_path, q, "dataset") == ["dataset:11017404/gk_sto20"]
        assert keys(tmp_path, q) == []
    for q in ("scan:gk_sto20", "name:gk flag:alignment", "-name:gk", "NOT title:film", "name:good", "title:gk_sto20"):
        assert keys(tmp_path, q, "dataset") == []


def test_size_and_number_of_scans_are_the_datasets_where_datasets_are_asked_for(tmp_path: Path) -> None:
    whole = dataset(scan("gk_00001"), scan("gk_00002"))
    whole = replace(whole, facts=replace(whole.facts, size=500))
    Indexer(tmp_path).apply(documents_of(BEAMTIME, whole))

    assert keys(tmp_path, "size:500 scans:2 scan:gk_00002", "dataset") == ["dataset:11017404/gk_sto20"]
    assert keys(tmp_path, "size:0", "dataset") == keys(tmp_path, "size:500") == []
    assert keys(tmp_path, "size:0 scans:>1") == ["scan:11017404/gk_00001", "scan:11017404/gk_00002"]


def test_a_dataset_partly_on_disk_is_found_as_such_and_by_where_a_scan_of_it_is(tmp_path: Path) -> None:
    on_tape = replace(scan("gk_00002", "alignment"), on_disk="tape")
    whole = dataset(scan("gk_00001"), on_tape)
    whole = replace(whole, facts=replace(whole.facts, on_disk="part"))
    Indexer(tmp_path).apply(documents_of(BEAMTIME, whole))

    for q in ("on_disk:part", "on_disk:tape flag:alignment", 'on_disk:"part" flag:alignment', "on_disk:disk"):
        assert keys(tmp_path, q, "dataset") == ["dataset:11017404/gk_sto20"]
    assert keys(tmp_path, "on_disk:disk flag:alignment", "dataset") == []
    assert keys(tmp_path, "on_disk:part") == []


@pytest.mark.parametrize("state", ["complete", "running", "aborted", "unknown"])
def test_a_scan_is_found_by_how_it_ended(state: ScanState, tmp_path: Path) -> None:
    ended = replace(scan("gk_00001"), facts=replace(scan("gk_00001").facts, state=state))
    other = replace(scan("gk_00002"), facts=replace(scan("gk_00002").facts, state="complete"))
    Indexer(tmp_path).apply(documents_of(BEAMTIME, dataset(ended, other)))

    found = keys(tmp_path, f"state:{state}")
    assert found == [ended.facts.key, *([other.facts.key] if state == "complete" else [])]
    assert keys(tmp_path, f"state:{state}", "dataset") == ["dataset:11017404/gk_sto20"]


def test_where_no_command_says_what_was_scanned_it_is_what_the_scan_is_drawn_over(tmp_path: Path) -> None:
    silent = replace(scan(), facts=replace(scan().facts, command=Command(text="", macro=""), axes=("sx", "sy")))

    assert documents_of(BEAMTIME, dataset(silent))[1].facets["positioner"] == ("sx", "sy")


def test_a_scan_more_changes_no_document_of_the_scans_before_it() -> None:
    one, two = scan("gk_00001"), scan("gk_00002")

    before = documents_of(BEAMTIME, dataset(one))
    assert documents_of(BEAMTIME, dataset(one, two))[1] == before[1]


def test_a_dataset_without_scans_speaks_for_itself(tmp_path: Path) -> None:
    Indexer(tmp_path).apply(documents_of(BEAMTIME, dataset()))

    assert keys(tmp_path, "good film", "dataset") == ["dataset:11017404/gk_sto20"]
