"""The panel of a preview: heading, box, grid, ticks and labels around whatever is drawn inside.

Knows where words and ticks stand; does not know what is plotted.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from catalog_builder.previews.scales import Scale
from catalog_builder.previews.sheet import FRAME, GRID, INK, LARGE, SOFT, WARNING, Pixels, Sheet, fitted, text_width
from catalog_builder.signals import Reading

TITLE_SIZE = 24.0
LABEL_SIZE = 23.0
TICK_SIZE = 21.0
"""Sizes of type in pixels, twice what is shown."""

HEADING = 500
SECOND_ROW = 462
"""Base lines of the two rows of words above a panel."""
EDGE = 24
_SWATCH = 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """A rectangle on the sheet, in pixels from its lower left corner."""

    left: int
    bottom: int
    right: int
    top: int

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.top - self.bottom


def write_heading(sheet: Sheet, title: str, subject: str, note: str | None = None) -> None:
    """Write ``name · signal`` above everything, and a note such as ``37 of 51 points`` at its right."""
    room = LARGE[0] - 2.0 * EDGE
    if note:
        sheet.text(LARGE[0] - EDGE, HEADING, note, TITLE_SIZE, WARNING, across="right")
        room -= text_width(note, TITLE_SIZE) + 24
    shown_subject = fitted(subject, TITLE_SIZE, 0.55 * room)
    rest = f" · {shown_subject}"
    shown_title = fitted(title, TITLE_SIZE, room - text_width(rest, TITLE_SIZE) - 8)
    sheet.text(EDGE, HEADING, shown_title + rest, TITLE_SIZE, INK)


def unfinished(measured: int, planned: int | None, reading: Reading) -> str | None:
    """Say that a scan has fewer points than planned, or None."""
    if planned is None or measured >= planned:
        return None
    return f"{measured} of {planned} points{' so far' if reading.state == 'running' else ''}"


def write_key(sheet: Sheet, right: float, entries: Sequence[tuple[tuple[int, int, int], str]]) -> None:
    """Write what single colours mean in the second row, ending at ``right``."""
    for colour, words in reversed(entries):
        right -= text_width(words, TICK_SIZE)
        sheet.text(right, SECOND_ROW, words, TICK_SIZE, SOFT)
        right -= 8 + _SWATCH
        swatch: Pixels = np.full((_SWATCH, _SWATCH, 3), colour, dtype=np.uint8)
        sheet.image(round(right), LARGE[1] - SECOND_ROW - _SWATCH + 2, swatch)
        right -= 22


def scale_that_fits(make: Callable[[int], Scale], width: float) -> Scale:
    """Make a scale with as many ticks as have room beside one another."""
    for most in (6, 4, 3, 2):
        scale = make(most)
        if sum(text_width(words, TICK_SIZE) + 28 for _, words in scale.ticks) <= width:
            break
    return scale


def draw_panel(
    sheet: Sheet, panel: Panel, across: Scale, up: Scale, labels: tuple[str, str], *, grid: bool = True
) -> None:
    """Draw the box with ticks, their words, and the labels of the horizontal and the vertical scale."""
    columns = [(panel.left + _share(across, tick[0]) * panel.width, tick[1]) for tick in across.ticks]
    rows = [(panel.bottom + _share(up, tick[0]) * panel.height, tick[1]) for tick in up.ticks]
    if grid:
        lines = [((x, panel.bottom), (x, panel.top)) for x, _ in columns]
        _strokes(sheet, [*lines, *(((panel.left, y), (panel.right, y)) for y, _ in rows)], GRID, 1.5)
    _box(sheet, panel)
    ticks: list[Sequence[tuple[float, float]]] = [((x, panel.bottom - 8), (x, panel.bottom)) for x, _ in columns]
    ticks += [((panel.left - 8, y), (panel.left, y)) for y, _ in rows]
    small = [panel.bottom + _share(up, place) * panel.height for place in up.minor]
    ticks += [((panel.left - 4, y), (panel.left, y)) for y in small]
    _strokes(sheet, ticks, FRAME, 1.5)
    for x, words in columns:
        sheet.text(x, panel.bottom - 31, words, TICK_SIZE, SOFT, across="center")
    for y, words in rows:
        sheet.text(panel.left - 14, y, words, TICK_SIZE, SOFT, across="right", up="center")
    below, beside = labels
    room = 2 * min((panel.left + panel.right) / 2, LARGE[0] - (panel.left + panel.right) / 2) - 16
    words = fitted(below, LABEL_SIZE, room)
    sheet.text((panel.left + panel.right) / 2, panel.bottom - 68, words, LABEL_SIZE, INK, across="center")
    middle = (panel.bottom + panel.top) / 2
    turned = fitted(beside, LABEL_SIZE, 2 * min(middle, HEADING - 14 - middle))
    widest = max((text_width(words, TICK_SIZE) for _, words in rows), default=0.0)
    left = max(20.0, panel.left - 36 - widest)
    sheet.text(left, middle, turned, LABEL_SIZE, INK, across="center", up="center", turned=True)


def _share(scale: Scale, place: float) -> float:
    return (place - scale.low) / (scale.high - scale.low)


def _box(sheet: Sheet, panel: Panel) -> None:
    corners = [(panel.left, panel.bottom), (panel.right, panel.bottom), (panel.right, panel.top)]
    corners += [(panel.left, panel.top), (panel.left, panel.bottom)]
    x, y = np.array(corners, dtype=np.float64).T
    sheet.line(x, y, FRAME, 1.5)


def _strokes(sheet: Sheet, lines: Sequence[Sequence[tuple[float, float]]], colour: str, width: float) -> None:
    if lines:
        sheet.strokes(np.array(lines, dtype=np.float64), colour, width)
