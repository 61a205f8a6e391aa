"""Documents to search: a decade of invented beamtimes, as records, and of them what the catalogue really indexes.

Knows vocabulary and skew, and gives the same for the same number of scans; does not know indexes.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from catalog_builder import commands
from catalog_builder.demo.scale import DECADE
from catalog_builder.demo.setups import LISA, SIX_CIRCLE, TROUGH
from catalog_builder.records import (
    Beamtime,
    CuratedDataset,
    CuratedScan,
    DataFile,
    Dataset,
    OnDisk,
    Preview,
    Quantity,
    Scan,
    ScanState,
)
from catalog_builder.search import Document, documents_of

SEED = 20260921
PER_BEAMTIME = 900
"""Scans of a beamtime on average, where there are many; the largest have some ten times as many."""
FEWEST_BEAMTIMES = 30

FILMS = ("LSMO", "SRO", "BTO", "PZT", "LNO", "YBCO", "NiO", "Fe3O4", "ZnO", "Pt", "W", "GaN", "MoS2", "VO2", "BFO")
SUBSTRATES = ("STO(001)", "STO(111)", "MgO", "LAO", "Si", "sapphire", "DSO", "NGO")
LIPIDS = ("DSPC", "DPPE", "DOPC", "arachidic acid", "stearic acid", "cholesterol mix", "ceramide", "DPPG", "lipid A")
PARTICLES = ("Au", "Ag", "Fe3O4", "PbS", "SiO2", "CoFe2O4", "CdSe", "PNIPAM")
SUBJECTS = ("structure", "strain", "growth", "stability", "order", "phase transitions", "kinetics", "beam damage")
_PEOPLE = tuple(
    f"{first}{last}"
    for first in ("Nimmer", "Wölken", "Quarz", "Luft", "Papier", "Probe", "Irgend", "Phantom", "Hügel", "Ersatz")
    for last in ("mann", "berg", "feld", "stein", "bach", "schloss")
)
_KEYWORDS = (
    "XRR", "GID", "liquid", "in situ", "rocking curve", "overnight", "annealing", "reference", "beam damage",
    "thin film", "monolayer", "powder", "high resolution", "low temperature", "vacuum", "helium", "compression",
    "relaxed", "capped", "publication", "repeat", "to be checked", "first batch", "second batch",
    "superlattice", "texture", "diffuse", "anomalous", "resonant", "CTR", "kinetics", "oxidation", "humidity",
    "electric field", "battery", "catalysis",
)  # fmt: skip
_SCANS: tuple[tuple[str, str, float], ...] = (
    ("ascan om {a:.2f} {b:.2f} {n} {t}", "rocking curve of {sample}", 18),
    ("dscan om -{a:.2f} {a:.2f} {n} {t}", "alignment of {sample}, omega", 14),
    ("dscan samz -{a:.1f} {a:.1f} {n} {t}", "alignment of {sample}, height", 14),
    ("a2scan om 0 {b:.2f} tt 0 {c:.2f} {n} {t}", "specular reflectivity of {sample}", 12),
    ("ascan l {a:.2f} {b:.2f} {n} {t}", "crystal truncation rod of {sample}", 9),
    ("dscan tt -{a:.2f} {a:.2f} {n} {t}", "detector alignment", 8),
    ("mesh samx -{a:.1f} {a:.1f} 20 samy -{b:.1f} {b:.1f} 20 {t}", "map of {sample}", 3),
    ("hklscan 0 0 0 0 {a:.2f} {b:.2f} {n} {t}", "reciprocal space of {sample}", 3),
    ("timescan {n} {t}", "kinetics of {sample}", 4),
    ("ct {t}", "one count", 5),
    ("fscan qz={b:.2f} {t}", "grazing incidence diffraction, {sample}", 4),
)
_FLAGS = ("measurement", "alignment", "calibration")
_FLAG_WEIGHTS = (55, 38, 7)
_EXTRA_DETECTORS = ("mca", "pilatus300k", "xspress3", "lambda750k", "camera")


@dataclass(frozen=True, slots=True)
class _Place:
    """What is the same during a whole beamtime."""

    beamtime: Beamtime
    positioners: tuple[tuple[str, float], ...]
    moving: frozenset[str]
    detectors: tuple[str, ...]
    energy: float
    liquid: bool


def documents(scans: int) -> Iterator[Document]:
    """Give the documents of so many scans and of their datasets, beamtime after beamtime."""
    for beamtime, datasets in records(scans):
        for dataset in datasets:
            yield from documents_of(beamtime, dataset)


def beamtime_ids(scans: int) -> list[str]:
    """Give the ids of the beamtimes that so many scans are in."""
    return [str(11030007 + 7 * index) for index in range(len(_sizes(scans)))]


def records(scans: int) -> Iterator[tuple[Beamtime, Iterator[CuratedDataset]]]:
    """Give beamtimes and their datasets, one at a time."""
    sizes = _sizes(scans)
    first, last = DECADE
    for index, (id, size) in enumerate(zip(beamtime_ids(scans), sizes, strict=True)):
        rng = random.Random(f"{SEED} {scans} {index}")
        start = first + (last - first) * ((index + rng.random()) / len(sizes))
        place = _place(id, index, start.replace(microsecond=0), rng)
        yield place.beamtime, _datasets(place, size, rng)


def _sizes(scans: int) -> list[int]:
    """Share scans out among beamtimes: many small ones, a few with thousands; each has one at least."""
    rng = random.Random(f"{SEED} {scans}")
    number = min(scans, max(FEWEST_BEAMTIMES, scans // PER_BEAMTIME))
    weights = [rng.lognormvariate(0.0, 1.0) for _ in range(number)]
    sizes = [1 + int((scans - number) * weight / sum(weights)) for weight in weights]
    sizes[weights.index(max(weights))] += scans - sum(sizes)
    return sizes


def _place(id: str, index: int, start: datetime, rng: random.Random) -> _Place:
    setup = (SIX_CIRCLE, SIX_CIRCLE, LISA, SIX_CIRCLE, TROUGH)[index % 5]
    kept = rng.sample(setup.positioners, rng.randint(20, min(60, len(setup.positioners))))
    beamtime = Beamtime(
        id=id,
        proposal_id=f"{start.year - 1}{1000 + index % 9000:04d}",
        proposal_type=rng.choice(("I", "I", "I", "II", "H")),
        title=f"{rng.choice(SUBJECTS).capitalize()} and {rng.choice(SUBJECTS)} at interfaces, part {index % 4 + 1}",
        beamline="P99",
        setup=setup.name,
        pi=rng.choices(_PEOPLE, weights=_falling(len(_PEOPLE)))[0],
        start=start,
        end=start + timedelta(days=6),
        year=start.year,
    )
    names = [name for name, _ in kept]
    detectors = (setup.detector, *rng.sample(_EXTRA_DETECTORS, rng.randint(0, 3)))
    return _Place(
        beamtime=beamtime,
        positioners=tuple((name, round(value + rng.gauss(0, 0.05), 4)) for name, value in kept),
        moving=frozenset(rng.sample(names, len(names) // 2)) | {"om", "tt", "chi"},
        detectors=detectors,
        energy=float(rng.choice((8048, 12400, 15000, 18000, 18000, 18000, 22000, 25000))) + round(rng.gauss(0, 20), 1),
        liquid=setup is not SIX_CIRCLE,
    )


def _falling(number: int) -> list[float]:
    """Give Zipf's weights."""
    return [1 / place for place in range(1, number + 1)]


