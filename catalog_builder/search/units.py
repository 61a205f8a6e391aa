"""Units: which ones may stand behind a number, how they are spelt, and how one becomes another.

Knows spellings and what is measured; does not know fields, queries or documents.
"""

import math
import re
import unicodedata
from collections.abc import Iterator, Mapping
from functools import lru_cache

_PREFIXES = {
    "p": -12,
    "n": -9,
    "µ": -6,
    "m": -3,
    "_": 0,
    "h": 2,
    "k": 3,
    "M": 6,
    "G": 9,
    "T": 12,
    "P": 15,
}
"""Powers of ten; ``_`` stands for none. Of units that come in milli and mega both are listed, so that ``mev`` is
neither."""

_WITH_PREFIXES = (
    ("energy", "eV", "µ m _ k M G"),
    ("length", "m", "p n µ m _ k"),
    ("time", "s", "n µ m _"),
    ("angle", "rad", "n µ m _"),
    ("pressure", "Pa", "m _ h k M G"),
    ("pressure", "bar", "n µ m _ k M"),
    ("surface pressure", "N/m", "µ m _"),
    ("bytes", "B", "_ k M G T P"),
    ("current", "A", "p n µ m _"),
    ("voltage", "V", "n µ m _ k M"),
    ("frequency", "Hz", "m _ k M G T"),
    ("temperature", "K", "m _"),
    ("power", "W", "n µ m _ k M"),
    ("force", "N", "n µ m _ k"),
    ("magnetic field", "T", "µ m _"),
    ("resistance", "Ohm", "m _ k M G"),
)
_SCALES = {"bar": 1e5}

_SINGLE: Mapping[str, tuple[str, float]] = {
    "Å": ("length", 1e-10),
    "cm": ("length", 1e-2),
    "min": ("time", 60.0),
    "h": ("time", 3600.0),
    "d": ("time", 86400.0),
    "deg": ("angle", math.pi / 180),
    "arcmin": ("angle", math.pi / 10_800),
    "arcsec": ("angle", math.pi / 648_000),
    "Torr": ("pressure", 101_325 / 760),
    "dyn/cm": ("surface pressure", 1e-3),
    "KiB": ("bytes", 2.0**10),
    "MiB": ("bytes", 2.0**20),
    "GiB": ("bytes", 2.0**30),
    "TiB": ("bytes", 2.0**40),
    "°C": ("temperature", 1.0),
    "1/Å": ("inverse length", 1e10),
    "1/nm": ("inverse length", 1e9),
    "1/µm": ("inverse length", 1e6),
    "1/mm": ("inverse length", 1e3),
    "1/cm": ("inverse length", 1e2),
    "1/m": ("inverse length", 1.0),
    "µm^2": ("area", 1e-12),
    "mm^2": ("area", 1e-6),
    "cm^2": ("area", 1e-4),
    "m^2": ("area", 1.0),
    "%": ("share", 1e-2),
    "dB": ("level", 1.0),
    "counts": ("counts", 1.0),
    "pixels": ("pixels", 1.0),
    "cps": ("count rate", 1.0),
    "kcps": ("count rate", 1e3),
    "mm/s": ("speed", 1e-3),
    "m/s": ("speed", 1.0),
}

_ZEROS = {"°C": 273.15}
"""Where a unit's zero lies, in the basic unit of its kind."""

_ALIASES: Mapping[str, tuple[str, ...]] = {
    "Å": ("angstrom", "angstroms", "ångström"),
    "µm": ("micron", "microns"),
    "s": ("sec", "second", "seconds"),
    "min": ("minute", "minutes"),
    "h": ("hr", "hour", "hours"),
    "d": ("day", "days"),
    "deg": ("°", "degree", "degrees"),
    "rad": ("radian", "radians"),
    "B": ("byte", "bytes"),
    "K": ("kelvin",),
    "°C": ("C", "degC", "celsius"),
    "%": ("percent",),
    "counts": ("count", "cts"),
    "pixels": ("pixel", "px"),
    "cps": ("counts/s", "cts/s"),
    "1/Å": ("1/A",),
    "eV": ("electronvolt",),
}
"""Other spellings; ``A`` alone is ampere, ``1/A`` can only be the inverse of ångströms."""

_INVERSE = re.compile(r"(?:1/)?(.+?)\^?-1")
_SQUARE = re.compile(r"([µcm]?m)2")
_SIGNS = str.maketrans({"μ": "µ", "˚": "°", "º": "°", "\N{MINUS SIGN}": "-"})


