"""How far an unfinished scan was planned to go.

Knows commands and where the points lie; does not know how anything is drawn.
"""

import numpy as np

from catalog_builder.previews import Subject
from catalog_builder.records import Range
from catalog_builder.signals import Floats, extent, is_mesh


def not_reached(subject: Subject, axis: str, x: Floats) -> tuple[float, float] | None:
    """Give from where to where on the axis the command would have gone on; None where that is not known.

    The plan is believed only where the points lie on it: begun at its start (a relative scan's start is its first
    point), and stepping as it says.
    """
    finite = x[np.isfinite(x)]
    if subject.planned is None or len(x) >= subject.planned or not len(finite) or is_mesh(subject.command):
        return None
    if axis == "point":
        return float(finite[-1]), subject.planned - 1.0
    asked = _range_of(subject, axis)
    if asked is None or asked.start is None or asked.stop is None or not asked.intervals:
        return None
    begin = float(finite[0])
    step = (asked.stop - asked.start) / asked.intervals
    ahead = float(finite[-1]) - begin
    if not step or (not subject.command.relative and abs(begin - asked.start) > abs(step)):
        return None
    if len(finite) > 1 and not 0.5 < ahead / (step * (len(finite) - 1)) < 2:
        return None
    start = begin if subject.command.relative else asked.start
    end = start + asked.stop - asked.start
    return (float(finite[-1]), end) if (end - finite[-1]) * step > 0 else None


def _range_of(subject: Subject, axis: str) -> Range | None:
    """Give the axis' own range, else the first for the first column: SPEC's ``th`` has a column ``Theta``."""
    ranges = subject.command.ranges
    own = next((asked for asked in ranges if asked.positioner.casefold() == axis.casefold()), None)
    if own is not None or not ranges or axis not in subject.choice.axes:
        return own
    first = subject.reading.columns[0] if subject.reading.columns else None
    return ranges[0] if first is not None and first.name == axis and extent(first.values) else None