def _datasets(place: _Place, size: int, rng: random.Random) -> Iterator[CuratedDataset]:
    """Give a beamtime's datasets: a sample each, which is measured in 5 to 60 scans, then the next one."""
    assert place.beamtime.start is not None
    clock, left, number = place.beamtime.start, size, 0
    samples = _samples(place, max(2, min(60, size // 25)), rng)
    shares = _falling(len(samples))
    while left:
        number += 1
        sample = rng.choices(samples, weights=shares)[0]
        count = min(left, rng.randint(5, 60))
        stem = f"{_stem(sample)}_{number:02d}"
        scans = []
        for serial in range(1, count + 1):
            clock += timedelta(seconds=rng.randint(30, 900))
            scans.append(_scan(place, stem, serial, sample, clock, rng))
        yield _dataset(place, stem, sample, tuple(scans), rng)
        left -= count


def _samples(place: _Place, number: int, rng: random.Random) -> list[str]:
    """Give names of samples; the first ones are used most. One in twelve is the calibration powder."""
    found: dict[str, None] = {}
    while len(found) < number:
        if len(found) % 12 == 6:
            found[f"LaB6 capillary {len(found) // 12 + 1}"] = None
        elif not place.liquid:
            found[f"{rng.choice(FILMS)} {rng.randint(2, 80)} nm on {rng.choice(SUBSTRATES)}"] = None
        elif rng.random() < 0.5:
            found[f"{rng.choice(PARTICLES)} nanoparticles {rng.randint(4, 30)} nm on water"] = None
        else:
            found[f"{rng.choice(LIPIDS)} on water {rng.randint(12, 30)} degC"] = None
    return list(found)


def _stem(sample: str) -> str:
    words = sample.lower().replace("(", "").replace(")", "").replace(" on ", " ").replace(" nm", "nm").split()
    return "_".join(words)


def _scan(place: _Place, stem: str, serial: int, sample: str, started: datetime, rng: random.Random) -> CuratedScan:
    pattern, subject, _ = rng.choices(_SCANS, weights=[weight for _, _, weight in _SCANS])[0]
    text = pattern.format(
        a=rng.uniform(0.1, 2), b=rng.uniform(2, 12), c=rng.uniform(4, 24), n=rng.choice((20, 40, 60, 100, 200, 400)),
        t=rng.choice((0.1, 0.5, 1, 1, 2, 5, 10)),
    )  # fmt: skip
    command = commands.parse(text)
    planned = command.points or 1
    aborted = planned > 1 and rng.random() < 0.05
    state: ScanState = "aborted" if aborted else "complete"
    points = rng.randint(1, planned) if aborted else planned
    name = f"{stem}_{serial:05d}"
    key = f"scan:{place.beamtime.id}/{name}"
    energy = place.energy
    title = None if rng.random() < 0.1 else subject.format(sample=sample)
    path = f"raw/{stem}/{name}.nxs"
    facts = Scan(
        key=key,
        name=name,
        stem=stem,
        beamtime=place.beamtime.id,
        number=serial,
        command=command,
        title=title,
        sample=sample,
        started=started,
        ended=started + timedelta(seconds=points),
        state=state,
        points=points,
        positioners=_positions(place, rng) | {"energy": energy},
        units={"energy": "eV"},
        detectors=tuple(sorted(rng.sample(place.detectors, rng.randint(1, len(place.detectors))))),
        axes=(),
        previews=() if points < 2 else (Preview(name="preview", kind="curve", caption="counts"),),
        files=(DataFile(path=path, size=20_000 + 900 * points, modified=started),),
        source=path,
    )
    return CuratedScan(
        facts=facts,
        flag=rng.choices(_FLAGS, weights=_FLAG_WEIGHTS)[0],
        keywords=_keywords(rng, 3),
        sample=sample,
        title=title,
        dataset=f"dataset:{place.beamtime.id}/{stem}",
        on_disk=_on_disk(started, rng),
        quantities=(_quantity("energy", "eV", energy),),
    )


def _quantity(name: str, unit: str, value: float) -> Quantity:
    return Quantity(name=name, unit=unit, average=value, minimum=value, maximum=value, source=name)


def _positions(place: _Place, rng: random.Random) -> dict[str, float]:
    """Give where positioners stand: some where they always do in the beamtime, others somewhere else each time."""
    return {
        name: round(rng.uniform(-60, 60), 4) if name in place.moving else value for name, value in place.positioners
    }


def _keywords(rng: random.Random, most: int) -> tuple[str, ...]:
    chosen = rng.choices(_KEYWORDS, weights=_falling(len(_KEYWORDS)), k=rng.randint(0, most))
    return tuple(sorted(set(chosen)))


def _on_disk(started: datetime, rng: random.Random) -> OnDisk:
    if started > datetime(2025, 1, 1, tzinfo=UTC):
        return "disk"
    return "tape" if rng.random() < 0.8 else "both"


def _dataset(place: _Place, stem: str, sample: str, scans: Sequence[CuratedScan], rng: random.Random) -> CuratedDataset:
    own = _keywords(rng, 1)
    of_scans = {word for scan in scans for word in scan.keywords}
    facts = Dataset(
        key=f"dataset:{place.beamtime.id}/{stem}",
        slug=stem,
        beamtime=place.beamtime.id,
        title=f"{sample}, {rng.choice(SUBJECTS)}",
        sample=sample,
        samples=(sample,),
        scans=tuple(scan.facts.key for scan in scans),
        started=scans[0].facts.started,
        ended=scans[-1].facts.ended,
        flags=tuple(flag for flag in _FLAGS if any(scan.flag == flag for scan in scans)),
        keywords=tuple(sorted(of_scans | set(own))),
        macros=tuple(sorted({scan.facts.command.macro for scan in scans})),
        detectors=tuple(sorted({name for scan in scans for name in scan.facts.detectors})),
        quantities=scans[0].quantities,
        size=sum(file.size for scan in scans for file in scan.facts.files),
        files=len(scans),
        on_disk=scans[0].on_disk,
        main_scan=scans[0].facts.key,
    )
    return CuratedDataset(facts=facts, scans=tuple(scans))
