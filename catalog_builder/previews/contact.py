"""Contact sheets: every preview of a catalogue on a few large pages, to be looked at in one go.

Knows scans' records and the pictures made of them; does not know how these were drawn.
"""

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from catalog_builder.files import write_if_changed
from catalog_builder.places import Places
from catalog_builder.previews.sheet import INK, LARGE, PAPER, SMALL, SOFT, WARNING, fitted, legible
from catalog_builder.records import Preview, Scan

COLUMNS, ROWS = 4, 5
_DESK = "#d9dcd6"
_NIGHT = "#1c1f23"
_GAP = 16
_PICTURE = (LARGE[0] // 2, LARGE[1] // 2)
_THUMB = (SMALL[0] // 2, SMALL[1] // 2)
_LINES = 4
_LINE = 17
_SIZE = 13
_TILE = (_PICTURE[0], _THUMB[1] + 8 + _PICTURE[1] + _LINES * _LINE + 6)
_PAGE = (COLUMNS * (_TILE[0] + _GAP) + _GAP, ROWS * (_TILE[1] + _GAP) + _GAP)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tile:
    """One picture of a scan, or the reason why there is none."""

    scan: Scan
    preview: Preview | None
    first: bool
    """True for the picture that has a thumbnail."""


def contact_sheet(places: Places, scans: Iterable[Scan], destination: Path, *, dark: bool = False) -> list[Path]:
    """Draw pages with all previews of the scans, 20 a page, and give the files: ``contact-001.png`` and on.

    Each picture stands at the size a page of the site shows it, with its thumbnail above and the scan's name,
    kind and caption below; a scan without previews stands there with its reason, a picture that is missing or
    damaged is said to be. Pages left by an earlier, longer sheet are removed.

    Parameters
    ----------
    places
        The catalogue whose ``previews/`` are shown.
    destination
        A folder; made where it is not there.
    dark
        True lays the pictures on a dark desk, as the site's dark theme does.
    """
    destination.mkdir(parents=True, exist_ok=True)
    pages: list[Path] = []
    for tiles in _paged(_tiles(scans), COLUMNS * ROWS):
        pages.append(destination / f"contact-{len(pages) + 1:03d}.png")
        write_if_changed(pages[-1], _page(places, tiles, dark))
    for old in destination.glob("contact-[0-9][0-9][0-9].png"):
        if old not in pages:
            old.unlink()
    return pages


def _tiles(scans: Iterable[Scan]) -> Iterator[_Tile]:
    for scan in scans:
        if not scan.previews:
            yield _Tile(scan=scan, preview=None, first=False)
        for number, preview in enumerate(scan.previews):
            yield _Tile(scan=scan, preview=preview, first=number == 0)


def _paged(tiles: Iterable[_Tile], most: int) -> Iterator[list[_Tile]]:
    page: list[_Tile] = []
    for tile in tiles:
        page.append(tile)
        if len(page) == most:
            yield page
            page = []
    if page:
        yield page


def _page(places: Places, tiles: Sequence[_Tile], dark: bool) -> bytes:
    rows = -(-len(tiles) // COLUMNS)
    height = rows * (_TILE[1] + _GAP) + _GAP
    page = Pillow.new("RGB", (_PAGE[0], height), _NIGHT if dark else _DESK)
    pen = ImageDraw.Draw(page)
    ink, soft = (PAPER, "#aab2ba") if dark else (INK, SOFT)
    for place, tile in enumerate(tiles):
        left = _GAP + place % COLUMNS * (_TILE[0] + _GAP)
        top = _GAP + place // COLUMNS * (_TILE[1] + _GAP)
        _show(places, tile, page, (left, top))
        words = _words(tile)
        for line, said in enumerate(words):
            colour = ink if line == 0 else WARNING if tile.preview is None and not dark else soft
            pen.text((left, top + _THUMB[1] + 8 + _PICTURE[1] + 4 + line * _LINE), said, colour, _font())
    out = io.BytesIO()
    page.quantize(255, method=Pillow.Quantize.FASTOCTREE, dither=Pillow.Dither.NONE).save(out, "PNG")
    return out.getvalue()


def _show(places: Places, tile: _Tile, page: Pillow.Image, corner: tuple[int, int]) -> None:
    left, top = corner
    if tile.preview is None:
        return
    folder = places.scan_previews(tile.scan.key)
    if tile.first:
        _paste(page, folder / "thumb.png", (left, top), _THUMB)
    _paste(page, folder / f"{tile.preview.name}.png", (left, top + _THUMB[1] + 8), _PICTURE)


def _paste(page: Pillow.Image, file: Path, corner: tuple[int, int], size: tuple[int, int]) -> None:
    try:
        with Pillow.open(file) as opened:
            picture = opened.convert("RGB")
    except OSError:
        what = "is not there" if not file.is_file() else "is no picture"
        ImageDraw.Draw(page).text(corner, f"{file.name} {what}", WARNING, _font())
        return
    picture.thumbnail(size, Pillow.Resampling.BOX)
    page.paste(picture, corner)


def _words(tile: _Tile) -> list[str]:
    """Give the lines below a picture: beamtime and name, then kind and caption in at most three lines."""
    name = fitted(f"{tile.scan.beamtime} {tile.scan.name}", _SIZE, _PICTURE[0] * 0.95)
    if tile.preview is None:
        return [name, *_wrapped(f"no preview: {tile.scan.no_preview or 'the reason was not recorded'}")]
    return [name, *_wrapped(f"{tile.preview.kind}: {tile.preview.caption}")]


def _wrapped(words: str) -> list[str]:
    lines: list[str] = []
    for word in legible(words[:400]).split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and _font().getlength(longer) <= _PICTURE[0]:
            lines[-1] = longer
        elif len(lines) < _LINES - 1:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} …"
            break
    return lines


def _font() -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(f"{mpl.get_data_path()}/fonts/ttf/DejaVuSans.ttf", _SIZE)
