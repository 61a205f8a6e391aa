"""Scales: where they end, where their ticks stand and how these are written."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from catalog_builder.previews.scales import Scale, linear, logarithmic, measured
from catalog_builder.signals import Floats


def written(scale: Scale) -> list[str]:
    return [words for _, words in scale.ticks]


def test_ticks_stand_at_round_numbers() -> None:
    assert written(linear(np.array([12.3, 12.5]), most=5)) == ["12.30", "12.35", "12.40", "12.45", "12.50"]


def test_large_and_small_numbers_are_written_in_powers_of_ten() -> None:
    scale = linear(np.array([0, 2.5e6]))
    assert written(scale) == ["0.0", "0.5", "1.0", "1.5", "2.0", "2.5"]
    assert scale.label("apd", "counts") == "apd (10⁶ counts)"
    assert linear(np.array([0, 3e-9])).label("ion_bl", None) == "ion_bl (10⁻⁹)"


def test_small_steps_on_a_large_number_are_written_as_differences() -> None:
    scale = linear(np.array([1234.5678, 1234.5679]))
    assert scale.label("z", "mm") == "z − 1234.5678 (10⁻⁶ mm)"
    assert written(scale) == ["0", "20", "40", "60", "80", "100"]


def test_negative_numbers_carry_a_minus_and_zero_none() -> None:
    assert written(linear(np.array([-1e-17, -1.0, 1.0]), most=4)) == ["−1.0", "−0.5", "0.0", "0.5", "1.0"]


@pytest.mark.parametrize("value", [5.0, -5.0, 1e-90, 1e90])
def test_a_constant_has_room_on_both_sides(value: float) -> None:
    scale = linear(np.full(4, value))
    assert scale.low < value < scale.high


def test_a_constant_zero_is_the_foot_of_a_signal_and_the_middle_of_an_axis() -> None:
    foot, middle = linear(np.zeros(3), from_zero=True), linear(np.zeros(3))
    assert (foot.low, foot.high, middle.low, middle.high) == (0, 1, -1, 1)


def test_decades_are_written_with_raised_digits() -> None:
    assert written(logarithmic(np.array([0.01, 1000.0]))) == ["10⁻²", "10⁻¹", "1", "10", "10²", "10³"]


def test_eight_decades_leave_some_unwritten() -> None:
    scale = logarithmic(np.array([1e-8, 1.0]))
    assert written(scale) == ["10⁻⁸", "10⁻⁶", "10⁻⁴", "10⁻²", "1"]
    assert len(scale.minor) == 9


def test_zeros_have_a_floor_below_the_smallest_number() -> None:
    scale = logarithmic(np.array([0.0, 1.0, 1000.0]))
    assert written(scale) == ["0", "1", "10", "10²", "10³"]
    floor, one = scale.places(np.array([0.0, 1.0]))
    assert 0 < floor < one


def test_infinities_and_numbers_beyond_all_measure_are_missing() -> None:
    found = measured(np.array([np.inf, -1e200, np.nan, 1e-200, 3.0]))
    np.testing.assert_array_equal(found, [np.nan, np.nan, np.nan, 0.0, 3.0])


@given(arrays(np.float64, st.integers(0, 20), elements=st.floats(width=64)), st.sampled_from([linear, logarithmic]))
def test_every_number_and_every_tick_lies_on_the_scale(values: Floats, make: object) -> None:
    values = measured(values)
    scale = logarithmic(values, margin=0.01) if make is logarithmic else linear(values, margin=0.01)
    places = scale.places(values)
    assert ((places >= 0) & (places <= 1) | np.isnan(values)).all()
    assert all(
        scale.low - 1e-9 * abs(scale.low) <= place <= scale.high + 1e-9 * abs(scale.high) for place, _ in scale.ticks
    )
    assert len(scale.ticks) <= 9
