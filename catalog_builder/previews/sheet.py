"""The sheet a preview is drawn on: lines, text and images at pixels, and the PNG that comes of it.

Knows matplotlib's renderer and Pillow's encoder; does not know scans, scales or what is drawn. Axes and pyplot
are left aside: they cost three times the drawing itself, and a sheet without state gives the same bytes each time.
"""

import io
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from threading import Lock
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, get_font
from matplotlib.lines import Line2D
from matplotlib.text import Text
from numpy.typing import NDArray
from PIL import Image as Pillow

from catalog_builder.signals import Floats

Pixels = NDArray[np.uint8]
"""Shape (rows, columns, 3), red, green, blue; row 0 is the top."""

LARGE = (880, 536)
SMALL = (176, 88)
"""Pixels, twice what they are shown at."""

PAPER = "#ffffff"
INK = "#1a1d21"
SOFT = "#565d66"
GRID = "#e6e8e4"
FRAME = "#aab0a8"
WARNING = "#9a4a00"
MASKED = (203, 206, 210)
"""Where nothing was measured, on a map or a frame: a grey that viridis does not hold."""

_DOTS_PER_INCH = 144  # a point of type is two pixels, one as shown
_STYLE: dict[Any, Any] = {
    "agg.path.chunksize": 0,
    "path.effects": [],
    "path.simplify": True,
    "path.sketch": None,
    "path.snap": True,
    "text.antialiased": True,
    "text.hinting": "default",
    "text.usetex": False,
}
"""What a person's own matplotlibrc must not change."""
_FONT = f"{mpl.get_data_path()}/fonts/ttf/DejaVuSans.ttf"
_COLOURS = 1 << 18  # six bits each of red, green and blue
_LOCK = Lock()


class Sheet:
    """A white sheet of a given size; places are pixels from the lower left corner."""

    def __init__(self, figure: Figure) -> None:
        self._figure = figure
        self._images: list[tuple[int, int, Pixels]] = []

    def line(self, x: Floats, y: Floats, colour: str, width: float, dashes: Sequence[float] | None = None) -> None:
        """Draw a line through the points, broken where one is NaN; width and dashes are in pixels."""
        style: Any = "-" if dashes is None else (0, [length / width for length in dashes])
        self._add(Line2D(x, y, color=colour, linewidth=width / 2, linestyle=style, solid_capstyle="round"))

    def dots(self, x: Floats, y: Floats, colour: str, size: float) -> None:
        """Draw a dot of that diameter, in pixels, at each point."""
        self._add(Line2D(x, y, color=colour, linestyle="", marker="o", markersize=size / 2, markeredgewidth=0))

    def strokes(self, ends: Floats, colour: str, width: float) -> None:
        """Draw separate straight lines; ``ends`` has shape (lines, 2, 2)."""
        self._add(LineCollection(list(ends), colors=colour, linewidths=width / 2))

    def text(
        self,
        x: float,
        y: float,
        words: str,
        size: float,
        colour: str = INK,
        *,
        across: Literal["left", "center", "right"] = "left",
        up: Literal["baseline", "top", "center", "center_baseline"] = "baseline",
        turned: bool = False,
    ) -> None:
        """Write words as they are: no mathematics, and what the font lacks is shown as missing."""
        font = FontProperties(fname=_FONT, size=size / 2)
        text = Text(x, y, legible(words), color=colour, fontproperties=font, parse_math=False)
        text.set(horizontalalignment=across, verticalalignment=up, rotation=90 if turned else 0)
        self._add(text)

    def image(self, left: int, top: int, pixels: Pixels) -> None:
        """Lay an image on top; left and top are its upper left corner, from the sheet's upper left corner."""
        self._images.append((left, top, pixels))

    def png(self) -> bytes:
        """Draw everything and give the PNG."""
        canvas: Any = self._figure.canvas
        canvas.draw()
        pixels = np.array(canvas.buffer_rgba())[..., :3]
        for left, top, image in self._images:
            pixels[top : top + image.shape[0], left : left + image.shape[1]] = image
        return png(pixels)

    def _add(self, artist: Artist) -> None:
        artist.set_transform(None)
        self._figure.add_artist(artist)


@contextmanager
def blank(size: tuple[int, int]) -> Iterator[Sheet]:
    """Give an empty sheet, one at a time in a process: the figure behind it is used again."""
    with _LOCK, mpl.rc_context(_STYLE):
        figure = _figure(size)
        figure.clear()
        yield Sheet(figure)


@lru_cache
def _figure(size: tuple[int, int]) -> Figure:
    inches = (size[0] / _DOTS_PER_INCH, size[1] / _DOTS_PER_INCH)
    figure = Figure(figsize=inches, dpi=_DOTS_PER_INCH, facecolor=PAPER, edgecolor=PAPER)
    FigureCanvasAgg(figure)
    return figure


def legible(words: str) -> str:
    """Give words the font can show: controls become blanks, other characters it lacks a mark."""
    known = _characters()
    shown = (
        char if ord(char) in known and unicodedata.category(char)[0] != "C" else " " if char.isspace() else "\ufffd"
        for char in words
    )
    return " ".join("".join(shown).split())


@lru_cache
def _characters() -> frozenset[int]:
    return frozenset(get_font(_FONT).get_charmap())


def text_width(words: str, size: float) -> float:
    """Give the width of words in pixels at a size of type in pixels."""
    font = get_font(_FONT)
    font.set_size(size / 2, _DOTS_PER_INCH)
    font.set_text(legible(words))
    return float(font.get_width_height()[0]) / 64


def fitted(words: str, size: float, room: float) -> str:
    """Cut words that are wider than the room, in the middle, where names differ least."""
    words = legible(words[:400])
    if text_width(words, size) <= room:
        return words
    kept = len(words)
    while kept > 2:
        kept = min(kept - 1, int(kept * room / text_width(words, size)) if kept == len(words) else kept - 1)
        shorter = f"{words[: (kept + 1) // 2]}…{words[len(words) - kept // 2 :]}"
        if text_width(shorter, size) <= room:
            return shorter
    return "…"


def png(pixels: Pixels) -> bytes:
    """Encode as PNG with a palette of at most 256 colours and nothing that varies: no time, no software."""
    coarse = pixels.astype(np.int32) >> 2
    code = (coarse[..., 0] << 12) | (coarse[..., 1] << 6) | coarse[..., 2]
    count = np.bincount(code.ravel(), minlength=_COLOURS)
    present = np.flatnonzero(count)
    palette = np.sort(present[np.argsort(-count[present], kind="stable")[:256]])
    lookup = np.zeros(_COLOURS, dtype=np.uint8)
    lookup[present] = _nearest(_parts(present), _parts(palette))
    image = Pillow.fromarray(lookup[code])
    parts = _parts(palette)
    image.putpalette((parts << 2 | parts >> 4).astype(np.uint8).tobytes())
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=6)
    return out.getvalue()


def _parts(code: NDArray[np.intp]) -> NDArray[np.intp]:
    return np.stack([code >> 12, (code >> 6) & 63, code & 63], axis=-1)


def _nearest(colours: NDArray[np.intp], palette: NDArray[np.intp]) -> NDArray[np.intp]:
    """Give for each colour the number of the palette's nearest."""
    parts = [
        ((part[:, None, :] - palette[None]) ** 2).sum(axis=-1).argmin(axis=1)
        for part in np.array_split(colours, max(1, len(colours) // 1000))
    ]
    return np.concatenate(parts)
