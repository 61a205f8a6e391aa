"""Frames: of each detector the brightest, the middle one, and of a long series how it went.

Knows which frames are worth a look and how one is drawn; does not know how a detector writes them.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from catalog_builder.curves import is_counts
from catalog_builder.errors import CatalogError
from catalog_builder.previews import Attempt, Sketch, Subject
from catalog_builder.previews.colours import block_maximum, colour_bar, coloured, lay, stretched, within
from catalog_builder.previews.heat import ROOM, WHOLE_ROOM, Heat, cells, draw_large, draw_small, edges
from catalog_builder.previews.panel import TICK_SIZE, Panel, draw_panel, scale_that_fits, write_heading, write_key
from catalog_builder.previews.scales import Scale, linear, logarithmic
from catalog_builder.previews.sheet import (
    INK,
    LARGE,
    MASKED,
    PAPER,
    SATURATED,
    SMALL,
    Pixels,
    Sheet,
    blank,
    fitted,
    png,
)
from catalog_builder.records import Problem
from catalog_builder.signals import Floats, Frames, Image, Roi, column_named, frame_of_point, roi_detector

MOST_DETECTORS = 3
LONG_SERIES = 10
"""Frames from which on a series is drawn as a whole too."""
_MOST_LOOKED_AT = 64
_MOST_PIXELS_LOOKED_AT = 1 << 26
_MOST_SECONDS = 5.0
"""What a series may cost: frames, pixels read, and time, where the disk is slow."""
_MOST_FAILURES = 3
_MOST_ROWS, _MOST_COLUMNS = 175, 297  # half the room's pixels: a single bright one is seen at the size shown


def draw_frames(subject: Subject) -> Attempt:
    """Draw the frames of each detector; one nothing can be read of is a problem."""
    attempts = [_of_detector(subject, frames) for frames in subject.reading.frames[:MOST_DETECTORS]]
    return Attempt(
        sketches=tuple(sketch for attempt in attempts for sketch in attempt.sketches),
        reason="; ".join(attempt.reason for attempt in attempts if attempt.reason) or None,
        problems=tuple(problem for attempt in attempts for problem in attempt.problems),
    )


@dataclass(slots=True)
class _Look:
    """What looking at some frames of a series gave; holds two frames and a row of each, never all of them."""

    frames: Frames
    totals: dict[int, float] = field(default_factory=dict)
    """Counts by frame number; of a frame that is masked all over, minus infinity."""
    rows: dict[int, Floats] = field(default_factory=dict)
    """Mean of each column by frame number."""
    brightest: int | None = None
    kept: dict[int, Image] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    failed: set[int] = field(default_factory=set)

    def at(self, number: int, *, keep: bool = False) -> bool:
        """Look at a frame; False where it cannot be read."""
        if number in self.totals or number in self.failed:
            return number in self.totals
        try:
            image = _loaded(self.frames, number)
        except CatalogError as fault:
            where = fault.where or self.frames.detector
            self.failed.add(number)
            self.problems.append(Problem(where=where, what=f"frame {number}: {fault.what}"))
            return False
        sums, pixels = _columns(image)
        self.totals[number] = float(sums.sum()) if pixels.any() else -np.inf
        self.rows[number] = np.where(pixels > 0, sums / np.maximum(pixels, 1), np.nan)
        if self.brightest is None or self.totals[number] > self.totals[self.brightest]:
            self.kept.pop(-1, None)
            self.brightest, self.kept[-1] = number, image
        if keep:
            self.kept[number] = image
        return True

    def image(self, number: int) -> Image:
        return self.kept[-1] if number == self.brightest else self.kept[number]


def _loaded(frames: Frames, number: int) -> Image:
    """Load a frame with NaN for whatever is no number; raises CatalogError where it cannot be read or is no image."""
    image = np.asarray(frames.load(number), dtype=np.float32)
    if image.ndim != 2 or not image.size:
        raise CatalogError(f"shape {image.shape} is not (rows, columns)", where=frames.detector)
    return np.where(np.isinf(image), np.float32(np.nan), image) if np.isinf(image).any() else image


def _columns(image: Image) -> tuple[Floats, NDArray[np.intp]]:
    """Give of each column the sum of its counts, and how many pixels count."""
    sums: Floats = image.sum(axis=0, dtype=np.float64)
    if np.isfinite(sums).all():
        return sums, np.full(image.shape[1], image.shape[0])
    counted = ~np.isnan(image)
    sums = np.where(counted, image, np.float32(0)).sum(axis=0, dtype=np.float64)
    return sums, counted.sum(axis=0)


def _of_detector(subject: Subject, frames: Frames) -> Attempt:
    look = _Look(frames)
    pointed, own = _pointed(subject, frames)
    middle = frames.count // 2
    first = [number for number in dict.fromkeys([pointed, middle]) if number is not None and number < frames.count]
    read = [number for number in first if look.at(number, keep=True)]
    _look_around(look, looked_at(frames.count, own, _pixels_of(look)))
    if not look.totals:
        reason = f"no frame of {frames.detector} could be read" if look.problems else f"{frames.detector} has no frame"
        return Attempt(reason=reason, problems=tuple(look.problems))
    brightest = look.brightest if look.brightest is not None else middle
    if look.totals[brightest] == -np.inf:
        return Attempt(reason=f"every pixel of {frames.detector} is masked", problems=tuple(look.problems))
    shown: list[tuple[int, str]] = []
    if own and pointed in read and look.totals[pointed] > -np.inf:
        shown.append((pointed, f"at the maximum of {subject.choice.signals[0]}" if frames.count > 1 else ""))
    else:
        shown.append((brightest, f"brightest of {len(look.totals)} looked at" if len(look.totals) > 1 else ""))
    if frames.count > 2 and middle in read and middle != shown[0][0] and look.totals[middle] > -np.inf:
        shown.append((middle, "middle of the series"))
    sketches = [_sketch(subject, frames, number, look.image(number), why) for number, why in shown]
    if frames.count >= LONG_SERIES and len(look.rows) > 2:
        sketches.append(_series(subject, look))
    return Attempt(sketches=tuple(sketches), problems=tuple(look.problems))


def _pixels_of(look: _Look) -> int:
    return max((image.size for image in look.kept.values()), default=0)


def _look_around(look: _Look, numbers: Iterable[int]) -> None:
    """Look at frames until too many fail, or it takes too long."""
    began = time.monotonic()
    for number in numbers:
        if len(look.problems) >= _MOST_FAILURES or time.monotonic() - began > _MOST_SECONDS:
            break
        look.at(number)


def looked_at(count: int, known: bool = False, pixels: int = 0) -> list[int]:
    """Give the numbers of the frames to look at: of a long series some, evenly chosen, of a short one at most four.

    Parameters
    ----------
    known
        True where a curve tells which frame is the brightest: then a short series is not searched for it.
    pixels
        Of one frame: of large ones fewer are looked at.
    """
    if count < 1 or (known and count < LONG_SERIES):
        return []
    if count < LONG_SERIES:
        return list(dict.fromkeys([0, count - 1, count // 4, 3 * count // 4]))
    most = min(count, _MOST_LOOKED_AT, max(LONG_SERIES, _MOST_PIXELS_LOOKED_AT // max(1, pixels)))
    chosen: NDArray[np.intp] = np.unique(np.rint(np.linspace(0, count - 1, most)).astype(np.intp))
    return [int(number) for number in chosen]


def _pointed(subject: Subject, frames: Frames) -> tuple[int | None, bool]:
    """Give the frame at the main signal's maximum, and whether that signal is a ROI of this very detector."""
    signals, columns = subject.choice.signals, subject.reading.columns
    column = column_named(columns, signals[0]) if signals else None
    if column is None or not np.isfinite(column.values).any():
        return None, False
    point = int(np.where(np.isfinite(column.values), column.values, -np.inf).argmax())
    name = _bare(frames.detector)
    number = frame_of_point(columns, name, frames.count, point)
    return number, number is not None and roi_detector(column.name) == name.casefold()


