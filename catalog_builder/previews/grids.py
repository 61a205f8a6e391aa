"""Maps: a signal over two positioners, from a mesh, or from the file's own two-dimensional plot.

Knows grids, and meshes whose points lie on none; does not know who measured them.
"""

from dataclasses import replace

import numpy as np

from catalog_builder.curves import grid_map, is_counts
from catalog_builder.previews import Attempt, Sketch, Subject
from catalog_builder.previews.colours import value_scale
from catalog_builder.previews.heat import Heat, cells, discs, draw_large, draw_small, edges
from catalog_builder.previews.lines import draw_curve
from catalog_builder.previews.panel import unfinished
from catalog_builder.previews.scales import measured
from catalog_builder.signals import Column, Floats, column_named, extent, is_mesh

_DIRECTIONS = frozenset("xyzhvklq")
"""Letters that tell positioners of one kind apart: samx and samz, h and k, qx and qz."""


def draw_map(subject: Subject) -> Attempt:
    """Draw the file's own map, else a mesh on its grid, else the points of a mesh; nothing for other scans."""
    grid = subject.reading.map
    if grid is None and subject.choice.signals:
        grid = grid_map(subject.command, subject.reading.columns, subject.choice.signals[0])
    if grid is None:
        return _scattered(subject)
    values = measured(grid.values)
    if subject.reading.map is None and np.isfinite(values).any(axis=1).sum() == 1 < len(values):
        # one row was measured before the mesh ended: it is seen better as the curve it is
        return draw_curve(replace(subject, choice=replace(subject.choice, axes=(grid.x.name,))))
    if values.ndim != 2 or not np.isfinite(values).any():
        return Attempt(reason=f"{grid.signal} has no finite value")
    x, y = _positions(grid.x, values.shape[1]), _positions(grid.y, values.shape[0])
    scale = value_scale(values)
    x_edges, y_edges = edges(np.sort(x)), edges(np.sort(y))
    signal = Column(name=grid.signal, values=values.ravel(), unit=grid.unit)
    upright = values[np.argsort(y)[::-1]][:, np.argsort(x)]  # x grows to the right, y upwards; row 0 is the top
    heat = Heat(
        title=subject.title,
        subject=grid.signal,
        paint=cells(upright, x_edges, y_edges, scale),
        across=(float(x_edges[0]), float(x_edges[-1])),
        up=(float(y_edges[0]), float(y_edges[-1])),
        labels=(_label(subject, grid.x), _label(subject, grid.y)),
        value=(_unit(subject, signal) or "value", None),
        scale=scale,
        to_scale=_are_alike(subject, grid.x, grid.y),
        note=_note(subject),
        missing="not measured" if np.isnan(values).any() else None,
    )
    return _attempt(subject, heat, signal, (grid.x.name, grid.y.name), f"{len(x)} × {len(y)} grid")


def _scattered(subject: Subject) -> Attempt:
    """Draw a mesh whose points lie on no grid where they are, each a disc."""
    columns, choice = subject.reading.columns, subject.choice
    signal = column_named(columns, choice.signals[0]) if choice.signals else None
    if not is_mesh(subject.command) or signal is None:
        return Attempt()
    wanted = choice.axes if len(choice.axes) == 2 else [asked.positioner for asked in subject.command.ranges[:2]]
    x, y = (column_named(columns, name) for name in wanted)
    if x is None or y is None:
        return Attempt()
    places, heights, values = (measured(column.values) for column in (x, y, signal))
    here = np.isfinite(places) & np.isfinite(heights) & np.isfinite(values)
    if np.count_nonzero(here) < 3 or not extent(places[here]) or not extent(heights[here]):
        return Attempt()
    scale = value_scale(values[here])
    ends = (_with_margin(places[here]), _with_margin(heights[here]))
    heat = Heat(
        title=subject.title,
        subject=signal.name,
        paint=discs(values[here], places[here], heights[here], ends, scale),
        across=ends[0],
        up=ends[1],
        labels=(_label(subject, x), _label(subject, y)),
        value=(_unit(subject, signal) or "value", None),
        scale=scale,
        to_scale=_are_alike(subject, x, y),
        note=_note(subject),
    )
    what = f"{np.count_nonzero(here)} points that lie on no grid"
    return _attempt(subject, heat, signal, (x.name, y.name), what)


def _attempt(subject: Subject, heat: Heat, signal: Column, names: tuple[str, str], what: str) -> Attempt:
    scaling = f"{'log ' if heat.scale.log else ''}{_unit(subject, signal) or 'values'}"
    caption = f"{signal.name} over {names[0]} and {names[1]}, {scaling}, {what}"
    sketch = Sketch(kind="map", caption=caption, large=draw_large(heat), small=lambda: draw_small(heat))
    return Attempt(sketches=(sketch,))


def _note(subject: Subject) -> str | None:
    columns = subject.reading.columns
    return unfinished(len(columns[0].values), subject.planned, subject.reading) if columns else None


def _unit(subject: Subject, signal: Column) -> str | None:
    given = signal.unit or subject.reading.units.get(signal.name)
    return given or ("counts" if is_counts(signal.values) else None)


def _label(subject: Subject, column: Column) -> tuple[str, str | None]:
    return column.name, column.unit or subject.reading.units.get(column.name)


def _are_alike(subject: Subject, x: Column, y: Column) -> bool:
    """Tell positioners of one unit; where neither has one, of names that differ in the letter of a direction."""
    units = (_label(subject, x)[1], _label(subject, y)[1])
    if units[0] or units[1]:
        return units[0] == units[1]
    one, other = x.name.casefold(), y.name.casefold()
    differing = [pair for pair in zip(one, other, strict=False) if pair[0] != pair[1]]
    return len(one) == len(other) and len(differing) == 1 and set(differing[0]) <= _DIRECTIONS


def _positions(column: Column, count: int) -> Floats:
    """Give where cells stand; their numbers where the column does not say so for each."""
    places = measured(column.values)
    numbered = np.arange(count, dtype=np.float64)
    if len(places) != count or not np.isfinite(places).all() or len(np.unique(places)) < count:
        return numbered
    return numbered if count > 1 and extent(places) <= 1e-9 * np.abs(places).max() else places


def _with_margin(places: Floats) -> tuple[float, float]:
    low, high = float(places.min()), float(places.max())
    room = 0.04 * (high - low)
    return low - room, high + room
