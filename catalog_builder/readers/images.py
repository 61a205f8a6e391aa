"""Detector images in a folder beside a scan: Pilatus series, Eiger masters, Lambda parts.

Knows how detectors lay out their files; does not know scans, and never holds more than one image.

Sources: Dectris (``<name>_master.h5`` with ``entry/data/data_000001`` … linking to ``<name>_data_000001.h5``);
X-Spectrum Lambda (``<name>_m1_part00000.nxs``: modules side by side, parts one after the other).
"""

import base64
import hashlib
import logging
import math
import os
import re
import struct
import warnings
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np
from fabio.cbfimage import CbfImage
from fabio.edfimage import EdfImage
from fabio.fabioutils import BytesIO, File
from fabio.tifimage import TifImage
from numpy.typing import ArrayLike, NDArray

from catalog_builder.errors import CatalogError
from catalog_builder.readers import Surroundings
from catalog_builder.readers.attributes import nexus_class
from catalog_builder.readers.bounds import below, kept_inside
from catalog_builder.readers.complaints import Complaints
from catalog_builder.readers.links import Inside, names_in, never_written, open_inside, walk_inside
from catalog_builder.readers.pixels import image
from catalog_builder.readers.stacks import Marks, is_stack, load_one, marks_of, mask_for, shows_images
from catalog_builder.readers.texts import encodable
from catalog_builder.signals import Frames, Image

IMAGE_SUFFIXES = (".cbf", ".tif", ".tiff", ".edf")
"""One image a file, or several in TIFF and EDF."""

STACK_SUFFIXES = (".h5", ".nxs", ".hdf5")
"""Many images a file."""

FRAME_SUFFIXES = (*IMAGE_SUFFIXES, *STACK_SUFFIXES)
"""Of files ``frames_in`` reads; lower case, with the dot."""

_DIGITS = re.compile(r"([0-9]+)")
_EIGER_DATA = re.compile(r"^(.*)_data_\d+$")
_LAMBDA_MODULE = re.compile(r"^(.*_m\d+)_part\d+$")
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
_FEW_FILES = 16
"""Files of a series up to which it is counted in each how many images it holds."""
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


@dataclass(frozen=True, slots=True)
class _Part:
    """A stack in a file: some images of a series."""

    file: Path
    field: str
    """Its path in the file."""
    count: int
    marks: tuple[Path, str]
    """File and group of the NXdetector that says which pixels are masked."""


def frames_in(folder: Path, detector: str, surroundings: Surroundings) -> Frames | None:
    """Give the images in a detector's folder in order of the files' names, or None where there are none.

    Of a Lambda's modules the first is shown, and the name of the detector says so. Nothing is opened that lies
    outside of the beamtime's folder. Raises CatalogError where the folder itself leads out of it.
    """
    detector = encodable(detector)
    files = _files(kept_inside(folder, surroundings.boundary), surroundings.boundary)
    single = _commonest(files)
    if single:
        return _series(detector, single, surroundings.boundary)
    stacks = [file for file in files if file.suffix.lower() in STACK_SUFFIXES]
    label, parts = _parts(detector, stacks, surroundings.boundary)
    return _stack(label, parts, surroundings.boundary) if parts else None


def frames_of_files(files: Sequence[Path], detector: str, surroundings: Surroundings) -> Frames | None:
    """Give the images in files that lie loose beside a scan, ``<scan>.cbf``, in order of their names."""
    inside = sorted(
        (file for file in files if _stays(file, surroundings.boundary)), key=lambda file: _counted(file.name)
    )
    single = _commonest(inside)
    return _series(encodable(detector), single, surroundings.boundary) if single else None


def _commonest(files: Sequence[Path]) -> list[Path]:
    """Give the files of the image suffix most of them have."""
    suffixes = Counter(suffix for file in files if (suffix := file.suffix.lower()) in IMAGE_SUFFIXES)
    if not suffixes:
        return []
    chosen = max(suffixes, key=lambda one: (suffixes[one], one))
    return [file for file in files if file.suffix.lower() == chosen]


