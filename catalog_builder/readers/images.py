"""Detector images in a folder beside a scan: Pilatus series, Eiger masters, Lambda parts.

Knows how detectors lay out their files; does not know scans, and never holds more than one image.

Sources: Dectris (``<name>_master.h5`` with ``entry/data/data_000001`` … linking to ``<name>_data_000001.h5``);
X-Spectrum Lambda (``<name>_m1_part00000.nxs``: modules side by side, parts one after the other).
"""

import logging
import math
import os
import re
import struct
import warnings
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np
from fabio.cbfimage import CbfImage
from fabio.edfimage import EdfImage
from fabio.fabioutils import File
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
"""One image a file."""

STACK_SUFFIXES = (".h5", ".nxs", ".hdf5")
"""Many images a file."""

FRAME_SUFFIXES = (*IMAGE_SUFFIXES, *STACK_SUFFIXES)
"""Of files ``frames_in`` reads; lower case, with the dot."""

_EIGER_DATA = re.compile(r"^(.*)_data_\d+$")
_LAMBDA_MODULE = re.compile(r"^(.*_m\d+)_part\d+$")
_CBF_BINARY = b"\x0c\x1a\x04\xd5"
_CBF_SIZE = re.compile(rb"X-Binary-Size:\s*(\d{1,12})\b")
_SHORT = 3
"""TIFF's type of two bytes."""
_SHORTEST_HEAD = 8
_LONGEST_HEADER = 1 << 20
_LARGEST_FILE = 1 << 30
"""Bytes of a single image."""
_MOST_PIXELS = 1 << 26
_MOST_DIRECTORIES = 1000
"""Of a TIFF; fabio lists them all to read the first."""
_ROWS_AND_COLUMNS = (256, 257)
"""Tags of a TIFF's directory (TIFF 6.0, ImageWidth and ImageLength)."""
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
    suffixes = Counter(file.suffix.lower() for file in files)
    single = [suffix for suffix in suffixes if suffix in IMAGE_SUFFIXES]
    if single:
        suffix = max(single, key=lambda one: (suffixes[one], one))
        return _series(detector, [file for file in files if file.suffix.lower() == suffix], surroundings.boundary)
    stacks = [file for file in files if file.suffix.lower() in STACK_SUFFIXES]
    label, parts = _parts(detector, stacks, surroundings.boundary)
    return _stack(label, parts, surroundings.boundary) if parts else None


def _files(folder: Path, boundary: Path) -> list[Path]:
    """Give the files in a folder by name; a symlink counts where it stays inside."""
    try:
        with os.scandir(folder) as entries:
            found = [(e.name, e.is_symlink()) for e in entries if not e.name.startswith(".") and e.is_file()]
    except OSError:
        return []
    return [folder / name for name, is_link in sorted(found) if not is_link or _stays(folder / name, boundary)]


def _stays(path: Path, boundary: Path) -> bool:
    try:
        kept_inside(path, boundary)
    except CatalogError:
        return False
    return True


def _series(detector: str, files: Sequence[Path], boundary: Path) -> Frames:
    def load(number: int) -> Image:
        if not 0 <= number < len(files):
            raise CatalogError(f"there is no image {number}, only {len(files)}", where=detector)
        return _read(files[number], boundary)

    return Frames(detector=detector, count=len(files), load=load)


def _read(file: Path, boundary: Path) -> Image:
    """Read one image; fabio says what is wrong with it in many ways, a bare ``Exception`` among them."""
    target, where = kept_inside(file, boundary), below(file, boundary)
    try:
        if not target.is_file():
            raise CatalogError("the image is not there any more", where=where)
        if target.stat().st_size > _LARGEST_FILE:
            raise CatalogError("is too large for an image", where=where)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with File(str(target)) as stream:
                data = _pixels(stream, file.suffix.lower(), where)
    except (CatalogError, MemoryError):
        raise
    except FileNotFoundError as exc:
        raise CatalogError("the image is not there any more", where=where) from exc
    except Exception as exc:
        raise CatalogError("the image is damaged or cut short", where=where) from exc
    if data is None or np.ndim(data) != 2 or 0 in np.shape(data):
        raise CatalogError("the image is damaged or cut short", where=where)
    return image(data)


