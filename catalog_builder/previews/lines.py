"""Curves: a scan's signals over its axis, large with scales and words, small as the bare lines.

Knows how a scattering scientist wants to see a curve; does not know formats or where a preview is kept.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from catalog_builder.curves import half_maximum, is_counts, peak, thinned, wants_log
from catalog_builder.previews import Attempt, Sketch, Subject
from catalog_builder.previews.panel import (
    EDGE,
    LABEL_SIZE,
    SECOND_ROW,
    TICK_SIZE,
    Panel,
    draw_panel,
    scale_that_fits,
    unfinished,
    write_heading,
)
from catalog_builder.previews.reach import not_reached
from catalog_builder.previews.scales import FAR, Scale, linear, logarithmic, measured, power_of_ten, written
from catalog_builder.previews.sheet import (
    FRAME,
    INK,
    LARGE,
    SMALL,
    SOFT,
    UNMEASURED,
    WARNING,
    Sheet,
    blank,
    fitted,
    text_width,
)
from catalog_builder.signals import Column, Floats, axis_of, column_named, extent, roi_detector

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Okabe and Ito's, told apart with every kind of colour vision; blue is the main signal."""
DASHES: tuple[tuple[float, ...] | None, ...] = (None, (14, 6), (4, 5), (14, 5, 4, 5), (22, 6), (7, 4))
"""Pixels; the second sign besides the colour."""

FEW_POINTS = 40
"""Below it every point is marked."""
_BAR = "#8fbdde"  # the main colour, lighter
_MARK = "#7d858e"
_FEW_COUNTS = 100
_MOST_BARS = 300
_MOST_DRAWN = 4000
_MOST_ROWS = 6
_PANEL = Panel(left=134, bottom=94, right=852, top=474)
_UNDER_SECOND_ROW = Panel(left=134, bottom=94, right=852, top=442)


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
    missing: tuple[float, float] | None
    """From where to where on the axis the scan was planned to go and did not."""
    facts: str | None
    """Where the main signal is highest and how wide, in words; None where that is doubtful."""
    half: tuple[float, float] | None
    """Where the main signal crosses half its maximum, where that is beyond doubt."""


def draw_curve(subject: Subject) -> Attempt:
    """Draw the chosen signals over the chosen axis; the reason says why there is none.

    A single point is no curve: its values are written out.
    """
    names = subject.choice.signals
    found = [column for name in names if (column := column_named(subject.reading.columns, name)) is not None]
    if not found:
        return Attempt(reason=subject.choice.reason if not names else f"there is no channel {names[0]}")
    if not len(found[0].values):
        return Attempt(reason="no point was recorded")
    curves = _prepared(subject, found)
    finite = [np.isfinite(signal.values) for signal in curves.signals]
    if not any(here.any() for here in finite):
        return Attempt(reason=f"{found[0].name} has no finite value")
    places = np.flatnonzero(np.any(finite, axis=0))
    if len(places) == 1:
        return _single(subject, curves, int(places[0]))
    main = curves.signals[0].values
    varies = extent(main) > 0 or any(extent(signal.values) > 0 for signal in curves.signals)
    return Attempt(
        sketches=(
            Sketch(
                kind="curve",
                caption=_caption(curves),
                large=_large(subject, curves),
                small=lambda: _small(curves),
            ),
        ),
        telling=varies,
    )


def _prepared(subject: Subject, found: list[Column]) -> _Curves:
    """Thin what is drawn, drop what is no measurement and what has no place on the axis."""
    axis = axis_of(subject.reading, subject.choice)
    x = measured(axis.values)
    if not np.isfinite(x).any():
        axis, x = Column(name="point", values=axis.values), np.arange(len(axis.values), dtype=np.float64)
    values = [np.where(np.isfinite(x), measured(column.values), np.nan) for column in found]
    kept = thinned(x, values, _MOST_DRAWN)
    signals = tuple(
        Column(name=c.name, values=v[kept], unit=_unit(c, subject)) for c, v in zip(found, values, strict=True)
    )
    main = signals[0].values
    few = len(main) <= _MOST_BARS and is_counts(main) and float(np.nanmax(main)) < _FEW_COUNTS
    facts, half = _facts(axis, x, replace(signals[0], values=values[0]))
    return _Curves(
        axis=axis,
        x=x[kept],
        signals=signals,
        log=wants_log(*values),
        bars=np.sqrt(main) if few else None,
        points=len(axis.values),
        missing=not_reached(subject, axis.name, x),
        facts=facts,
        half=half,
    )


def _unit(column: Column, subject: Subject) -> str | None:
    given = column.unit or subject.reading.units.get(column.name)
    return given or ("counts" if is_counts(measured(column.values)) else None)


