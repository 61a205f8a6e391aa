"""Files of one detector image each, or several in TIFF and EDF: CBF, TIFF, EDF.

Knows what a file's bytes must be before fabio is given them; does not know series of files, nor HDF5.
"""

import base64
import hashlib
import logging
import math
import os
import re
import struct
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from fabio.cbfimage import CbfImage
from fabio.edfimage import EdfImage
from fabio.fabioutils import BytesIO, File
from fabio.tifimage import TifImage
from numpy.typing import ArrayLike

from catalog_builder.errors import CatalogError
from catalog_builder.readers.bounds import below, kept_inside
from catalog_builder.readers.pixels import image
from catalog_builder.signals import Image

IMAGE_SUFFIXES = (".cbf", ".tif", ".tiff", ".edf")
"""One image a file, or several in TIFF and EDF."""

_CBF_BINARY = b"\x0c\x1a\x04\xd5"
_CBF_SIZE = re.compile(rb"X-Binary-Size:\s*(\d{1,12})\b")
_CBF_EDGES = tuple(
    re.compile(rb"X-Binary-Size-" + edge + rb"-Dimension:\s*(\d{1,12})\b") for edge in (b"Fastest", b"Second")
)
_CBF_CHECKSUM = re.compile(rb"Content-MD5:\s*([A-Za-z0-9+/]{22}==)")
_CUTOFF = re.compile(rb"Count_cutoff\s*[=:]?\s*(\d{1,12})")
"""Dectris' mini header, in CBF and in a TIFF's description: ``# Count_cutoff 1048500 counts``."""
_SHORT = 3
"""TIFF's type of two bytes."""
_SUBFILE, _COLUMNS, _ROWS, _BITS, _PACKED = 254, 256, 257, 258, 259
"""Tags of a TIFF's directory (TIFF 6.0): NewSubfileType, ImageWidth, ImageLength, BitsPerSample, Compression."""
_HEAD, _SHORTEST_HEAD, _WORDS = 512, 8, 1 << 14
_DAMAGED = "the image is damaged or cut short"
_LONGEST_HEADER = 1 << 20
_LARGEST_FILE = 1 << 30
"""Bytes of a CBF file, which holds one image."""
_MOST_PIXELS = 1 << 26
_MOST_DIRECTORIES = 20_000
"""Of a TIFF; fabio lists them all to read one."""
_EDF_STEP = 4096
_EDF_CLOSE = re.compile(rb"\}[ \t]*\r?\n")
_EDF_NUMBER = re.compile(rb"[;{][\s\0]*((?:EDF_Binary)?Size|Dim_[123])[\s\0]*=[\s\0]*(\d{1,12})\b", re.I)
_EDF_TYPE = re.compile(rb"[;{]\s*DataType\s*=\s*(\w+)", re.I)
_EDF_WIDTHS = {
    **dict.fromkeys((b"unsignedbyte", b"signedbyte"), 1),
    **dict.fromkeys((b"unsignedshort", b"signedshort"), 2),
    **dict.fromkeys((b"unsignedinteger", b"signedinteger", b"unsignedlong", b"signedlong"), 4),
    **dict.fromkeys((b"float", b"floatvalue", b"real"), 4),
    **dict.fromkeys((b"unsigned64", b"signed64", b"double", b"doublevalue"), 8),
}
"""Bytes of a pixel."""
_TREACHEROUS_EDF = re.compile(rb"EDF_BinaryFileName|[;{][\s\0]*(?:(?:EDF_Binary)?Size|Dim_\d+)[\s\0]*=[\s\0]*-", re.I)
"""Data in another file, which fabio would open wherever it leads; sizes that lead it back to where it was."""

logging.getLogger("fabio").setLevel(logging.CRITICAL + 1)


def images_in(file: Path, boundary: Path) -> int:
    """Count the images in a file; 1 where it cannot be told, so that reading it says what is wrong."""
    kind = _KINDS[file.suffix.lower()]
    if kind.images is None:
        return 1
    try:
        with kept_inside(file, boundary).open("rb") as stream:
            return max(1, len(kind.images(stream))) if kind.begins.match(stream.read(_HEAD)) else 1
    except (CatalogError, OSError, struct.error, _DamagedImageError):
        return 1


def cutoff_in(file: Path, boundary: Path) -> float | None:
    """Give the counts a detector's own words say it counts to, from the first kilobytes of a file."""
    try:
        with kept_inside(file, boundary).open("rb") as stream:
            found = _CUTOFF.search(stream.read(_WORDS))
    except (CatalogError, OSError):
        return None
    return float(found[1]) if found and int(found[1]) > 0 else None


