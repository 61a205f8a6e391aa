"""Curves: a scan's signals over its axis, large with scales and words, small as the bare lines.

Knows how a scattering scientist wants to see a curve; does not know formats or where a preview is kept.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catalog_builder.curves import is_counts, thinned, wants_log
from catalog_builder.previews import Attempt, Sketch, Subject
from catalog_builder.previews.panel import (
    TICK_SIZE,
    Panel,
    draw_panel,
    scale_that_fits,
    unfinished,
    write_heading,
)
from catalog_builder.previews.scales import Scale, linear, logarithmic, measured
from catalog_builder.previews.sheet import LARGE, SMALL, SOFT, Sheet, blank, fitted, text_width
from catalog_builder.signals import Column, Floats, axis_of, column_named, roi_detector

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Okabe and Ito's, told apart with every kind of colour vision; blue is the main signal."""
DASHES: tuple[tuple[float, ...] | None, ...] = (None, (14, 6), (4, 5), (14, 5, 4, 5), (22, 6), (7, 4))
"""Pixels; the second sign besides the colour."""

FEW_POINTS = 40
"""Below it every point is marked."""
_BAR = "#8fbdde"  # the main colour, lighter
_FEW_COUNTS = 100
_MOST_BARS = 300
_MOST_DRAWN = 4000
_PLAIN = Panel(left=134, bottom=94, right=852, top=472)
_UNDER_LEGEND = Panel(left=134, bottom=94, right=852, top=440)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Curves:
    """What is drawn, ready: arrays of one length, NaN where there is no number."""

    axis: Column
    x: Floats
    signals: tuple[Column, ...]
    log: bool
    bars: Floats | None
    """Square root of the main signal's counts where they are few."""
    points: int
    """Measured, before thinning."""


def draw_curve(subject: Subject) -> Attempt:
    """Draw the chosen signals over the chosen axis; the reason says why there is none."""
    names = subject.choice.signals
    found = [column for name in names if (column := column_named(subject.reading.columns, name)) is not None]
    if not found:
        return Attempt(reason=subject.choice.reason if not names else f"there is no channel {names[0]}")
    if not len(found[0].values):
        return Attempt(reason="no point was recorded")
    curves = _prepared(subject, found)
    visible = [s for s in curves.signals if np.isfinite(s.values).any()]
    if not visible:
        return Attempt(reason=f"{found[0].name} has no finite value")
    sketch = Sketch(kind="curve", caption=_caption(curves), large=_large(subject, curves), small=_small(curves))
    return Attempt(sketches=(sketch,))


def _prepared(subject: Subject, found: list[Column]) -> _Curves:
    """Thin what is drawn, drop what is no measurement and what has no place on the axis."""
    axis = axis_of(subject.reading, subject.choice)
    x = measured(axis.values)
    if not np.isfinite(x).any():
        axis, x = Column(name="point", values=axis.values), np.arange(len(axis.values), dtype=np.float64)
    values = [np.where(np.isfinite(x), measured(column.values), np.nan) for column in found]
    log = wants_log(*values)
    kept = thinned(x, values, _MOST_DRAWN)
    signals = tuple(
        Column(name=c.name, values=v[kept], unit=_unit(c, subject)) for c, v in zip(found, values, strict=True)
    )
    main = signals[0].values
    few = len(main) <= _MOST_BARS and is_counts(main) and float(np.nanmax(main)) < _FEW_COUNTS
    return _Curves(
        axis=axis, x=x[kept], signals=signals, log=log, bars=np.sqrt(main) if few else None, points=len(axis.values)
    )


def _unit(column: Column, subject: Subject) -> str | None:
    given = column.unit or subject.reading.units.get(column.name)
    return given or ("counts" if is_counts(measured(column.values)) else None)


def _caption(curves: _Curves) -> str:
    main = curves.signals[0]
    scaling = f"{'log ' if curves.log else ''}{main.unit or 'values'}"
    others = f" with {', '.join(s.name for s in curves.signals[1:])}" if len(curves.signals) > 1 else ""
    bars = ", bars √N" if curves.bars is not None else ""
    return f"{main.name}{others} over {curves.axis.name}, {scaling}{bars}"