def _facts(axis: Column, x: Floats, main: Column) -> tuple[str | None, tuple[float, float] | None]:
    """Say where the main signal is highest and how wide, where that is beyond doubt; and where half of it is."""
    finite = main.values[np.isfinite(main.values)]
    if len(finite) > 1 and extent(finite) == 0:
        return f"constant: {_valued(float(finite[0]), main.unit)} at all {len(finite)} points", None
    found = peak(x, main.values)
    if found is None or found.ambiguous or found.fwhm is None:
        return None, None
    unit = f" {axis.unit}" if axis.unit else ""
    counted = axis.name in ("point", "channel")
    place = f"{found.position:.0f}" if counted else written(found.position, found.fwhm, 3)
    height, width = _valued(found.height, None), written(found.fwhm, found.fwhm, 3)
    return f"maximum {height} at {place}{unit}, FWHM {width}{unit}", half_maximum(x, main.values)


def _valued(value: float, unit: str | None) -> str:
    """Write a value: whole numbers in groups of three, large ones with a power of ten, ``1 count``."""
    if 1e9 <= abs(value) < FAR:
        power = math.floor(math.log10(abs(value)))
        number = f"{value / 10.0**power:.5g}·{power_of_ten(power)}"
    else:
        number = f"{value:,.0f}".replace(",", "\u2009") if value == int(value) else f"{value:.6g}"
    unit = "count" if unit == "counts" and value == 1 else unit
    return f"{number.replace('-', '−')}{f' {unit}' if unit else ''}"


def _caption(curves: _Curves) -> str:
    main = curves.signals[0]
    scaling = f"{'log ' if curves.log else ''}{main.unit or 'values'}"
    others = f" with {', '.join(s.name for s in curves.signals[1:])}" if len(curves.signals) > 1 else ""
    bars = ", bars √N" if curves.bars is not None else ""
    facts = f"; {curves.facts}" if curves.facts else ""
    return f"{main.name}{others} over {curves.axis.name}, {scaling}{bars}{facts}"


def _scales(curves: _Curves, width: float) -> tuple[Scale, Scale]:
    whole = curves.axis.name == "point"
    reach = np.concatenate([curves.x, curves.missing]) if curves.missing else curves.x
    across = scale_that_fits(lambda most: linear(reach, most=most, margin=0.02, whole=whole), width)
    pooled = np.concatenate([signal.values for signal in curves.signals])
    if curves.log:
        return across, logarithmic(pooled)
    if curves.bars is not None:
        pooled = np.concatenate([pooled, curves.signals[0].values + curves.bars, [0.0]])
    return across, linear(pooled, most=5, from_zero=True, margin=0.04)


def _large(subject: Subject, curves: _Curves) -> bytes:
    panel = _UNDER_SECOND_ROW if len(curves.signals) > 1 or curves.facts else _PANEL
    across, up = _scales(curves, panel.width)
    labels = (across.label(curves.axis.name, curves.axis.unit), up.label(*_up_name(curves)))
    note = unfinished(curves.points, subject.planned, subject.reading)
    with blank(LARGE) as sheet:
        write_heading(sheet, subject.title, curves.signals[0].name, note)
        _unreached(sheet, panel, across, curves)
        draw_panel(sheet, panel, across, up, labels)
        used = _legend(sheet, panel, curves)
        _write_facts(sheet, panel, curves.facts, used)
        _half_mark(sheet, panel, across, up, curves)
        _curves(sheet, panel, across, up, curves, width=3.0)
        return sheet.png()


def _small(curves: _Curves) -> bytes:
    across, up = _scales(curves, LARGE[0])
    with blank(SMALL) as sheet:
        panel = Panel(left=6, bottom=7, right=170, top=81)
        _unreached(sheet, panel, across, curves)
        _curves(sheet, panel, across, up, curves, width=2.6)
        return sheet.png()


def _unreached(sheet: Sheet, panel: Panel, across: Scale, curves: _Curves) -> None:
    """Shade what of the axis was planned and not measured, with a line where the scan ended."""
    if curves.missing is None:
        return
    begin, end = panel.left + across.places(np.array(curves.missing)) * panel.width
    low, high = min(begin, end), max(begin, end)
    if panel.width <= SMALL[0]:
        sheet.fill(low, 0, high, SMALL[1], UNMEASURED)
        return
    sheet.fill(low, panel.bottom, high, panel.top, UNMEASURED)
    sheet.line(np.array([begin, begin]), np.array([panel.bottom, panel.top]), WARNING, 2.0, (6, 6))
    words = "not measured"
    if text_width(words, TICK_SIZE) + 20 < high - low:
        sheet.text((low + high) / 2, panel.top - 30, words, TICK_SIZE, WARNING, across="center")


def _up_name(curves: _Curves) -> tuple[str, str | None]:
    """Give the vertical label: the signal, or the detector whose ROIs are drawn together."""
    main = curves.signals[0]
    detector = roi_detector(main.name)
    return (main.name[: len(detector)] if detector and len(curves.signals) > 1 else main.name), main.unit


