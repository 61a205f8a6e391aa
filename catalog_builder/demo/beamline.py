"""The demo beamline on disk: four beamtimes of invented measurements, its accounts and its settings.

Knows where things lie and who may sign in; does not know how a format is written.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path, PurePosixPath
from zoneinfo import ZoneInfo

import numpy as np

from catalog_builder.demo.fio_files import fio_text
from catalog_builder.demo.image_files import write_frames
from catalog_builder.demo.measured import Measured, measure
from catalog_builder.demo.nexus_files import write_eiger, write_lambda, write_nexus
from catalog_builder.demo.plans import BeamtimePlan
from catalog_builder.demo.programme import programme
from catalog_builder.demo.scale import write_many
from catalog_builder.demo.spec_files import spec_text
from catalog_builder.demo.stored import date_folders, date_years, metadata, put

ZONE = ZoneInfo("Europe/Berlin")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Somebody who may sign in to the demo."""

    name: str
    password: str
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Beamline:
    """What was written, and who may see it."""

    root: Path
    """Holds ``<year>/data/<id>``."""
    beamtimes: tuple[str, ...]
    """Ids, oldest first."""
    for_tape: str
    """The beamtime whose raw data ``send_to_tape`` removes."""
    staff: Account
    users: tuple[Account, ...]
    """One of the newest beamtime, one of the oldest."""

    @property
    def accounts(self) -> tuple[Account, ...]:
        return (self.staff, *self.users)

    def folder(self, beamtime: str) -> Path:
        """Give a beamtime's folder; raises KeyError where there is none of that id."""
        for folder in sorted(self.root.glob(f"*/data/{beamtime}")):
            return folder
        raise KeyError(beamtime)


def write_beamline(root: Path, *, seed: int = 8, scans: int | None = None) -> Beamline:
    """Write the demo's files below ``root`` and tell what is there.

    Parameters
    ----------
    root
        Made where it does not exist.
    seed
        The same seed gives the same bytes and the same times.
    scans
        None: four beamtimes with some 150 scans in every format. A number: that many cheap scans over a decade
        of beamtimes, to try the catalogue at size.
    """
    if scans is not None:
        beamtimes = write_many(root, seed=seed, scans=scans, zone=ZONE)
    else:
        for beamtime in programme():
            _write_beamtime(root, beamtime, seed)
        beamtimes = tuple(beamtime.id for beamtime in programme())
    date_years(root)
    return _told(root, beamtimes, seed)


def send_to_tape(beamline: Beamline) -> None:
    """Empty the raw folder of the beamtime that goes to tape; its folder and metadata stay."""
    raw = beamline.folder(beamline.for_tape) / "raw"
    for child in sorted(raw.iterdir()):
        if child.is_dir():
            shutil.rmtree(child)
        else:
            child.unlink()


def settings_yaml(beamline: Beamline, catalogue: Path) -> str:
    """Give the text of the demo's ``site_config.yaml``."""
    return _SETTINGS.format(root=json.dumps(str(beamline.root)), catalogue=json.dumps(str(catalogue)))


def _told(root: Path, beamtimes: tuple[str, ...], seed: int) -> Beamline:
    newest, oldest = beamtimes[-1], beamtimes[0]
    return Beamline(
        root=root,
        beamtimes=beamtimes,
        for_tape=oldest,
        staff=_account("staff", ("staff",), seed),
        users=(_account("nimmermehr", (f"{newest}-clbt",), seed), _account("mustermensch", (f"{oldest}-clbt",), seed)),
    )


def _account(name: str, groups: tuple[str, ...], seed: int) -> Account:
    word = hashlib.sha256(f"{seed}/{name}".encode()).hexdigest()[:6]
    return Account(name=name, password=f"demo-{name}-{word}", groups=groups)