def frames_of_master(path: Path, surroundings: Surroundings, detector: str | None = None) -> Frames | None:
    """Give the images of an Eiger whose master lies beside the scan, ``<scan>_master.h5``, or None where none are.

    Its data files are those it links to, else ``<scan>_data_000001.h5`` and on beside it. Without a name for the
    detector it is ``eiger``.
    """
    boundary = surroundings.boundary
    if not _stays(path, boundary):
        return None
    parts = _masters([path], lambda: _files(path.parent, boundary), boundary)
    return _stack(encodable(detector or "eiger"), parts, boundary) if parts else None


def _files(folder: Path, boundary: Path) -> list[Path]:
    """Give the files in a folder by name, numbers in it by value; a symlink counts where it stays inside."""
    try:
        with os.scandir(folder) as entries:
            found = [(e.name, e.is_symlink()) for e in entries if not e.name.startswith(".") and e.is_file()]
    except OSError:
        return []
    found.sort(key=lambda one: _counted(one[0]))
    return [folder / name for name, is_link in found if not is_link or _stays(folder / name, boundary)]


def _counted(name: str) -> tuple[list[str | int], str]:
    """Give a key that sorts names by the numbers in them: ``a_2.tif`` comes before ``a_10.tif``."""
    parts: list[str | int] = [*_DIGITS.split(name)]
    parts[1::2] = [int(digits) for digits in _DIGITS.findall(name)]
    return parts, name


def _stays(path: Path, boundary: Path) -> bool:
    try:
        kept_inside(path, boundary)
    except CatalogError:
        return False
    return True


def _series(detector: str, files: Sequence[Path], boundary: Path) -> Frames:
    """Give the images of files that hold one each, or several: all of the first file, then those of the next.

    A long series whose first and last file hold one image each is taken to hold one everywhere: opening thousands
    of files to count would take longer than all the rest.
    """
    asked = files if len(files) <= _FEW_FILES else [files[0], files[-1]]
    counts = [_images_in(file, boundary) for file in asked]
    if len(asked) < len(files):
        single = max(counts) == 1
        counts = [1] * len(files) if single else [_images_in(file, boundary) for file in files]
    ends = list(accumulate(counts))

    def load(number: int) -> Image:
        if not 0 <= number < ends[-1]:
            raise CatalogError(f"there is no image {number}, only {ends[-1]}", where=detector)
        at = bisect_right(ends, number)
        return _read(files[at], boundary, number - (ends[at - 1] if at else 0))

    return Frames(detector=detector, count=ends[-1], load=load, cutoff=_cutoff(files[0], boundary))


def _images_in(file: Path, boundary: Path) -> int:
    """Count the images in a file; 1 where it cannot be told, so that reading it says what is wrong."""
    kind = _KINDS[file.suffix.lower()]
    if kind.images is None:
        return 1
    try:
        with kept_inside(file, boundary).open("rb") as stream:
            return max(1, len(kind.images(stream))) if kind.begins.match(stream.read(_HEAD)) else 1
    except (CatalogError, OSError, struct.error, _DamagedImageError):
        return 1


def _cutoff(file: Path, boundary: Path) -> float | None:
    """Give the counts a detector's own words say it counts to, from the first kilobytes of a file."""
    try:
        with kept_inside(file, boundary).open("rb") as stream:
            found = _CUTOFF.search(stream.read(_WORDS))
    except (CatalogError, OSError):
        return None
    return float(found[1]) if found and int(found[1]) > 0 else None


class _DamagedImageError(Exception):
    """A file that is not what its head promises."""


def _read(file: Path, boundary: Path, number: int = 0) -> Image:
    """Read one image of a file; fabio says what is wrong with it in many ways, a bare ``Exception`` among them."""
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


def _parts(detector: str, files: Sequence[Path], boundary: Path) -> tuple[str, list[_Part]]:
    """Find the stacks of a series: an Eiger's masters, else its data files, else a Lambda's first module."""
    masters = [file for file in files if file.stem.endswith("_master")]
    if masters:
        return detector, _masters(masters, lambda: files, boundary)
    modules = sorted({match[1] for file in files if (match := _LAMBDA_MODULE.match(file.stem))})
    if modules:
        chosen = [file for file in files if file.stem.startswith(f"{modules[0]}_part")]
        label = f"{detector} ({modules[0].rsplit('_', 1)[-1]} of {len(modules)})" if len(modules) > 1 else detector
        return label, [part for file in chosen for part in _biggest(file, boundary)]
    return detector, [part for file in files for part in _biggest(file, boundary)]


