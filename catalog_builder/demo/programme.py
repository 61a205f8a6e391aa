"""The four beamtimes of the demo: who measured what in which night.

Knows the story; does not know numbers, formats or folders.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from catalog_builder.demo import routines as do
from catalog_builder.demo import setups as at
from catalog_builder.demo.plans import BeamtimePlan, Move, Sample, ScanPlan

Night = tuple[datetime, tuple[ScanPlan, ...]]


def programme() -> tuple[BeamtimePlan, ...]:
    """Give the beamtimes, oldest first."""
    return (_oxide_films(), _superlattices(), _particles(), _monolayers())


def _numbered(nights: Iterable[Night]) -> tuple[Night, ...]:
    """Number the scans of each stem from 1, in order of time; a number already given stays."""
    last: Counter[str] = Counter()
    done: list[Night] = []
    for begin, plans in nights:
        row: list[ScanPlan] = []
        for plan in plans:
            number = plan.number or last[f"{plan.folder}/{plan.stem}"] + 1
            last[f"{plan.folder}/{plan.stem}"] = number
            row.append(replace(plan, number=number))
        done.append((begin, tuple(row)))
    return tuple(done)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _oxide_films() -> BeamtimePlan:
    nights = (
        (_time("2023-06-14T21:38:00"), _first_film("lsmo12", at.LSMO_THIN)),
        (_time("2023-06-15T20:51:00"), _second_film("lsmo24", at.LSMO_THICK)),
        (_time("2023-06-16T22:07:00"), _bare_and_hot()),
    )
    return BeamtimePlan(
        id="11018801", proposal_id="20230418", proposal_type="I",
        title="Strain and interface structure of manganite films on SrTiO3",
        setup="Kohzu 6-circle", pi="Quarzfeld", applicant="Mustermensch",
        institute="Institute of Invented Materials", contact="Beispielsson",
        start=_time("2023-06-14T08:00:00"), end=_time("2023-06-18T08:00:00"),
        sessions=_numbered(nights),
    )  # fmt: skip


def _first_film(stem: str, sample: Sample) -> tuple[ScanPlan, ...]:
    circle = at.SIX_CIRCLE
    rocking = do.rocking(stem, sample, circle, omega=10.16, fwhm=0.021, height=6.1e4)
    return (
        *do.alignment(stem, sample, circle),
        replace(do.reflectivity(stem, sample, circle), images="cbf", frames=9),
        replace(rocking, measured=37),
        rocking,
        do.sample_map(stem, sample, circle),
        do.reciprocal_map(stem, sample, circle),
        do.rod(stem, sample, circle, cells=31, spacing=0.984),
        do.rod(stem, sample, circle, hk=(1, 0), cells=31, spacing=0.984),
    )


def _second_film(stem: str, sample: Sample) -> tuple[ScanPlan, ...]:
    circle = at.SIX_CIRCLE
    calibration = replace(do.powder("lab6", at.LAB6, circle), images="tif", frames=3)
    return (
        calibration,
        do.powder("lab6", at.LAB6, circle, intervals=200),
        *do.alignment(stem, sample, circle, offset=0.07),
        do.reflectivity(stem, sample, circle, stop=4.4, intervals=400),
        do.rocking(stem, sample, circle, omega=10.16, fwhm=0.034, height=8.4e4),
        do.rod(stem, sample, circle, cells=61, spacing=0.987),
        do.reciprocal_map(stem, sample, circle, strain=-0.13),
        do.sample_map(stem, sample, circle),
    )


def _bare_and_hot() -> tuple[ScanPlan, ...]:
    circle, thin = at.SIX_CIRCLE, at.LSMO_THIN
    hot = (
        do.warmer(
            do.rocking("lsmo12_heating", thin, circle, omega=10.16 - 2.1e-4 * (t - 22), fwhm=0.021, height=6e4), t
        )
        for t in (22.0, 120.0, 240.0, 360.0, 480.0)
    )
    bare = (
        *do.alignment("sto_bare", at.STO_BARE, circle, offset=-0.05),
        do.reflectivity("sto_bare", at.STO_BARE, circle, intervals=250),
        replace(do.rocking("sto_bare", at.STO_BARE, circle, omega=10.16, fwhm=0.008, height=3.2e5), frames=31,
                images="cbf", moves=(replace(_short(), around=10.16),)),
        do.rod("sto_bare", at.STO_BARE, circle, cells=0, spacing=1.0, intervals=300),
    )  # fmt: skip
    return (*(replace(plan, folder="night3") for plan in bare), *hot)


def _short() -> Move:
    return Move(positioner="om", start=-0.03, stop=0.03, intervals=30)


def _superlattices() -> BeamtimePlan:
    nights = (
        (_time("2024-04-23T20:12:00"), _spec_night("sro_film.spec", at.SRO_FILM, cells=20, spacing=1.011)),
        (_time("2024-04-24T21:45:00"), _spec_night("nio_mgo.dat", at.NIO_FILM, cells=36, spacing=0.991)),
        (_time("2024-04-25T22:30:00"), _fio_night()),
    )
    return BeamtimePlan(
        id="11019947", proposal_id="20231176", proposal_type="II",
        title="Interface roughness in oxide superlattices during annealing",
        setup="Kohzu 6-circle, furnace", pi="Fantasov\u00e1", applicant="Erfundsen",
        institute="University of Nowhere", contact="Beispielsson",
        start=_time("2024-04-22T08:00:00"), end=_time("2024-04-26T08:00:00"),
        sessions=_numbered(nights), dashed=True,
    )  # fmt: skip


def _spec_night(stem: str, sample: Sample, *, cells: int, spacing: float) -> tuple[ScanPlan, ...]:
    """A file of SPEC scans: one number used twice, one scan aborted."""
    circle = at.SIX_CIRCLE
    rocking = do.rocking(stem, sample, circle, omega=10.16, fwhm=0.027, height=4.7e4)
    plans = (
        *do.alignment(stem, sample, circle),
        do.reflectivity(stem, sample, circle, stop=4.0, intervals=240),
        replace(rocking, number=6, measured=22),
        replace(rocking, number=6),
        replace(do.rod(stem, sample, circle, cells=cells, spacing=spacing), number=7),
        do.rod(stem, sample, circle, hk=(1, 0), cells=cells, spacing=spacing, intervals=240),
        *(do.warmer(do.reflectivity(stem, sample, circle, stop=3.2, intervals=160), t) for t in (150.0, 300.0, 450.0)),
        do.reciprocal_map(stem, sample, circle, strain=0.12),
        *do.alignment(stem, sample, circle, offset=0.02),
        rocking,
    )
    return tuple(replace(plan, forms=("spec",)) for plan in plans)


def _fio_night() -> tuple[ScanPlan, ...]:
    circle = at.SIX_CIRCLE
    return (
        *do.alignment("sro_anneal", at.SRO_FILM, circle),
        replace(do.reflectivity("sro_anneal", at.SRO_FILM, circle, stop=4.0, intervals=240), images="tif", frames=3),
        *(
            do.warmer(do.series("sro_anneal", at.SRO_FILM, circle, intervals=60, exposure=4.0), t)
            for t in (450.0, 620.0)
        ),
        do.powder("lab6", at.LAB6, circle),
    )


def _particles() -> BeamtimePlan:
    nights = (
        (_time("2025-09-11T21:03:00"), _water_and_gold()),
        (_time("2025-09-12T20:40:00"), _iron_oxide()),
    )
    return BeamtimePlan(
        id="11022316", proposal_id="20240931", proposal_type="I",
        title="Nanoparticle monolayers at the water surface",
        setup="Liquid diffractometer (LISA)", pi="Wolkenstein-Probst", applicant="Testberg",
        institute="Academy of Imaginary Sciences", contact="Musterova",
        start=_time("2025-09-11T08:00:00"), end=_time("2025-09-14T08:00:00"),
        sessions=_numbered(nights),
    )  # fmt: skip


_GOLD_PEAKS = ((0.262, 0.021, 5200.0), (0.454, 0.028, 760.0), (0.525, 0.03, 410.0))
_IRON_PEAKS = ((0.197, 0.026, 3100.0), (0.342, 0.034, 390.0), (0.395, 0.038, 200.0))


def _water_and_gold() -> tuple[ScanPlan, ...]:
    lisa, gold = at.LISA, at.GOLD_FILM
    both = do.liquid_reflectivity("water", at.WATER, lisa)
    lambda_series = replace(do.series("aunp", gold, lisa), images="lambda")
    return tuple(
        plan if plan.forms != ("fio",) else replace(plan, forms=("nexus",))
        for plan in (
            *do.liquid_alignment("water", at.WATER, lisa),
            replace(both, forms=("fio", "nexus")),
            do.powder("lab6", at.LAB6, lisa, intervals=300),
            *do.liquid_alignment("aunp", gold, lisa),
            do.liquid_reflectivity("aunp", gold, lisa, stop=0.7),
            replace(do.grazing("aunp", gold, lisa, peaks=_GOLD_PEAKS, span=(0.12, 0.7)), images="lambda", frames=12),
            lambda_series,
            replace(do.liquid_reflectivity("aunp", gold, lisa), measured=58),
            do.liquid_reflectivity("aunp", gold, lisa, stop=0.7),
            replace(do.series("aunp", gold, lisa), images="lambda", frames=10),
            do.compression("aunp", gold, lisa, pressure=18.0),
        )
    )


def _iron_oxide() -> tuple[ScanPlan, ...]:
    lisa, iron = at.LISA, at.IRON_OXIDE
    many = do.liquid_alignment("fenp_overview", iron, lisa)
    plans = (
        *do.liquid_alignment("fenp", iron, lisa),
        *(do.warmer(do.liquid_reflectivity("fenp", iron, lisa, stop=0.6), t) for t in (16.0, 20.0, 24.0, 28.0)),
        replace(do.grazing("fenp", iron, lisa, peaks=_IRON_PEAKS, span=(0.1, 0.6)), images="lambda", frames=10),
        *(do.warmer(do.grazing("fenp", iron, lisa, peaks=_IRON_PEAKS, span=(0.1, 0.6)), t) for t in (20.0, 24.0, 28.0)),
        replace(many[0], number=1, entry="height"),
        replace(many[1], number=1, entry="lateral"),
        replace(do.series("fenp", iron, lisa), images="lambda", frames=8),
        replace(do.series("fenp", iron, lisa, fading=1.5), images="lambda", lost_images=True),
        do.compression("fenp", iron, lisa, pressure=22.0),
        replace(do.liquid_reflectivity("fenp", iron, lisa), truncated=True),
    )
    return tuple(replace(plan, forms=("nexus",)) for plan in plans)


def _monolayers() -> BeamtimePlan:
    nights = (
        (_time("2026-10-06T19:22:00"), _lipid("dspc_20degc", at.DSPC, 20.0)),
        (_time("2026-10-07T20:35:00"), _lipid("arachidic_cd", at.ARACHIDIC, 20.0)),
        (_time("2026-10-08T18:48:00"), (*_lipid("dspc_peptide", at.PEPTIDE, 22.0), _crashed())),
    )
    return BeamtimePlan(
        id="11026540", proposal_id="20260227", proposal_type="I",
        title="Structure of lipid monolayers under compression",
        setup="Langmuir trough GID setup (fixed incident liquid surface)", pi="Luftschloss",
        applicant="Nimmermehr", institute="Institute of Invented Materials", contact="Musterova",
        start=_time("2026-10-06T09:00:00"), end=_time("2026-10-09T09:00:00"),
        sessions=_numbered(nights),
        grouping=(
            "__command__ start dspc_compression",
            "dspc_20degc_00004",
            "dspc_20degc_00005",
            "dspc_20degc_00006",
            "__command__ stop",
            "__command__ start cadmium_gid",
            "arachidic_cd_00007",
            "arachidic_cd_00008",
            "__command__ stop",
            "detector_calibration:lab6_00001",
        ),
    )  # fmt: skip


_CHAINS = {
    "dspc_20degc": ((14.1, 0.42, 900.0), (15.6, 0.3, 2600.0), (21.8, 0.7, 130.0)),
    "arachidic_cd": ((13.2, 0.12, 640.0), (16.4, 0.16, 4100.0), (17.9, 0.2, 1500.0), (21.1, 0.2, 420.0)),
    "dspc_peptide": ((14.6, 0.9, 380.0), (15.7, 0.62, 900.0)),
}
"""In-plane peaks of the chains: centre and width in degrees, counts a second."""


def _lipid(stem: str, sample: Sample, temperature: float) -> tuple[ScanPlan, ...]:
    trough = at.TROUGH
    shot = replace(do.series(stem, sample, trough), images="eiger")
    chains = _CHAINS[stem]
    plans = (
        do.powder("lab6", at.LAB6, trough),
        *do.liquid_alignment(stem, sample, trough),
        do.liquid_reflectivity(stem, sample, trough, stop=0.4),
        *(do.compression(stem, sample, trough, pressure=p) for p in (10.0, 30.0)),
        do.liquid_reflectivity(stem, sample, trough),
        do.grazing(stem, sample, trough, peaks=chains, span=(12.0, 24.0)),
        do.grazing(stem, sample, trough, peaks=chains[1:], span=(12.0, 24.0)),
        shot,
        replace(do.series(stem, sample, trough, fading=0.7), measured=17),
        replace(shot, frames=6),
        do.liquid_reflectivity(stem, sample, trough, stop=0.7),
    )
    return tuple(do.warmer(plan, temperature) for plan in plans)


def _crashed() -> ScanPlan:
    chains = _CHAINS["dspc_peptide"]
    return replace(do.grazing("dspc_peptide", at.PEPTIDE, at.TROUGH, peaks=chains, span=(12.0, 24.0)), truncated=True)
