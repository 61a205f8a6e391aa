"""What the demo's samples give: curves with the shape physics asks for."""

import numpy as np
import pytest

from catalog_builder.demo.physics import (
    Layer,
    Peak,
    TruncationRod,
    parratt,
    pseudo_voigt,
    ring_current,
    surface_pressure,
)

WATER = Layer(0.334, 0.0, 2.6, 0.0012)


def test_a_surface_reflects_all_below_its_critical_angle_and_falls_like_q_to_the_fourth() -> None:
    q = np.array([0.015, 0.3, 0.6])
    smooth = parratt((Layer(0.334, 0.0, 0.0, 0.0),), q, 15000.0)
    assert smooth[0] == pytest.approx(1.0, abs=1e-9)
    assert smooth[1] / smooth[2] == pytest.approx(16.0, rel=0.01)
    rough = parratt((WATER,), q, 15000.0)
    assert rough[2] / smooth[2] == pytest.approx(np.exp(-((0.6 * 2.6) ** 2)), rel=0.02)


def test_a_film_makes_kiessig_fringes_of_two_pi_over_its_thickness() -> None:
    q = np.linspace(0.2, 0.6, 4001)
    curve = parratt((Layer(1.72, 200.0, 0.0, 0.0), Layer(1.41, 0.0, 0.0, 0.0)), q, 18000.0) * q**4
    dips = q[1:-1][(curve[1:-1] < curve[:-2]) & (curve[1:-1] < curve[2:])]
    assert np.diff(dips) == pytest.approx(2 * np.pi / 200.0, rel=0.03)


@pytest.mark.parametrize("mixing", [0.0, 0.4, 1.0])
def test_a_pseudo_voigt_is_half_as_high_at_half_its_width(mixing: float) -> None:
    assert pseudo_voigt(np.array([2.0, 2.15]), 2.0, 0.3, mixing) == pytest.approx([1.0, 0.5])


def test_a_rod_of_a_bare_substrate_is_lowest_between_its_bragg_peaks() -> None:
    order = np.linspace(1.1, 1.9, 81)
    rate = TruncationRod(0, 1.0).rate((order, order, order), order)
    assert order[np.argmin(rate)] == pytest.approx(1.5, abs=0.15)


def test_a_peak_lies_over_its_background() -> None:
    x = np.linspace(-1, 1, 201)
    rate = Peak(0.2, 0.1, 500.0).rate((x,), x)
    assert x[np.argmax(rate)] == pytest.approx(0.2)
    assert rate.min() > 10


def test_the_ring_decays_until_it_is_topped_up() -> None:
    current = ring_current(np.arange(0.0, 540.0))
    assert np.count_nonzero(np.diff(current) > 0) == 1
    assert 119 < current.min() < current.max() < 121


def test_a_film_under_compression_ends_at_its_pressure() -> None:
    pressure = surface_pressure(np.linspace(0, 1000, 101), 450.0, 120.0, 30.0)
    assert np.all(np.diff(pressure) >= 0)
    assert pressure[0] < 0.5
    assert pressure[-1] == pytest.approx(30.0, rel=0.01)
