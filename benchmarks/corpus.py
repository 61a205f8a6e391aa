"""The files benchmarks read: the demo's formats at any number, or real instrument files, laid out as beamtimes.

Knows how to lay files out so that every contender can read them; does not know who reads them.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from zoneinfo import ZoneInfo

import h5py
import numpy as np

from catalog_builder import config
from catalog_builder.config import Settings
from catalog_builder.demo.fio_files import fio_text
from catalog_builder.demo.image_files import write_frames
from catalog_builder.demo.measured import Measured, measure
from catalog_builder.demo.nexus_files import write_eiger, write_lambda, write_nexus
from catalog_builder.demo.plans import Images, ScanPlan
from catalog_builder.demo.programme import programme
from catalog_builder.demo.spec_files import spec_text
from catalog_builder.demo.stored import metadata
from catalog_builder.discover import LOOSE_FRAME_SUFFIXES, BeamtimeFolder, Source, Walk, beamtimes
from catalog_builder.readers import READERS

FORMATS = ("fio", "spec", "nexus", "images")
ZONE = ZoneInfo("Europe/Berlin")
FRAMES = 5
"""Of a demo scan that has images."""
LARGEST_REAL = 64 * 2**20
"""Bytes; a larger real file is left out, for copying it is not what is measured."""

_ID = "1100000{number}"
_SEED = 8
_IMAGES: tuple[Images, ...] = ("cbf", "tif", "eiger", "lambda")
_SIGNALS = [f"{detector}_roi1{end}" for detector in ("p100k", "lambda", "eiger4m") for end in ("_corr", "")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One file, or one folder of frames, to be read by everybody."""

    format: str
    """One of ``FORMATS``; of real files with a word that says so."""
    source: Source
    folder: BeamtimeFolder
    path: Path
    settings: Settings

    @property
    def name(self) -> str:
        return self.source.path

    @property
    def file(self) -> Path:
        """The one file to give to who takes a file: of a detector's folder the one that leads to all frames."""
        if self.path.is_file():
            return self.path
        files = sorted(path for path in self.path.rglob("*") if path.is_file())
        return next((path for path in files if path.stem.endswith("_master")), files[0])

    @property
    def metadata(self) -> Path:
        """The beamtime's metadata file."""
        return self.folder.path / f"beamtime-metadata-{self.folder.id}.json"


def demo_cases(root: Path, scans: int) -> list[Case]:
    """Write that many scans of the demo in each format below ``root``; SPEC's are in one file."""
    for number, format in enumerate(FORMATS):
        raw = _beamtime(root, number)
        measured = list(_measured(scans, images=format == "images"))
        if format == "fio":
            for scan, _ in measured:
                (raw / f"{scan.plan.name}.fio").write_text(fio_text(scan, ZONE), encoding="utf-8")
        elif format == "spec":
            (raw / "demo.spec").write_text(spec_text("demo.spec", [scan for scan, _ in measured], ZONE))
        elif format == "nexus":
            for scan, _ in measured:
                write_nexus(raw, scan, ZONE, add=False)
                _title_in_a_row(raw / f"{scan.plan.name}.nxs")
        else:
            for scan, rng in measured:
                _write_images(raw, scan, rng)
    return _cases(root, FORMATS)


def real_cases(root: Path, data: Path) -> list[Case]:
    """Copy the instrument files found anywhere below ``data`` to beamtimes below ``root``, each content once."""
    seen: set[str] = set()
    raws = [_beamtime(root, number) for number in range(len(FORMATS))]
    for path in sorted(p for p in data.rglob("*") if p.is_file() and 0 < p.stat().st_size <= LARGEST_REAL):
        format = _format(path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if format is None or digest in seen:
            continue
        seen.add(digest)
        raw = raws[FORMATS.index(format)] / str(len(seen))
        target = raw / path.stem / "detector" / path.name if format == "images" else raw / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    return _cases(root, [f"{format}, real files" for format in FORMATS])


def _format(path: Path) -> str | None:
    if path.suffix.lower() in LOOSE_FRAME_SUFFIXES:
        return "images"
    with path.open("rb") as stream:
        head = stream.read(4096)
    for name in READERS:
        reader = READERS.get(name)
        if path.suffix.lower() in reader.suffixes and reader.recognises(head):
            return name
    return None


def _beamtime(root: Path, number: int) -> Path:
    """Make a beamtime's folder with its metadata; gives its raw folder."""
    id = _ID.format(number=number)
    raw = root / "data" / id / "raw"
    raw.mkdir(parents=True)
    (raw.parent / f"beamtime-metadata-{id}.json").write_bytes(metadata(replace(programme()[0], id=id)))
    return raw


def _measured(scans: int, *, images: bool) -> Iterator[tuple[Measured, np.random.Generator]]:
    """Carry out scans of every sort the demo's beamtimes have, evenly taken from its programme."""
    plans = [plan for beamtime in programme() for _, night in beamtime.sessions for plan in night]
    plans = [plan for plan in plans if not plan.truncated and bool(plan.images) == images]
    for index in range(scans):
        plan = _renamed(plans[index * len(plans) // scans % len(plans)], index, images=images)
        rng = np.random.default_rng([_SEED, index])
        yield measure(plan, datetime(2026, 10, 6, 20, tzinfo=UTC) + timedelta(hours=index), rng), rng


def _renamed(plan: ScanPlan, index: int, *, images: bool) -> ScanPlan:
    kind = _IMAGES[index % len(_IMAGES)] if images else ""
    return replace(
        plan, stem="demo", number=index + 1, folder="", entry="scan", images=kind, frames=FRAMES, lost_images=False
    )


def _title_in_a_row(path: Path) -> None:
    """Write the title as a row of one: nxsfileinfo draws nothing of a scan whose title it gets from h5py alone."""
    with h5py.File(path, "a") as file:
        entry = file["scan"]
        title = entry["title"].asstr()[()]
        del entry["title"]
        entry.create_dataset("title", data=[title], dtype=h5py.string_dtype())


def _write_images(raw: Path, scan: Measured, rng: np.random.Generator) -> None:
    if scan.plan.images == "eiger":
        write_eiger(raw, scan, rng)
    elif scan.plan.images == "lambda":
        write_lambda(raw, scan, rng)
    else:
        write_frames(raw, scan, scan.started, rng)


def _cases(root: Path, formats: Sequence[str]) -> list[Case]:
    """Give the sources of the beamtimes below ``root``, one a format, as the catalogue finds them."""
    settings = _settings(root)
    readers = [READERS.get(name) for name in settings.readers]
    suffixes: dict[str, tuple[str, ...]] = {}
    for reader in readers:
        for suffix in reader.suffixes:
            suffixes[suffix] = (*suffixes.get(suffix, ()), reader.name)
    whole = frozenset(reader.name for reader in readers if reader.keeps_suffix)
    return [
        Case(
            format=formats[number],
            source=source,
            folder=folder,
            path=folder.path / (source.files[0].path if source.files else PurePosixPath("raw") / source.path),
            settings=settings,
        )
        for number, folder in enumerate(beamtimes(settings.beamtimes)[0])
        for source in Walk(folder, settings.beamtimes, suffixes, whole).run().sources
    ]


def _settings(root: Path) -> Settings:
    document = {
        "beamtimes": {"roots": ["data"], "pattern": "{id}"},
        "catalogue": "catalogue",
        "executor": "serial",
        "timezone": str(ZONE),
        "signals": _SIGNALS,
    }
    path = root / "site_config.yaml"
    path.write_text(json.dumps(document))
    return config.load(path)
