"""The spectra in a scan of a SPEC file: its ``@A`` lines and the ``#@`` lines that explain them.

Knows several analysers and lines that go on behind a backslash, and keeps a bounded number of values; does not know
the rest of the file. Sources: SPEC manual, "MCA data" (``#@MCA %16C``: sixteen values a line; ``#@CHANN``: number,
first, last, reduction; ``#@CALIB``: a, b, c of a + b·channel + c·channel²), silx ``specfile`` (``#@MCADEV``: spectra
of several analysers take turns).
"""

import re
from array import array
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from catalog_builder.readers.complaints import Complaints
from catalog_builder.readers.values import number
from catalog_builder.signals import Column, Floats, Spectra

_TAGGED = re.compile(r"^@([A-Za-z]+\d*)\s*(.*)$")
MOST_VALUES = 16_000_000
"""Values of a scan's spectra that are kept together; of more, every second spectrum is, then every fourth …"""


@dataclass(slots=True)
class _Stream:
    """The spectra of one tag (``@A``), one behind the other."""

    values: "array[float]" = field(default_factory=lambda: array("d"))
    ends: list[int] = field(default_factory=list)
    """Where each spectrum ends in the values."""
    seen: int = 0


@dataclass(slots=True)
class _Device:
    """What ``#@`` lines say of an analyser."""

    name: str = ""
    first: float = 0.0
    reduction: float = 1.0
    calibration: tuple[float, float, float] | None = None


class SpecSpectra:
    """Collects a scan's spectra line by line."""

    def __init__(self) -> None:
        self._streams: dict[str, _Stream] = {}
        self._devices: list[_Device] = []
        self._current: _Stream | None = None
        self._total = 0
        self._stride = 1
        self._wrong: tuple[str, int] | None = None
        self.goes_on = False
        """True where the next line belongs to the spectrum of the last one."""
        self.count = 0

    def header(self, written: str) -> None:
        """Take what stands behind ``#@``: ``CHANN 3 0 2 1``."""
        key, *words = written.split() or [""]
        if not self._devices or key == "MCADEV":
            self._devices.append(_Device())
        device, numbers = self._devices[-1], [number(word) for word in words]
        if key == "MCADEV":
            device.name = " ".join(words)
        elif key == "CHANN" and len(numbers) > 3:
            device.first, device.reduction = numbers[1] or 0.0, numbers[3] or 1.0
        elif key == "CALIB" and len(numbers) > 2 and (parts := [n for n in numbers[:3] if n is not None])[2:]:
            device.calibration = (parts[0], parts[1], parts[2])

    def take(self, at: int, line: str) -> None:
        """Take a line that begins with ``@``, or that goes on with the spectrum of the line before."""
        if match := _TAGGED.match(line):
            line = match[2]
            self._begin(self._streams.setdefault(match[1], _Stream()))
        elif line.startswith("@"):
            self._current = None
        line = line.rstrip()
        self.goes_on = line.endswith("\\")
        if self._current is not None:
            self._add(self._current, at, line.rstrip("\\").split())

    def _begin(self, stream: _Stream) -> None:
        self.count += 1
        turn = stream.seen // max(len(self._devices), 1)
        stream.seen += 1
        self._current = stream if turn % self._stride == 0 else None
        if self._current is not None:
            stream.ends.append(len(stream.values))

    def _add(self, stream: _Stream, at: int, words: list[str]) -> None:
        before = len(stream.values)
        for word in words:
            found = number(word)
            if found is None and self._wrong is None:
                self._wrong = f"{word[:40]!r} in a spectrum is no number", at
            stream.values.append(np.nan if found is None else found)
        stream.ends[-1] = len(stream.values)
        self._total += len(stream.values) - before
        while self._total > MOST_VALUES and any(len(each.ends) > 1 for each in self._streams.values()):
            self._thin()
        if self._total > MOST_VALUES:
            self._current = None

    def _thin(self) -> None:
        """Keep every second spectrum of each analyser."""
        turns = max(len(self._devices), 1)
        for stream in self._streams.values():
            kept = _Stream(seen=stream.seen)
            for place, (start, end) in enumerate(zip([0, *stream.ends], stream.ends, strict=False)):
                if place // turns % 2 == 0:
                    kept.values.extend(stream.values[start:end])
                    kept.ends.append(len(kept.values))
            dropped = self._current is stream and (len(stream.ends) - 1) // turns % 2 == 1
            stream.values, stream.ends = kept.values, kept.ends
            if dropped:
                self._current = None
        self._stride *= 2
        self._total = sum(len(stream.values) for stream in self._streams.values())

    def spectra(self, complaints: Complaints, line: int) -> tuple[Spectra, ...]:
        """Give the spectra, shape (points, channels) an analyser; what is wrong with them is told of the line."""
        if self._wrong is not None:
            complaints.add(*self._wrong)
        if self._stride > 1:
            complaints.add(f"of {self.count} spectra every {self._stride}th of each analyser is kept", line)
        found = []
        turns = max(len(self._devices), 1) if len(self._streams) == 1 else 1
        for place, (tag, stream) in enumerate(self._streams.items()):
            for turn in range(turns):
                device = self._device(place if turns == 1 else turn)
                name = _name(tag, device, several=len(self._streams) > 1, turns=turns)
                found.append(_spectra(name, stream, turn, turns, device, complaints, line))
        return tuple(each for each in found if each is not None)

    def _device(self, place: int) -> _Device:
        if place < len(self._devices):
            return self._devices[place]
        return self._devices[0] if self._devices else _Device()


def _name(tag: str, device: _Device, *, several: bool, turns: int) -> str:
    if several:
        return f"mca {tag}"
    return f"mca {device.name}".rstrip() if turns > 1 else "mca"


def _spectra(
    name: str, stream: _Stream, turn: int, turns: int, device: _Device, complaints: Complaints, line: int
) -> Spectra | None:
    """Give every ``turns``-th spectrum of a stream as one array, as wide as most of them are."""
    values = np.frombuffer(stream.values, dtype=np.float64) if stream.values else np.empty(0)
    ends = stream.ends[turn::turns]
    starts = [0, *stream.ends][turn::turns][: len(ends)]
    widths = Counter(end - start for start, end in zip(starts, ends, strict=True))
    channels = max(widths, key=lambda width: (widths[width], width), default=0)
    if not channels:
        return None
    other = len(ends) - widths[channels]
    if other:
        complaints.add(f"{other} of {len(ends)} spectra of {name} have other than {channels} channels", line)
    rows = np.full((len(ends), channels), np.nan)
    for row, start, end in zip(rows, starts, ends, strict=True):
        spectrum = values[start : min(end, start + channels)]
        row[: len(spectrum)] = spectrum
    return Spectra(detector=name, values=rows, energy=_energies(device, channels))


def _energies(device: _Device, channels: int) -> Column | None:
    """Give the energy of each channel, in the calibration's own unit; None where it only counts channels."""
    if device.calibration is None or device.calibration == (0.0, 1.0, 0.0):
        return None
    a, b, c = device.calibration
    channel = device.first + device.reduction * np.arange(channels, dtype=np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        energy: Floats = a + b * channel + c * channel**2
    return Column(name="energy", values=energy) if np.isfinite(energy).all() else None