def _bare(detector: str) -> str:
    """Give a detector's name without what is shown of it: ``lambda`` of ``lambda (m1 of 3)``."""
    return detector.split(" (", maxsplit=1)[0]


def _sketch(subject: Subject, frames: Frames, number: int, image: Image, why: str) -> Sketch:
    blocks, edge = block_maximum(image, _MOST_ROWS, _MOST_COLUMNS)
    cutoff = frames.cutoff if frames.cutoff is not None and frames.cutoff > 0 else np.inf
    saturated = int(np.count_nonzero(image >= cutoff)) if np.isfinite(cutoff) else 0
    masked = int(np.count_nonzero(np.isnan(image)))
    scale = _colours(np.where(blocks < cutoff, blocks, np.nan) if saturated else blocks)
    unit = "counts" if is_counts(blocks) else None
    name = f"{frames.detector} frame {number}" if frames.count > 1 else f"{frames.detector} frame"
    colours = coloured(blocks, scale)
    if saturated:
        colours[blocks >= cutoff] = SATURATED
    words = [
        f"{name} (of {frames.count}, from 0)" if frames.count > 1 else name,
        why,
        f"{'log ' if scale.log else ''}{unit or 'values'}",
        f"maximum of blocks {edge} × {edge}" if edge > 1 else "",
        f"maximum {np.nanmax(blocks):.7g}",
        f"{saturated} saturated" if saturated else "",
        f"{_share(masked, image.size)} masked" if masked else "",
    ]
    drawn = _Frame(
        colours=colours, shape=(image.shape[0], image.shape[1]), scale=scale, unit=unit, rois=_rois(subject, frames)
    )
    key = [(MASKED, "masked")] if np.isnan(blocks).any() else []
    key += [(SATURATED, f"{saturated} saturated")] if saturated else []
    return Sketch(
        kind="frame",
        caption=", ".join(word for word in words if word),
        large=_large(subject.title, name, drawn, key),
        small=lambda: _small(blocks, scale, cutoff),
    )


