"""The sheet a preview is drawn on: lines, text and images at pixels, and the PNG that comes of it.

Knows matplotlib's renderer and Pillow's type and encoder; does not know scans, scales or what is drawn. Figures,
axes and artists are left aside: they cost several times the drawing itself, and a sheet without state gives the
same bytes each time, whatever a person's matplotlibrc says.
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
from matplotlib.backend_bases import GraphicsContextBase
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.font_manager import get_font
from matplotlib.path import Path as Line
from matplotlib.transforms import Affine2D, IdentityTransform
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageFont

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
UNMEASURED = "#f6efe6"
"""Ground of the part of an axis a scan did not reach."""
MASKED = (203, 206, 210)
"""Where nothing was measured, on a map or a frame: a grey that viridis does not hold."""
SATURATED = (255, 0, 255)
"""Where a detector counted no further: of the colours tried, the one farthest from viridis and the grey with
every kind of colour vision."""

_DOTS_PER_INCH = 144  # a point of type is two pixels, one as shown
_FONT = f"{mpl.get_data_path()}/fonts/ttf/DejaVuSans.ttf"
_COLOURS = 1 << 18  # six bits each of red, green and blue
_LOCK = Lock()
_WHITE = 0xFFFFFF
_UNCHANGED = IdentityTransform()


class Sheet:
    """A white sheet of a given size; places are pixels from the lower left corner, later things lie on top."""

    def __init__(self, renderer: RendererAgg) -> None:
        self._renderer: Any
        self._renderer = renderer
        self._pixels: NDArray[np.uint8] = np.asarray(self._renderer.buffer_rgba())
        self._pixels[...] = 255

    def line(self, x: Floats, y: Floats, colour: str, width: float, dashes: Sequence[float] | None = None) -> None:
        """Draw a line through the points, broken where one is NaN; width and dashes are in pixels."""
        pen = self._pen(colour, width, "butt" if dashes else "round")
        if dashes is not None:
            pen.set_dashes(0, [length / 2 for length in dashes])
        self._path(pen, Line(np.column_stack([x, y]).astype(np.float64)))

    def dots(self, x: Floats, y: Floats, colour: str, size: float) -> None:
        """Draw a dot of that diameter, in pixels, at each point."""
        pen = self._pen(colour, 0.0)
        place = Line(np.column_stack([x, y]).astype(np.float64))
        fill = mpl.colors.to_rgb(colour)
        disc = Affine2D().scale(size / 2)
        self._renderer.draw_markers(pen, Line.unit_circle(), disc, place, _UNCHANGED, fill)

    def strokes(self, ends: Floats, colour: str, width: float) -> None:
        """Draw separate straight lines; ``ends`` has shape (lines, 2, 2)."""
        points = np.asarray(ends, dtype=np.float64).reshape(-1, 2)
        codes = np.tile(np.array([Line.MOVETO, Line.LINETO], dtype=np.uint8), len(points) // 2)
        pen = self._pen(colour, width, "butt")
        pen.set_snap(True)
        self._path(pen, Line(points, codes))

    def fill(self, left: float, bottom: float, right: float, top: float, colour: str) -> None:
        """Fill a rectangle."""
        down, up = self._row(top), self._row(bottom)
        across = slice(max(0, round(left)), max(0, round(right)))
        self._pixels[max(0, down) : max(0, up), across, :3] = _bytes_of(colour)

    def text(
        self,
        x: float,
        y: float,
        words: str,
        size: float,
        colour: str = INK,
        *,
        across: Literal["left", "center", "right"] = "left",
        up: Literal["baseline", "center"] = "baseline",
        turned: bool = False,
        halo: str | None = None,
    ) -> None:
        """Write words as they are: no mathematics, and what the font lacks is shown as missing.

        ``up="center"`` sets the middle of the figures at y; ``halo`` is the colour of an edge around the letters.
        """
        words = legible(words)
        if not words:
            return
        if halo is not None:
            for right, higher in ((-2, 0), (2, 0), (0, -2), (0, 2), (-1, -1), (1, 1), (-1, 1), (1, -1)):
                self.text(x + right, y + higher, words, size, halo, across=across, up=up, turned=turned)
        mask, (left, above) = _written(words, size)
        length = text_width(words, size) * {"left": 0.0, "center": 0.5, "right": 1.0}[across]
        lower = _figure_height(size) / 2 if up == "center" else 0.0
        if turned:  # counter-clockwise: what is right goes up, what is up goes left
            turned_mask = np.rot90(mask)
            self._blend(turned_mask, x + lower + above, self._row(y - length) - left - turned_mask.shape[0], colour)
        else:
            self._blend(mask, x - length + left, self._row(y - lower) + above, colour)

    def image(self, left: int, top: int, pixels: Pixels) -> None:
        """Lay an image on; left and top are its upper left corner, from the sheet's upper left corner."""
        self._pixels[top : top + pixels.shape[0], left : left + pixels.shape[1], :3] = pixels

    def png(self) -> bytes:
        """Give everything drawn as a PNG."""
        return png(self._pixels)

    def _row(self, y: float) -> int:
        return int(self._pixels.shape[0]) - round(y)

    def _pen(self, colour: str, width: float, cap: Literal["butt", "round"] = "round") -> GraphicsContextBase:
        pen: GraphicsContextBase = self._renderer.new_gc()
        pen.set_foreground(colour)
        pen.set_linewidth(width / 2)
        pen.set_capstyle(cap)
        pen.set_joinstyle("round")
        pen.set_antialiased(True)
        return pen

    def _path(self, pen: GraphicsContextBase, line: Line) -> None:
        line.should_simplify = False
        self._renderer.draw_path(pen, line, _UNCHANGED)

    def _blend(self, mask: NDArray[np.uint8], left: float, top: float, colour: str) -> None:
        """Mix a colour in as far as the mask says; what lies outside of the sheet is left out."""
        x, y = round(left), round(top)
        mask = mask[max(0, -y) :, max(0, -x) :]
        x, y = max(0, x), max(0, y)
        under = self._pixels[y : y + mask.shape[0], x : x + mask.shape[1], :3]
        share = mask[: under.shape[0], : under.shape[1], None].astype(np.int32)
        ink = np.array(_bytes_of(colour), dtype=np.int32)
        under[...] = (under * (255 - share) + ink * share + 127) // 255


