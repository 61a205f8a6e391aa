"""A scan carried out: counts with their noise, monitors, clocks, column by column.

Knows how a plan becomes numbers; does not know in which format they are written.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from catalog_builder.demo.physics import Floats, ring_current, surface_pressure
from catalog_builder.demo.plans import ScanPlan

COUNT_LIMIT = 3.0e5
"""Counts a second at which another attenuator goes in."""

UNITS = {
    "counting_time": "s", "petra_beamcurrent": "mA", "beckhoff_temp1": "degC", "trough_pressure": "mN/m",
    "trough_area": "mm^2", "epoch": "s", "timestamp": "s", "energyfmb": "eV", "gap": "mm", "dcm_bragg": "deg",
    "om": "deg", "tt": "deg", "chi": "deg", "phis": "deg", "phic": "deg", "chis": "deg", "oma": "deg", "tta": "deg",
    "alpha": "deg", "beta": "deg", "gid_det_tth": "deg", "samx": "mm", "samy": "mm", "samz": "mm", "qz": "1/angstrom",
}  # fmt: skip
"""Of positioners and channels by name, where a format has a place for units."""

ANGLES = frozenset(name for name, unit in UNITS.items() if unit == "deg")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What was recorded."""

    plan: ScanPlan
    started: datetime
    ended: datetime
    columns: Mapping[str, Floats]
    """In the order they are written; each of shape (points,)."""
    positioners: Mapping[str, float]
    """Where everything stood when the scan began."""
    signal: str
    """Name of the column the scan was made for."""
    rate: Floats
    """Expected counts a second behind the attenuators, shape (points,)."""

    @property
    def points(self) -> int:
        return int(self.rate.size)

    def unit(self, name: str) -> str | None:
        """Give the unit of a column or positioner, where it has one."""
        if name.endswith(("_roi1", "_roi2", "_roi3", "_max", "_roi1_corr")):
            return "counts"
        return UNITS.get(name)


def measure(plan: ScanPlan, started: datetime, rng: np.random.Generator) -> Measured:
    """Carry a scan out, from ``started`` (UTC) on; the same generator state gives the same numbers."""
    points = plan.points if plan.measured is None else plan.measured
    axes = tuple(axis[:points] for axis in plan.axes())
    elapsed = _clock(plan, points, rng)
    rate = plan.curve.rate(axes, elapsed)
    current = ring_current(started.timestamp() + elapsed)
    columns = _scanned(plan, axes, rng) | {"counting_time": np.full(points, plan.exposure)}
    columns |= _counted(plan, rate * current / 120.0, rng)
    columns |= _monitors(plan, current, elapsed, rng)
    columns |= {"epoch": started.timestamp() + elapsed, "timestamp": elapsed}
    ended = started + timedelta(seconds=float(elapsed[-1]) + 1.7 if points else 2.0)
    roi = f"{plan.setup.detector}_roi1"
    return Measured(
        plan=plan,
        started=started.astimezone(UTC),
        ended=ended.astimezone(UTC).replace(microsecond=0),
        columns=columns,
        positioners=_positioners(plan, axes, rng),
        signal=f"{roi}_corr" if plan.wide else roi,
        rate=rate * 10.0 ** -columns["atten_position"],
    )


def _clock(plan: ScanPlan, points: int, rng: np.random.Generator) -> Floats:
    """Seconds from the start to the end of each point; positioners take their time between two points."""
    moving = 0.06 if not plan.moves else 0.35
    steps = plan.exposure + moving + rng.gamma(4.0, 0.02, points)
    return np.asarray(np.round(2.1 + np.cumsum(steps), 6), dtype=np.float64)


