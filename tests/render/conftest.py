"""Records from nearly empty to full, and what the tests of the render room share."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from catalog_builder.config import Settings
from catalog_builder.facets import FacetCount, Hit, SearchResult
from catalog_builder.records import (
    Beamtime,
    Channel,
    Command,
    CuratedDataset,
    CuratedScan,
    DataFile,
    Dataset,
    Origin,
    Peak,
    Preview,
    Problem,
    Quantity,
    Range,
    Scan,
)
from catalog_builder.render import Renderer

START = datetime(2023, 10, 8, 1, 40, tzinfo=UTC)
NASTY = '<script>alert("1")</script>'


def settings(**more: Any) -> Settings:
    return Settings.model_validate(
        {"title": "Test catalogue", "timezone": "Europe/Berlin", "beamtimes": {"roots": (Path("/data"),)}, **more}
    )


def bare_scan(name: str = "a_00001", *, dataset: str = "a") -> CuratedScan:
    """A scan of which nothing is known but its name."""
    facts = Scan(
        key=f"scan:11017404/{name}", name=name, stem="a", beamtime="11017404", command=Command(text="", macro="")
    )
    key = f"dataset:11017404/{dataset}"
    return CuratedScan(
        facts=facts, flag="measurement", keywords=(), sample=None, title=None, dataset=key, on_disk="unknown"
    )


def full_scan(name: str = "a_00001", text: str = "word", *, flag: str = "measurement") -> CuratedScan:
    """A scan with every field filled, each text a file can hold being ``text``."""
    command = Command(
        text=text,
        macro="dscan",
        ranges=(Range(positioner=text, start=-1.0, stop=1.0, intervals=50), *_half_known_ranges()),
        relative=True,
        points=51,
        exposure=-2.0,
    )
    facts = Scan(
        key=f"scan:11017404/{name}",
        name=name,
        stem="a",
        beamtime="11017404",
        number=1,
        command=command,
        title=text,
        sample=f"once {text}",
        user=text,
        started=START,
        ended=START + timedelta(hours=25),
        state="aborted",
        points=37,
        comments=(text,),
        positioners={text: 1.5, "chi": 90.0},
        parameters={text: text, "hkl": [1.0, 0.5, None, {"deep": True}], "nothing": None},
        units={"chi": "deg", text: text, "om": text},
        channels=(Channel(name=text, unit=text, finite=3, minimum=1.0, maximum=2e9, mean=1e-7), Channel(name="b")),
        detectors=(text,),
        signals=(text,),
        axes=("om",),
        peak=Peak(height=9.4e4, position=0.998, centre_of_mass=1.0, fwhm=0.012, ambiguous=True),
        previews=(
            Preview(name="preview", kind="curve", caption=text),
            Preview(name="preview-2", kind="frame", caption=text),
        ),
        files=(
            DataFile(path=f"raw/{text}.fio", size=100),
            DataFile(path="raw/a/eiger", suffix=".cbf", count=51, size=10**9, modified=START, detector=text),
        ),
        flag=text,
        problems=(Problem(where=text, what=text),),
        reader="fio",
        reader_version=2,
        source=f"raw/{text}.fio",
    )
    return CuratedScan(
        facts=facts,
        flag=flag,
        keywords=(text,),
        sample=text,
        title=text,
        dataset="dataset:11017404/a",
        on_disk="disk",
        quantities=(_quantity(text),),
        origin={
            "flag": Origin(source="rule", name=text),
            "sample": Origin(source="default"),
            "title": Origin(source="file"),
            f"keywords.{text}": Origin(source="rule", name="reflectivity"),
            "dataset": Origin(source="rule", name="by sample holder"),
        },
    )


def _half_known_ranges() -> tuple[Range, ...]:
    return (Range(positioner="chi", start=None, stop=2.0, intervals=None),)


def _quantity(text: str) -> Quantity:
    return Quantity(name="energy", unit=text, average=15.0, minimum=14.0, maximum=16.0, source=text)


def bare_dataset(*scans: CuratedScan, slug: str = "a") -> CuratedDataset:
    facts = Dataset(
        key=f"dataset:11017404/{slug}",
        slug=slug,
        beamtime="11017404",
        title=slug,
        scans=tuple(scan.facts.key for scan in scans),
    )
    return CuratedDataset(facts=facts, scans=scans)


def full_dataset(text: str = "word", *scans: CuratedScan) -> CuratedDataset:
    scans = scans or (full_scan(text=text),)
    facts = Dataset(
        key="dataset:11017404/a",
        slug="a",
        beamtime="11017404",
        title=text,
        sample=text,
        samples=(text, "other"),
        scans=tuple(scan.facts.key for scan in scans),
        started=START,
        ended=START + timedelta(hours=1),
        flags=("measurement", "alignment", text),
        keywords=(text,),
        macros=(text,),
        detectors=(text,),
        quantities=(_quantity(text),),
        size=19_000_000,
        files=38,
        on_disk="part",
        main_scan=scans[0].facts.key,
    )
    return CuratedDataset(facts=facts, scans=scans, origin={"title": Origin(source="rule", name=text)})


def bare_beamtime() -> Beamtime:
    return Beamtime(id="11017404")


def full_beamtime(text: str = "word") -> Beamtime:
    return Beamtime(
        id="11017404",
        proposal_id="20230412",
        proposal_type="I",
        title=text,
        beamline=text,
        setup=text,
        pi=text,
        contact=text,
        start=START,
        end=START + timedelta(days=4),
        core_path=f"/data/{text}",
        year=2023,
        problems=(Problem(where=text, what=text),),
    )


def hit(text: str = "word", level: str = "dataset") -> Hit:
    return Hit(
        key=f"{level}:11017404/a",
        fields={
            "title": text,
            "name": text,
            "sample": text,
            "flags": ["measurement", text],
            "keywords": [text],
            "beamtime": "11017404",
            "proposal": "I-20230412",
            "date": START.isoformat(),
            "scans": 12,
            "command": text,
            "energy": 15000.0,
            "on_disk": "disk",
            "thumb": "/beamtimes/11017404/scans/a_00001/thumb.png",
            "address": f"/beamtimes/11017404/{level}s/a/",
        },
    )


def bare_hit(level: str = "dataset") -> Hit:
    """A hit of which nothing is known but its key."""
    return Hit(key=f"{level}:11017404/b", fields={"beamtime": "11017404"})


def result(*hits: Hit, total: int | None = None, **facets: dict[str, int]) -> SearchResult:
    counted = {
        name: tuple(FacetCount(value=value, count=count) for value, count in values.items())
        for name, values in facets.items()
    }
    return SearchResult(
        level="dataset", total=len(hits) if total is None else total, hits=hits, facets=counted, took_ms=4.2
    )


def text_of(page: str) -> str:
    """Give what a page says, without tags and with single blanks."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page)).replace(" ,", ",")


@pytest.fixture(scope="session")
def renderer() -> Renderer:
    return Renderer(settings())
