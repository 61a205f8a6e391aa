"""Scales of an axis: from where to where it goes, and where its ticks stand.

Knows numbers and how people write them; does not know pixels or how anything is drawn.
"""

import math
from dataclasses import dataclass

import numpy as np

from catalog_builder.signals import Floats

Tick = tuple[float, str]
"""A place on the scale (a logarithm where the scale is logarithmic) and what stands there."""

FAR = 1e100
"""Numbers beyond it are no measurements and count as missing, so that sums and spans stay finite."""

_DECADES = 12
"""A logarithmic scale shows so many decades below its maximum; what is smaller sits on its floor."""
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How numbers become places between 0 and 1."""

    low: float
    high: float
    """The ends, as places: logarithms where ``log`` is set."""
    ticks: tuple[Tick, ...]
    minor: tuple[float, ...] = ()
    log: bool = False
    floor: float = 0.0
    """On a logarithmic scale the number at which zeros and anything smaller are drawn."""
    exponent: int = 0
    """Ticks are written in units of this power of ten."""
    base: float = 0.0
    """Ticks are written as differences from it."""

    def places(self, values: Floats) -> Floats:
        """Give each number's place, 0 at the low end, 1 at the high one; NaN stays NaN."""
        if self.log:
            values = np.log10(np.maximum(values, self.floor))
        return (values - self.low) / (self.high - self.low)

    def label(self, name: str, unit: str | None) -> str:
        """Give the axis' label: ``ion_bl (10⁻⁹ A)``, ``energy − 9000 (eV)``."""
        if self.base:
            name = f"{name} − {self.base:.12g}"
        power = f"10{str(self.exponent).translate(_SUPERSCRIPTS)}" if self.exponent else ""
        inside = " ".join(part for part in (power, unit) if part)
        return f"{name} ({inside})" if inside else name


def measured(values: Floats) -> Floats:
    """Give the values with NaN for infinities and numbers beyond 1e100, and 0 for what is closer to it than 1e-100."""
    sizes = np.abs(values)
    return np.where(sizes <= FAR, np.where(sizes < 1 / FAR, 0.0, values), np.nan)


def linear(
    values: Floats, *, most: int = 6, from_zero: bool = False, margin: float = 0.0, whole: bool = False
) -> Scale:
    """Make a linear scale around the finite values.

    Parameters
    ----------
    most
        Ticks wished for, at most.
    from_zero
        True lets the scale begin at 0 where no value is negative and the smallest is below half the largest.
    margin
        Part of the span left free at both ends.
    whole
        True keeps ticks to whole numbers.
    """
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    if from_zero and 0 <= low < 0.5 * high:
        low = 0.0
    low, high = _opened(low, high) if low or high else (0.0 if from_zero else -1.0, 1.0)
    room = margin * (high - low)
    low, high = low - room, high + room
    return _ticked(low, high, most, whole)


def _opened(low: float, high: float) -> tuple[float, float]:
    """Give a range with an inside: a constant gets a tenth of itself on both sides."""
    largest = max(abs(low), abs(high))
    if high - low <= 1e-12 * largest:
        return low - 0.1 * largest, high + 0.1 * largest
    return low, high


def _ticked(low: float, high: float, most: int, whole: bool) -> Scale:
    step = _step((high - low) / max(1, most), whole)
    largest = max(abs(low), abs(high))
    slack = 1e-9 + 1e-15 * largest / step  # a float's last digits do not cost the tick at an end
    numbers = np.arange(math.ceil(low / step - slack), math.floor(high / step + slack) + 1)
    base = 0.0
    if step < largest * 1e-5:
        base = math.floor(low / (10 * step)) * 10 * step
        largest = high - base
    exponent = _exponent(largest)
    places = -math.floor(math.log10(step) + 1e-9) + exponent
    at = numbers * step
    written = [_written((value - base) / 10.0**exponent, max(0, places)) for value in at.tolist()]
    return Scale(low=low, high=high, ticks=tuple(zip(at.tolist(), written, strict=True)), exponent=exponent, base=base)


def _step(rough: float, whole: bool) -> float:
    """Give the next 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    return max(1.0, step) if whole else step


def _exponent(largest: float) -> int:
    """Give the power of ten, a multiple of three, in whose units the numbers are short; 0 where they are anyway."""
    if 1e-2 <= largest < 1e5:
        return 0
    return 3 * math.floor(math.log10(largest) / 3)


def written(value: float, span: float, digits: int = 4) -> str:
    """Write a number as exactly as so many digits of a span are: 9.35 on an axis of 0.5, 9.346 of 0.05."""
    places = digits - 1 - math.floor(math.log10(span)) if span > 0 and math.isfinite(span) else digits
    if not 0 <= places <= 12 or abs(value) >= 1e9:
        return f"{value:.6g}".replace("-", "−")
    return _written(value, places)


def _written(value: float, places: int) -> str:
    text = f"{value:.{places}f}"
    return text.lstrip("-").replace("-", "−") if float(text) == 0 else text.replace("-", "−")


def logarithmic(values: Floats, *, most: int = 7, margin: float = 0.04) -> Scale:
    """Make a logarithmic scale with a tick at decades; zeros and negatives get a floor below, marked ``0``."""
    finite = values[np.isfinite(values)]
    positive = finite[finite > 0]
    largest = float(positive.max()) if len(positive) else 1.0
    smallest = max(float(positive.min()) if len(positive) else 1.0, largest * 10.0**-_DECADES)
    grounded = bool((finite < smallest).any())
    floor = smallest / 2 if grounded else smallest
    low, high = math.log10(floor), math.log10(largest)
    high = max(high, low + 0.5)
    room = margin * (high - low)
    low, high = low - room, high + room
    decades = range(math.ceil(low if not grounded else math.log10(smallest) - 1e-9), math.floor(high) + 1)
    stride = max(1, math.ceil(len(decades) / most))
    ticks = [(float(n), power_of_ten(n)) for n in decades if n % stride == 0]
    if len(ticks) < 2:
        ticks = _between(max(low, math.log10(smallest)), high)
    if grounded:
        ticks.insert(0, (math.log10(floor), "0" if (finite >= 0).all() else "≤ 0"))
    return Scale(low=low, high=high, ticks=tuple(ticks), minor=_minor(low, high, floor), log=True, floor=floor)


def _minor(low: float, high: float, floor: float) -> tuple[float, ...]:
    if high - low > 6:
        return tuple(float(n) for n in range(math.ceil(low), math.floor(high) + 1))
    places = [n + math.log10(factor) for n in range(math.floor(low), math.floor(high) + 1) for factor in range(2, 10)]
    return tuple(place for place in places if max(low, math.log10(floor)) < place < high)


def _between(low: float, high: float) -> list[Tick]:
    """Give ticks at 1, 2 and 5 of each decade, for the few decades between two places."""
    powers = range(math.floor(low), math.ceil(high) + 1)
    plain = all(-4 < power < 5 for power in powers)
    places = [(n + math.log10(factor), factor, n) for n in powers for factor in (1, 2, 5)]
    return [
        (place, f"{factor * 10.0**n:g}" if plain else _multiple(factor, n))
        for place, factor, n in places
        if low - 1e-9 <= place <= high
    ]


def _multiple(factor: int, power: int) -> str:
    return power_of_ten(power) if factor == 1 else f"{factor}·{power_of_ten(power)}"


def power_of_ten(power: int) -> str:
    """Write a power of ten: ``1``, ``10``, ``10³``."""
    return {0: "1", 1: "10"}.get(power, f"10{str(power).translate(_SUPERSCRIPTS)}")
