"""What a scan of the demo is to be: one description that every format is written from.

Knows samples, setups and planned movements; does not know rates, counts or files.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import Literal

import numpy as np

from catalog_builder.demo.physics import Curve, Floats, Layer

Form = Literal["fio", "spec", "nexus"]
Images = Literal["", "cbf", "tif", "eiger", "lambda"]
Pattern = Literal["spot", "rods", "rings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Something that was put into the beam."""

    name: str
    formula: str
    description: str
    layers: tuple[Layer, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One positioner's way through a scan; for relative scans the ends count from ``around``."""

    positioner: str
    start: float
    stop: float
    intervals: int
    around: float = 0.0

    @property
    def positions(self) -> Floats:
        """Absolute positions, shape (intervals + 1,)."""
        return np.asarray(self.around + np.linspace(self.start, self.stop, self.intervals + 1), dtype=np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """A diffractometer and what is mounted on it."""

    name: str
    detector: str
    energy: float
    """eV."""
    positioners: tuple[tuple[str, float], ...]
    """Name and where it usually stands."""
    trough: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanPlan:
    """One scan: what moves, what is counted, what is written."""

    stem: str
    sample: Sample
    setup: Setup
    macro: str
    moves: tuple[Move, ...] = ()
    exposure: float = 1.0
    """Counting time a point, s."""
    intervals: int = 0
    """Of a timescan, which moves nothing."""
    curve: Curve
    title: str
    scanmode: str | None = None
    number: int = 0
    folder: str = ""
    """Below ``raw/``."""
    forms: tuple[Form, ...] = ("fio",)
    entry: str = "scan"
    """Of a NeXus file."""
    images: Images = ""
    frames: int = 0
    """How many; 0 means one a point."""
    pattern: Pattern = "spot"
    wide: bool = False
    """Spans so many decades that attenuators go in and out."""
    attenuator: int = 0
    """Decades of attenuation that stay in."""
    temperature: float = 21.5
    """°C."""
    pressure: float | None = None
    """mN/m a Langmuir film ends at."""
    lost_images: bool = False
    """The file links to images that are not there."""
    measured: int | None = None
    """Points measured, where the scan was aborted."""
    truncated: bool = False
    """The file is cut off: a crash or a broken copy."""

    @property
    def name(self) -> str:
        return f"{self.stem}_{self.number:05d}"

    @property
    def path(self) -> PurePosixPath:
        """Below ``raw/``, without suffix."""
        return PurePosixPath(self.folder) / self.name

    @property
    def points(self) -> int:
        """Points planned."""
        if not self.moves:
            return self.intervals + 1
        if "mesh" in self.macro:
            return int(np.prod([move.intervals + 1 for move in self.moves]))
        return self.moves[0].intervals + 1

    @property
    def main_axis(self) -> str | None:
        """Name of the positioner a curve is drawn over: the first that moves, of h, k, l the one that does."""
        return next((move.positioner for move in self.moves if move.start != move.stop), None)

    @property
    def relative(self) -> bool:
        return self.macro in ("dscan", "d2scan", "dmesh")

    @property
    def command(self) -> str:
        """As it was typed: ``dscan om -0.1 0.1 40 1.0``."""
        if not self.moves:
            return f"{self.macro} {self.intervals} {self.exposure}"
        ends = [(_typed(move.start), _typed(move.stop)) for move in self.moves]
        if self.macro == "hklscan":
            words = [word for pair in ends for word in pair]
            return " ".join([self.macro, *words, str(self.moves[0].intervals), str(self.exposure)])
        if "mesh" in self.macro:
            words = [
                w for m, pair in zip(self.moves, ends, strict=True) for w in (m.positioner, *pair, str(m.intervals))
            ]
            return " ".join([self.macro, *words, str(self.exposure)])
        words = [w for m, pair in zip(self.moves, ends, strict=True) for w in (m.positioner, *pair)]
        return " ".join([self.macro, *words, str(self.moves[0].intervals), str(self.exposure)])

    def axes(self) -> tuple[Floats, ...]:
        """Give the positions of every scanned positioner, absolute, each of shape (points,); first one fast."""
        if "mesh" in self.macro:
            fast, slow = (move.positions for move in self.moves)
            return np.tile(fast, slow.size), np.repeat(slow, fast.size)
        return tuple(move.positions for move in self.moves)


@dataclass(frozen=True, slots=True, kw_only=True)
class BeamtimePlan:
    """A beamtime: its metadata and its shifts."""

    id: str
    proposal_id: str
    proposal_type: str
    title: str
    setup: str
    pi: str
    applicant: str
    institute: str
    contact: str
    start: datetime
    """Local time of the beamline, without zone."""
    end: datetime
    sessions: tuple[tuple[datetime, tuple[ScanPlan, ...]], ...] = ()
    """When a row of scans began (local), and the scans."""
    grouping: tuple[str, ...] = ()
    """Lines of ``scicat-datasets-<id>.lst``."""
    dashed: bool = False
    """Spells the metadata's keys the other way (``event-start``)."""


def _typed(value: float) -> str:
    return str(round(value, 6))