class _DamagedImageError(Exception):
    """A file that is not what its head promises."""


def read_image(file: Path, boundary: Path, number: int = 0) -> Image:
    """Read one image of a file, by its number from 0; raises CatalogError.

    What is wrong with a file fabio says in many ways, a bare ``Exception`` among them.
    """
    target, where = kept_inside(file, boundary), below(file, boundary)
    try:
        if not target.is_file():
            raise CatalogError("the image is not there any more", where=where)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with File(str(target)) as stream:
                data = _pixels(stream, file.suffix.lower(), where, number)
    except (CatalogError, MemoryError):
        raise
    except FileNotFoundError as exc:
        raise CatalogError("the image is not there any more", where=where) from exc
    except Exception as exc:
        raise CatalogError(_DAMAGED, where=where) from exc
    if data is None or np.ndim(data) != 2 or 0 in np.shape(data):
        raise CatalogError(_DAMAGED, where=where)
    return image(data)


def _pixels(stream: BinaryIO, suffix: str, where: str, number: int) -> ArrayLike | None:
    """Read the one kind of image the name promises: told by its first bytes alone, fabio opens HDF5 files too."""
    kind = _KINDS[suffix]
    head = stream.read(_HEAD)
    if not kind.begins.match(head):
        what = _DAMAGED if len(head) < _SHORTEST_HEAD else f"is not a {kind.name} image"
        raise CatalogError(what, where=where)
    return kind.read(stream, number)


def _read_cbf(stream: BinaryIO, _: int) -> ArrayLike | None:
    """Read a CBF with its binary part, whole; fabio looks for a missing one for ever.

    Each pixel takes a byte at least, so that what its edges promise is no more than its binary part has bytes.
    Source: CBF/imgCIF, the octets ``0C 1A 04 D5`` before the binary part, ``X-Binary-Size`` in its header.
    """
    stream.seek(0)
    head = stream.read(_LONGEST_HEADER)
    at = head.find(_CBF_BINARY)
    size, *edges = (pattern.search(head[: max(at, 0)]) for pattern in (_CBF_SIZE, *_CBF_EDGES))
    whole = stream.seek(0, os.SEEK_END)
    if size is None or whole > _LARGEST_FILE or at + len(_CBF_BINARY) + int(size[1]) > whole:
        return None
    pixels = math.prod(int(edge[1]) if edge else 0 for edge in edges)
    if not 0 < pixels <= min(_MOST_PIXELS, int(size[1])) or not _has_its_checksum(stream, head[:at], at, int(size[1])):
        return None
    return _by_fabio(CbfImage(), stream)


def _has_its_checksum(stream: BinaryIO, head: bytes, at: int, size: int) -> bool:
    """Tell a binary part whose ``Content-MD5`` is its own, or that has none; fabio reads it all the same."""
    given = _CBF_CHECKSUM.search(head)
    stream.seek(at + len(_CBF_BINARY))
    digest = hashlib.md5(stream.read(size), usedforsecurity=False).digest()
    return given is None or base64.b64encode(digest) == given[1]


def _read_tiff(stream: BinaryIO, number: int) -> ArrayLike | None:
    directories = _tiff_images(stream)
    if not 0 <= number < len(directories):
        return None
    return _by_fabio(TifImage(), stream, directories[number])


def _by_fabio(opened: Any, stream: BinaryIO, number: int = 0) -> ArrayLike | None:  # noqa: ANN401 - fabio has no types
    """Let fabio read one image; of an EDF file cut short it makes up the missing rows and says so aside."""
    stream.seek(0)
    with opened:
        opened.read(stream)
        if getattr(opened, "incomplete_file", False) or math.prod(opened.shape) > _MOST_PIXELS:
            return None
        data: ArrayLike = opened.getframe(number).data if number else opened.data
        return data


