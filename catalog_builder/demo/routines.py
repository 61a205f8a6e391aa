"""The scans people do: alignment, reflectivity, rocking curves, rods, maps, series in time, calibration.

Knows how such a scan is usually commanded and what comes out; does not know when or in which file.
"""

from dataclasses import replace

from catalog_builder.demo.physics import (
    Curve,
    Edge,
    GrazingDiffraction,
    Growth,
    Peak,
    Powder,
    ReciprocalMap,
    Reflectivity,
    SampleMap,
    TruncationRod,
)
from catalog_builder.demo.plans import Move, Sample, ScanPlan, Setup


def alignment(stem: str, sample: Sample, setup: Setup, *, offset: float = 0.0) -> tuple[ScanPlan, ...]:
    """Give the scans that bring a solid sample into the beam: height, tilt, zero of the detector."""
    height = 1.482 + offset
    moves = (
        ("dscan", Move(positioner="samz", start=-0.4, stop=0.4, intervals=40, around=height), 2),
        ("dscan", Move(positioner="om", start=-0.15, stop=0.15, intervals=60, around=0.18), 1),
        ("ascan", Move(positioner="tt", start=-0.06, stop=0.06, intervals=48), 2),
        ("dscan", Move(positioner="chi", start=-0.8, stop=0.8, intervals=40, around=0.118), 0),
    )
    curves: tuple[Curve, ...] = (
        Edge(centre=height + 0.031 + offset / 9, width=0.035, height=2.1e5),
        Peak(centre=0.18 + 0.0213 + offset / 20, fwhm=0.041, height=8.8e4, mixing=0.3),
        Peak(centre=0.0017, fwhm=0.0192, height=9.4e5, mixing=0.12, background=4.0),
        Peak(centre=0.118 - 0.092, fwhm=0.62, height=4.2e4, mixing=0.1, background=60.0),
    )
    return tuple(
        ScanPlan(stem=stem, sample=sample, setup=setup, title=f"Alignment of {sample.name}", macro=macro,
                 moves=(move,), exposure=0.2, curve=curve, attenuator=attenuator)
        for (macro, move, attenuator), curve in zip(moves, curves, strict=True)
    )  # fmt: skip


def liquid_alignment(stem: str, sample: Sample, setup: Setup) -> tuple[ScanPlan, ...]:
    """Give the scans that find a liquid's surface."""
    title = f"Surface height, {sample.name}"
    height = Move(positioner="samz", start=-0.25, stop=0.25, intervals=50, around=-0.0377)
    return (
        ScanPlan(stem=stem, sample=sample, setup=setup, title=title, macro="dscan", moves=(height,), exposure=0.5,
                 curve=Peak(centre=-0.0219, fwhm=0.066, height=6.5e4, mixing=0.15), attenuator=1),
        ScanPlan(stem=stem, sample=sample, setup=setup, title=title, macro="dscan", exposure=0.5, attenuator=1,
                 moves=(Move(positioner="samx", start=-6.0, stop=6.0, intervals=48, around=27.0),),
                 curve=Peak(centre=26.7, fwhm=4.4, height=3.1e4, mixing=0.05, background=150.0)),
    )  # fmt: skip


def reflectivity(
    stem: str, sample: Sample, setup: Setup, *, stop: float = 5.0, intervals: int = 320, exposure: float = 1.0
) -> ScanPlan:
    """Give a specular reflectivity of a solid over two theta, up to ``stop`` degrees."""
    omega = Move(positioner="om", start=0.02, stop=stop / 2, intervals=intervals)
    detector = Move(positioner="tt", start=0.04, stop=stop, intervals=intervals)
    curve = Reflectivity(sample.layers, setup.energy)
    return ScanPlan(stem=stem, sample=sample, setup=setup, title=f"X-ray reflectivity of {sample.name}",
                    macro="a2scan", moves=(detector, omega), exposure=exposure, curve=curve, wide=True,
                    scanmode="measurement")  # fmt: skip


def liquid_reflectivity(stem: str, sample: Sample, setup: Setup, *, stop: float = 0.65) -> ScanPlan:
    """Give a specular reflectivity of a liquid surface over q in 1/Å."""
    moves = (Move(positioner="qz", start=0.012, stop=stop, intervals=160),)
    curve = Reflectivity(sample.layers, setup.energy, quantity="q", length=60.0, beam=0.1)
    return ScanPlan(stem=stem, sample=sample, setup=setup, title=f"XRR, {sample.name}", macro="ascan", moves=moves,
                    exposure=2.0, curve=curve, wide=True, scanmode="measurement")  # fmt: skip


def rocking(stem: str, sample: Sample, setup: Setup, *, omega: float, fwhm: float, height: float) -> ScanPlan:
    """Give a rocking curve around a Bragg angle in degrees."""
    moves = (Move(positioner="om", start=-9 * fwhm, stop=9 * fwhm, intervals=90, around=omega),)
    curve = Peak(centre=omega + 0.17 * fwhm, fwhm=fwhm, height=height, mixing=0.55, shoulder=0.06)
    return ScanPlan(stem=stem, sample=sample, setup=setup, title=f"Rocking curve, {sample.name}", macro="dscan",
                    moves=moves, exposure=1.0, curve=curve, scanmode="measurement")  # fmt: skip


