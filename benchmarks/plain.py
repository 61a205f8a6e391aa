"""A plain matplotlib script, as most beamlines have one: a fresh figure a scan, saved in both sizes.

Knows pyplot; does not know previews. It draws the same columns over the same axis as we do; of a detector one frame.
"""

import io
import warnings

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from benchmarks import ours
from benchmarks.clock import CannotTakePartError, Watch
from benchmarks.corpus import Case
from catalog_builder import commands
from catalog_builder.errors import CatalogError
from catalog_builder.previews.sheet import LARGE, SMALL
from catalog_builder.signals import Choice, Image, Reading, axis_of, choose, column_named

DOTS_PER_INCH = 144


def draw(case: Case, watch: Watch) -> int:
    """Draw all scans of a case, reading and choosing left aside; gives how many were drawn."""
    drawn = 0
    for number, reading in enumerate(ours.readings(case)):
        choice = choose(reading, commands.parse(reading.command), case.settings.signals)
        title = ours.title_of(case, reading, number)
        with warnings.catch_warnings(action="ignore"), watch.running():
            drawn += bool(_guarded(reading, choice, title))
    if not drawn:
        raise CannotTakePartError("nothing to draw")
    return drawn


def _guarded(reading: Reading, choice: Choice, title: str) -> list[bytes]:
    """Draw a scan; one that a plain script cannot draw takes no part."""
    try:
        return _pictures(reading, choice, title)
    except (CatalogError, ValueError) as exc:
        plt.close("all")
        raise CannotTakePartError(f"cannot draw ({exc})") from exc


def _pictures(reading: Reading, choice: Choice, title: str) -> list[bytes]:
    pictures = _curve(reading, choice, title) if choice.signals and reading.columns else []
    for frames in reading.frames:
        pictures += _frame(frames.load(frames.count // 2), title)
    return pictures


def _curve(reading: Reading, choice: Choice, title: str) -> list[bytes]:
    columns = [column for name in choice.signals if (column := column_named(reading.columns, name)) is not None]
    if not any(np.isfinite(column.values).any() for column in columns):
        return []
    figure, axes = _fresh()
    if len(choice.axes) == 2:
        x, y = (column_named(reading.columns, name) for name in choice.axes)
        if x is not None and y is not None:
            axes.scatter(x.values, y.values, c=columns[0].values)
            axes.set(xlabel=x.name, ylabel=y.name)
    else:
        axis = axis_of(reading, choice)
        for column in columns:
            axes.plot(axis.values, column.values, "o-", label=column.name)
        if np.nanmin(columns[0].values) > 0:
            axes.set_yscale("log")
        axes.set(xlabel=axis.name, ylabel=columns[0].name)
        axes.legend()
    return _saved(figure, axes, title)


def _frame(image: Image, title: str) -> list[bytes]:
    figure, axes = _fresh()
    axes.imshow(image, norm=LogNorm(vmin=0.5))
    return _saved(figure, axes, title)


def _fresh() -> tuple[Figure, Axes]:
    figure, axes = plt.subplots(figsize=(LARGE[0] / DOTS_PER_INCH, LARGE[1] / DOTS_PER_INCH))
    return figure, axes


def _saved(figure: Figure, axes: Axes, title: str) -> list[bytes]:
    """Save the one figure twice: laying out a second one for the small size would only cost more."""
    axes.set_title(title)
    figure.tight_layout()
    pictures = []
    for size in (LARGE, SMALL):
        out = io.BytesIO()
        figure.savefig(out, format="png", dpi=DOTS_PER_INCH * size[0] / LARGE[0])
        pictures.append(out.getvalue())
    plt.close(figure)
    return pictures
