"""The panel of a preview: heading, box, grid, ticks and labels around whatever is drawn inside.

Knows where words and ticks stand; does not know what is plotted.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from catalog_builder.previews.scales import Scale
from catalog_builder.previews.sheet import FRAME, GRID, INK, LARGE, SOFT, WARNING, Sheet, fitted, text_width

TITLE_SIZE = 24.0
LABEL_SIZE = 23.0
TICK_SIZE = 21.0
"""Sizes of type in pixels, twice what is shown."""

_HEADING = 500
_EDGE = 24


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
    room = LARGE[0] - 2.0 * _EDGE
    if note:
        sheet.text(LARGE[0] - _EDGE, _HEADING, note, TITLE_SIZE, WARNING, across="right")
        room -= text_width(note, TITLE_SIZE) + 24
    shown_subject = fitted(subject, TITLE_SIZE, 0.55 * room)
    rest = f" · {shown_subject}"
    shown_title = fitted(title, TITLE_SIZE, room - text_width(rest, TITLE_SIZE) - 8)
    sheet.text(_EDGE, _HEADING, shown_title + rest, TITLE_SIZE, INK)


def unfinished(measured: int, planned: int | None) -> str | None:
    """Say that a scan has fewer points than planned, or None."""
    return f"{measured} of {planned} points" if planned is not None and measured < planned else None


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
        _strokes(sheet, [((x, panel.bottom), (x, panel.top)) for x, _ in columns], GRID, 1.5)
        _strokes(sheet, [((panel.left, y), (panel.right, y)) for y, _ in rows], GRID, 1.5)
    _box(sheet, panel)
    _strokes(sheet, [((x, panel.bottom - 8), (x, panel.bottom)) for x, _ in columns], FRAME, 1.5)
    _strokes(sheet, [((panel.left - 8, y), (panel.left, y)) for y, _ in rows], FRAME, 1.5)
    small = [panel.bottom + _share(up, place) * panel.height for place in up.minor]
    _strokes(sheet, [((panel.left - 4, y), (panel.left, y)) for y in small], FRAME, 1.5)
    for x, words in columns:
        sheet.text(x, panel.bottom - 31, words, TICK_SIZE, SOFT, across="center")
    for y, words in rows:
        sheet.text(panel.left - 14, y, words, TICK_SIZE, SOFT, across="right", up="center_baseline")
    below, beside = labels
    middle = (panel.left + panel.right) / 2
    sheet.text(middle, panel.bottom - 68, fitted(below, LABEL_SIZE, 700), LABEL_SIZE, INK, across="center")
    middle = (panel.bottom + panel.top) / 2
    turned = fitted(beside, LABEL_SIZE, panel.height + 60)
    widest = max((text_width(words, TICK_SIZE) for _, words in rows), default=0.0)
    left = max(16.0, panel.left - 42 - widest)
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