def _share(some: int, all_: int) -> str:
    """Give a share as people say it: pixels where they are few, else percent."""
    return f"{some} pixels" if some < all_ / 1000 else f"{100 * some / all_:.2g} %"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    """A frame, ready to be laid on a sheet."""

    colours: Pixels
    shape: tuple[int, int]
    """Rows and columns of the frame itself."""
    scale: Scale
    unit: str | None
    rois: tuple[tuple[str, Roi], ...]


def _rois(subject: Subject, frames: Frames) -> tuple[tuple[str, Roi], ...]:
    """Give the detector's rectangles with their names: those of its ROI channels where there is one for each."""
    name = _bare(frames.detector).casefold()
    found = next((rois for detector, rois in subject.reading.rois.items() if detector.casefold() == name), ())
    channels = [c.name[len(name) :].strip("_-. ") for c in subject.reading.columns if roi_detector(c.name) == name]
    names = channels if len(channels) == len(found) else [f"roi{n}" for n in range(1, len(found) + 1)]
    return tuple(zip(names, found, strict=True))


def _colours(values: Floats) -> Scale:
    """Make a logarithmic scale wherever there are zeros or a decade, else a linear one."""
    if not np.isfinite(values).any():
        return linear(np.array([0.0, 1.0]), most=5)
    largest, smallest = float(np.nanmax(values)), float(np.nanmin(values))
    if largest <= 0 or -smallest > largest or 0 < smallest > largest / 10 or (largest == 1 and is_counts(values)):
        return linear(values, most=5, from_zero=True)
    return logarithmic(values, margin=0.0)