def _tiff_images(stream: BinaryIO) -> list[int]:
    """Give which directories of a TIFF are images of its series: those as large as the first, thumbnails left out.

    Raises _DamagedImageError where one is larger than is bearable or than the file, and where the directories do
    not come to an end: fabio follows a circle of them for ever. Source: TIFF 6.0, sections 2 and 8.
    """
    end = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    order = "<" if stream.read(2) == b"II" else ">"
    stream.seek(4)
    (offset,) = struct.unpack(f"{order}I", stream.read(4))
    seen: dict[int, tuple[int, int]] = {}
    while offset and offset not in seen and len(seen) < _MOST_DIRECTORIES:
        stream.seek(offset)
        (count,) = struct.unpack(f"{order}H", stream.read(2))
        tags = _tiff_tags(stream.read(12 * count), order)
        (next_offset,) = struct.unpack(f"{order}I", stream.read(4))
        rows, columns = tags.get(_ROWS, 0), tags.get(_COLUMNS, 0)
        stored = rows * columns if tags.get(_BITS, 1) >= 8 and tags.get(_PACKED, 1) == 1 else 0
        if rows * columns > _MOST_PIXELS or stored > end:
            raise _DamagedImageError
        seen[offset] = (0, 0) if tags.get(_SUBFILE, 0) & 1 else (rows, columns)
        offset = next_offset
    shapes = list(seen.values())
    if offset or not shapes:
        raise _DamagedImageError
    return [number for number, shape in enumerate(shapes) if shape == shapes[0] or number == 0]


def _tiff_tags(entries: bytes, order: str) -> dict[int, int]:
    """Give a directory's numbers by tag; of a tag that comes twice the larger counts."""
    tags: dict[int, int] = {}
    for tag, kind, _, size in struct.iter_unpack(f"{order}HHI4s", entries):
        (value,) = struct.unpack(f"{order}H", size[:2]) if kind == _SHORT else struct.unpack(f"{order}I", size)
        tags[tag] = max(tags.get(tag, 0), value)
    return tags


def _read_edf(stream: BinaryIO, number: int) -> ArrayLike | None:
    """Give fabio one block of an EDF file alone, so that it reads neither the others nor another file."""
    blocks = _edf_images(stream)
    if not 0 <= number < len(blocks):
        return None
    begin, size = blocks[number]
    stream.seek(begin)
    return _by_fabio(EdfImage(), BytesIO(stream.read(size)))


def _edf_images(stream: BinaryIO) -> list[tuple[int, int]]:
    """Give where each block of an EDF file with pixels begins and how long it is; the last may be cut short.

    Raises _DamagedImageError where a header does not end, leads to another file, or has sizes that lead back or
    beyond what is bearable. Source: ESRF data format, ``{ key = value ; … }`` then ``EDF_BinarySize`` or ``Size``
    bytes, else as many as ``Dim_1`` times ``Dim_2`` pixels have.
    """
    end = stream.seek(0, os.SEEK_END)
    blocks: list[tuple[int, int]] = []
    at = 0
    while at < end and len(blocks) < _MOST_DIRECTORIES:
        stream.seek(at)
        head = stream.read(_EDF_STEP)
        while (close := _EDF_CLOSE.search(head)) is None and len(head) < _LONGEST_HEADER:
            more = stream.read(_EDF_STEP)
            if not more:
                break
            head += more
        if not head.strip(b"\0 \r\n\t"):
            break
        if close is None or not _KINDS[".edf"].begins.match(head) or _TREACHEROUS_EDF.search(head[: close.end()]):
            raise _DamagedImageError
        size = _edf_size(head[: close.end()])
        if size is None:
            size = end - at - close.end()
        if size:
            blocks.append((at, close.end() + size))
        at += close.end() + size
    return blocks


def _edf_size(head: bytes) -> int | None:
    """Give the bytes behind an EDF header, or None where it does not say."""
    words = {key.lower(): value for key, value in _EDF_NUMBER.findall(head)}
    edges = [int(words[key]) for key in (b"dim_1", b"dim_2", b"dim_3") if key in words]
    if math.prod(edges) > _MOST_PIXELS:
        raise _DamagedImageError
    given = words.get(b"edf_binarysize", words.get(b"size"))
    if given is not None:
        if int(given) > 16 * _MOST_PIXELS:
            raise _DamagedImageError
        return int(given)
    kind = _EDF_TYPE.search(head)
    width = _EDF_WIDTHS.get(kind[1].lower()) if kind else None
    return math.prod(edges) * width if width and edges else None


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of image: how a file of it begins, what reads an image, and what finds all of them."""

    name: str
    begins: re.Pattern[bytes]
    read: Callable[[BinaryIO, int], ArrayLike | None]
    images: Callable[[BinaryIO], Sequence[object]] | None = None
    """None where a file holds one."""


_TIFF = _Kind("TIFF", re.compile(rb"II\*\0|MM\0\*"), _read_tiff, _tiff_images)
_KINDS = {
    ".cbf": _Kind("CBF", re.compile(rb"###CBF"), _read_cbf),
    ".tif": _TIFF,
    ".tiff": _TIFF,
    ".edf": _Kind("EDF", re.compile(rb"\s*\{"), _read_edf, _edf_images),
}
