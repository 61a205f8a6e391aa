import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_builder.readers.units import _UNITS as RECORDED
from catalog_builder.search.units import UNITS, by_kind, converted, meanings, spelt


@pytest.mark.parametrize(
    ("spelling", "unit"),
    [
        ("keV", "keV"),
        ("kev", "keV"),
        ("KEV", "keV"),
        ("meV", "meV"),
        ("um", "µm"),
        ("μm", "µm"),
        ("\N{MICRO SIGN}m", "µm"),
        ("us", "µs"),
        ("uA", "µA"),
        ("\N{ANGSTROM SIGN}", "Å"),
        ("angstrom", "Å"),
        ("A", "A"),
        ("Å^-1", "1/Å"),
        ("Å⁻¹", "1/Å"),
        ("A^-1", "1/Å"),
        ("1/angstrom", "1/Å"),
        ("nm^-1", "1/nm"),
        ("mm²", "mm^2"),
        ("mm2", "mm^2"),
        ("°", "deg"),
        ("degrees", "deg"),
        ("℃", "°C"),
        ("deg C", "°C"),
        ("C", "°C"),
        ("gb", "GB"),
        ("GiB", "GiB"),
        ("Minutes", "min"),
        ("mn/m", "mN/m"),
        ("%", "%"),
        ("k\N{OHM SIGN}", "kOhm"),
        ("pixel", "pixels"),
    ],
)
def test_a_unit_is_known_by_what_people_and_files_call_it(spelling: str, unit: str) -> None:
    assert spelt(spelling) == unit


@pytest.mark.parametrize(
    ("spelling", "units"),
    [
        ("mev", {"meV", "MeV"}),
        ("pa", {"Pa", "pA"}),
        ("furlong", set()),
        ("NX_ANGLE", set()),
        ("", set()),
        ("1/", set()),
    ],
)
def test_a_unit_that_may_be_several_or_none_is_not_guessed(spelling: str, units: set[str]) -> None:
    assert meanings(spelling) == units
    assert spelt(spelling) is None


def test_every_unit_that_readers_know_can_be_asked_for() -> None:
    assert {unit for unit in RECORDED if spelt(unit) is None} == set()


@pytest.mark.parametrize(
    ("value", "unit", "other", "expected"),
    [
        (15, "keV", "eV", 15000.0),
        (15000, "eV", "keV", 15.0),
        (500, "ms", "s", 0.5),
        (10, "Å", "nm", 1.0),
        (1, "1/Å", "1/nm", 10.0),
        (2, "GB", "B", 2e9),
        (1, "KiB", "B", 1024.0),
        (1, "mbar", "hPa", 1.0),
        (72, "mN/m", "N/m", 0.072),
        (90, "min", "h", 1.5),
        (-math.inf, "°C", "K", -math.inf),
    ],
)
def test_a_value_is_converted_to_the_figure_people_would_write(
    value: float, unit: str, other: str, expected: float
) -> None:
    assert converted(value, unit, other) == expected


def test_the_zeros_of_kelvin_and_celsius_differ() -> None:
    assert converted(25, "°C", "K") == 298.15
    assert converted(0, "K", "°C") == -273.15
    assert converted(300_000, "mK", "°C") == pytest.approx(26.85)
    assert converted(180, "deg", "rad") == pytest.approx(math.pi)


def test_what_measures_something_else_is_not_converted() -> None:
    assert converted(1, "mN/m", "Pa") is None
    assert converted(1, "keV", "furlong") is None


def test_units_of_a_kind_come_the_smallest_first() -> None:
    assert by_kind()["length"] == ("pm", "Å", "nm", "µm", "mm", "cm", "m", "km")


@given(st.sampled_from(sorted(UNITS)), st.sampled_from(sorted(UNITS)), st.floats(-1e6, 1e6))
def test_there_and_back_again_is_the_same(unit: str, other: str, value: float) -> None:
    there = converted(value, unit, other)
    if there is None:
        assert UNITS[unit][0] != UNITS[other][0]
        return
    back = converted(there, other, unit)
    assert back == pytest.approx(value, rel=1e-9, abs=1e-6 if UNITS[unit][0] == "temperature" else 0.0)


@given(st.text(max_size=20))
def test_any_text_is_a_unit_or_none(text: str) -> None:
    assert all(unit in UNITS for unit in meanings(text))
