"""Pictures that lay beside a scan, made into previews: re-encoded, sized, and without anything hidden in them.

Knows Pillow's decoders of PNG and JPEG; does not know who made a picture or of what.
"""

import io
import warnings

import numpy as np
from PIL import Image as Pillow
from PIL import UnidentifiedImageError

from catalog_builder.errors import CatalogError
from catalog_builder.previews import Attempt, Sketch, Subject
from catalog_builder.previews.panel import write_heading
from catalog_builder.previews.sheet import LARGE, PAPER, SMALL, Pixels, blank, png
from catalog_builder.records import Problem
from catalog_builder.signals import Picture

MOST_PIXELS = 1 << 25
"""Of a picture; a larger one is refused before it is decoded."""

_TOP, _EDGE = 52, 24
_FAULTS = (
    UnidentifiedImageError,
    Pillow.DecompressionBombError,
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    MemoryError,
    Warning,
)
"""What Pillow raises on damaged pictures; ``SyntaxError`` is its word for a broken PNG."""


def draw_attached(subject: Subject) -> Attempt:
    """Draw the pictures that lay beside a scan; one that cannot be read is a problem."""
    sketches: list[Sketch] = []
    problems: list[Problem] = []
    for picture in subject.reading.pictures:
        try:
            pixels = _decoded(picture.content)
        except CatalogError as exc:
            problems.append(Problem(where=picture.where, what=exc.what))
            continue
        sketches.append(_sketch(subject.title, picture, pixels))
    return Attempt(sketches=tuple(sketches), problems=tuple(problems))


def _decoded(content: bytes) -> Pillow.Image:
    """Give a picture's pixels on white paper; raises CatalogError where it is none, damaged or too large."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with Pillow.open(io.BytesIO(content), formats=("PNG", "JPEG")) as opened:
                if opened.width * opened.height > MOST_PIXELS:
                    raise CatalogError(f"the picture has {opened.width} x {opened.height} pixels, too many to be shown")
                shown = opened.convert("RGBA")
    except _FAULTS as exc:
        raise CatalogError("the picture in it is damaged, or no PNG or JPEG") from exc
    paper = Pillow.new("RGBA", shown.size, PAPER)
    return Pillow.alpha_composite(paper, shown).convert("RGB")


def _sketch(title: str, picture: Picture, pixels: Pillow.Image) -> Sketch:
    large = _fitted(pixels, LARGE[0] - 2 * _EDGE, LARGE[1] - _TOP - _EDGE)
    with blank(LARGE) as sheet:
        write_heading(sheet, title, picture.caption)
        sheet.image((LARGE[0] - large.shape[1]) // 2, _TOP, large)
        drawn = sheet.png()
    return Sketch(kind="attached", caption=picture.caption, large=drawn, small=lambda: _small(pixels))


def _small(pixels: Pillow.Image) -> bytes:
    image = _fitted(pixels, SMALL[0], SMALL[1])
    sheet = np.full((SMALL[1], SMALL[0], 3), 255, dtype=np.uint8)
    top, left = (SMALL[1] - image.shape[0]) // 2, (SMALL[0] - image.shape[1]) // 2
    sheet[top : top + image.shape[0], left : left + image.shape[1]] = image
    return png(sheet)


def _fitted(pixels: Pillow.Image, width: int, height: int) -> Pixels:
    """Give the picture as large as it goes into a room, enlarged at most fourfold."""
    scale = min(width / pixels.width, height / pixels.height, 4.0)
    size = max(1, round(pixels.width * scale)), max(1, round(pixels.height * scale))
    return np.asarray(pixels.resize(size, Pillow.Resampling.LANCZOS), dtype=np.uint8)
