"""Numbers as colours: block maximum, viridis, and the bar that says what a colour means.

Knows arrays of values; does not know whether they are a mesh or a detector's frame.
"""

import math

import matplotlib as mpl
import numpy as np

from catalog_builder.curves import wants_log
from catalog_builder.previews.panel import LABEL_SIZE, TICK_SIZE, Panel
from catalog_builder.previews.scales import Scale, linear, logarithmic
from catalog_builder.previews.sheet import INK, LARGE, MASKED, SOFT, Pixels, Sheet, fitted, text_width
from catalog_builder.signals import Floats, Image

LEVELS = 192
"""Colours of viridis used: with the greys of the words they fit one palette."""

VIRIDIS: Pixels = np.rint(
    np.asarray(mpl.colormaps["viridis"](np.linspace(0, 1, LEVELS)), dtype=np.float64)[:, :3] * 255
).astype(np.uint8)
BAR_WIDTH = 22


def block_maximum(values: Floats | Image, rows: int, columns: int) -> tuple[Floats, int]:
    """Scale an image down to fit rows and columns: of each square block the largest number stays.

    So a single bright pixel survives; NaN is left only where a block has nothing else. Also gives the block's
    edge in pixels, 1 where nothing was done.
    """
    edge = max(1, math.ceil(values.shape[0] / rows), math.ceil(values.shape[1] / columns))
    if edge == 1:
        return values.astype(np.float64), 1
    blocks = _folded(_folded(values, edge).T, edge).T
    return blocks.astype(np.float64), edge


def _folded(values: Floats | Image, edge: int) -> Floats | Image:
    """Keep of so many rows each the largest numbers; whole rows at a time, ten times as fast as ``reduceat``."""
    largest = values[::edge].copy()
    for offset in range(1, edge):
        rows = values[offset::edge]
        np.fmax(largest[: len(rows)], rows, out=largest[: len(rows)])
    return largest


def value_scale(values: Floats) -> Scale:
    """Make the scale of colours: logarithmic where the values want it, without margins."""
    return logarithmic(values, margin=0.0) if wants_log(values) else linear(values, most=5, from_zero=True)


def coloured(values: Floats, scale: Scale) -> Pixels:
    """Give each value its colour; NaN gets a grey viridis does not hold."""
    share = scale.places(values)
    level = np.clip(np.nan_to_num(share, nan=0.0) * (LEVELS - 1), 0, LEVELS - 1)
    colours: Pixels = VIRIDIS[np.rint(level).astype(np.intp)]
    colours[np.isnan(values)] = MASKED
    return colours


def stretched(pixels: Pixels, rows: int, columns: int) -> Pixels:
    """Enlarge an image to so many rows and columns, each pixel a rectangle of its own."""
    down = np.arange(rows) * pixels.shape[0] // rows
    across = np.arange(columns) * pixels.shape[1] // columns
    enlarged: Pixels = pixels[down[:, None], across]
    return enlarged


def lay(sheet: Sheet, panel: Panel, image: Pixels) -> None:
    """Lay an image over the inside of a panel."""
    inside = stretched(image, panel.height - 2, panel.width - 2)
    sheet.image(panel.left + 1, LARGE[1] - panel.top + 1, inside)


def colour_bar(sheet: Sheet, left: int, beside: Panel, scale: Scale, label: tuple[str, str | None]) -> None:
    """Draw what the colours mean, right of a panel."""
    ramp = np.broadcast_to(VIRIDIS[::-1, None], (LEVELS, 1, 3))
    sheet.image(left, LARGE[1] - beside.top, stretched(ramp, beside.height, BAR_WIDTH))
    free = -np.inf
    for place, words in scale.ticks:
        y = beside.bottom + (place - scale.low) / (scale.high - scale.low) * beside.height
        if y < free:
            continue
        free = y + TICK_SIZE + 2
        sheet.text(left + BAR_WIDTH + 8, y, words, TICK_SIZE, SOFT, up="center")
    middle = (beside.bottom + beside.top) / 2
    words = fitted(scale.label(*label), LABEL_SIZE, beside.height + 60)
    widest = max((text_width(written, TICK_SIZE) for _, written in scale.ticks), default=0.0)
    right = left + BAR_WIDTH + 8 + widest + 22
    sheet.text(right, middle, words, LABEL_SIZE, INK, across="center", up="center", turned=True)


def within(panel: Panel, aspect: float) -> Panel:
    """Give the largest panel of that height over width inside another, at its left and centred in height."""
    width = min(panel.width, int(panel.height / aspect))
    height = min(panel.height, int(panel.width * aspect))
    width, height = max(width, 60), max(height, 60)
    bottom = panel.bottom + (panel.height - height) // 2
    left = panel.left + (panel.width - width) // 2
    return Panel(left=left, bottom=bottom, right=left + width, top=bottom + height)
