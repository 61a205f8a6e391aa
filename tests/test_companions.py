"""What lies beside a scan's file ends in its record: frames, spectra, an ingest's sidecars; growing files."""

import base64
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import fabio
import h5py
import numpy as np
import pytest
from PIL import Image as Pillow

from catalog_builder.build import build
from catalog_builder.places import Places
from catalog_builder.readers import Surroundings
from catalog_builder.readers.spec import SpecReader
from catalog_builder.records import Scan
from catalog_builder.recordstore import RecordStore
from catalog_builder.report import PlainReporter
from catalog_builder.signals import Reading

from .conftest import Site, fio

SPECTRUM = "!\n%c\n File_name = {stem}\n%p\n SAMPLE_TIME = 1\n%d\n Col 1 {stem}_EXP_MCA01  FLOAT\n{rows}"


def record(site: Site, key: str) -> Scan:
    build(site.settings, PlainReporter())
    return RecordStore(Places(site.settings.catalogue)).scan(key)


def cbf(path: Path, value: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.full((20, 30), 1, np.int32)
    image[3, 4] = value
    fabio.cbfimage.CbfImage(data=image).write(str(path))


def kinds(scan: Scan) -> list[str]:
    return [preview.kind for preview in scan.previews]


def test_frames_beside_a_scan_or_in_its_folder_are_drawn(site: Site) -> None:
    raw = site.beamtime("11")
    site.write(raw / "gk_00001.fio", fio())
    cbf(raw / "gk_00001.cbf", 500)
    site.write(raw / "gk_00002.fio", fio())
    cbf(raw / "gk_00002" / "p100k" / "gk_00002_00001.cbf", 500)
    assert kinds(record(site, "scan:11/gk_00001")) == ["curve", "frame"]
    assert "p100k" in record(site, "scan:11/gk_00002").detectors


def test_spectra_of_each_point_are_drawn_as_one(site: Site) -> None:
    raw = site.beamtime("11")
    site.write(raw / "gk_00001.fio", fio())
    for point in (1, 2, 3):
        stem, rows = f"gk_00001_mca_s{point}", "".join(f" {point * channel}\n" for channel in range(64))
        site.write(raw / "gk_00001" / f"{stem}.fio", SPECTRUM.format(stem=stem.upper(), rows=rows))
    scan = record(site, "scan:11/gk_00001")
    assert kinds(scan) == ["curve", "spectra"]
    assert RecordStore(Places(site.settings.catalogue)).scan_names("11") == ["gk_00001"]


def sidecars(site: Site, raw: Path, stem: str) -> None:
    out = io.BytesIO()
    Pillow.new("RGB", (30, 20), (200, 30, 30)).save(out, "PNG")
    address = "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()
    site.write(raw / f"{stem}.attachment.json", json.dumps({"caption": "q map", "thumbnail": address}))
    scientific = {"sample": {"temperature": {"value": {"value": 21.5, "unit": "°C"}}}, "accessGroups": ["everybody"]}
    document = {"scientificMetadata": scientific, "description": "from the ingest", "accessGroups": ["everybody"]}
    site.write(raw / f"{stem}.scan.json", json.dumps(document))


def test_what_an_ingest_left_adds_metadata_and_a_preview_and_widens_no_access(site: Site) -> None:
    site.configured(quantities={"temperature": {"from": ["sample.temperature"]}})
    raw = site.beamtime("11")
    site.write(raw / "gk_00001.fio", fio())
    sidecars(site, raw, "gk_00001")
    scan = record(site, "scan:11/gk_00001")
    assert scan.parameters["sample.temperature"] == 21.5
    assert scan.units["sample.temperature"] == "°C"
    assert (scan.title, scan.sample) == ("from the ingest", "SrTiO3")
    assert [(preview.kind, preview.caption) for preview in scan.previews][1:] == [("attached", "q map")]
    beamtime = RecordStore(Places(site.settings.catalogue)).beamtime("11")
    assert (beamtime.owner_groups, beamtime.access_groups) == ((), ())


def test_a_damaged_sidecar_is_a_problem_of_its_scan_alone(site: Site) -> None:
    raw = site.beamtime("11")
    site.write(raw / "gk_00001.fio", fio())
    site.write(raw / "gk_00001.scan.json", "Something{ wrong")
    scan = record(site, "scan:11/gk_00001")
    assert [problem.where for problem in scan.problems] == ["11/raw/gk_00001.scan.json"]
    assert scan.previews


def test_of_what_lies_in_a_listed_folder_scans_are_named_and_notes_are_not(site: Site) -> None:
    raw = site.beamtime("11")
    site.write(raw / "gk_00001.fio", fio())
    site.write(raw / "scicat-datasets-11.lst", "gk_00001 lambda")
    site.write(raw / "lambda" / "gk_00002.fio", fio())
    site.write(raw / "lambda" / "align.dat", HEAD + SCAN.format(number=1, top=1, last=1))
    site.write(raw / "lambda" / "notes.txt", "the beam was lost at noon")
    problems = build(site.settings, PlainReporter()).problems
    assert [problem.where for problem in problems] == ["11/raw/lambda/align.dat", "11/raw/lambda/gk_00002.fio"]


SCAN = (
    "\n#S {number} ascan th 0 1 2 1\n#D Sun Jan 01 00:00:01 2023\n#N 2\n#L Theta  Detector\n0 1\n0.5 {top}\n1 {last}\n"
)
HEAD = "#F align.dat\n#E 1672531200\n#D Sun Jan 01 00:00:00 2023\n"


def grown(site: Site, path: Path, text: str) -> None:
    with path.open("a") as stream:
        stream.write(text)
    build(site.settings, PlainReporter())


def test_of_a_file_that_grew_the_scans_before_the_last_are_not_read_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = site.beamtime("11") / "align.dat"
    site.write(path, HEAD + "".join(SCAN.format(number=n, top=n, last="x") for n in (1, 2, 3)))
    build(site.settings, PlainReporter())
    monkeypatch.setattr(SpecReader, "read", lambda *_: pytest.fail("the file was read from its beginning"))
    grown(site, path, SCAN.format(number=2, top=50, last=4) + SCAN.format(number=4, top=60, last="x"))
    store = RecordStore(Places(site.settings.catalogue))
    names = [f"align.dat~{name}" for name in ("1.1", "2.1", "2.2", "3.1", "4.1")]
    assert store.scan_names("11") == names
    assert store.scan("scan:11/align.dat~2.2").channels[1].maximum == 50
    problems = [problem.where for name in names for problem in store.scan(f"scan:11/{name}").problems]
    summary = build(site.settings, PlainReporter())
    assert summary.read == 0
    assert [problem.where for problem in summary.problems] == problems
    assert len(problems) == 4


def test_a_file_that_was_changed_in_place_is_read_as_a_whole(site: Site) -> None:
    path = site.beamtime("11") / "align.dat"
    comment = "#C nothing happened\n" * 500
    text = HEAD + comment + "".join(SCAN.format(number=n, top=n + 10, last=1) + comment for n in (1, 2, 3))
    site.write(path, text)
    build(site.settings, PlainReporter())
    with path.open("r+") as stream:
        stream.write(text.replace("0.5 12", "0.5 99"))
    build(site.settings, PlainReporter())
    store = RecordStore(Places(site.settings.catalogue))
    tops = [store.scan(f"scan:11/align.dat~{n}.1").channels[1].maximum for n in (1, 2, 3)]
    assert tops == [11, 99, 13]


def test_a_file_that_was_changed_in_the_middle_and_grew_is_read_as_a_whole(site: Site) -> None:
    path = site.beamtime("11") / "align.dat"
    comment = "#C nothing happened\n" * 500
    text = HEAD + comment + "".join(SCAN.format(number=n, top=n + 10, last=1) + comment for n in (1, 2, 3))
    site.write(path, text)
    build(site.settings, PlainReporter())
    with path.open("r+") as stream:
        stream.write(text.replace("0.5 12", "0.5 99") + SCAN.format(number=4, top=14, last=1))
    build(site.settings, PlainReporter())
    store = RecordStore(Places(site.settings.catalogue))
    tops = [store.scan(f"scan:11/align.dat~{n}.1").channels[1].maximum for n in (1, 2, 3, 4)]
    assert tops == [11, 99, 13, 14]


def test_a_file_that_was_rewritten_is_read_as_a_whole(site: Site) -> None:
    path = site.beamtime("11") / "align.dat"
    site.write(path, HEAD + "".join(SCAN.format(number=n, top=n, last=1) for n in (1, 2)))
    build(site.settings, PlainReporter())
    path.write_text(HEAD + "".join(SCAN.format(number=n, top=n + 5, last=1) for n in (7, 8, 9)))
    store = RecordStore(Places(site.settings.catalogue))
    build(site.settings, PlainReporter())
    assert store.scan_names("11") == ["align.dat~7.1", "align.dat~8.1", "align.dat~9.1"]


def test_a_file_cut_down_to_its_header_loses_its_scans_once_it_is_quiet(site: Site) -> None:
    path = site.beamtime("11") / "align.dat"
    site.write(path, HEAD + "".join(SCAN.format(number=n, top=n, last=1) for n in (1, 2)))
    store = RecordStore(Places(site.settings.catalogue))
    build(site.settings, PlainReporter())
    path.write_text(HEAD)
    assert not build(site.settings, PlainReporter()).problems
    assert store.scan_names("11") == ["align.dat~1.1", "align.dat~2.1"]
    site.write(path, HEAD)
    (problem,) = build(site.settings, PlainReporter()).problems
    assert (problem.where, problem.what) == ("11/raw/align.dat", "holds no scan")
    assert store.scan_names("11") == []


def test_what_needs_more_memory_than_there_is_is_tried_again_after_a_day(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.write(site.beamtime("11") / "align.dat", HEAD + SCAN.format(number=1, top=1, last=1))
    tried: list[Path] = []

    def greedy(_: SpecReader, path: Path, __: Surroundings) -> Iterator[Reading]:
        tried.append(path)
        raise MemoryError

    monkeypatch.setattr(SpecReader, "read", greedy)
    now = datetime.now(UTC)
    for hours, times in ((0, 1), (1, 1), (23, 1), (25, 2), (26, 2)):
        (problem,) = build(site.settings, PlainReporter(), now=now + timedelta(hours=hours)).problems
        assert problem.what == "needs more memory than there is; it is tried again after a day"
        assert len(tried) == times


@pytest.mark.parametrize("entries", [1, 2])
def test_measurements_that_the_file_beside_has_no_place_for_are_named(site: Site, entries: int) -> None:
    raw = site.beamtime("11")
    site.write(raw / "gk_00001.fio", fio())
    with h5py.File(raw / "gk_00001.nxs", "w") as file:
        for number in range(entries):
            entry = file.create_group(f"entry{number}")
            entry.attrs["NX_class"] = "NXentry"
            entry["data/y"] = np.arange(4.0)
            entry["data"].attrs.update({"NX_class": "NXdata", "signal": "y"})
    problems = build(site.settings, PlainReporter()).problems
    what = "holds more measurements than the file of the same name beside it; they are left out"
    named = [(problem.where, problem.what) for problem in problems]
    assert named == ([] if entries == 1 else [("11/raw/gk_00001.nxs", what)])
