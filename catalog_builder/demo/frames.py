"""Detector images of the demo: a spot, rods or rings over a little background, with their bad pixels.

Knows how a pattern falls on pixels; does not know formats.
"""

from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from catalog_builder.demo.measured import Measured
from catalog_builder.demo.physics import Floats

Counts = NDArray[np.int64]

BRIGHTEST = 3.0e5
"""Counts that one frame's pattern sums up to at most."""
BACKGROUND = 0.015
"""Counts a pixel."""


def frame_count(scan: Measured) -> int:
    """Give how many frames were taken; 0 where the scan has no images."""
    if not scan.plan.images:
        return 0
    return scan.plan.frames or scan.points


def frames(scan: Measured, shape: tuple[int, int], rng: np.random.Generator) -> list[Counts]:
    """Give the counts of every frame, each of the given shape (rows, columns)."""
    number = frame_count(scan)
    firsts = np.searchsorted(scan.columns[f"{scan.plan.setup.detector}_index"], np.arange(number))
    exposed = scan.rate[np.minimum(firsts, scan.points - 1)] * scan.plan.exposure
    if scan.plan.pattern == "rings":  # they lie on the detector wherever the point detector looks
        exposed = np.full(number, 4 * scan.rate.max() * scan.plan.exposure)
    pattern = _pattern(scan.plan.pattern, shape)
    return [rng.poisson(np.minimum(counts, BRIGHTEST) * pattern + BACKGROUND) for counts in exposed.tolist()]


def dead_pixels(shape: tuple[int, int], seed: int, number: int = 24) -> NDArray[np.bool_]:
    """Give a mask of the pixels a detector has lost; the same ones for the same seed."""
    rng = np.random.default_rng(seed)
    mask = np.zeros(shape, dtype=bool)
    mask[rng.integers(0, shape[0], number), rng.integers(0, shape[1], number)] = True
    return mask


@cache
def _pattern(kind: Literal["spot", "rods", "rings"], shape: tuple[int, int]) -> Floats:
    """Give where the counts of a frame fall, shape (rows, columns), summing up to 1."""
    y, x = np.mgrid[0.0 : shape[0], 0.0 : shape[1]]
    pattern = {"spot": _spot, "rods": _rods, "rings": _rings}[kind](x / shape[1], y / shape[0])
    return np.asarray(pattern / pattern.sum(), dtype=np.float64)


def _spot(x: Floats, y: Floats) -> Floats:
    """A specular spot with its diffuse streak."""
    spot = np.exp(-(((x - 0.47) / 0.011) ** 2) - ((y - 0.51) / 0.022) ** 2)
    streak = 0.004 * np.exp(-(((x - 0.47) / 0.014) ** 2) - np.abs(y - 0.51) / 0.18)
    return np.asarray(spot + streak, dtype=np.float64)


def _rods(x: Floats, y: Floats) -> Floats:
    """Bragg rods at grazing incidence over the sample's horizon, brightest at the critical angle."""
    above = y < 0.86
    height = np.clip(0.86 - y, 0, None)
    total = 0.05 * np.exp(-height / 0.25) * np.exp(-x / 0.5)
    for place, width, strength, lifted in ((0.31, 0.006, 0.7, 0.17), (0.44, 0.005, 1.6, 0.0), (0.78, 0.009, 0.2, 0.22)):
        rod = np.exp(-(((height - lifted) / 0.13) ** 2)) + 0.5 * np.exp(-(((height - 0.025) / 0.012) ** 2))
        total = total + strength * rod * np.exp(-(((x - place) / width) ** 2))
    return np.asarray(np.where(above, total, 2e-4), dtype=np.float64)


def _rings(x: Floats, y: Floats) -> Floats:
    """Parts of Debye-Scherrer rings around a beam that passes below the detector."""
    radius = np.hypot(x + 0.35, 0.55 * (y - 0.5))
    total = 0.02 * np.exp(-radius)
    for place, strength in (
        (0.46, 0.55),
        (0.65, 1.0),
        (0.80, 0.44),
        (0.92, 0.25),
        (1.03, 0.45),
        (1.13, 0.25),
        (1.3, 0.2),
    ):
        total = total + strength * np.exp(-(((radius - place) / 0.006) ** 2))
    return np.asarray(total, dtype=np.float64)