def _legend(sheet: Sheet, panel: Panel, curves: _Curves) -> float:
    """Name the signals in a row above the panel, leaving out what all names begin with; gives where it ends."""
    names = [signal.name for signal in curves.signals]
    left = float(panel.left)
    if len(names) < 2:
        return left
    shared = len(_up_name(curves)[0]) if roi_detector(names[0]) else 0
    room = panel.width / len(names)
    for name, colour, dashes in zip(names, COLOURS, DASHES, strict=False):
        words = fitted(name[shared:].lstrip("_-. "), TICK_SIZE, room - 74)
        height = SECOND_ROW + 8.0
        sheet.line(np.array([left, left + 44]), np.array([height, height]), colour, 3.0, dashes)
        sheet.text(left + 52, height, words, TICK_SIZE, SOFT, up="center")
        left += 52 + text_width(words, TICK_SIZE) + 22
    return left


def _write_facts(sheet: Sheet, panel: Panel, facts: str | None, used: float) -> None:
    """Write the facts at the right of the second row, the first of them alone where there is less room."""
    if facts is None:
        return
    for words in (facts, facts.split(", ")[0]):
        if text_width(words, TICK_SIZE) <= panel.right - used - 10:
            sheet.text(panel.right, SECOND_ROW, words, TICK_SIZE, SOFT, across="right")
            return


def _half_mark(sheet: Sheet, panel: Panel, across: Scale, up: Scale, curves: _Curves) -> None:
    """Mark the width at half the maximum by a thin line with ends."""
    if curves.half is None:
        return
    x = panel.left + across.places(np.array(curves.half)) * panel.width
    height = panel.bottom + float(up.places(np.array([np.nanmax(curves.signals[0].values) / 2]))[0]) * panel.height
    if not (np.isfinite(x).all() and math.isfinite(height)) or x[1] - x[0] < 6:
        return
    ends = [((x[0], height), (x[1], height)), *(((at, height - 7), (at, height + 7)) for at in x)]
    sheet.strokes(np.array(ends), _MARK, 2.0)


def _curves(sheet: Sheet, panel: Panel, across: Scale, up: Scale, curves: _Curves, width: float) -> None:
    """Draw all signals, the main one on top; where they are few, points are marked, and single ones always."""
    x = panel.left + across.places(curves.x) * panel.width
    large = panel.width > SMALL[0]
    if curves.bars is not None and large:
        _error_bars(sheet, panel, up, x, curves.signals[0].values, curves.bars)
    drawn = list(zip(curves.signals, COLOURS, DASHES, strict=False))
    for number, (signal, colour, dashes) in reversed(list(enumerate(drawn))):
        y = panel.bottom + up.places(signal.values) * panel.height
        main = number == 0
        sheet.line(x, y, colour, width if main else width * 0.75, dashes if large or dashes is None else (6, 4))
        marked = np.isfinite(y) if len(x) < FEW_POINTS and large else _alone(y)
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


def _single(subject: Subject, curves: _Curves, place: int) -> Attempt:
    """Write out the values of a scan's only point."""
    axis = Column(name=curves.axis.name, values=curves.x, unit=curves.axis.unit)
    at = "" if axis.name == "point" else f" at {axis.name} = {_valued(float(curves.x[place]), axis.unit)}"
    shown = {signal.name for signal in curves.signals} | {axis.name}
    others = [column for column in subject.reading.columns if column.name not in shown]
    rows = [(s.name, float(s.values[place]), s.unit) for s in curves.signals if np.isfinite(s.values[place])]
    rows += [(c.name, float(c.values[place]), c.unit) for c in others if np.isfinite(measured(c.values)[place])]
    rows = rows[:_MOST_ROWS]
    name, value, unit = rows[0]
    caption = f"a single point: {name} = {_valued(value, unit)}{at}"
    sketch = Sketch(
        kind="curve",
        caption=caption,
        large=_plate(subject, f"A single point{at}", rows),
        small=lambda: _small_plate(name, value),
    )
    return Attempt(sketches=(sketch,), telling=False)


def _plate(subject: Subject, first: str, rows: list[tuple[str, float, str | None]]) -> bytes:
    note = unfinished(1, subject.planned, subject.reading)
    with blank(LARGE) as sheet:
        write_heading(sheet, subject.title, rows[0][0], note)
        top = 250.0 + 29 * len(rows)
        sheet.text(LARGE[0] / 2, top, fitted(first, LABEL_SIZE, LARGE[0] - 2 * EDGE), LABEL_SIZE, SOFT, across="center")
        for number, (name, value, unit) in enumerate(rows):
            y = top - 70 - 58 * number
            size = 40.0 if number == 0 else 30.0
            sheet.text(LARGE[0] / 2 - 16, y, fitted(name, LABEL_SIZE, 390), LABEL_SIZE, SOFT, across="right")
            sheet.text(LARGE[0] / 2 + 16, y, fitted(_valued(value, unit), size, 400), size, INK)
        ends = [((EDGE, top + 44), (LARGE[0] - EDGE, top + 44))]
        sheet.strokes(np.array(ends, dtype=np.float64), FRAME, 1.5)
        return sheet.png()


def _small_plate(name: str, value: float) -> bytes:
    with blank(SMALL) as sheet:
        sheet.text(SMALL[0] / 2, 54, fitted(_valued(value, None), 28, 168), 28, INK, across="center")
        sheet.text(SMALL[0] / 2, 20, fitted(name, 18, 168), 18, SOFT, across="center")
        return sheet.png()