def _scanned(plan: ScanPlan, axes: tuple[Floats, ...], rng: np.random.Generator) -> dict[str, Floats]:
    """Positions as the encoders read them; calculated ones and the dummy stand where they were sent."""
    columns: dict[str, Floats] = {}
    for move, axis in zip(plan.moves, axes, strict=True):
        jitter = rng.normal(0, 2e-5, axis.size) if move.positioner in ANGLES and "mesh" not in plan.macro else 0.0
        columns[move.positioner] = np.round(axis + jitter, 6)
    if plan.macro == "hklscan":
        columns["tt"] = np.round(6.2 * np.sqrt(sum((axis**2 for axis in axes), np.zeros(axes[0].size))) * 1.63, 5)
    return columns


def _counted(plan: ScanPlan, rate: Floats, rng: np.random.Generator) -> dict[str, Floats]:
    """Sums over the regions of interest, as counted behind the attenuators, and set right for them."""
    decades = np.full(rate.size, float(plan.attenuator))
    if plan.wide:
        decades = np.maximum(np.ceil(np.log10(np.maximum(rate / COUNT_LIMIT, 1e-12))), 0.0)
    expected = rate * plan.exposure * 10.0**-decades
    counts = rng.poisson(expected).astype(np.float64)
    detector = plan.setup.detector
    columns = {
        f"{detector}_max": np.floor(counts * rng.uniform(0.08, 0.12, counts.size))
        + rng.poisson(2.0, counts.size).astype(np.float64),
        f"{detector}_roi1": counts,
        f"{detector}_roi2": counts + rng.poisson(0.04 * expected + 9.0 * plan.exposure).astype(np.float64),
        f"{detector}_roi3": rng.poisson(0.004 * expected + 4.0 * plan.exposure).astype(np.float64),
    }
    if plan.wide:
        columns[f"{detector}_roi1_corr"] = counts * 10.0**decades
    columns[f"{detector}_index"] = _frame_of(plan, rate.size)
    columns["atten_position"] = decades
    return columns


def _frame_of(plan: ScanPlan, points: int) -> Floats:
    """Number of the frame a point's counts went into; with fewer frames than points a frame holds several."""
    each = 1 if plan.frames == 0 else max(1, -(-plan.points // plan.frames))
    return np.asarray(np.arange(points) // each, dtype=np.float64)


def _monitors(plan: ScanPlan, current: Floats, elapsed: Floats, rng: np.random.Generator) -> dict[str, Floats]:
    points = current.size
    columns = {
        "exp_vfc02": np.round(25700 * current * plan.exposure * rng.normal(1, 0.0015, points), 1),
        "petra_beamcurrent": np.round(current + rng.normal(0, 0.01, points), 5),
        "ion_bl": np.round(880 * current * plan.exposure * rng.normal(1, 0.002, points)),
    }
    if plan.pressure is not None:
        span = plan.points * (plan.exposure + 0.2)
        pressure = surface_pressure(elapsed, 0.45 * span, 0.16 * span, plan.pressure)
        area = 52000 - 31000 * np.clip(elapsed / (0.75 * span), 0, 1)
        columns["trough_area"] = np.round(area + rng.normal(0, 0.8, points), 3)
        columns["trough_pressure"] = np.round(pressure + rng.normal(0, 0.03, points), 4)
    drift = 0.12 * np.sin(elapsed / 400) + rng.normal(0, 0.02, points)
    columns["beckhoff_temp1"] = np.round(plan.temperature + drift, 2)
    return columns


def _positioners(plan: ScanPlan, axes: tuple[Floats, ...], rng: np.random.Generator) -> dict[str, float]:
    stands = dict(plan.setup.positioners)
    stands["energyfmb"] = round(plan.setup.energy + float(rng.normal(0, 0.15)), 4)
    for move in plan.moves:
        if plan.macro != "hklscan":
            stands[move.positioner] = round(move.around if plan.relative else move.positions[0], 6)
    if plan.pressure is not None:
        stands["trough_p"] = plan.pressure
    stands["atten"] = float(plan.attenuator)
    return dict(sorted(stands.items()))
