"""A picture of values over two axes, each value a colour: maps, spectra point by point, series of frames.

Knows how such a picture is laid out large and small; does not know what it shows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catalog_builder.previews.colours import block_maximum, colour_bar, coloured, lay, stretched, within
from catalog_builder.previews.panel import Panel, draw_panel, scale_that_fits, write_heading, write_key
from catalog_builder.previews.scales import Scale, linear
from catalog_builder.previews.sheet import LARGE, MASKED, SMALL, Pixels, blank, png
from catalog_builder.signals import Floats

ROOM = Panel(left=134, bottom=94, right=728, top=444)
"""Below the second row of words; without one there is more."""
WHOLE_ROOM = Panel(left=134, bottom=94, right=728, top=474)
LARGEST_ASPECT = 5.0
"""Beyond it two axes of one unit are not drawn to one scale: a strip would show nothing."""

Label = tuple[str, str | None]
"""What an axis is called, and its unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heat:
    """What such a picture needs."""

    title: str
    subject: str
    paint: Callable[[int, int], Pixels]
    """Gives the picture on so many rows and columns of pixels."""
    across: tuple[float, float]
    up: tuple[float, float]
    """The ends of both axes."""
    labels: tuple[Label, Label]
    value: Label
    scale: Scale
    to_scale: bool = False
    """True draws a length on both axes alike."""
    note: str | None = None
    missing: str | None = None
    """What the grey means, where there is any."""
    whole: tuple[bool, bool] = (False, False)
    """True where an axis counts things."""


def draw_large(heat: Heat) -> bytes:
    """Draw the picture with scales and words."""
    (left, right), (low, high) = heat.across, heat.up
    aspect = (high - low) / (right - left)
    room = ROOM if heat.missing else WHOLE_ROOM
    panel = within(room, aspect) if heat.to_scale and 1 / LARGEST_ASPECT <= aspect <= LARGEST_ASPECT else room
    across = scale_that_fits(lambda most: _axis(heat.across, most, heat.whole[0]), panel.width)
    up = _axis(heat.up, max(2, panel.height // 70), heat.whole[1])
    labels = (across.label(*heat.labels[0]), up.label(*heat.labels[1]))
    with blank(LARGE) as sheet:
        write_heading(sheet, heat.title, heat.subject, heat.note)
        draw_panel(sheet, panel, across, up, labels, grid=False)
        lay(sheet, panel, heat.paint(panel.height - 2, panel.width - 2))
        colour_bar(sheet, panel.right + 24, panel, heat.scale, heat.value)
        if heat.missing:
            write_key(sheet, panel.right, [(MASKED, heat.missing)])
        return sheet.png()


def draw_small(heat: Heat) -> bytes:
    """Draw the bare picture, filling the thumbnail."""
    return png(heat.paint(SMALL[1], SMALL[0]))


def _axis(ends: tuple[float, float], most: int, whole: bool) -> Scale:
    return linear(np.array(ends), most=most, whole=whole)


def edges(places: Floats) -> Floats:
    """Give the edges of cells that stand at growing places: half way between, and as far outside at the ends."""
    if len(places) == 1:
        half = max(0.5, 0.1 * abs(float(places[0])))
        return np.array([places[0] - half, places[0] + half])
    middles = (places[1:] + places[:-1]) / 2
    first, last = 2 * places[0] - middles[0], 2 * places[-1] - middles[-1]
    return np.concatenate([[first], middles, [last]])


def cells(shown: Floats, x: Floats, y: Floats, scale: Scale) -> Callable[[int, int], Pixels]:
    """Give what paints cells, each as wide as its share of the axis.

    Parameters
    ----------
    shown
        Shape (rows, columns), row 0 at the top.
    x, y
        The cells' edges, growing: shapes (columns + 1,) and (rows + 1,).
    """

    def paint(rows: int, columns: int) -> Pixels:
        few, edge = block_maximum(shown, rows, columns)
        if edge > 1:
            return stretched(coloured(few, scale), rows, columns)
        image: Pixels = coloured(shown, scale)[_cells(-y[::-1], rows)[:, None], _cells(x, columns)]
        return image

    return paint


def _cells(ends: Floats, count: int) -> NDArray[np.intp]:
    """Give for each of so many pixels the number of the cell its middle lies in."""
    middles = ends[0] + (np.arange(count) + 0.5) / count * (ends[-1] - ends[0])
    found: NDArray[np.intp] = np.searchsorted(ends, middles, side="right") - 1
    return np.clip(found, 0, len(ends) - 2)


def discs(
    values: Floats, x: Floats, y: Floats, ends: Sequence[tuple[float, float]], scale: Scale
) -> Callable[[int, int], Pixels]:
    """Give what paints a disc at each point, as large as points lie apart; of discs that meet the brighter wins.

    Parameters
    ----------
    values, x, y
        Finite, each of shape (points,).
    ends
        Of both axes.
    """
    order = np.argsort(values, kind="stable")
    (left, right), (low, high) = ends

    def paint(rows: int, columns: int) -> Pixels:
        colours = coloured(values[order], scale)
        across = np.clip((x[order] - left) / (right - left) * columns, 0, columns - 1).astype(np.intp)
        down = np.clip((high - y[order]) / (high - low) * rows, 0, rows - 1).astype(np.intp)
        radius = int(np.clip(0.45 * np.sqrt(rows * columns / len(values)), 2, rows / 12))
        brightest = np.full((rows, columns), -1, dtype=np.intp)
        for above, beside in _disc(radius):
            row, column = down + above, across + beside
            inside = np.flatnonzero((row >= 0) & (row < rows) & (column >= 0) & (column < columns))
            np.maximum.at(brightest, (row[inside], column[inside]), inside)
        image: Pixels = np.full((rows, columns, 3), 255, dtype=np.uint8)
        image[brightest >= 0] = colours[brightest[brightest >= 0]]
        return image

    return paint


def _disc(radius: int) -> list[tuple[int, int]]:
    reach = range(-radius, radius + 1)
    return [(above, beside) for above in reach for beside in reach if above**2 + beside**2 <= radius**2]