def _pixels(stream: BinaryIO, suffix: str, where: str) -> ArrayLike | None:
    """Read the one kind of image the name promises: told by its first bytes alone, fabio opens HDF5 files too.

    Of an EDF file cut short fabio makes up the missing rows, and says so in ``incomplete_file`` alone.
    """
    kind = _KINDS[suffix]
    head = stream.read(512)
    if not kind.begins.match(head):
        short = len(head) < _SHORTEST_HEAD
        raise CatalogError("the image is damaged or cut short" if short else f"is not a {kind.name} image", where=where)
    if not kind.check(stream):
        raise CatalogError("the image is damaged or cut short", where=where)
    stream.seek(0)
    with kind.opener() as opened:
        opened.read(stream)
        if getattr(opened, "incomplete_file", False) or math.prod(opened.shape) > _MOST_PIXELS:
            return None
        data: ArrayLike = opened.data
        return data


def _check_cbf(stream: BinaryIO) -> bool:
    """Tell a CBF with its binary part, whole; fabio looks for a missing one for ever.

    Source: CBF/imgCIF, the octets ``0C 1A 04 D5`` before the binary part, ``X-Binary-Size`` in its header.
    """
    stream.seek(0)
    head = stream.read(_LONGEST_HEADER)
    at = head.find(_CBF_BINARY)
    size = _CBF_SIZE.search(head[: max(at, 0)])
    return size is not None and at + len(_CBF_BINARY) + int(size[1]) <= stream.seek(0, os.SEEK_END)


def _check_tiff(stream: BinaryIO) -> bool:
    """Tell a TIFF of a bearable size whose directories come to an end; fabio follows a circle of them for ever.

    Source: TIFF 6.0, sections 2 and 8.
    """
    stream.seek(0)
    order = "<" if stream.read(2) == b"II" else ">"
    stream.seek(4)
    (offset,) = struct.unpack(f"{order}I", stream.read(4))
    seen: set[int] = set()
    while offset and offset not in seen and len(seen) < _MOST_DIRECTORIES:
        stream.seek(offset)
        (count,) = struct.unpack(f"{order}H", stream.read(2))
        entries = stream.read(12 * count)
        if not seen and _tiff_pixels(entries, order) > _MOST_PIXELS:
            return False
        seen.add(offset)
        (offset,) = struct.unpack(f"{order}I", stream.read(4))
    return bool(seen) and offset == 0


def _tiff_pixels(entries: bytes, order: str) -> int:
    """Give rows times columns as a directory says; of a tag that comes twice the larger counts."""
    sizes = dict.fromkeys(_ROWS_AND_COLUMNS, 0)
    for tag, kind, _, size in struct.iter_unpack(f"{order}HHI4s", entries):
        if tag in sizes:
            written = struct.unpack(f"{order}H", size[:2]) if kind == _SHORT else struct.unpack(f"{order}I", size)
            sizes[tag] = max(sizes[tag], written[0])
    return math.prod(sizes.values())


def _check_edf(stream: BinaryIO) -> bool:
    """Tell an EDF that holds its own data, and whose sizes are none that lead back."""
    stream.seek(0)
    return _TREACHEROUS_EDF.search(stream.read()) is None


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of image: how a file of it begins, what must be seen before fabio reads it, and what reads it."""

    name: str
    begins: re.Pattern[bytes]
    check: Callable[[BinaryIO], bool]
    opener: Callable[[], Any]


_TIFF = _Kind("TIFF", re.compile(rb"II\*\0|MM\0\*"), _check_tiff, TifImage)
_KINDS = {
    ".cbf": _Kind("CBF", re.compile(rb"###CBF"), _check_cbf, CbfImage),
    ".tif": _TIFF,
    ".tiff": _TIFF,
    ".edf": _Kind("EDF", re.compile(rb"\s*\{"), _check_edf, EdfImage),
}


def _parts(detector: str, files: Sequence[Path], boundary: Path) -> tuple[str, list[_Part]]:
    """Find the stacks of a series: an Eiger's masters, else its data files, else a Lambda's first module."""
    masters = [file for file in files if file.stem.endswith("_master")]
    parts = [part for master in masters for part in _linked(master, files, boundary)]
    if parts or masters:
        return detector, parts
    modules = sorted({match[1] for file in files if (match := _LAMBDA_MODULE.match(file.stem))})
    if modules:
        chosen = [file for file in files if file.stem.startswith(f"{modules[0]}_part")]
        label = f"{detector} ({modules[0].rsplit('_', 1)[-1]} of {len(modules)})" if len(modules) > 1 else detector
        return label, [part for file in chosen for part in _biggest(file, boundary)]
    return detector, [part for file in files for part in _biggest(file, boundary)]


def _linked(master: Path, files: Sequence[Path], boundary: Path) -> list[_Part]:
    """Give what a master links to, as far as no part is missing; the data files beside it where it links to none."""
    try:
        with open_inside(master, boundary) as inside:
            parts = _succession(inside) or _biggest_in(inside)
    except CatalogError:
        parts = []
    if parts:
        return parts
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