def _large(title: str, subject: str, frame: _Frame, key: list[tuple[tuple[int, int, int], str]]) -> bytes:
    rows, columns = frame.shape
    panel = within(ROOM if key else WHOLE_ROOM, rows / columns)
    across = scale_that_fits(lambda most: _pixels(columns, most), panel.width)
    down = _pixels(rows, max(2, panel.height // 70))
    upside = Scale(low=down.high, high=down.low, ticks=down.ticks)
    with blank(LARGE) as sheet:
        write_heading(sheet, title, subject)
        draw_panel(sheet, panel, across, upside, ("column (px)", "row (px)"), grid=False)
        lay(sheet, panel, frame.colours)
        for name, roi in frame.rois:
            _draw_roi(sheet, panel, frame.shape, name, roi)
        colour_bar(sheet, panel.right + 24, panel, frame.scale, (frame.unit or "value", None))
        write_key(sheet, ROOM.right, key)
        return sheet.png()


def _draw_roi(sheet: Sheet, panel: Panel, shape: tuple[int, int], name: str, roi: Roi) -> None:
    """Draw a rectangle, as far as it lies on the frame, and its name at a corner where there is room."""
    rows, columns = shape
    left, right = (panel.left + min(max(at, 0), columns) / columns * panel.width for at in (roi.left, roi.right))
    top, bottom = (panel.top - min(max(at, 0), rows) / rows * panel.height for at in (roi.top, roi.bottom))
    if right <= left or top <= bottom:
        return
    x = np.array([left, right, right, left, left], dtype=np.float64)
    y = np.array([bottom, bottom, top, top, bottom], dtype=np.float64)
    sheet.line(x, y, INK, 4.0)
    sheet.line(x, y, PAPER, 2.0)
    words = fitted(name, TICK_SIZE, panel.width / 3)
    above = top + 8 if top + 8 + TICK_SIZE < panel.top else max(bottom - TICK_SIZE, panel.bottom + 6)
    at_end = left > panel.left + panel.width * 0.75
    sheet.text(
        right if at_end else left, above, words, TICK_SIZE, PAPER, across="right" if at_end else "left", halo=INK
    )


def _pixels(count: int, most: int) -> Scale:
    return linear(np.array([0.0, float(count)]), most=most, whole=True)


def _small(blocks: Floats, scale: Scale, cutoff: float) -> bytes:
    """Draw the frame as large as it goes with its true aspect, on paper."""
    columns, rows = SMALL
    few, _ = block_maximum(blocks, rows, columns)
    colours = coloured(few, scale)
    colours[few >= cutoff] = SATURATED
    height = min(rows, max(1, round(columns * blocks.shape[0] / blocks.shape[1])))
    width = min(columns, max(1, round(rows * blocks.shape[1] / blocks.shape[0])))
    image = stretched(colours, max(height, 8), max(width, 8))
    top, left = (rows - image.shape[0]) // 2, (columns - image.shape[1]) // 2
    pixels = np.full((rows, columns, 3), 255, dtype=np.uint8)
    pixels[top : top + image.shape[0], left : left + image.shape[1]] = image
    return png(pixels)


def _series(subject: Subject, look: _Look) -> Sketch:
    """Draw how a series went: the mean of each column of the frames looked at, frame by frame."""
    width = max(len(row) for row in look.rows.values())
    numbers = sorted(number for number, row in look.rows.items() if len(row) == width)
    values = np.stack([look.rows[number] for number in numbers])
    up = edges(np.array(numbers, dtype=np.float64))
    scale = _colours(values)
    detector = look.frames.detector
    heat = Heat(
        title=subject.title,
        subject=f"{detector} frame by frame",
        paint=cells(values[::-1], np.arange(width + 1, dtype=np.float64), up, scale),
        across=(0.0, float(width)),
        up=(float(up[0]), float(up[-1])),
        labels=(("column (px)", None), ("frame", None)),
        value=("mean of the column", None),
        scale=scale,
        missing="masked" if np.isnan(values).any() else None,
        whole=(True, True),
    )
    some = "all" if len(numbers) == look.frames.count else f"{len(numbers)} of"
    caption = (
        f"{detector} frame by frame, {some} {look.frames.count} frames, mean of each column, "
        f"{'log ' if scale.log else ''}values"
    )
    return Sketch(kind="projection", caption=caption, large=draw_large(heat), small=lambda: draw_small(heat))
