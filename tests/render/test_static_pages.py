"""The pages the build writes: where they lie and what they say."""

import json
import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from catalog_builder.records import Channel, Origin, Peak, Preview, Underlying
from catalog_builder.render import Renderer

from .conftest import (
    START,
    bare_beamtime,
    bare_dataset,
    bare_scan,
    full_beamtime,
    full_dataset,
    full_scan,
    settings,
    text_of,
)


def texts(pages: Iterable[tuple[str, bytes]]) -> dict[str, str]:
    return {path: content.decode() for path, content in pages}


def test_a_list_holds_a_hundred_rows_a_page(renderer: Renderer) -> None:
    scans = [bare_scan(f"a_{number:05d}") for number in range(201)]
    pages = texts(renderer.dataset_pages(bare_beamtime(), bare_dataset(*scans)))
    base = "beamtimes/11017404/datasets/a/"
    assert list(pages) == [f"{base}{name}" for name in ("index.html", "page-2/index.html", "page-3/index.html")] + [
        f"{base}dataset.json"
    ]
    rows = [page.count("thumb none") for path, page in pages.items() if path.endswith("html")]
    assert rows == [100, 100, 1]
    assert 'href="/beamtimes/11017404/datasets/a/page-3/"' in pages[f"{base}page-2/index.html"]


def test_the_list_of_a_beamtime_goes_on_over_pages_too(renderer: Renderer) -> None:
    datasets = [bare_dataset(bare_scan(), slug=f"d{number}") for number in range(101)]
    pages = texts(renderer.beamtime_pages(bare_beamtime(), datasets))
    assert list(pages) == ["beamtimes/11017404/index.html", "beamtimes/11017404/page-2/index.html"]
    assert "101 – 101 of 101 datasets" in text_of(pages["beamtimes/11017404/page-2/index.html"])


def test_the_newest_dataset_of_a_beamtime_stands_first(renderer: Renderer) -> None:
    datasets = [
        replace(one, facts=replace(one.facts, started=started))
        for one, started in (
            (bare_dataset(slug="older"), START),
            (bare_dataset(slug="newest"), START + timedelta(days=1)),
            (bare_dataset(slug="timeless"), None),
        )
    ]
    page = texts(renderer.beamtime_pages(bare_beamtime(), datasets))["beamtimes/11017404/index.html"]
    assert page.index("Mark newest") < page.index("Mark older") < page.index("Mark timeless")


def test_beamtime_and_proposal_are_two_things(renderer: Renderer) -> None:
    beamtime, dataset = full_beamtime(), full_dataset()
    for pages in (
        renderer.beamtime_pages(beamtime, [dataset]),
        renderer.dataset_pages(beamtime, dataset),
        renderer.scan_pages(beamtime, dataset.scans[0], dataset),
    ):
        text = text_of(next(iter(texts(pages).values())))
        assert "Beamtime ID 11017404 Proposal ID I-20230412" in text


def test_a_scan_says_what_it_was_and_how_far_it_came(renderer: Renderer) -> None:
    scan = full_scan()
    pages = texts(renderer.scan_pages(full_beamtime(), scan, full_dataset("word", scan)))
    text = text_of(pages["beamtimes/11017404/scans/a_00001/index.html"])
    for said in (
        "Points 37 / 51",
        "Date 2023-10-08 03:40 – 2023-10-09 04:40",
        "State aborted",
        "37 of 51 points, aborted",
        "max 9.4 × 10⁴ at om 0.998 word · FWHM 0.012 word (doubtful)",
        "word: -1 to 1 in 50 steps",
        "2 monitor counts a point",
        "energy 15 word 14 16",
        "chi 90 deg",
        "raw/a/eiger/*.cbf",
        "1 GB",
    ):
        assert said in text, said


def test_where_a_value_came_from_is_said_beside_it(renderer: Renderer) -> None:
    scan = full_scan(text="thin film")
    page = texts(renderer.scan_pages(full_beamtime(), scan, full_dataset("x", scan)))
    text = text_of(page["beamtimes/11017404/scans/a_00001/index.html"])
    assert "Flag measurement by rule ‘thin film’" in text
    assert "Keywords thin film by rule ‘reflectivity’" in text
    assert "Dataset x by rule ‘by sample holder’" in text
    assert "Sample thin film once thin film by default" in text


def test_a_scan_without_preview_says_why(renderer: Renderer) -> None:
    scan = bare_scan()
    scan = replace(scan, facts=replace(scan.facts, no_preview="the scan has a single point"))
    page = texts(renderer.scan_pages(bare_beamtime(), scan, bare_dataset(scan)))
    assert "the scan has a single point" in page["beamtimes/11017404/scans/a_00001/index.html"]


