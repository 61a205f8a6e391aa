"""Thinning, peaks, grids and ``curve.json``."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from catalog_builder.curves import curve_bytes, curve_document, grid_map, is_counts, peak, thinned, wants_log
from catalog_builder.records import Command, Range
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


def test_a_triangle_has_its_exact_width() -> None:
    found = peak(np.arange(9.0), np.array([0, 0, 0, 5, 10, 5, 0, 0, 0.0]))
    assert found is not None
    assert (found.height, found.position, found.centre_of_mass, found.fwhm) == (10, 4, 4, 2)
    assert not found.ambiguous


def test_a_width_is_the_same_when_scanned_downwards() -> None:
    x, y = np.linspace(-1, 1, 41), np.exp(-(np.linspace(-1, 1, 41) ** 2) / 0.02)
    assert peak(x, y) == peak(x[::-1], y[::-1])


def test_a_gaussian_has_the_width_of_a_gaussian() -> None:
    x = np.linspace(-1, 1, 401)
    found = peak(x, np.exp(-((x - 0.1) ** 2) / (2 * 0.05**2)))
    assert found is not None
    assert found.fwhm == pytest.approx(2.3548 * 0.05, rel=1e-3)


def test_two_stretches_above_half_make_a_peak_ambiguous() -> None:
    found = peak(np.arange(7.0), np.array([0, 10, 0, 0, 0, 8, 0.0]))
    assert found is not None
    assert found.ambiguous
    assert (found.position, found.fwhm) == (1, 1)


def test_a_missing_flank_leaves_the_width_out() -> None:
    found = peak(np.arange(4.0), np.array([10, 8, 3, 0.0]))
    assert found is not None
    assert (found.fwhm, found.ambiguous) == (None, False)


def test_missing_numbers_are_no_part_of_a_peak() -> None:
    found = peak(np.array([0, 1, 2, 3, np.nan]), np.array([0, np.inf, 7, np.nan, 99]))
    assert found is not None
    assert (found.height, found.position) == (7, 2)


def test_nothing_finite_has_no_peak() -> None:
    assert peak(np.array([1.0, np.nan]), np.array([np.nan, 1.0])) is None


def test_a_curve_below_zero_has_neither_width_nor_centre() -> None:
    found = peak(np.arange(3.0), np.array([-2, -1, -2.0]))
    assert found is not None
    assert (found.height, found.centre_of_mass, found.fwhm) == (-1, None, None)


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
            "ambiguous": False,
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
