"""The arithmetic on curves: thinning, the facts about a peak, the grid of a mesh, the content of ``curve.json``.

Knows columns and numbers; does not know formats, files or how anything is drawn.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from catalog_builder.records import Command, Json, Peak
from catalog_builder.signals import Choice, Column, Floats, GridMap, Reading, axis_of, column_named, extent, is_mesh

CURVE_FORMAT = 1
"""Number of the format of ``curve.json``."""

LARGEST_GRID = 4_000_000
"""Cells a planned mesh may have before it is taken for a misread command."""

_SHARE_ALONE = 0.98
"""Of a mesh's points on its grid that must have a cell of their own: a point measured twice is borne."""

_DIGITS = 7
"""Significant digits kept in ``curve.json``."""


def thinned(x: Floats, ys: Sequence[Floats], limit: int = 1000) -> NDArray[np.intp]:
    """Choose points that look like all of them: indices in order, at most ``limit`` where that can be done.

    Runs of points are taken in the file's order, whatever ``x`` does, and of each run every signal's smallest and
    largest finite value stay, so a single bright point is never lost; a run without any finite value leaves one
    point, so a gap stays a gap. First and last point stay.

    Parameters
    ----------
    x
        Shape (points,).
    ys
        Signals, each of shape (points,).
    """
    points = len(x)
    if points <= max(limit, 2):
        return np.arange(points)
    runs = max(1, (limit - 2) // (2 * max(1, len(ys))))
    edges = np.linspace(0, points, runs + 1).astype(np.intp)
    members = np.minimum(edges[:-1, None] + np.arange(np.diff(edges).max()), edges[1:, None] - 1)
    kept = [np.array([0, points - 1])]
    for y in ys:
        values, finite = y[members], np.isfinite(y)[members]
        rows = np.arange(runs)
        kept.append(members[rows, np.where(finite, values, np.inf).argmin(axis=1)])
        kept.append(members[rows, np.where(finite, values, -np.inf).argmax(axis=1)])
    return np.unique(np.concatenate(kept))


def wants_log(*signals: Floats) -> bool:
    """Tell whether values are read better on a logarithmic scale: more than two decades, and nothing negative.

    Zeros are no obstacle and do not count as a decade.
    """
    finite = np.concatenate([np.zeros(0), *(values[np.isfinite(values)].ravel() for values in signals)])
    positive = finite[finite > 0]
    if not len(positive) or finite.min() < 0:
        return False
    return bool(math.log10(positive.max()) - math.log10(positive.min()) > 2)


def is_counts(values: Floats) -> bool:
    """Tell whether values can be counts: whole numbers, none negative, at least one above 0."""
    finite = values[np.isfinite(values)]
    return bool(len(finite) and finite.min() >= 0 and finite.max() > 0 and (finite == np.floor(finite)).all())


def peak(x: Floats, y: Floats) -> Peak | None:
    """Give the facts about the highest point, or None where no point has both numbers.

    Nothing is subtracted: the width is that of the stretch around the highest point that lies above half its
    height counted from 0, as SPEC's ``fwhm`` does, its ends interpolated linearly; None where the curve does not
    come down to the half on both sides. The centre of mass weighs each point by its value; None where a value is
    negative or none is positive.

    The facts are ambiguous where the curve does not come down on both sides (the maximum at an edge, a background
    above half of it), where several stretches are above half, where fewer than three points are, where the top is
    flat (a slit, a counter at its end) and where the highest point does not stand out of the noise.
    """
    points = _in_order(x, y)
    if points is None:
        return None
    x, y = points
    top = int(y.argmax())
    sides = _sides(x, y, top)
    width = None if sides is None else sides[1] - sides[0]
    width = width if width is not None and math.isfinite(width) else None
    return Peak(
        height=float(y[top]),
        position=float(x[top]),
        centre_of_mass=_centre_of_mass(x, y),
        fwhm=width,
        ambiguous=width is None or _is_doubtful(x, y, top, width),
    )


def half_maximum(x: Floats, y: Floats) -> tuple[float, float] | None:
    """Give where the stretch around the highest point begins and ends that ``peak`` gives the width of."""
    points = _in_order(x, y)
    return None if points is None else _sides(*points, int(points[1].argmax()))


def _in_order(x: Floats, y: Floats) -> tuple[Floats, Floats] | None:
    """Give the points that have both numbers by growing x, or None where there is none."""
    keep = np.isfinite(x) & np.isfinite(y)
    if not keep.any():
        return None
    order = np.argsort(x[keep], kind="stable")
    return x[keep][order], y[keep][order]


def _centre_of_mass(x: Floats, y: Floats) -> float | None:
    if y.min() < 0 or y.max() <= 0:
        return None
    weights = y / y.max()
    with np.errstate(over="ignore"):
        centre = float((x * (weights / weights.sum())).sum())
    return min(max(centre, float(x[0])), float(x[-1]))


def _sides(x: Floats, y: Floats, top: int) -> tuple[float, float] | None:
    """Give where the curve crosses half of ``y[top]`` on both sides of it; None where it does not."""
    half = y[top] / 2
    below = np.flatnonzero(y <= half)
    before, behind = below[below < top], below[below > top]
    if y[top] <= 0 or not len(before) or not len(behind):
        return None
    first, last = int(before[-1]), int(behind[0])
    return _crossing(x, y, first + 1, first, half), _crossing(x, y, last - 1, last, half)


def _crossing(x: Floats, y: Floats, inside: int, outside: int, level: float) -> float:
    """Give where the curve passes ``level`` between a point above it and its neighbour below."""
    with np.errstate(all="ignore"):
        part = float((y[inside] - level) / (y[inside] - y[outside]))
        return float(x[inside] + (x[outside] - x[inside]) * part)


_FEWEST_IN_PEAK = 3
"""Points at or above half the height that make a peak; fewer are a spike whose width is the step's."""
_FLAT, _FLAT_SHARE = 0.01, 0.25
"""A top is flat where points within 1 % of it span a quarter of the width: a Gaussian's span an eighth."""
_STANDS_OUT = 4.0
"""Standard deviations of the noise by which the highest point exceeds the median."""
_COUNTS_STAND_OUT = 3.0
"""The same where the noise is that of counting: few counts prove nothing."""


def _is_doubtful(x: Floats, y: Floats, top: int, width: float) -> bool:
    """Tell whether the facts about the peak at ``top`` could as well be others."""
    height = float(y[top])
    above = y > height / 2
    stretches = int(above[0]) + int(np.count_nonzero(above[1:] & ~above[:-1]))
    if stretches > 1 or np.count_nonzero(y >= height / 2) < _FEWEST_IN_PEAK:
        return True
    flat = np.flatnonzero(y >= height * (1 - _FLAT))
    if len(flat) >= _FEWEST_IN_PEAK and float(x[flat[-1]] - x[flat[0]]) > _FLAT_SHARE * width:
        return True
    out = height - float(np.median(y))
    if is_counts(y) and out < _COUNTS_STAND_OUT * math.sqrt(height):
        return True
    return bool(out < _STANDS_OUT * _noise(y))


def _noise(y: Floats) -> float:
    """Give the standard deviation of what changes from point to point, by the median of the second differences.

    Those of normal noise have a standard deviation of its own times √6, and their median size is 0.6745 of that.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        bends = np.abs(y[:-2] - 2 * y[1:-1] + y[2:])
    size = float(np.median(bends)) if len(bends) else 0.0
    return size / (0.6745 * math.sqrt(6)) if math.isfinite(size) else 0.0


def grid_map(command: Command, columns: Sequence[Column], signal: str) -> GridMap | None:
    """Put a mesh's points on the grid its command planned; None where the scan is no mesh or does not fit one.

    Each point goes to the nearest planned position, so rows may run to and fro, and what an aborted mesh did not
    reach stays NaN. A relative mesh is placed by its first point, where both positioners stand at their start.
    Points that would share a cell do not lie on the grid.
    """
    if not is_mesh(command):
        return None
    values = column_named(columns, signal)
    fast, slow = (_planned(columns, command, number) for number in (0, 1))
    if values is None or fast is None or slow is None or len(fast[0].values) * len(slow[0].values) > LARGEST_GRID:
        return None
    (x, x_places), (y, y_places) = fast, slow
    inside = (x_places >= 0) & (y_places >= 0) & np.isfinite(values.values)
    if not inside.any() or inside.sum() < np.isfinite(values.values).sum() / 2:
        return None
    cells = np.full((len(y.values), len(x.values)), np.nan)
    taken = np.unique(y_places[inside] * len(x.values) + x_places[inside])
    if len(taken) < _SHARE_ALONE * inside.sum():
        return None
    cells[y_places[inside], x_places[inside]] = values.values[inside]
    return GridMap(signal=values.name, values=cells, x=x, y=y, unit=values.unit)


def _planned(columns: Sequence[Column], command: Command, number: int) -> tuple[Column, NDArray[np.intp]] | None:
    """Give one positioner's planned positions, and for each point the number of the nearest; -1 is off the grid."""
    asked = command.ranges[number]
    column = column_named(columns, asked.positioner)
    if column is None or asked.start is None or asked.stop is None or not asked.intervals or asked.intervals < 1:
        return None
    finite = column.values[np.isfinite(column.values)]
    if not len(finite) or asked.start == asked.stop or asked.intervals >= LARGEST_GRID:
        return None
    offset = float(finite[0]) - asked.start if command.relative else 0.0
    grid = np.linspace(asked.start, asked.stop, asked.intervals + 1) + offset
    with np.errstate(all="ignore"):
        places = (column.values - grid[0]) / (grid[-1] - grid[0]) * asked.intervals
        on_grid = (places > -0.75) & (places < asked.intervals + 0.75)
    nearest = np.clip(np.rint(np.where(on_grid, places, -1)), -1, asked.intervals).astype(np.intp)
    nearest[on_grid] = np.maximum(nearest[on_grid], 0)
    return Column(name=column.name, values=grid, unit=column.unit), nearest


def curve_document(reading: Reading, choice: Choice, limit: int = 1000) -> dict[str, Json]:
    """Give the content of ``curve.json``: the axis and all channels, thinned alike, ready to be plotted again.

    ``axis`` and each of ``channels`` have name, unit and values of one length, null where there is no number;
    ``points`` is the number measured, ``thinned`` tells that fewer are here, ``log`` that the chosen signals want
    a logarithmic scale, and ``peak`` is of the main signal over the axis (null for a map and where there is
    none). The extremes of the chosen signals stay in every stretch, of the other channels over the whole scan.
    """
    axis = axis_of(reading, choice)
    drawn = [c for name in choice.signals if (c := column_named(reading.columns, name)) is not None]
    kept = thinned(axis.values, [column.values for column in drawn], limit)
    if len(kept) < len(axis.values):
        kept = np.union1d(kept, _ends([column.values for column in reading.columns]))
    found = peak(axis.values, drawn[0].values) if drawn and len(choice.axes) < 2 else None
    names = {column.name for column in drawn}
    return {
        "format": CURVE_FORMAT,
        "axis": {"name": axis.name, "unit": axis.unit, "values": _json_values(axis.values, kept)},
        "channels": [
            {
                "name": column.name,
                "unit": column.unit or reading.units.get(column.name),
                "values": _json_values(column.values, kept),
                "signal": column.name in names,
            }
            for column in reading.columns
        ],
        "points": len(axis.values),
        "thinned": len(kept) < len(axis.values),
        "log": wants_log(*(column.values for column in drawn)),
        "peak": None if found is None else asdict(found),
    }


def curve_bytes(document: dict[str, Json]) -> bytes:
    """Write a curve's document compactly: the same document gives the same bytes."""
    return json.dumps(document, separators=(",", ":"), allow_nan=False).encode("ascii")


def _ends(columns: Sequence[Floats]) -> NDArray[np.intp]:
    """Give the indices of every column's smallest and largest finite value."""
    places: list[int] = []
    for values in columns:
        finite = np.isfinite(values)
        if finite.any():
            places += [int(np.where(finite, values, np.inf).argmin()), int(np.where(finite, values, -np.inf).argmax())]
    return np.array(places, dtype=np.intp)


def _json_values(values: Floats, kept: NDArray[np.intp]) -> list[Json]:
    """Give the kept values with seven significant digits, more where they differ only behind those; NaN is None."""
    chosen = values[kept]
    finite = np.isfinite(chosen)
    rounded = _rounded(chosen[finite], _digits(values))
    whole = bool((np.abs(rounded) < 2**53).all() and (rounded == np.floor(rounded)).all())
    out: list[Json] = [None] * len(chosen)
    plain: list[float] = (rounded.astype(np.int64) if whole else rounded).tolist()
    for place, value in zip(np.flatnonzero(finite).tolist(), plain, strict=True):
        out[place] = value
    return out


def _digits(values: Floats) -> int:
    """Give the significant digits that keep the differences too: ``epoch`` moves by seconds around 1.7e9."""
    span, finite = extent(values), values[np.isfinite(values)]
    if not span or not math.isfinite(span):
        return _DIGITS
    ratio = math.log10(float(np.abs(finite).max())) - math.log10(span)
    return _DIGITS if ratio <= 3 else min(15, _DIGITS + math.ceil(ratio))


def _rounded(values: Floats, digits: int) -> Floats:
    """Round to significant digits, so that JSON's shortest form has no more of them."""
    if not len(values):
        return values
    sizes = np.abs(values)
    with np.errstate(all="ignore"):
        decimals = digits - 1 - np.floor(np.log10(np.where(sizes > 0, sizes, 1)))
    if np.abs(decimals).max() > 22:  # 10**23 is no longer exact in a float
        return np.array([float(f"{value:.{digits - 1}e}") for value in values.tolist()])
    up, down = 10.0 ** np.maximum(decimals, 0), 10.0 ** np.maximum(-decimals, 0)
    return np.asarray(np.rint(values * up / down) * down / up)