def test_a_scan_leads_to_those_beside_it(renderer: Renderer) -> None:
    scans = [bare_scan(f"a_{number:05d}") for number in range(3)]
    dataset = bare_dataset(*scans)

    def linked(place: int) -> set[str]:
        page = next(iter(texts(renderer.scan_pages(bare_beamtime(), scans[place], dataset)).values()))
        return {rel for rel in ("prev", "next") if f'rel="{rel}"' in page}

    assert [linked(place) for place in range(3)] == [{"next"}, {"prev", "next"}, {"prev"}]


def test_a_dataset_shows_the_first_two_measurements_that_have_a_preview(renderer: Renderer) -> None:
    scans = [
        full_scan("a_00000", flag="alignment"),
        bare_scan("a_00001"),
        full_scan("a_00002"),
        full_scan("a_00003"),
        full_scan("a_00004"),
    ]
    page = next(iter(texts(renderer.dataset_pages(full_beamtime(), full_dataset("word", *scans))).values()))
    shown = [name for name in ("00000", "00001", "00002", "00003", "00004") if f"a_{name}/preview.png" in page]
    assert shown == ["00002", "00003"]


def test_the_pictures_of_a_dataset_are_those_of_the_sites_first_flag() -> None:
    made = Renderer(settings(flags=("production", "measurement")))
    scans = [full_scan("a_00000"), full_scan("a_00001", flag="production"), full_scan("a_00002", flag="production")]
    dataset = full_dataset("word", *scans)
    dataset = replace(dataset, facts=replace(dataset.facts, main_scan=scans[2].facts.key))
    page = next(iter(texts(made.dataset_pages(full_beamtime(), dataset)).values()))
    pictures = re.findall(r'<img src="[^"]*/(a_\d+)/preview\.png"', page)
    assert pictures == ["a_00002", "a_00001"]
    listed = next(iter(texts(made.beamtime_pages(full_beamtime(), [dataset])).values()))
    assert "a_00002/thumb.png" in listed


def test_a_dataset_says_which_rules_set_its_values(renderer: Renderer) -> None:
    scans = (full_scan("a_00000", "film"), full_scan("a_00001", "film", flag="alignment"))
    dataset = full_dataset("film", *scans)
    text = text_of(next(iter(texts(renderer.dataset_pages(full_beamtime(), dataset)).values())))
    assert "Keywords film by rule ‘reflectivity’" in text
    assert "Flag measurement by rule ‘film’, alignment by rule ‘film’, film" in text
    assert "Grouped by rule ‘film’" in text


def test_what_a_person_set_names_the_person_and_the_day(renderer: Renderer) -> None:
    anna = Origin(source="person", name="Anna <b>", at=datetime(2024, 5, 1, 12, tzinfo=UTC))
    names = ("flag", "title", "dataset", "keywords.word")
    scan = replace(bare_scan(), title="good one", keywords=("word",), origin=dict.fromkeys(names, anna))
    dataset = bare_dataset(scan)
    dataset = replace(
        dataset,
        facts=replace(dataset.facts, title="Films", keywords=("own",)),
        origin={"title": anna, "scans": anna, "keywords.own": anna},
        underlying={"title": Underlying(value="a", origin=Origin(source="default", name="stem"))},
    )
    text = text_of(next(iter(texts(renderer.scan_pages(bare_beamtime(), scan, dataset)).values())))
    for said in ("Title good one", f"Flag {scan.flag}", "Keywords word", "Dataset Films"):
        assert f"{said} by Anna &lt;b&gt;, 2024-05-01" in text, said
    text = text_of(next(iter(texts(renderer.dataset_pages(bare_beamtime(), dataset)).values())))
    for said in ("Title Films by Anna &lt;b&gt;, 2024-05-01 a", "Keywords own by Anna &lt;b&gt;, 2024-05-01"):
        assert said in text, said
    assert "Grouped by Anna &lt;b&gt;, 2024-05-01" in text


def test_a_dataset_that_no_rule_touched_names_none(renderer: Renderer) -> None:
    scan = replace(bare_scan(), origin={"flag": Origin(source="default")})
    dataset = replace(bare_dataset(scan), origin={"title": Origin(source="default", name="stem")})
    text = text_of(next(iter(texts(renderer.dataset_pages(bare_beamtime(), dataset)).values())))
    assert "by rule" not in text
    assert "Grouped by the name without scan number" in text


def test_the_title_of_a_beamtime_is_not_called_the_description_of_a_dataset(renderer: Renderer) -> None:
    text = text_of(next(iter(texts(renderer.dataset_pages(full_beamtime("Films"), full_dataset())).values())))
    assert "Beamtime title Films" in text
    assert "Description" not in text


def test_where_the_data_are_stands_under_on_disk(renderer: Renderer) -> None:
    dataset = full_dataset()
    for pages in (
        renderer.beamtime_pages(full_beamtime(), [dataset]),
        renderer.dataset_pages(full_beamtime(), dataset),
        renderer.scan_pages(full_beamtime(), dataset.scans[0], dataset),
    ):
        page = next(iter(texts(pages).values()))
        assert ">On disk<" in page
        assert ">Data<" not in page