def rod(
    stem: str, sample: Sample, setup: Setup, *, hk: tuple[int, int] = (0, 0), cells: int = 30, spacing: float = 0.985,
    intervals: int = 400,
) -> ScanPlan:  # fmt: skip
    """Give a crystal truncation rod through two or three Bragg peaks."""
    h, k = hk
    first, last = (0.6, 3.4) if hk == (0, 0) else (0.3, 2.7)
    moves = (
        Move(positioner="h", start=h, stop=h, intervals=intervals),
        Move(positioner="k", start=k, stop=k, intervals=intervals),
        Move(positioner="l", start=first, stop=last, intervals=intervals),
    )
    curve = TruncationRod(cells, spacing, scale=2.5e4 if hk == (0, 0) else 6e3)
    return ScanPlan(stem=stem, sample=sample, setup=setup, title=f"CTR ({h}{k}L), {sample.name}", macro="hklscan",
                    moves=moves, exposure=1.0, curve=curve, wide=True, scanmode="measurement")  # fmt: skip


def reciprocal_map(stem: str, sample: Sample, setup: Setup, *, omega: float = 10.16, strain: float = -0.18) -> ScanPlan:
    """Give a mesh over omega and two theta around the (002) of the substrate."""
    moves = (
        Move(positioner="om", start=omega - 0.34, stop=omega + 0.16, intervals=19),
        Move(positioner="tt", start=2 * omega - 0.62, stop=2 * omega + 0.26, intervals=19),
    )
    curve = ReciprocalMap(omega, 2 * omega, strain=strain)
    return ScanPlan(stem=stem, sample=sample, setup=setup, title=f"Reciprocal space map 002, {sample.name}",
                    macro="mesh", moves=moves, exposure=0.5, curve=curve, scanmode="measurement")  # fmt: skip


def sample_map(stem: str, sample: Sample, setup: Setup) -> ScanPlan:
    """Give a mesh over the sample's surface."""
    moves = (
        Move(positioner="samx", start=-3.8, stop=3.8, intervals=19),
        Move(positioner="samy", start=-3.8, stop=3.8, intervals=18),
    )
    return ScanPlan(stem=stem, sample=sample, setup=setup, title=f"Map of {sample.name}", macro="mesh", moves=moves,
                    exposure=0.2, curve=SampleMap())  # fmt: skip


def powder(stem: str, sample: Sample, setup: Setup, *, intervals: int = 400) -> ScanPlan:
    """Give a powder pattern over two theta."""
    moves = (Move(positioner="tt", start=8.0, stop=28.0, intervals=intervals),)
    return ScanPlan(stem=stem, sample=sample, setup=setup, title="Detector calibration with LaB6", macro="ascan",
                    moves=moves, exposure=0.5, curve=Powder(setup.energy), pattern="rings")  # fmt: skip


def grazing(
    stem: str, sample: Sample, setup: Setup, *, peaks: tuple[tuple[float, float, float], ...],
    span: tuple[float, float],
) -> ScanPlan:  # fmt: skip
    """Give an in-plane scan of the detector arm at grazing incidence."""
    moves = (Move(positioner="gid_det_tth", start=span[0], stop=span[1], intervals=140),)
    return ScanPlan(stem=stem, sample=sample, setup=setup, title=f"GID, {sample.name}", macro="ascan", moves=moves,
                    exposure=5.0, curve=GrazingDiffraction(peaks), scanmode="measurement", pattern="rods")  # fmt: skip


def compression(stem: str, sample: Sample, setup: Setup, *, pressure: float) -> ScanPlan:
    """Give a series in time while a Langmuir film is compressed to ``pressure`` mN/m."""
    span = 181 * 10.2
    curve = Growth(onset=0.47 * span, duration=(0.1 + 0.003 * pressure) * span, height=190.0 * pressure)
    return ScanPlan(stem=stem, sample=sample, setup=setup, title=f"Compression of {sample.name}", macro="timescan",
                    intervals=180, exposure=10.0, curve=curve, pressure=pressure,
                    scanmode="measurement", pattern="rods")  # fmt: skip


def series(
    stem: str, sample: Sample, setup: Setup, *, intervals: int = 30, exposure: float = 15.0, fading: float = 6.0
) -> ScanPlan:
    """Give a series of exposures in one place: a scan of the dummy positioner; the signal fades in the beam."""
    moves = (Move(positioner="dummymot", start=-1.0, stop=1.0, intervals=intervals),)
    span = (intervals + 1) * exposure
    curve = Growth(onset=0.3 * span, duration=0.2 * span, height=14000.0, fading=fading * span, background=2400.0)
    pressure = 30.0 if setup.trough else None
    title = f"{'Time series' if setup.detector == 'p100k' else 'GIXS in one shot'}, {sample.name}"
    return ScanPlan(stem=stem, sample=sample, setup=setup, title=title, macro="dscan",
                    moves=moves, exposure=exposure, curve=curve, scanmode="measurement", pattern="rods",
                    pressure=pressure)  # fmt: skip


def warmer(plan: ScanPlan, temperature: float) -> ScanPlan:
    """Give the same scan at another temperature, °C."""
    return replace(plan, temperature=temperature)