def _table() -> Iterator[tuple[str, tuple[str, float]]]:
    for kind, base, prefixes in _WITH_PREFIXES:
        scale = _SCALES.get(base, 1.0)
        for prefix in prefixes.split():
            yield f"{prefix.strip('_')}{base}", (kind, scale * 10.0 ** _PREFIXES[prefix])
    yield from _SINGLE.items()


UNITS: Mapping[str, tuple[str, float]] = dict(_table())
"""By spelling: what is measured, and how many of its basic unit make one; where its zero lies ``converted`` knows."""

_SPELLINGS: Mapping[str, str] = {
    **{unit: unit for unit in UNITS},
    **{alias: unit for unit, aliases in _ALIASES.items() for alias in aliases},
}


def _folded_spellings() -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for spelling, unit in _SPELLINGS.items():
        found.setdefault(spelling.casefold(), set()).add(unit)
    return {spelling: frozenset(units) for spelling, units in found.items()}


_IN_ANY_CASE = _folded_spellings()


def meanings(spelling: str) -> frozenset[str]:
    """Give the units, by their spelling in UNITS, that a spelling may stand for.

    One spelt exactly is that one (``meV``, ``um``, ``Å^-1``, ``°``), ``kev`` is keV, ``mev`` is meV or MeV; none at
    all where it is no unit.
    """
    plain = _plain(spelling)
    if plain in _SPELLINGS:
        return frozenset((_SPELLINGS[plain],))
    return _IN_ANY_CASE.get(plain.casefold(), frozenset())


@lru_cache(maxsize=4096)
def spelt(spelling: str | None) -> str | None:
    """Give how UNITS spells a unit; None where it is unknown or could be several."""
    units = meanings(spelling) if spelling else frozenset()
    return next(iter(units)) if len(units) == 1 else None


def converted(value: float, unit: str, other: str) -> float | None:
    """Give a value in another unit; None where the two, as UNITS spells them, measure different things.

    The zeros of °C and K differ: 25 °C are 298.15 K.
    """
    if unit == other:
        return value
    kind, size = UNITS.get(unit, ("", 1.0))
    other_kind, other_size = UNITS.get(other, (" ", 1.0))
    if kind != other_kind:
        return None
    zeros = _ZEROS.get(unit, 0.0) - _ZEROS.get(other, 0.0)
    scaled = value * _ratio(size, other_size) if size >= other_size else value / _ratio(other_size, size)
    return scaled + zeros / other_size


def _ratio(larger: float, smaller: float) -> float:
    """Divide without the last digit's noise, so that 500 ms are half a second and 10 Å a nanometre."""
    return float(f"{larger / smaller:.14g}")


def units_of(kinds: tuple[str, ...]) -> tuple[str, ...]:
    """Give the units that measure one of these, the smallest of each first."""
    sizes = sorted((kinds.index(kind), size, unit) for unit, (kind, size) in UNITS.items() if kind in kinds)
    return tuple(unit for *_, unit in sizes)


def by_kind() -> Mapping[str, tuple[str, ...]]:
    """Give what can be measured and the units of each."""
    return {kind: units_of((kind,)) for kind in dict.fromkeys(kind for kind, _ in UNITS.values())}


def other_spellings() -> Mapping[str, tuple[str, ...]]:
    """Give what else units may be called."""
    return _ALIASES


def _plain(spelling: str) -> str:
    """Take away what makes no difference: kinds of µ and °, blanks, superscripts, ``u`` for µ, the shape of an inverse.

    ``Å⁻¹``, ``Å^-1`` and ``1/Å`` are one.
    """
    text = unicodedata.normalize("NFKC", "".join(spelling.split()).translate(_SIGNS)).translate(_SIGNS)
    text = text.replace("**", "^").replace("\N{GREEK CAPITAL LETTER OMEGA}", "Ohm")
    if inverse := _INVERSE.fullmatch(text):
        text = f"1/{inverse[1]}"
    if square := _SQUARE.fullmatch(text):
        text = f"{square[1]}^2"
    head, slash, name = text.rpartition("1/") if text.startswith("1/") else ("", "", text)
    if name not in _SPELLINGS and name.startswith("u"):
        name = f"µ{name[1:]}"
    if slash:
        name = _SPELLINGS.get(name, _SPELLINGS.get(name.casefold(), name))
    return f"{head}{slash}{name}"
