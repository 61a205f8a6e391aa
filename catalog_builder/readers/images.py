"""Detector images in a folder beside a scan: Pilatus series, Eiger masters, Lambda parts.

Knows how detectors lay out their files; does not know scans, nor the bytes of single images, and never holds more
than one image.

Sources: Dectris (``<name>_master.h5`` with ``entry/data/data_000001`` … linking to ``<name>_data_000001.h5``);
X-Spectrum Lambda (``<name>_m1_part00000.nxs``: modules side by side, parts one after the other).
"""

import math
import os
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from catalog_builder.errors import CatalogError
from catalog_builder.readers import Surroundings
from catalog_builder.readers.attributes import nexus_class
from catalog_builder.readers.bounds import below, kept_inside
from catalog_builder.readers.complaints import Complaints
from catalog_builder.readers.imagefiles import IMAGE_SUFFIXES, cutoff_in, images_in, read_image
from catalog_builder.readers.links import Inside, names_in, never_written, open_inside, walk_inside
from catalog_builder.readers.stacks import Marks, is_stack, load_one, marks_of, mask_for, shows_images
from catalog_builder.readers.texts import encodable
from catalog_builder.signals import Frames, Image

STACK_SUFFIXES = (".h5", ".nxs", ".hdf5")
"""Many images a file."""

FRAME_SUFFIXES = (*IMAGE_SUFFIXES, *STACK_SUFFIXES)
"""Of files ``frames_in`` reads; lower case, with the dot."""

_DIGITS = re.compile(r"([0-9]+)")
_EIGER_DATA = re.compile(r"^(.*)_data_\d+$")
_LAMBDA_MODULE = re.compile(r"^(.*_m\d+)_part\d+$")
_FEW_FILES = 16
"""Files of a series up to which it is counted in each how many images it holds."""


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
    counts = [images_in(file, boundary) for file in asked]
    if len(asked) < len(files):
        single = max(counts) == 1
        counts = [1] * len(files) if single else [images_in(file, boundary) for file in files]
    ends = list(accumulate(counts))

    def load(number: int) -> Image:
        if not 0 <= number < ends[-1]:
            raise CatalogError(f"there is no image {number}, only {ends[-1]}", where=detector)
        at = bisect_right(ends, number)
        return read_image(files[at], boundary, number - (ends[at - 1] if at else 0))

    return Frames(detector=detector, count=ends[-1], load=load, cutoff=cutoff_in(files[0], boundary))


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