def _masters(masters: Sequence[Path], files: Callable[[], Sequence[Path]], boundary: Path) -> list[_Part]:
    """Give what masters link to, as far as no part is missing; the data files beside one that links to none."""
    parts: list[_Part] = []
    for master in masters:
        linked: list[_Part] = []
        with suppress(CatalogError), open_inside(master, boundary) as inside:
            linked = _succession(inside) or _biggest_in(inside)
        parts += linked or _beside(master, files(), boundary)
    return parts


def _beside(master: Path, files: Sequence[Path], boundary: Path) -> list[_Part]:
    stem = master.stem.removesuffix("_master")
    beside = [f for f in files if (match := _EIGER_DATA.match(f.stem)) and match[1] == stem]
    own = (master, "entry/instrument/detector")
    return [replace(part, marks=own) for file in beside for part in _biggest(file, boundary)]


def _succession(inside: Inside) -> list[_Part]:
    """Give ``entry/data/data_000001`` and on, up to the first that is not there: behind it numbers would be wrong."""
    parts: list[_Part] = []
    group = inside.find(inside.root, "entry/data")
    if not isinstance(group, h5py.Group):
        return parts
    for name in sorted(name for name in names_in(group) if re.fullmatch(r"data_\d+", name)):
        field = inside.find(group, name)
        if not isinstance(field, h5py.Dataset) or not is_stack(field) or never_written(field):
            break
        parts.append(_part(inside, field))
    return parts


def _biggest(file: Path, boundary: Path) -> list[_Part]:
    """Give the biggest stack of a file; nothing where it cannot be opened (yet)."""
    try:
        with open_inside(file, boundary) as inside:
            return _biggest_in(inside)
    except CatalogError:
        return []


def _biggest_in(inside: Inside) -> list[_Part]:
    nodes = walk_inside(inside, inside.root, Complaints(""))
    stacks = [node.item for node in nodes if isinstance(node.item, h5py.Dataset) and shows_images(node.path, node.item)]
    return [_part(inside, max(stacks, key=lambda field: field.size))] if stacks else []


def _part(inside: Inside, field: h5py.Dataset) -> _Part:
    """Give a stack; its detector's mask lies beside it, or in the master's ``entry/instrument/detector``."""
    file, path = inside.path_of(field), str(field.name)
    own = (file, path.rsplit("/", 1)[0] or "/")
    group = inside.find(field.file, own[1])
    beside = isinstance(group, h5py.Group) and nexus_class(group) == "NXdetector"
    detector = own if beside else (inside.path_of(inside.root), "entry/instrument/detector")
    return _Part(file, path, math.prod(field.shape[:-2]), detector)


def _marks(place: tuple[Path, str], boundary: Path) -> tuple[Marks, NDArray[np.generic] | None]:
    """Give what a detector says of its pixels, and its mask; nothing where there is no such group."""
    with open_inside(place[0], boundary) as inside:
        group = inside.find(inside.root, place[1])
        if not isinstance(group, h5py.Group):
            return Marks(), None
        marks = marks_of(inside, group)
        return replace(marks, mask=None), mask_for(inside, marks, 0, {})


def _stack(detector: str, parts: Sequence[_Part], boundary: Path) -> Frames:
    ends = list(accumulate(part.count for part in parts))
    known: dict[tuple[Path, str], tuple[Marks, NDArray[np.generic] | None]] = {}

    def marked(part: _Part) -> tuple[Marks, NDArray[np.generic] | None]:
        if part.marks not in known:
            known[part.marks] = _marks(part.marks, boundary)
        return known[part.marks]

    def load(number: int) -> Image:
        if not 0 <= number < ends[-1]:
            raise CatalogError(f"there is no image {number}, only {ends[-1]}", where=detector)
        at = bisect_right(ends, number)
        part = parts[at]
        try:
            with open_inside(part.file, boundary) as inside:
                field = inside.at(inside.root, part.field)
                if not isinstance(field, h5py.Dataset):
                    raise CatalogError("is no stack of images any more")
                return load_one(inside, detector, field, number - (ends[at - 1] if at else 0), *marked(part))
        except CatalogError as exc:
            raise CatalogError(encodable(exc.what), where=below(part.file, boundary)) from exc

    try:
        cutoff = marked(parts[0])[0].cutoff
    except CatalogError:
        cutoff = None
    return Frames(detector=detector, count=ends[-1], load=load, cutoff=cutoff)
