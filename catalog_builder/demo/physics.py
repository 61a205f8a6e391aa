"""What a sample gives at a diffractometer: expected count rates over the scanned positions.

Knows layers, lattices, peaks and the storage ring's current; does not know files, detectors or scans.
"""

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ELECTRON_RADIUS = 2.8179e-5
"""Classical electron radius, Å."""
HC = 12398.42
"""Planck's constant times the speed of light, eV Å."""
FLUX = 2.0e10
"""Photons a second in the primary beam."""
TOP_UP_PERIOD = 270.0
"""Seconds between two injections into the ring."""


class Curve(Protocol):
    """A count rate that depends on where the positioners stand and on the time since the scan began."""

    def rate(self, axes: tuple[Floats, ...], elapsed: Floats) -> Floats:
        """Give counts a second, shape (points,); ``axes`` are absolute positions, ``elapsed`` is in seconds."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A slab of a sample, from the top down."""

    density: float
    """Electrons per cubic Å."""
    thickness: float
    """Å; of no meaning for the substrate."""
    roughness: float
    """Of its upper face, Å."""
    absorption: float = 0.02
    """Imaginary part of the refractive index over the real one's decrement."""


def wavelength(energy: float) -> float:
    """Give the wavelength in Å of an energy in eV."""
    return HC / energy


def parratt(layers: tuple[Layer, ...], q: Floats, energy: float) -> Floats:
    """Give the reflectivity over the momentum transfer ``q`` (1/Å), between 0 and 1.

    Parratt's recursion with Nevot-Croce roughness; the last layer is the substrate.
    """
    k = 2 * np.pi / wavelength(energy)
    sine_squared = (q / (2 * k)) ** 2
    kz: list[NDArray[np.complex128]] = [np.asarray(q / 2, dtype=np.complex128)]
    for layer in layers:
        delta = ELECTRON_RADIUS * wavelength(energy) ** 2 * layer.density / (2 * np.pi)
        kz.append(k * np.sqrt(sine_squared - 2 * delta * (1 - 1j * layer.absorption)))
    amplitude = np.zeros_like(kz[0])
    for index in range(len(layers) - 1, -1, -1):
        above, below, layer = kz[index], kz[index + 1], layers[index]
        fresnel = (above - below) / (above + below) * np.exp(-2 * above * below * layer.roughness**2)
        phase = amplitude * np.exp(2j * below * layer.thickness) if index < len(layers) - 1 else 0.0
        amplitude = (fresnel + phase) / (1 + fresnel * phase)
    return np.asarray(np.abs(amplitude) ** 2, dtype=np.float64)


def pseudo_voigt(x: Floats, centre: float, fwhm: float, mixing: float = 0.5) -> Floats:
    """Give a peak of height 1; ``mixing`` is its Lorentzian part."""
    scaled = 2 * (x - centre) / fwhm
    gauss = np.exp(-np.log(2) * scaled**2)
    return np.asarray(mixing / (1 + scaled**2) + (1 - mixing) * gauss, dtype=np.float64)


def smooth_step(x: Floats) -> Floats:
    """Give a step from 0 to 1 around 0, over about two units of ``x``."""
    return np.asarray(0.5 * (1 + np.tanh(x)), dtype=np.float64)


