"""Units by the names that DESY's beamlines and Sardana give to positioners and channels.

Knows the names whose unit is sure, and units written behind a name or a number; does not know files. A name that
means one thing here and another there (``samx``, ``atten``) has no unit.
"""

import re
from functools import lru_cache

_BY_NAME = (
    ("deg", r"(om|omega|th|theta|tt|tth|chi|phi|mu|eta|del|delta|gam|gamma)(_real)?(\(encoder\))?|dcm_bragg"),
    ("eV", r"energy|energyfmb|mnchrmtr"),
    ("mA", r"(petra|doris)_(beam)?current(_digital)?|ipetra"),
    ("s", r"exp_t\d\d|counting_time|sample_time|timestamp|epoch|unix time|time_s"),
    ("mN/m", r"trough_p(ressure)?"),
    ("°C", r"beckhoff_temp\d*"),
)
_NAMES = re.compile("|".join(f"(?P<u{n}>{names})" for n, (_, names) in enumerate(_BY_NAME)), re.IGNORECASE)
_UNITS = (
    *(
        "m",
        "mm",
        "µm",
        "um",
        "nm",
        "pm",
        "Å",
        "A",
        "mA",
        "µA",
        "uA",
        "nA",
        "V",
        "mV",
        "s",
        "ms",
        "µs",
        "us",
        "Hz",
        "kHz",
    ),
    *("deg", "°", "rad", "mrad", "µrad", "urad", "eV", "keV", "meV", "K", "°C", "C", "mbar", "bar", "Pa", "hPa", "kPa"),
    *("mN/m", "mm^2", "cm^2", "N", "mN", "W", "%", "counts", "cps", "1/Å", "Å^-1", "nm^-1", "Hz", "kHz"),
)
_ONE_OF_THEM = "|".join(re.escape(unit) for unit in _UNITS)
_BEHIND_NAME = re.compile(rf".*\S\s*(?:\[({_ONE_OF_THEM})\]|\(({_ONE_OF_THEM})\))")
_BEHIND_NUMBER = re.compile(rf"([+-]?[\d.]\S*)\s+({_ONE_OF_THEM})")
_LEAST_ENERGY = 1000.0
"""eV; a smaller number under an energy's name is one in keV."""


def unit_of(name: str, number: float | None) -> str | None:
    """Give the unit of a positioner or channel, by its name; ``number`` is one of its values.

    One that the name itself carries (``energy [keV]``) goes before the one it is known by.
    """
    unit = _by_name(name)
    if unit == "eV" and not _BEHIND_NAME.fullmatch(name) and (number is None or number < _LEAST_ENERGY):
        return None
    return unit


def parted(written: str) -> tuple[str, str | None]:
    """Part ``45.5 deg`` into number and unit; anything else stays whole and has none."""
    match = _BEHIND_NUMBER.fullmatch(written)
    return (match[1], match[2]) if match else (written, None)


@lru_cache(maxsize=4096)
def _by_name(name: str) -> str | None:
    if written := _BEHIND_NAME.fullmatch(name):
        return written[1] or written[2]
    known = _NAMES.fullmatch(name)
    return _BY_NAME[int((known.lastgroup or "u0")[1:])][0] if known else None
