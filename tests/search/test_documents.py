from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from catalog_builder.facets import FACETS, NUMBERS, SORTS, SearchRequest
from catalog_builder.records import (
    Beamtime,
    Channel,
    Command,
    CuratedDataset,
    CuratedScan,
    DataFile,
    Dataset,
    Peak,
    Preview,
    Problem,
    Quantity,
    Range,
    Scan,
    ScanState,
)
from catalog_builder.search import Indexer, Searcher, documents_of
from catalog_builder.search.documents import MARKS, WEIGHTS
from catalog_builder.search.units import UNITS

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
        "o20",
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
    ["o21", "20230413", '"om dscan"', '"gk sto2"', "positioner.chi:>46", "-gk", "nothing", "scans:>1", "state:aborted"],
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


def measured(name: str = "gk_00001", **facts: object) -> CuratedScan:
    one = scan(name)
    return replace(one, facts=replace(one.facts, **facts))  # type: ignore[arg-type]


def test_a_scan_has_the_extremes_of_its_channels_and_quantities_and_how_long_it_took() -> None:
    roi = Channel(name="Roi 1", finite=3, minimum=1.0, maximum=90.0, mean=20.0)
    empty = Channel(name="dead")
    one = measured(channels=(roi, empty), ended=STARTED + timedelta(seconds=90))

    numbers = documents_of(BEAMTIME, dataset(one))[1].numbers

    assert {name: value for name, value in numbers.items() if name.startswith(("channel", "energy", "duration"))} == {
        "channel.roi_1.min": 1.0,
        "channel.roi_1.max": 90.0,
        "channel.roi_1.mean": 20.0,
        "energy": 18000,
        "energy.min": 1,
        "energy.max": 2,
        "duration": 90.0,
    }


def test_a_scan_that_ended_before_it_began_has_no_duration() -> None:
    one = measured(ended=STARTED - timedelta(seconds=1))
    assert "duration" not in documents_of(BEAMTIME, dataset(one))[1].numbers


def test_numbers_have_the_units_that_are_known_in_one_spelling() -> None:
    one = measured(
        units={"chi": "degrees", "samZ": "NX_LENGTH", "roi1": "counts"},
        channels=(
            Channel(name="roi1", maximum=1.0),
            Channel(name="temp", unit="C", mean=20.0),
        ),
    )
    one = replace(
        one,
        quantities=(
            *one.quantities,
            Quantity(name="humidity", unit="percent", average=1, minimum=1, maximum=1, source="x"),
            Quantity(name="mood", unit=None, average=1, minimum=1, maximum=1, source="x"),
        ),
    )

    whole, single = documents_of(BEAMTIME, dataset(one))

    units = dict(single.units)
    assert {name: units.pop(name) for name in ("size", "exposure", "duration")} == {
        "size": "B",
        "exposure": "s",
        "duration": "s",
    }
    assert units == {
        "positioner.chi": "deg",
        **{f"channel.roi1.{end}": "counts" for end in ("min", "max", "mean")},
        **{f"channel.temp.{end}": "°C" for end in ("min", "max", "mean")},
        **{f"energy{end}": "eV" for end in ("", ".min", ".max")},
        **{f"humidity{end}": "%" for end in ("", ".min", ".max")},
    }
    assert set(single.units.values()) <= UNITS.keys()
    assert whole.units["size"] == "B"


def test_a_scan_is_marked_with_what_it_has() -> None:
    bare = measured(previews=())
    full = measured(
        previews=(
            Preview(name="preview", kind="curve", caption="roi1 over om"),
            Preview(name="preview-2", kind="map", caption="roi1"),
        ),
        files=(DataFile(path="raw/gk_00001/eiger4m", suffix=".cbf", detector="eiger4m"),),
        peak=Peak(height=1, position=1, centre_of_mass=None, fwhm=None, ambiguous=True),
        comments=("beam lost",),
        problems=(Problem(where="line 3", what="odd"),),
    )

    whole, *scans = documents_of(BEAMTIME, dataset(replace(bare, title=None), replace(full, title="A")))

    assert scans[0].facets["has"] == ()
    assert scans[1].facets["has"] == whole.facets["has"] == tuple(MARKS)


def test_images_that_a_preview_was_made_of_count_although_they_lie_in_the_scans_own_file() -> None:
    inside = measured(previews=(Preview(name="preview", kind="frame", caption="frame 3"),))
    assert documents_of(BEAMTIME, dataset(inside))[1].facets["has"] == ("preview", "image", "title")


def test_year_and_month_are_those_of_the_beamlines_calendar() -> None:
    late = measured(started=datetime(2023, 12, 31, 23, 30, tzinfo=UTC))
    never = measured("gk_00002", started=None)

    def told(zone: str) -> list[tuple[tuple[str, ...], tuple[str, ...], float]]:
        documents = documents_of(BEAMTIME, dataset(late, never), ZoneInfo(zone))
        return [(each.facets["year"], each.facets["month"], each.numbers["year"]) for each in documents[1:]]

    assert told("UTC") == [(("2023",), ("2023-12",), 2023.0), (("2023",), (), 2023.0)]
    assert told("Europe/Berlin") == [(("2024",), ("2024-01",), 2024.0), (("2023",), (), 2023.0)]
    whole = documents_of(BEAMTIME, dataset(late, never), ZoneInfo("Europe/Berlin"))[0]
    assert whole.facets["year"] == ("2024", "2023")
    assert whole.facets["month"] == ("2024-01",)


def test_every_sort_is_there_for_scans_and_datasets() -> None:
    one, two = scan("gk_00001", "alignment"), scan("gk_00002")
    whole, single, _ = documents_of(BEAMTIME, dataset(one, two))

    assert set(whole.sorts) == set(single.sorts) == set(SORTS) - {"relevance"}
    assert (whole.sorts["flag"], single.sorts["flag"]) == ("alignment", "alignment")
    assert (whole.sorts["title"], single.sorts["title"]) == ("the good film", "sto(000000000111) at 000000000020 k")
    assert (whole.sorts["macro"], whole.sorts["state"], whole.sorts["pi"]) == ("dscan", "complete", "muller")


def test_a_dataset_sorts_by_sums_and_averages_of_its_scans() -> None:
    whole = dataset(measured("gk_00001"), measured("gk_00002"))
    facts = replace(whole.facts, ended=STARTED + timedelta(hours=1), size=500, quantities=scan().quantities)
    numbers = documents_of(BEAMTIME, replace(whole, facts=facts))[0].numbers

    assert numbers == {
        "points": 82.0,
        "scans": 2.0,
        "size": 500.0,
        "duration": 3600.0,
        "energy": 18000,
        "energy.min": 1,
        "energy.max": 2,
        "date": STARTED.timestamp(),
        "year": 2023.0,
    }
    assert {"points", "scans", "size", "duration", "energy"} <= set(NUMBERS)


def test_a_scan_is_found_by_its_comments_and_by_what_it_says_of_its_sample(tmp_path: Path) -> None:
    one = measured(
        comments=("beam lost at noon",),
        user="visitor7",
        parameters={"sample_description": "annealed twice", "chemical_formula": 3, "path": "/secret"},
    )
    Indexer(tmp_path).apply(documents_of(BEAMTIME, dataset(one)))

    for q in ('"beam lost"', "comment:noon", "annealed", "visitor7"):
        assert keys(tmp_path, q) == [one.facts.key]
    assert keys(tmp_path, "secret") == []


def test_a_field_weighs_less_than_a_whole_word_counts() -> None:
    assert all(0 < weight < 8 and weight * 2 == int(weight * 2) for weight in WEIGHTS.values())