@pytest.mark.parametrize(
    ("axes", "channels", "units", "written"),
    [
        (("om",), (Channel(name="om", minimum=0.0),), {"om": "deg"}, "om 295.42 deg"),
        (("om",), (Channel(name="om", unit="mrad"),), {}, "om 295.42 mrad"),
        (("x",), (), {}, "x 295.42"),
        (("timestamp",), (Channel(name="timestamp", minimum=0.0),), {}, "timestamp 295.42 s"),
        (("epoch",), (Channel(name="epoch", minimum=1.7e9),), {}, "time 295.42 s"),
        ((), (), {}, "point 295.42"),
    ],
)
def test_a_peak_is_at_a_place_on_a_named_axis(
    renderer: Renderer, axes: tuple[str, ...], channels: tuple[Channel, ...], units: dict[str, str], written: str
) -> None:
    peak = Peak(height=9.0, position=295.42, centre_of_mass=None, fwhm=None, ambiguous=False)
    scan = bare_scan()
    scan = replace(scan, facts=replace(scan.facts, axes=axes, channels=channels, units=units, peak=peak))
    dataset = bare_dataset(scan)
    listed = next(iter(texts(renderer.dataset_pages(bare_beamtime(), dataset)).values()))
    assert f'<td class="num">{written}</td>' in listed
    own = next(iter(texts(renderer.scan_pages(bare_beamtime(), scan, dataset)).values()))
    assert f"Peak max 9 at {written}" in text_of(own)


def test_a_dataset_of_alignments_alone_shows_those(renderer: Renderer) -> None:
    dataset = full_dataset("word", full_scan(flag="alignment"))
    page = next(iter(texts(renderer.dataset_pages(full_beamtime(), dataset)).values()))
    assert "a_00001/preview.png" in page


def test_a_quantity_the_site_wants_and_nobody_recorded_is_named() -> None:
    wanting = Renderer(settings(quantities={"pressure": {"from": ("p1",)}}))
    page = next(iter(texts(wanting.dataset_pages(full_beamtime(), full_dataset())).values()))
    assert "pressure not recorded energy 15 word 14 16" in text_of(page)


def test_a_flag_the_stylesheet_does_not_know_still_has_a_colour() -> None:
    made = Renderer(settings(flags=("measurement", "dark", "flat")))
    scan = replace(full_scan(), flag="flat")
    page = next(iter(texts(made.scan_pages(full_beamtime(), scan, full_dataset("word", scan))).values()))
    assert '<span class="flag other-2">flat</span>' in page


def test_the_plot_engine_is_loaded_where_there_is_something_to_plot(renderer: Renderer) -> None:
    with_channels, without = full_scan(), bare_scan()
    for scan, expected in ((with_channels, True), (without, False)):
        page = next(iter(texts(renderer.scan_pages(bare_beamtime(), scan, bare_dataset(scan))).values()))
        assert ("curve.json" in page) == ("uPlot" in page) == expected


def test_a_scan_with_two_previews_shows_both(renderer: Renderer) -> None:
    scan = full_scan()
    page = next(iter(texts(renderer.scan_pages(bare_beamtime(), scan, bare_dataset(scan))).values()))
    assert page.count("<figure>") == 2
    assert scan.facts.previews[1] == Preview(name="preview-2", kind="frame", caption="word")
    assert "scans/a_00001/preview-2.png" in page


def test_the_json_of_a_scan_holds_facts_effective_values_and_their_origin(renderer: Renderer) -> None:
    scan = full_scan()
    pages = dict(renderer.scan_pages(full_beamtime(), scan, full_dataset("word", scan)))
    document = json.loads(pages["beamtimes/11017404/scans/a_00001/scan.json"])
    assert list(document) == ["key", "facts", "effective", "origin"]
    assert document["key"] == "scan:11017404/a_00001"
    assert document["facts"]["command"]["points"] == 51
    assert document["effective"]["sample"] == "word"
    assert document["facts"]["sample"] == "once word"
    assert document["origin"]["flag"] == {"source": "rule", "name": "word", "at": None}


def test_the_json_of_a_dataset_names_its_scans(renderer: Renderer) -> None:
    pages = dict(renderer.dataset_pages(full_beamtime(), full_dataset()))
    document = json.loads(pages["beamtimes/11017404/datasets/a/dataset.json"])
    assert list(document) == ["key", "facts", "effective", "origin"]
    assert document["effective"]["scans"] == ["scan:11017404/a_00001"]
    assert document["effective"]["flags"] == ["measurement", "alignment", "word"]


def test_problems_of_a_beamtimes_scans_are_named_up_to_a_hundred(renderer: Renderer) -> None:
    dataset = full_dataset("word", *(full_scan(f"a_{number:05d}") for number in range(120)))
    page = next(iter(texts(renderer.beamtime_pages(full_beamtime(), [dataset])).values()))
    assert "121 problems" in page
    assert "and 20 more problems" in page