def _scales(curves: _Curves, width: float) -> tuple[Scale, Scale]:
    whole = curves.axis.name == "point"
    across = scale_that_fits(lambda most: linear(curves.x, most=most, margin=0.02, whole=whole), width)
    pooled = np.concatenate([signal.values for signal in curves.signals])
    if curves.log:
        return across, logarithmic(pooled)
    if curves.bars is not None:
        pooled = np.concatenate([pooled, curves.signals[0].values + curves.bars, [0.0]])
    return across, linear(pooled, most=5, from_zero=True, margin=0.04)


def _large(subject: Subject, curves: _Curves) -> bytes:
    panel = _UNDER_LEGEND if len(curves.signals) > 1 else _PLAIN
    across, up = _scales(curves, panel.width)
    labels = (across.label(curves.axis.name, curves.axis.unit), up.label(*_up_name(curves)))
    with blank(LARGE) as sheet:
        write_heading(sheet, subject.title, curves.signals[0].name, unfinished(curves.points, subject.planned))
        draw_panel(sheet, panel, across, up, labels)
        _legend(sheet, panel, curves)
        _curves(sheet, panel, across, up, curves, width=3.0)
        return sheet.png()


def _small(curves: _Curves) -> bytes:
    across, up = _scales(curves, LARGE[0])
    with blank(SMALL) as sheet:
        _curves(sheet, Panel(left=6, bottom=7, right=170, top=81), across, up, curves, width=2.6)
        return sheet.png()


def _up_name(curves: _Curves) -> tuple[str, str | None]:
    """Give the vertical label: the signal, or the detector whose ROIs are drawn together."""
    main = curves.signals[0]
    detector = roi_detector(main.name)
    return (main.name[: len(detector)] if detector and len(curves.signals) > 1 else main.name), main.unit


def _legend(sheet: Sheet, panel: Panel, curves: _Curves) -> None:
    """Name the signals in a row above the panel; what all names begin with is left out."""
    names = [signal.name for signal in curves.signals]
    if len(names) < 2:
        return
    shared = len(_up_name(curves)[0]) if roi_detector(names[0]) else 0
    room = panel.width / len(names)
    left, height = float(panel.left), panel.top + 24.0
    for name, colour, dashes in zip(names, COLOURS, DASHES, strict=False):
        words = fitted(name[shared:].lstrip("_-. "), TICK_SIZE, room - 74)
        sheet.line(np.array([left, left + 44]), np.array([height, height]), colour, 3.0, dashes)
        sheet.text(left + 52, height, words, TICK_SIZE, SOFT, up="center_baseline")
        left += 52 + text_width(words, TICK_SIZE) + 22


def _curves(sheet: Sheet, panel: Panel, across: Scale, up: Scale, curves: _Curves, width: float) -> None:
    """Draw all signals, the main one on top; where they are few, points are marked, and single ones always."""
    x = panel.left + across.places(curves.x) * panel.width
    if curves.bars is not None and panel.width > SMALL[0]:
        _error_bars(sheet, panel, up, x, curves.signals[0].values, curves.bars)
    drawn = list(zip(curves.signals, COLOURS, DASHES, strict=False))
    for number, (signal, colour, dashes) in reversed(list(enumerate(drawn))):
        y = panel.bottom + up.places(signal.values) * panel.height
        main = number == 0
        sheet.line(x, y, colour, width if main else width * 0.75, dashes)
        marked = np.isfinite(y) if len(x) < FEW_POINTS and panel.width > SMALL[0] else _alone(y)
        if marked.any():
            sheet.dots(x[marked], y[marked], colour, width * (3 if main else 2.4))


def _alone(y: Floats) -> NDArray[np.bool_]:
    """Tell which points have no neighbour to draw a line to."""
    finite = np.concatenate(([False], np.isfinite(y), [False]))
    alone: NDArray[np.bool_] = finite[1:-1] & ~finite[:-2] & ~finite[2:]
    return alone


def _error_bars(sheet: Sheet, panel: Panel, up: Scale, x: Floats, counts: Floats, bars: Floats) -> None:
    """Draw one standard deviation of the counts up and down from each point, not below the panel."""
    ends = np.stack([counts - bars, counts + bars])
    y = panel.bottom + np.clip(up.places(ends), 0, 1) * panel.height
    shown = np.isfinite(x) & np.isfinite(counts)
    if shown.any():
        sheet.strokes(np.stack([np.stack([x, x]), y], axis=-1)[:, shown].swapaxes(0, 1), _BAR, 2.0)
