"""Thinning, peaks, grids and ``curve.json``."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from catalog_builder.curves import (
    curve_bytes,
    curve_document,
    grid_map,
    half_maximum,
    is_counts,
    peak,
    thinned,
    wants_log,
)
from catalog_builder.records import Command, Peak, Range
from catalog_builder.signals import Choice, Column, Floats, Reading

ANY = arrays(np.float64, st.integers(0, 300), elements=st.floats(width=64))


def mesh(fast: tuple[float, float, int], slow: tuple[float, float, int], macro: str = "mesh") -> Command:
    ranges = (
        Range(positioner="x", start=fast[0], stop=fast[1], intervals=fast[2]),
        Range(positioner="y", start=slow[0], stop=slow[1], intervals=slow[2]),
    )
    return Command(text=macro, macro=macro, ranges=ranges, relative=macro == "dmesh")


def column(name: str, values: object, unit: str | None = None) -> Column:
    return Column(name=name, values=np.asarray(values, dtype=np.float64), unit=unit)


@given(ANY, st.integers(4, 50))
def test_thinning_keeps_the_extremes_the_order_and_the_ends(y: Floats, limit: int) -> None:
    kept = thinned(np.arange(len(y), dtype=np.float64), [y], limit)
    assert (np.diff(kept) > 0).all()
    assert len(kept) <= limit
    finite = y[np.isfinite(y)]
    if len(finite):
        assert {finite.min(), finite.max()} <= set(y[kept].tolist())
    if len(y):
        assert (kept[0], kept[-1]) == (0, len(y) - 1)


def test_thinning_keeps_a_bright_point_of_every_signal() -> None:
    ys = [np.zeros(100_000) for _ in range(3)]
    for number, y in enumerate(ys):
        y[33_333 + number] = 1.0
    assert {33_333, 33_334, 33_335} <= set(thinned(np.arange(100_000.0), ys).tolist())


def test_a_gap_stays_a_gap() -> None:
    y = np.ones(5000)
    y[1000:4000] = np.nan
    assert np.isnan(y[thinned(np.arange(5000.0), [y])]).any()


def facts(x: object, y: object) -> Peak:
    found = peak(np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64))
    assert found is not None
    return found


GRID = np.linspace(-1, 1, 81)


def gaussian(width: float, centre: float = 0.0, x: Floats = GRID) -> Floats:
    """Give 1000 exp(-4 ln2 ((x - centre) / width)**2): of that full width at half maximum."""
    return np.asarray(1000 * np.exp(-4 * math.log(2) * ((x - centre) / width) ** 2))


def test_a_triangle_has_its_exact_width() -> None:
    found = facts(range(9), [0, 0, 20, 60, 100, 60, 20, 0, 0])
    # half is 50: crossed a quarter of the way from 60 to 20, a quarter of a step outside of 3 and 5
    assert (found.height, found.position, found.fwhm) == (100, 4, 2.5)
    assert found.centre_of_mass == pytest.approx(4)
    assert not found.ambiguous


def test_a_width_is_the_same_when_scanned_downwards() -> None:
    y = gaussian(0.3, 0.1)
    assert peak(GRID, y) == peak(GRID[::-1], y[::-1])


@pytest.mark.parametrize(("width", "centre"), [(0.1, 0.0), (0.3, 0.1), (0.8, -0.1)])
def test_a_gaussian_has_its_width(width: float, centre: float) -> None:
    found = facts(GRID, gaussian(width, centre))
    assert found.fwhm == pytest.approx(width, rel=0.02)
    assert found.position == pytest.approx(centre, abs=0.0125)
    assert found.centre_of_mass == pytest.approx(centre, abs=0.01)
    assert not found.ambiguous


def test_a_lorentzian_has_its_width() -> None:
    found = facts(GRID, 1 / (1 + (2 * GRID / 0.2) ** 2))
    assert found.fwhm == pytest.approx(0.2, rel=0.02)
    assert not found.ambiguous


def test_a_background_is_not_subtracted_silently() -> None:
    found = facts(GRID, gaussian(0.3) + 100)
    # half of 1100 is 450 above the background: 0.3 sqrt(log2(1000 / 450))
    assert found.fwhm == pytest.approx(0.3 * math.sqrt(math.log2(1000 / 450)), rel=0.02)
    assert not found.ambiguous


def test_a_background_above_half_the_maximum_makes_a_peak_ambiguous() -> None:
    found = facts(GRID, gaussian(0.3) + 5000)
    assert (found.fwhm, found.ambiguous) == (None, True)
    assert found.height == 6000
    assert found.position == pytest.approx(0)


def test_two_stretches_above_half_make_a_peak_ambiguous() -> None:
    found = facts(range(11), [0, 60, 100, 60, 0, 0, 0, 55, 80, 55, 0])
    assert found.ambiguous
    assert found.position == 2
    assert found.fwhm == pytest.approx(2 + 2 / 6)
    assert facts(range(11), [0, 60, 100, 60, 0, 0, 0, 30, 40, 30, 0]).ambiguous is False, "the second is below half"


@pytest.mark.parametrize("y", [[10, 8, 6, 3, 0], [0, 3, 6, 8, 10], [6, 8, 10, 8, 6], [9, 10, 9, 4, 0]])
def test_a_missing_flank_leaves_the_width_out_and_makes_the_peak_ambiguous(y: list[float]) -> None:
    found = facts(range(5), y)
    assert (found.fwhm, found.ambiguous) == (None, True)


@pytest.mark.parametrize("y", [[0, 0, 90, 0, 0], [0, 0, 90, 90, 0, 0]])
def test_a_spike_of_one_or_two_points_is_no_peak_beyond_doubt(y: list[float]) -> None:
    assert facts(range(len(y)), y).ambiguous


def test_a_flat_top_makes_a_peak_ambiguous() -> None:
    found = facts(GRID, np.minimum(gaussian(0.5), 700))
    assert found.ambiguous
    assert found.fwhm is not None
    assert not facts(GRID, np.minimum(gaussian(0.5), 999.9)).ambiguous


def test_a_constant_curve_is_ambiguous() -> None:
    found = facts(range(5), [7] * 5)
    assert (found.height, found.fwhm, found.ambiguous) == (7, None, True)
    assert found.centre_of_mass == pytest.approx(2)


def test_a_peak_that_does_not_stand_out_of_the_noise_is_ambiguous() -> None:
    ripple = np.where(np.arange(41) % 2 == 0, 40.0, -40.0)
    peaked = 100 * np.exp(-(((np.arange(41) - 20) / 4) ** 2))
    assert facts(np.arange(41), peaked + np.where(peaked > 50, ripple / 10, ripple)).ambiguous
    assert not facts(np.arange(41), peaked + ripple / 40).ambiguous


def test_few_counts_prove_nothing() -> None:
    few = [0, 0, 0, 0, 3, 5, 3, 0, 0, 0, 0]
    assert facts(range(11), few).ambiguous, "5 is 2.2 times its square root"
    assert not facts(range(11), [10 * count for count in few]).ambiguous


def test_values_below_zero_leave_the_centre_out_and_the_width_in() -> None:
    found = facts(GRID, gaussian(0.3) - 1)
    assert found.centre_of_mass is None
    assert found.fwhm == pytest.approx(0.3, rel=0.02)
    assert not found.ambiguous


def test_where_half_the_maximum_is_crossed() -> None:
    found = half_maximum(np.arange(9.0)[::-1], np.array([0, 0, 2, 6, 10, 6, 2, 0, 0.0]))
    assert found == (2.75, 5.25)
    assert half_maximum(np.arange(3.0), np.array([3, 2, 1.0])) is None
    assert half_maximum(np.arange(1.0), np.array([math.nan])) is None


def test_missing_numbers_are_no_part_of_a_peak() -> None:
    found = peak(np.array([0, 1, 2, 3, np.nan]), np.array([0, np.inf, 7, np.nan, 99]))
    assert found is not None
    assert (found.height, found.position) == (7, 2)


def test_nothing_finite_has_no_peak() -> None:
    assert peak(np.array([1.0, np.nan]), np.array([np.nan, 1.0])) is None


def test_a_curve_below_zero_has_neither_width_nor_centre() -> None:
    found = peak(np.arange(3.0), np.array([-2, -1, -2.0]))
    assert found is not None
    assert (found.height, found.centre_of_mass, found.fwhm, found.ambiguous) == (-1, None, None, True)


@given(st.integers(0, 40).flatmap(lambda n: arrays(np.float64, (2, n), elements=st.floats(width=64))))
def test_a_peak_lies_within_its_axis_whatever_the_numbers(pair: Floats) -> None:
    x, y = pair
    found = peak(x, y)
    if found is not None:
        finite = x[np.isfinite(x)]
        assert finite.min() <= found.position <= finite.max()
        assert found.centre_of_mass is None or finite.min() <= found.centre_of_mass <= finite.max()
        assert found.fwhm is None or (math.isfinite(found.fwhm) and found.fwhm >= 0)


@pytest.mark.parametrize(
    ("values", "answer"),
    [
        ([1, 10, 101], True),
        ([1, 10, 100], False),
        ([0, 0, 1, 101], True),
        ([-1, 10, 1e5], False),
        ([0, 0], False),
        ([], False),
        ([math.nan, 1, 1e8, math.inf], True),
    ],
)
def test_a_logarithmic_scale_is_for_more_than_two_decades_and_nothing_negative(
    values: list[float], answer: bool
) -> None:
    assert wants_log(np.array(values, dtype=np.float64)) is answer


def test_counts_are_whole_and_not_negative() -> None:
    assert is_counts(np.array([0, 3, math.nan]))
    assert not is_counts(np.array([0.0, 0.5]))
    assert not is_counts(np.array([0.0, 0.0]))


def test_a_mesh_that_runs_to_and_fro_and_was_aborted_lies_on_its_grid() -> None:
    places = [(0, 0), (1, 0), (2, 0), (2, 1), (1.02, 0.99)]
    grid = grid_map(
        mesh((0, 2, 2), (0, 1, 1)),
        [column("X", [x for x, _ in places], "mm"), column("y", [y for _, y in places]), column("d", [1, 2, 3, 4, 5])],
        "d",
    )
    assert grid is not None
    np.testing.assert_array_equal(grid.values, [[1, 2, 3], [math.nan, 5, 4]])
    assert (grid.x.name, grid.x.unit, grid.x.values.tolist()) == ("X", "mm", [0, 1, 2])


def test_a_relative_mesh_is_placed_by_its_first_point() -> None:
    grid = grid_map(
        mesh((-1, 1, 2), (-1, 1, 2), "dmesh"),
        [column("x", [9, 10, 11]), column("y", [49, 49, 49]), column("d", [1, 2, 3])],
        "d",
    )
    assert grid is not None
    assert (grid.x.values.tolist(), grid.y.values.tolist()) == ([9, 10, 11], [49, 50, 51])
    assert grid.values[0].tolist() == [1, 2, 3]


def test_points_that_do_not_fit_the_planned_grid_give_no_map() -> None:
    data = [column("x", [100, 101]), column("y", [0, 1]), column("d", [1, 2])]
    assert grid_map(mesh((0, 2, 2), (0, 1, 1)), data, "d") is None


def test_points_that_share_cells_do_not_lie_on_the_grid() -> None:
    rng = np.random.default_rng(1)
    data = [column("x", 2 * rng.random(12)), column("y", 3 * rng.random(12)), column("d", range(12))]
    assert grid_map(mesh((0, 2, 2), (0, 3, 3)), data, "d") is None


def test_a_misread_command_does_not_ask_for_a_huge_grid() -> None:
    data = [column("x", [0]), column("y", [0]), column("d", [1])]
    assert grid_map(mesh((0, 2, 100_000), (0, 1, 100_000)), data, "d") is None


def test_other_scans_are_no_maps() -> None:
    assert grid_map(Command(text="ascan", macro="ascan"), [column("d", [1])], "d") is None


def test_the_curve_document_says_everything_a_plot_needs() -> None:
    reading = Reading(
        columns=(column("om", [0, 1, 2, 3, 4], "deg"), column("roi1", [0, 5, 1000, 5, 0]), column("t", [1.5] * 5))
    )
    document = curve_document(reading, Choice(signals=("roi1",), axes=("om",), reason=""))
    assert document == {
        "format": 1,
        "axis": {"name": "om", "unit": "deg", "values": [0, 1, 2, 3, 4]},
        "channels": [
            {"name": "om", "unit": "deg", "values": [0, 1, 2, 3, 4], "signal": False},
            {"name": "roi1", "unit": None, "values": [0, 5, 1000, 5, 0], "signal": True},
            {"name": "t", "unit": None, "values": [1.5] * 5, "signal": False},
        ],
        "points": 5,
        "thinned": False,
        "log": True,
        "peak": {
            "height": 1000.0,
            "position": 2.0,
            "centre_of_mass": pytest.approx(2),
            "fwhm": pytest.approx(1000 / 995),
            "ambiguous": True,
        },
    }


def test_what_is_no_number_is_null_in_the_curve_document() -> None:
    reading = Reading(columns=(column("d", [1.25, math.nan, math.inf]),))
    written = json.loads(curve_bytes(curve_document(reading, Choice(signals=("d",), reason=""))))
    assert written["channels"][0]["values"] == [1.25, None, None]
    assert written["axis"] == {"name": "point", "unit": None, "values": [0, 1, 2]}


def test_values_are_rounded_to_seven_digits_unless_they_differ_only_behind_them() -> None:
    reading = Reading(columns=(column("d", [math.pi, 1e-9 / 3, -2e12 / 3]), column("e", [1.7e9, 1.7e9 + 1, 1.7e9 + 2])))
    written = curve_bytes(curve_document(reading, Choice(signals=("d",), reason=""))).decode()
    assert "[3.141593,3.333333e-10,-666666700000.0]" in written
    assert "[1700000000,1700000001,1700000002]" in written


def test_a_long_scan_is_thinned_with_the_extremes_of_every_channel() -> None:
    rng = np.random.default_rng(1)
    reading = Reading(columns=tuple(column(name, rng.normal(size=20_000)) for name in ("a", "b", "c")))
    document = json.loads(curve_bytes(curve_document(reading, Choice(signals=("a",), reason=""))))
    assert (document["points"], document["thinned"]) == (20_000, True)
    lengths = {len(channel["values"]) for channel in document["channels"]} | {len(document["axis"]["values"])}
    assert len(lengths) == 1
    assert lengths.pop() < 1100
    for channel, whole in zip(document["channels"], reading.columns, strict=True):
        assert max(channel["values"]) == pytest.approx(whole.values.max(), rel=1e-6)
        assert min(channel["values"]) == pytest.approx(whole.values.min(), rel=1e-6)


@given(st.integers(0, 30).flatmap(lambda n: arrays(np.float64, (2, n), elements=st.floats(width=64))))
def test_any_numbers_make_a_document_and_the_same_bytes_twice(pair: Floats) -> None:
    reading = Reading(columns=(column("x", pair[0]), column("y", pair[1])))
    choice = Choice(signals=("y",), axes=("x",), reason="")
    written = curve_bytes(curve_document(reading, choice))
    assert written == curve_bytes(curve_document(reading, choice))
    for value, kept in zip(pair[1].tolist(), json.loads(written)["channels"][1]["values"], strict=True):
        assert kept == pytest.approx(value, rel=1e-6) if math.isfinite(value) else kept is None