def _write_beamtime(root: Path, beamtime: BeamtimePlan, seed: int) -> None:
    folder = root / str(beamtime.start.year) / "data" / beamtime.id
    for name in ("raw", "processed", "shared", "scratch_cc"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    begin = beamtime.start.replace(tzinfo=ZONE).timestamp()
    put(folder / f"beamtime-metadata-{beamtime.id}.json", metadata(beamtime), begin)
    seen: set[PurePosixPath] = set()
    together: dict[str, list[Measured]] = {}
    for scan, rng in _carried_out(beamtime, seed):
        _write_scan(folder / "raw", scan, rng, again=scan.plan.path in seen)
        seen.add(scan.plan.path)
        if "spec" in scan.plan.forms:
            together.setdefault(scan.plan.stem, []).append(scan)
    for name, scans in together.items():
        put(folder / "raw" / name, spec_text(name, scans, ZONE).encode(), scans[-1].ended.timestamp())
    if beamtime.grouping:
        lines = "".join(f"{line}\n" for line in beamtime.grouping)
        end = beamtime.end.replace(tzinfo=ZONE).timestamp()
        put(folder / "raw" / f"scicat-datasets-{beamtime.id}.lst", lines.encode(), end)
    date_folders(folder, begin)


def _carried_out(beamtime: BeamtimePlan, seed: int) -> Iterator[tuple[Measured, np.random.Generator]]:
    """Give a beamtime's scans one after the other, with the pauses people make, and their generators."""
    index = 0
    for begin, plans in beamtime.sessions:
        clock: datetime = begin.replace(tzinfo=ZONE)
        for plan in plans:
            rng = np.random.default_rng([seed, int(beamtime.id), index])
            index += 1
            clock += timedelta(seconds=float(np.round(rng.gamma(2.0, 130.0), 3)))
            scan = measure(plan, clock, rng)
            yield scan, rng
            clock = scan.ended.astimezone(ZONE)


def _write_scan(raw: Path, scan: Measured, rng: np.random.Generator, *, again: bool) -> None:
    """Write a scan's own files and its frames, ``again`` where an earlier one has its name.

    Scans of SPEC files are written together, not here.
    """
    plan = scan.plan
    if "fio" in plan.forms:
        put(raw / plan.path.with_name(f"{plan.name}.fio"), fio_text(scan, ZONE).encode(), scan.ended.timestamp())
    if "nexus" in plan.forms:
        write_nexus(raw, scan, ZONE, add=again)
    if plan.images in ("cbf", "tif"):
        write_frames(raw, scan, scan.started, rng)
    elif plan.images == "lambda" and not plan.lost_images:
        write_lambda(raw, scan, rng)
    elif plan.images == "eiger":
        write_eiger(raw, scan, rng)


_SETTINGS = """\
# Settings of the demo; `catbuild init` writes a file that explains all there are.
title: P08 demo catalogue
beamline: P08
facility: PETRA III
timezone: Europe/Berlin
catalogue: {catalogue}

beamtimes:
  roots: [{root}]
  pattern: "{{year}}/data/{{id}}"

flags: [measurement, alignment, calibration]
keywords: [XRR, GID, CTR, RSM, rocking curve, time series, liquid, thin film, nanoparticles, annealing, powder]
grouping: stem
signals: [p100k_roi1_corr, p100k_roi1, lambda_roi1_corr, lambda_roi1, eiger4m_roi1_corr, eiger4m_roi1]

rules:
  - name: calibration powder
    match: {{sample: "LaB6"}}
    set: {{flag: calibration, keywords: [powder]}}
  - name: short scans of one positioner align
    match: {{command: "^(dscan|ascan) +(om|samx|samz|tt|chi) .* 0\\\\.\\\\d+$"}}
    set: {{flag: alignment}}
  - name: height and tilt
    match: {{title: "^(Alignment|Surface height)"}}
    set: {{flag: alignment}}
  - name: reflectivity
    match: {{command: "^(a2scan +tt .* om|ascan +qz) "}}
    set: {{keywords: [XRR]}}
  - name: grazing incidence
    match: {{title: "GID|GIXS"}}
    set: {{keywords: [GID]}}
  - name: truncation rods
    match: {{command: "^hklscan "}}
    set: {{keywords: [CTR]}}
  - name: maps in reciprocal space
    match: {{command: "^mesh +om .* tt "}}
    set: {{keywords: [RSM]}}
  - name: rocking curves
    match: {{command: "^dscan +om .* [1-9][.0-9]*$"}}
    set: {{keywords: [rocking curve]}}
  - name: series in time
    match: {{command: "^(timescan|dscan +dummymot) "}}
    set: {{keywords: [time series]}}
  - name: on a liquid
    match: {{setup: "Liquid|Langmuir"}}
    set: {{keywords: [liquid]}}
  - name: films by sample
    match: {{sample: " on (STO|MgO|LAO|Si|sapphire|DSO|NGO)"}}
    set: {{keywords: [thin film]}}
  - name: films by file, where SPEC knows no sample
    match: {{file: "^(sro_film|nio_mgo)"}}
    set: {{keywords: [thin film]}}
  - name: nanoparticles
    match: {{sample: "nanoparticles"}}
    set: {{keywords: [nanoparticles]}}
  - name: annealing
    match: {{file: "_(anneal|heating)_"}}
    set: {{keywords: [annealing]}}

quantities:
  energy: {{from: [energyfmb, energy], unit: eV}}
  temperature: {{from: [beckhoff_temp1], unit: degC}}
  pressure: {{from: [trough_pressure], unit: mN/m}}

groups:
  owner: ["{{beamtime}}-dmgt"]
  readers: ["{{beamtime}}-dmgt", "{{beamtime}}-clbt", "{{beamtime}}-part"]
  curators: ["{{beamtime}}-clbt"]
  staff: [staff]
"""