@contextmanager
def blank(size: tuple[int, int]) -> Iterator[Sheet]:
    """Give an empty sheet, one at a time in a process: the buffer behind it is used again."""
    with _LOCK:
        yield Sheet(_renderer(size))


@lru_cache
def _renderer(size: tuple[int, int]) -> RendererAgg:
    make: Any = RendererAgg
    renderer: RendererAgg = make(*size, _DOTS_PER_INCH)
    return renderer


@lru_cache
def _bytes_of(colour: str) -> tuple[int, int, int]:
    red, green, blue = (round(255 * part) for part in mpl.colors.to_rgb(colour))
    return red, green, blue


@lru_cache
def _font(size: float) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(_FONT, size, layout_engine=ImageFont.Layout.BASIC)


@lru_cache(maxsize=2000)
def _written(words: str, size: float) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """Give the words' ink, and where its upper left corner lies from the left end of their base line."""
    core, offset = _font(size).getmask2(words, mode="L", anchor="ls")
    columns, rows = core.size
    ink = np.frombuffer(bytes(core), dtype=np.uint8).reshape(rows, columns)
    return ink, (int(offset[0]), int(offset[1]))


@lru_cache
def _figure_height(size: float) -> float:
    return float(-_font(size).getbbox("0", anchor="ls")[1])


def legible(words: str) -> str:
    """Give words the font can show: controls become blanks, other characters it lacks a mark."""
    if words.isascii() and words.isprintable():
        return " ".join(words.split())
    known = _characters()
    shown = (
        char if ord(char) in known and unicodedata.category(char)[0] != "C" else " " if char.isspace() else "\ufffd"
        for char in words
    )
    return " ".join("".join(shown).split())


@lru_cache
def _characters() -> frozenset[int]:
    return frozenset(get_font(_FONT).get_charmap())


@lru_cache(maxsize=2000)
def text_width(words: str, size: float) -> float:
    """Give the width of words in pixels at a size of type in pixels."""
    return float(_font(size).getlength(legible(words)))


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
    """Encode as PNG with a palette of at most 256 colours and nothing that varies: no time, no software.

    A fourth value of each pixel is left out. Most of a sheet is bare paper, so that colours are looked for among
    the other pixels alone.
    """
    rows, columns = pixels.shape[:2]
    inked = np.flatnonzero((pixels[..., :3] != 255).any(axis=-1)) if pixels.shape[2] == 3 else _not_white(pixels)
    colours = pixels.reshape(rows * columns, -1)[inked, :3].astype(np.int32) >> 2
    code = (colours[:, 0] << 12) | (colours[:, 1] << 6) | colours[:, 2]
    count = np.bincount(code, minlength=_COLOURS)
    count[-1] += rows * columns - len(inked)  # the paper
    present = np.flatnonzero(count)
    palette = present if len(present) <= 256 else np.sort(present[np.argsort(-count[present], kind="stable")[:256]])
    lookup = np.zeros(_COLOURS, dtype=np.uint8)
    lookup[present] = np.arange(len(present)) if palette is present else _nearest(_parts(present), _parts(palette))
    numbers = np.full(rows * columns, lookup[-1], dtype=np.uint8)
    numbers[inked] = lookup[code]
    image = Pillow.fromarray(numbers.reshape(rows, columns))
    parts = _parts(palette)
    image.putpalette((parts << 2 | parts >> 4).astype(np.uint8).tobytes())
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=5)  # 6 takes nearly twice as long for 5 % less
    return out.getvalue()


def _not_white(pixels: Pixels) -> NDArray[np.intp]:
    """Give the places of pixels that are not white, of four values each."""
    whole = np.ascontiguousarray(pixels).view(np.uint32).ravel()
    mask = int.from_bytes(b"\xff\xff\xff\0", "little" if np.little_endian else "big")
    return np.flatnonzero((whole & np.uint32(mask)) != mask)


def _parts(code: NDArray[np.intp]) -> NDArray[np.intp]:
    return np.stack([code >> 12, (code >> 6) & 63, code & 63], axis=-1)


def _nearest(colours: NDArray[np.intp], palette: NDArray[np.intp]) -> NDArray[np.intp]:
    """Give for each colour the number of the palette's nearest."""
    parts = [
        ((part[:, None, :] - palette[None]) ** 2).sum(axis=-1).argmin(axis=1)
        for part in np.array_split(colours, max(1, len(colours) // 1000))
    ]
    return np.concatenate(parts)