def ring_current(unix_time: Floats) -> Floats:
    """Give the storage ring's current in mA: it decays and is topped up."""
    return np.asarray(120.6 - 1.1 * np.mod(unix_time, TOP_UP_PERIOD) / TOP_UP_PERIOD, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Reflectivity:
    """Specular reflectivity with footprint, resolution and background."""

    layers: tuple[Layer, ...]
    energy: float
    axis: int = 0
    """Which of the scanned positions is the angle."""
    quantity: Literal["two theta", "q"] = "two theta"
    length: float = 10.0
    """Of the sample along the beam, mm."""
    beam: float = 0.02
    """Height of the beam, mm."""

    def rate(self, axes: tuple[Floats, ...], elapsed: Floats) -> Floats:
        k = 2 * np.pi / wavelength(self.energy)
        q = axes[self.axis]
        if self.quantity == "two theta":
            q = 2 * k * np.sin(np.radians(q / 2))
        q = np.maximum(q, 1e-4)
        spread = (-0.0012, 0.0, 0.0012)
        smeared = (
            sum((parratt(self.layers, np.maximum(q + s, 1e-4), self.energy) for s in spread), np.zeros_like(q)) / 3
        )
        footprint = np.minimum(1.0, q / (2 * k) * self.length / self.beam)
        return np.asarray(FLUX * smeared * footprint + 0.6, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Peak:
    """One peak over a background that slopes a little."""

    centre: float
    fwhm: float
    height: float
    """Counts a second."""
    background: float = 12.0
    mixing: float = 0.45
    axis: int = 0
    shoulder: float = 0.0
    """Height of a second peak, relative to the first."""

    def rate(self, axes: tuple[Floats, ...], elapsed: Floats) -> Floats:
        x = axes[self.axis]
        peak = pseudo_voigt(x, self.centre, self.fwhm, self.mixing)
        second = self.shoulder * pseudo_voigt(x, self.centre + 1.9 * self.fwhm, 1.4 * self.fwhm, self.mixing)
        slope = 1 + 0.15 * (x - self.centre) / max(float(np.ptp(x)), 1e-9)
        return np.asarray(self.height * (peak + second) + self.background * slope, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Edge:
    """A sample driven into the beam: the beam is cut off."""

    centre: float
    width: float
    height: float
    axis: int = 0

    def rate(self, axes: tuple[Floats, ...], elapsed: Floats) -> Floats:
        return np.asarray(self.height * smooth_step((self.centre - axes[self.axis]) / self.width) + 8.0)


@dataclass(frozen=True, slots=True)
class TruncationRod:
    """A rod of a film on its substrate, between and over Bragg peaks."""

    cells: int
    """Unit cells the film is thick."""
    spacing: float
    """The film's lattice parameter over the substrate's."""
    scale: float = 2.5e4
    film: float = 1.15
    """Scattering power of a cell of the film over one of the substrate."""
    disorder: float = 0.02
    axis: int = 2

    def rate(self, axes: tuple[Floats, ...], elapsed: Floats) -> Floats:
        order = axes[self.axis]
        substrate = 1 / (1 - np.exp(-2j * np.pi * order - 0.004))
        phase = 2j * np.pi * order * self.spacing
        cell = np.arange(1, self.cells + 1)[:, np.newaxis]
        damping = np.exp(-self.disorder * (order - np.round(order)) ** 2 * cell)
        film = self.film * np.sum(damping * np.exp(phase[np.newaxis, :] * (cell + 0.08)), axis=0)
        falloff = np.exp(-0.12 * order**2) / np.maximum(order, 0.2)
        return np.asarray(self.scale * falloff * np.abs(substrate + film) ** 2 + 3.0, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Powder:
    """Debye-Scherrer lines of LaB6 over two theta in degrees."""

    energy: float
    cell: float = 4.1569
    """Lattice parameter, Å (NIST SRM 660)."""
    fwhm: float = 0.11
    height: float = 5.2e4

    LINES = ((1, 58.0), (2, 100.0), (3, 44.0), (4, 23.0), (5, 45.0), (6, 24.0), (8, 8.0), (9, 22.0), (10, 15.0),
             (11, 10.0), (12, 3.0), (13, 6.0), (14, 12.0))  # fmt: skip
    """h²+k²+l² and relative intensity."""

    def rate(self, axes: tuple[Floats, ...], elapsed: Floats) -> Floats:
        tt = axes[0]
        total = 45 * np.exp(-tt / 18) + 14
        for squares, intensity in self.LINES:
            sine = wavelength(self.energy) * np.sqrt(squares) / (2 * self.cell)
            centre = float(np.degrees(2 * np.arcsin(min(sine, 1.0))))
            total = total + self.height * intensity / 100 * pseudo_voigt(tt, centre, self.fwhm, 0.6)
        return np.asarray(total, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class GrazingDiffraction:
    """In-plane peaks of a film of molecules or particles on a liquid."""

    peaks: tuple[tuple[float, float, float], ...]
    """Centre, full width, counts a second each."""
    background: float = 55.0

    def rate(self, axes: tuple[Floats, ...], elapsed: Floats) -> Floats:
        x = axes[0]
        total = self.background * (0.5 + np.exp(-(x - x.min()) / max(float(np.ptp(x)) / 2, 1e-9)))
        for centre, fwhm, height in self.peaks:
            total = total + height * pseudo_voigt(x, centre, fwhm, 0.7)
        return np.asarray(total, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class ReciprocalMap:
    """A Bragg peak of a substrate and its film's beside it, over omega and two theta."""

    omega: float
    two_theta: float
    strain: float = -0.18
    """Distance of the film's peak along omega, degrees."""
    mosaic: float = 0.045
    height: float = 2.4e5

    def rate(self, axes: tuple[Floats, ...], elapsed: Floats) -> Floats:
        radial = (axes[1] - self.two_theta) / 2
        across = axes[0] - self.omega - radial
        substrate = self.height / (1 + (radial / 0.012) ** 2) / (1 + (across / 0.011) ** 2)
        distance = radial - self.strain
        fringes = np.sinc(distance / 0.085) ** 2
        film = 0.11 * self.height * fringes * np.exp(-((across / self.mosaic) ** 2))
        rod = 160 / (radial**2 + 0.03) * np.exp(-((across / 0.018) ** 2)) * 0.08
        return np.asarray(substrate + film + rod + 4.0, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class SampleMap:
    """A square sample in the beam: the film's signal over its place."""

    width: float = 5.0
    height: float = 3.2e4

    def rate(self, axes: tuple[Floats, ...], elapsed: Floats) -> Floats:
        x, y = axes[0], axes[1]
        inside = np.ones_like(x)
        for place in (x + 0.12 * y, y - 0.12 * x):
            inside = inside * smooth_step((self.width / 2 - np.abs(place)) / 0.15)
        wedge = 0.72 + 0.06 * x - 0.03 * y + 0.12 * np.cos(1.3 * x + 0.6 * y)
        scratch = 1 - 0.6 * np.exp(-(((x - 0.8 * y - 0.5) / 0.18) ** 2))
        return np.asarray(self.height * inside * wedge * scratch + 25.0, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Growth:
    """A signal that rises while a film is compressed, and fades in the beam afterwards."""

    onset: float
    """Seconds until half of it is there."""
    duration: float
    height: float
    fading: float = 9000.0
    """Seconds in which the beam takes the film down to 1/e."""
    background: float = 420.0

    def rate(self, axes: tuple[Floats, ...], elapsed: Floats) -> Floats:
        risen = smooth_step((elapsed - self.onset) / self.duration)
        faded = np.exp(-np.maximum(elapsed - self.onset, 0) / self.fading)
        ripple = 1 + 0.015 * np.sin(elapsed / 37)
        return np.asarray(self.height * risen * faded * ripple + self.background, dtype=np.float64)


def surface_pressure(elapsed: Floats, onset: float, duration: float, final: float) -> Floats:
    """Give a Langmuir film's pressure in mN/m while its barrier moves: lift-off, plateau, steep end."""
    first = 0.22 * smooth_step((elapsed - 0.55 * onset) / (0.5 * duration))
    return np.asarray(final * (first + 0.78 * smooth_step((elapsed - onset) / duration)), dtype=np.float64)
