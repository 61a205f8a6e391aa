"""Maps: a signal over two positioners, from a mesh or from the file's own two-dimensional plot.

Knows grids; does not know who measured them.
"""

import numpy as np
from numpy.typing import NDArray

from catalog_builder.curves import grid_map, is_counts
from catalog_builder.previews import Attempt, Sketch, Subject
from catalog_builder.previews.colours import block_maximum, colour_bar, coloured, lay, stretched, value_scale, within
from catalog_builder.previews.panel import Panel, draw_panel, scale_that_fits, unfinished, write_heading
from catalog_builder.previews.scales import Scale, linear, measured
from catalog_builder.previews.sheet import LARGE, SMALL, Pixels, blank, png
from catalog_builder.signals import Column, Floats, GridMap, extent

_ROOM = Panel(left=134, bottom=94, right=728, top=472)
_LARGEST_ASPECT = 5.0
"""Beyond it two positioners of one unit are not drawn to one scale: a strip would show nothing."""


def draw_map(subject: Subject) -> Attempt:
    """Draw the file's own map, else a mesh on its grid; nothing for other scans."""
    grid = subject.reading.map
    if grid is None and subject.choice.signals:
        grid = grid_map(subject.command, subject.reading.columns, subject.choice.signals[0])
    if grid is None:
        return Attempt()
    values = measured(grid.values)
    if values.ndim != 2 or not np.isfinite(values).any():
        return Attempt(reason=f"{grid.signal} has no finite value")
    x, y = _positions(grid.x, values.shape[1]), _positions(grid.y, values.shape[0])
    unit = grid.unit or subject.reading.units.get(grid.signal) or ("counts" if is_counts(values) else None)
    scale = value_scale(values)
    shown = _upright(values, x, y)
    caption = (
        f"{grid.signal} over {grid.x.name} and {grid.y.name}, {'log ' if scale.log else ''}{unit or 'values'}, "
        f"{len(x)} × {len(y)} grid"
    )
    large = _large(subject, grid, shown, (x, y), scale, unit)
    return Attempt(sketches=(Sketch(kind="map", caption=caption, large=large, small=_small(shown, x, y, scale)),))


def _positions(column: Column, count: int) -> Floats:
    """Give where cells stand; their numbers where the column does not say so for each."""
    places = measured(column.values)
    numbered = np.arange(count, dtype=np.float64)
    if len(places) != count or not np.isfinite(places).all() or len(np.unique(places)) < count:
        return numbered
    return numbered if count > 1 and extent(places) <= 1e-9 * np.abs(places).max() else places


def _upright(values: Floats, x: Floats, y: Floats) -> Floats:
    """Order cells so that x grows to the right and y upwards (row 0 is the top)."""
    ordered: Floats = values[np.argsort(y)[::-1]][:, np.argsort(x)]
    return ordered


def _edges(places: Floats) -> Floats:
    """Give the cells' edges: half way between neighbours, and as far outside at the ends."""
    ordered = np.sort(places)
    if len(ordered) == 1:
        half = max(0.5, 0.1 * abs(float(ordered[0])))
        return np.array([ordered[0] - half, ordered[0] + half])
    middles = (ordered[1:] + ordered[:-1]) / 2
    first, last = 2 * ordered[0] - middles[0], 2 * ordered[-1] - middles[-1]
    return np.concatenate([[first], middles, [last]])


def _image(shown: Floats, x: Floats, y: Floats, scale: Scale, size: tuple[int, int]) -> Pixels:
    """Colour the cells on so many rows and columns of pixels, each as wide as its share of the axis."""
    rows, columns = size
    few, edge = block_maximum(shown, rows, columns)
    if edge > 1:
        return stretched(coloured(few, scale), rows, columns)
    down = _cells(_edges(-y), rows)
    across = _cells(_edges(x), columns)
    image: Pixels = coloured(shown, scale)[down[:, None], across]
    return image


def _cells(edges: Floats, count: int) -> NDArray[np.intp]:
    """Give for each of so many pixels the number of the cell its middle lies in."""
    middles = edges[0] + (np.arange(count) + 0.5) / count * (edges[-1] - edges[0])
    cells: NDArray[np.intp] = np.searchsorted(edges, middles, side="right") - 1
    return np.clip(cells, 0, len(edges) - 2)


def _axis(edges: Floats, most: int) -> Scale:
    """Make a scale that ends where the cells end."""
    return linear(edges[[0, -1]], most=most)


def _large(
    subject: Subject, grid: GridMap, shown: Floats, places: tuple[Floats, Floats], scale: Scale, unit: str | None
) -> bytes:
    (x, y), columns = places, subject.reading.columns
    x_edges, y_edges = _edges(x), _edges(y)
    panel = _ROOM
    aspect = float((y_edges[-1] - y_edges[0]) / (x_edges[-1] - x_edges[0]))
    if grid.x.unit == grid.y.unit and 1 / _LARGEST_ASPECT <= aspect <= _LARGEST_ASPECT:
        panel = within(_ROOM, aspect)
    across = scale_that_fits(lambda most: _axis(x_edges, most), panel.width)
    up = _axis(y_edges, max(2, panel.height // 70))
    labels = (across.label(grid.x.name, grid.x.unit), up.label(grid.y.name, grid.y.unit))
    note = unfinished(len(columns[0].values), subject.planned) if columns else None
    with blank(LARGE) as sheet:
        write_heading(sheet, subject.title, grid.signal, note)
        draw_panel(sheet, panel, across, up, labels, grid=False)
        lay(sheet, panel, _image(shown, x, y, scale, (panel.height - 2, panel.width - 2)))
        colour_bar(sheet, panel.right + 24, panel, scale, (unit or "value", None))
        return sheet.png()


def _small(shown: Floats, x: Floats, y: Floats, scale: Scale) -> bytes:
    return png(_image(shown, x, y, scale, (SMALL[1], SMALL[0])))
