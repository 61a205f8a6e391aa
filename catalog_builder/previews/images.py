"""Frames: of each detector the brightest of a few images, on logarithmic colours.

Knows which frames are worth a look; does not know how a detector writes them.
"""

import numpy as np

from catalog_builder.curves import is_counts
from catalog_builder.errors import CatalogError
from catalog_builder.previews import Attempt, Sketch, Subject
from catalog_builder.previews.colours import block_maximum, colour_bar, coloured, lay, stretched, within
from catalog_builder.previews.panel import Panel, draw_panel, scale_that_fits, write_heading
from catalog_builder.previews.scales import Scale, linear, logarithmic
from catalog_builder.previews.sheet import LARGE, SMALL, blank, png
from catalog_builder.records import Problem
from catalog_builder.signals import Floats, Frames, Image, column_named

MOST_DETECTORS = 3
_ROOM = Panel(left=134, bottom=94, right=728, top=472)
_MOST_ROWS, _MOST_COLUMNS = 189, 297  # half the room's pixels: a single bright one is seen at the size shown


def draw_frames(subject: Subject) -> Attempt:
    """Draw the brightest of at most five frames of each detector; a detector nothing can be read of is a problem."""
    attempts = [_of_detector(subject, frames) for frames in subject.reading.frames[:MOST_DETECTORS]]
    return Attempt(
        sketches=tuple(sketch for attempt in attempts for sketch in attempt.sketches),
        reason="; ".join(attempt.reason for attempt in attempts if attempt.reason) or None,
        problems=tuple(problem for attempt in attempts for problem in attempt.problems),
    )


def _of_detector(subject: Subject, frames: Frames) -> Attempt:
    best: tuple[float, int, Image] | None = None
    problems: list[Problem] = []
    for number in looked_at(frames.count, _brightest_point(subject, frames)):
        try:
            image = _loaded(frames, number)
        except CatalogError as fault:
            problems.append(Problem(where=fault.where or frames.detector, what=f"frame {number}: {fault.what}"))
            continue
        total = float(np.nansum(image, dtype=np.float64)) if np.isfinite(image).any() else -np.inf
        if best is None or total > best[0]:
            best = (total, number, image)
    if best is None:
        reason = f"no frame of {frames.detector} could be read" if problems else f"{frames.detector} has no frame"
        return Attempt(reason=reason, problems=tuple(problems))
    if best[0] == -np.inf:
        return Attempt(reason=f"every pixel of {frames.detector} is masked", problems=tuple(problems))
    return Attempt(sketches=(_sketch(subject, frames, best[1], best[2]),), problems=tuple(problems))


def _loaded(frames: Frames, number: int) -> Image:
    """Load a frame with NaN for whatever is no number; raises CatalogError where it cannot be read or is no image."""
    image = np.asarray(frames.load(number), dtype=np.float32)
    if image.ndim != 2 or not image.size:
        raise CatalogError(f"shape {image.shape} is not (rows, columns)", where=frames.detector)
    return np.where(np.isfinite(image), image, np.float32(np.nan))


def looked_at(count: int, brightest: int | None = None) -> list[int]:
    """Give the numbers of at most five frames to look at: where the curve is highest, first, middle, last, quarter."""
    if count < 1:
        return []
    wished = [brightest, count // 2, 0, count - 1, count // 4, 3 * count // 4]
    return list(dict.fromkeys(number for number in wished if number is not None))[:5]


def _brightest_point(subject: Subject, frames: Frames) -> int | None:
    """Give the frame at the main signal's maximum, where every point has one frame."""
    signals = subject.choice.signals
    column = column_named(subject.reading.columns, signals[0]) if signals else None
    if column is None or len(column.values) != frames.count or not np.isfinite(column.values).any():
        return None
    return int(np.where(np.isfinite(column.values), column.values, -np.inf).argmax())


def _sketch(subject: Subject, frames: Frames, number: int, image: Image) -> Sketch:
    blocks, edge = block_maximum(image, _MOST_ROWS, _MOST_COLUMNS)
    scale = _colours(blocks)
    unit = "counts" if is_counts(blocks) else None
    title = f"{frames.detector} frame {number}"
    scaling = f"{'log ' if scale.log else ''}{unit or 'values'}"
    reduced = f", maximum of blocks {edge} × {edge}" if edge > 1 else ""
    maximum = f", maximum {np.nanmax(blocks):.7g}"
    return Sketch(
        kind="frame",
        caption=f"{title} (of {frames.count}, from 0), {scaling}{reduced}{maximum}",
        large=_large(subject.title, title, blocks, image.shape, scale, unit),
        small=_small(blocks, scale),
    )


def _colours(values: Floats) -> Scale:
    """Make a logarithmic scale wherever something positive stands out, else a linear one."""
    largest, smallest = float(np.nanmax(values)), float(np.nanmin(values))
    if largest <= 0 or -smallest > largest or (largest == 1 and is_counts(values)):
        return linear(values, most=5, from_zero=True)
    return logarithmic(values, margin=0.0)


def _large(title: str, subject: str, blocks: Floats, shape: tuple[int, int], scale: Scale, unit: str | None) -> bytes:
    rows, columns = shape
    panel = within(_ROOM, rows / columns)
    across = scale_that_fits(lambda most: _pixels(columns, most), panel.width)
    down = _pixels(rows, max(2, panel.height // 70))
    upside = Scale(low=down.high, high=down.low, ticks=down.ticks)
    with blank(LARGE) as sheet:
        write_heading(sheet, title, subject)
        draw_panel(sheet, panel, across, upside, ("column (px)", "row (px)"), grid=False)
        lay(sheet, panel, coloured(blocks, scale))
        colour_bar(sheet, panel.right + 24, panel, scale, (unit or "value", None))
        return sheet.png()


def _pixels(count: int, most: int) -> Scale:
    return linear(np.array([0.0, float(count)]), most=most, whole=True)


def _small(blocks: Floats, scale: Scale) -> bytes:
    """Draw the frame as large as it goes with its true aspect, on paper."""
    columns, rows = SMALL
    few, _ = block_maximum(blocks, rows, columns)
    height = min(rows, max(1, round(columns * blocks.shape[0] / blocks.shape[1])))
    width = min(columns, max(1, round(rows * blocks.shape[1] / blocks.shape[0])))
    image = stretched(coloured(few, scale), max(height, 8), max(width, 8))
    top, left = (rows - image.shape[0]) // 2, (columns - image.shape[1]) // 2
    pixels = np.full((rows, columns, 3), 255, dtype=np.uint8)
    pixels[top : top + image.shape[0], left : left + image.shape[1]] = image
    return png(pixels)
