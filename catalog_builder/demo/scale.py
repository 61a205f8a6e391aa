"""Beamtimes by the hundred, to try the catalogue at size: a decade of cheap scans with a realistic vocabulary.

Knows how to write many files fast (a few measured scans serve as moulds, only names and times differ); does not know
the demo's own four beamtimes. What repeats: counts and positioners of a mould. What does not: stems, samples, titles,
times.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from catalog_builder.demo import fio_files, spec_files
from catalog_builder.demo import routines as do
from catalog_builder.demo import setups as at
from catalog_builder.demo.image_files import write_frames
from catalog_builder.demo.measured import Measured, measure
from catalog_builder.demo.plans import BeamtimePlan, Sample, ScanPlan, Setup
from catalog_builder.demo.stored import date_folders, metadata, put

PER_BEAMTIME = 900
"""Scans of a beamtime on average; the largest have ten times as many."""
FIRST_ID = 11030007
SPEC_EVERY = 9
"""Every so-manieth beamtime was measured with SPEC."""
WITH_IMAGES = 3
"""Beamtimes whose first scan has a few frames."""
DECADE = (datetime(2016, 9, 5, 8, tzinfo=UTC), datetime(2026, 9, 21, 8, tzinfo=UTC))

_PEOPLE = tuple(f"{a}{b}" for a in ("Nimmer", "Wolken", "Quarz", "Luft", "Papier", "Test", "Irgend", "Phantom")
                for b in ("mann", "berg", "feld", "stein", "bach", "schloss"))  # fmt: skip
_FILMS = ("LSMO", "SRO", "BTO", "PZT", "LNO", "YBCO", "NiO", "Fe3O4", "ZnO", "Pt", "W", "GaN", "MoS2", "VO2", "BFO")
_SUBSTRATES = ("STO", "MgO", "LAO", "Si", "sapphire", "DSO", "NGO")
_LIPIDS = ("DSPC", "DPPE", "DOPC", "arachidic acid", "stearic acid", "cholesterol mix", "ceramide", "DPPG", "lipid A")
_PARTICLES = ("Au", "Ag", "Fe3O4", "PbS", "SiO2", "CoFe2O4", "CdSe", "PNIPAM")
_SUBJECTS = ("structure", "strain", "growth", "stability", "interfaces", "order", "phase transitions", "kinetics")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mould:
    """A measured scan from which many files are cast."""

    scan: Measured
    subject: str
    """Title without the sample's name."""
    fio: str
    spec: str
    seconds: float
    weight: float
    """How often people do this scan."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """One scan of a beamtime, still without a file."""

    mould: Mould
    stem: str
    number: int
    sample: Sample
    began: datetime
    """UTC."""

    @property
    def ended(self) -> datetime:
        return self.began + timedelta(seconds=self.mould.seconds)


def write_many(root: Path, *, seed: int, scans: int, zone: ZoneInfo) -> tuple[str, ...]:
    """Write ``scans`` scans in as many beamtimes as that takes; gives their ids, oldest first."""
    rng = np.random.default_rng([seed, scans])
    moulds = {setup.name: _moulds(setup, seed) for setup in (at.SIX_CIRCLE, at.LISA, at.TROUGH)}
    sizes = _sizes(scans, rng)
    starts = _starts(len(sizes), rng)
    ids = []
    for index, (size, start) in enumerate(zip(sizes, starts, strict=True)):
        own = np.random.default_rng([seed, scans, index])
        setup = (at.SIX_CIRCLE, at.SIX_CIRCLE, at.LISA, at.SIX_CIRCLE, at.TROUGH)[index % 5]
        with_spec = index % SPEC_EVERY == SPEC_EVERY - 1
        beamtime = _beamtime(index, start.astimezone(zone), setup, own)
        casts = list(_casts(start, setup, moulds[setup.name], size, own))
        end = (casts[-1].ended + timedelta(hours=6)).astimezone(zone)
        folder = root / str(beamtime.start.year) / "data" / beamtime.id
        _write(folder, replace(beamtime, end=end.replace(tzinfo=None, microsecond=0)), casts, zone, with_spec=with_spec)
        if index < WITH_IMAGES and not with_spec:
            _add_frames(folder / "raw", casts[0], own)
        date_folders(folder, start.timestamp())
        ids.append(beamtime.id)
    return tuple(ids)


def _sizes(scans: int, rng: np.random.Generator) -> list[int]:
    """Share scans out among beamtimes: many small ones, a few with thousands; each has one at least."""
    number = max(1, min(scans, scans // PER_BEAMTIME + 4))
    weights = rng.lognormal(0.0, 1.0, number)
    sizes = 1 + np.floor((scans - number) * weights / weights.sum()).astype(int)
    sizes[int(np.argmax(weights))] += scans - int(sizes.sum())
    return [int(size) for size in sizes]


def _starts(number: int, rng: np.random.Generator) -> list[datetime]:
    """Spread beamtimes over the decade, leaving out the winter stops in January and February."""
    first, last = DECADE
    starts = []
    for share in np.sort(rng.random(number)).tolist():
        start = first + timedelta(days=float(int(share * (last - first).days)))
        starts.append(start + timedelta(days=60) if start.month < 3 else start)
    return sorted(starts)


def _beamtime(index: int, start: datetime, setup: Setup, rng: np.random.Generator) -> BeamtimePlan:
    person, other = (str(name) for name in rng.choice(_PEOPLE, 2, replace=False))
    title = f"{str(rng.choice(_SUBJECTS)).capitalize()} and {rng.choice(_SUBJECTS)} at interfaces, part {index % 4 + 1}"
    return BeamtimePlan(
        id=str(FIRST_ID + 7 * index), proposal_id=f"{start.year - 1}{1000 + index % 9000:04d}",
        proposal_type=str(rng.choice(("I", "I", "I", "II", "H"))), title=title, setup=setup.name, pi=person,
        applicant=other, institute="Institute of Invented Materials", contact="Beispielsson",
        start=start.replace(tzinfo=None), end=start.replace(tzinfo=None),
    )  # fmt: skip


def _moulds(setup: Setup, seed: int) -> tuple[Mould, ...]:
    """Measure the scans people do at a station, a few times each and with few points."""
    moulds = []
    for index, (plan, weight) in enumerate(_habits(setup)):
        short = replace(plan, intervals=min(plan.intervals, 20), moves=tuple(
            replace(move, intervals=min(move.intervals, 5 if "mesh" in plan.macro else 20)) for move in plan.moves
        ))  # fmt: skip
        for variant in range(3):
            rng = np.random.default_rng([seed, index, variant])
            scan = measure(short, DECADE[0], rng)
            moulds.append(
                Mould(
                    scan=scan,
                    subject=plan.title.removesuffix(plan.sample.name).rstrip(" ,of"),
                    fio=fio_files.body(scan, without=("epoch",)),
                    spec=spec_files.body(scan, None),
                    seconds=(scan.ended - scan.started).total_seconds(),
                    weight=weight / 3,
                )
            )
    return tuple(moulds)


def _habits(setup: Setup) -> Iterator[tuple[ScanPlan, float]]:
    """Give the scans of a station and how often each is done."""
    if setup is at.SIX_CIRCLE:
        film = at.LSMO_THIN
        yield from ((plan, 11.0) for plan in do.alignment("x", film, setup))
        yield do.reflectivity("x", film, setup), 12.0
        yield do.rocking("x", film, setup, omega=10.16, fwhm=0.03, height=5e4), 18.0
        yield do.rod("x", film, setup), 9.0
        yield do.reciprocal_map("x", film, setup), 3.0
        yield do.sample_map("x", film, setup), 2.0
        yield do.warmer(do.series("x", film, setup, exposure=2.0), 300.0), 4.0
    else:
        film = at.DSPC if setup.trough else at.GOLD_FILM
        yield from ((plan, 16.0) for plan in do.liquid_alignment("x", film, setup))
        yield do.liquid_reflectivity("x", film, setup), 20.0
        yield do.grazing("x", film, setup, peaks=((0.3, 0.05, 4000.0),), span=(0.1, 0.8)), 12.0
        yield do.compression("x", film, setup, pressure=30.0), 6.0
        yield do.series("x", film, setup), 10.0


def _casts(
    start: datetime, setup: Setup, moulds: tuple[Mould, ...], size: int, rng: np.random.Generator
) -> Iterator[Cast]:
    """Give a beamtime's scans: rows on one sample, now and then the calibration powder, nights and pauses."""
    samples = _samples(setup, max(2, min(60, size // 25)), rng)
    shares = 1 / np.arange(1, len(samples) + 1)
    weights = np.array([mould.weight for mould in moulds])
    chosen = rng.choice(len(moulds), size, p=weights / weights.sum()).tolist()
    pauses = rng.gamma(0.7, 45.0, size).tolist()
    changes = (rng.random(size) < 0.04).tolist()
    clock, current = start + timedelta(hours=2), 0
    numbers: dict[str, int] = {}
    for pick, pause, change in zip(chosen, pauses, changes, strict=True):
        if change:
            current = int(rng.choice(len(samples), p=shares / shares.sum()))
            clock += timedelta(minutes=40)
        stem, sample = samples[current]
        numbers[stem] = numbers.get(stem, 0) + 1
        clock += timedelta(seconds=round(pause))
        yield Cast(mould=moulds[pick], stem=stem, number=numbers[stem], sample=sample, began=clock)
        clock += timedelta(seconds=moulds[pick].seconds)


def _samples(setup: Setup, number: int, rng: np.random.Generator) -> list[tuple[str, Sample]]:
    """Give stems and samples; the first ones are used most. One in twelve is the calibration powder."""
    found: dict[str, Sample] = {}
    while len(found) < number:
        name = _sample_name(setup, rng)
        if len(found) % 12 == 6:
            name = f"LaB6 capillary {len(found) // 12 + 1}"
        stem = "".join(letter if letter.isalnum() else "_" for letter in name.lower().replace(" on ", " "))
        found.setdefault(stem, Sample(name=name, formula=name.split()[0], description=f"batch {rng.integers(1, 90)}"))
    return list(found.items())


def _sample_name(setup: Setup, rng: np.random.Generator) -> str:
    if setup is at.SIX_CIRCLE:
        return f"{rng.choice(_FILMS)} {rng.integers(2, 80)} nm on {rng.choice(_SUBSTRATES)}"
    if setup is at.LISA:
        return f"{rng.choice(_PARTICLES)} nanoparticles {rng.integers(4, 30)} nm on water"
    return f"{rng.choice(_LIPIDS)} on water {rng.integers(12, 30)} degC"


def _write(folder: Path, beamtime: BeamtimePlan, casts: list[Cast], zone: ZoneInfo, *, with_spec: bool) -> None:
    for name in ("raw", "processed", "shared", "scratch_cc"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    begin = beamtime.start.replace(tzinfo=zone).timestamp()
    put(folder / f"beamtime-metadata-{beamtime.id}.json", metadata(beamtime), begin)
    if with_spec:
        _write_spec(folder / "raw", casts, zone)
        return
    for cast in casts:
        put(folder / "raw" / f"{cast.stem}_{cast.number:05d}.fio", _fio(cast, zone), cast.ended.timestamp())


def _fio(cast: Cast, zone: ZoneInfo) -> bytes:
    mould, sample = cast.mould, cast.sample
    began, ended = (when.astimezone(zone).ctime() for when in (cast.began, cast.ended))
    head = fio_files.head(mould.scan.plan.command, began, sample, f"{mould.subject}, {sample.name}")
    return (head + mould.fio + fio_files.end(ended)).encode()


def _write_spec(raw: Path, casts: list[Cast], zone: ZoneInfo) -> None:
    """Write a SPEC file a sample."""
    by_stem: dict[str, list[Cast]] = {}
    for cast in casts:
        by_stem.setdefault(cast.stem, []).append(cast)
    for stem, scans in by_stem.items():
        first, positioners = scans[0], scans[0].mould.scan.positioners
        begin, began = int(first.began.timestamp()), first.began.astimezone(zone).ctime()
        parts = [spec_files.head(stem, begin, began, first.sample.name, positioners)]
        for cast in scans:
            began = cast.began.astimezone(zone).ctime()
            parts.append(spec_files.opening(cast.number, cast.mould.scan.plan.command, began) + cast.mould.spec)
        put(raw / f"{stem}.spec", "".join(parts).encode(), scans[-1].ended.timestamp())


def _add_frames(raw: Path, cast: Cast, rng: np.random.Generator) -> None:
    """Give one scan three Pilatus frames."""
    plan = replace(cast.mould.scan.plan, stem=cast.stem, number=cast.number, images="cbf", frames=3)
    scan = replace(cast.mould.scan, plan=plan)
    write_frames(raw, scan, cast.began, rng)
