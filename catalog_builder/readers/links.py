"""HDF5 files and the four ways they point elsewhere: followed inside a beamtime's folder, never out of it.

Knows links, virtual datasets and external storage; does not know what a field means.

HDF5 follows external links, soft links to them, virtual sources and external raw storage by itself as soon as
a path is opened or a field is read. So nothing is opened here before its link was looked at, component by component;
every file a link names is resolved (symlinks first), opened by us, and handed to HDF5 as a descriptor, without locks;
virtual datasets and raw files are read here (``read``).
"""

import math
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, NoReturn, Self, TypeAlias

import h5py
import hdf5plugin
import numpy as np
from h5py._hl.vds import VDSmap
from numpy.typing import NDArray

from catalog_builder import files
from catalog_builder.errors import CatalogError
from catalog_builder.files import resolved_inside
from catalog_builder.readers.attributes import H5_ERRORS, nexus_class
from catalog_builder.readers.bounds import kept_inside, reason
from catalog_builder.readers.complaints import Complaints
from catalog_builder.readers.pieces import Piece, composed, fit, picked
from catalog_builder.readers.soundness import goes_round, is_being_written
from catalog_builder.readers.storage import Region, stored, whole

Item: TypeAlias = h5py.Group | h5py.Dataset
Identity: TypeAlias = tuple[int, int]
"""Number of the open file, and address in it."""

HDF4_SIGNATURE = b"\x0e\x03\x13\x01"
"""Begins an HDF4 file, which older NeXus writers made (HDF4 specification, "File header"); HDF5 cannot read it."""

FILTERS = hdf5plugin.get_filters()
"""Importing hdf5plugin registers them (bitshuffle/LZ4 of Eiger)."""

_LARGEST_OUTSIDE = 1 << 28
"""Bytes of a field in raw files that are read."""
_MOST_VALUES = 1 << 24
_MOST_LAYERS = 2
"""Times that all of a virtual dataset may be mapped; each source is read as often as it is mapped."""
_MOST_NESTED = 20_000
"""Mappings of virtual datasets behind one; to read it all of them are followed."""
_DEEPEST_LINKS = 8
_MOST_STEPS = 100
"""Names looked up for one link, those of the links it leads through included."""
_DEEPEST_GROUPS = 12
_MOST_OBJECTS = 20_000
_MOST_SOURCES = 800
"""Files a virtual dataset may be put together from; each is held open, and a process may hold some thousand."""


@dataclass(frozen=True, slots=True)
class Node:
    """An object met on a walk."""

    path: str
    """Below where the walk began: ``instrument/eta/value``."""
    item: Item
    parent: h5py.Group
    """The group it was met in."""
    parent_class: str
    """``@NX_class`` of the parent."""


class LostFileError(CatalogError):
    """A file that a link names is not there, or must not be read; every link to it fails in the same words."""


@dataclass(frozen=True, slots=True)
class _Outside:
    """A field's values in raw files beside the HDF5 file."""

    parts: tuple[tuple[Path, str, int, int], ...]
    """File, what the field calls it, offset and bytes."""


class Inside:
    """An open HDF5 file and the files its links lead to, all inside one folder; closed together."""

    def __init__(self, path: Path, boundary: Path) -> None:
        self._boundary = boundary.resolve()
        self._stack = ExitStack()
        self._files: dict[Path, h5py.File] = {}
        self._places: dict[int, Path] = {}
        """Each open file by HDF5's number of it."""
        self._steps = 0
        self._identities: dict[int, Identity] = {}
        """By HDF5's identifier of an open object."""
        self._children: dict[tuple[Identity, bytes], Item] = {}
        """What hard links lead to, by group and name: opened once, and held."""
        self._fit: dict[Identity, CatalogError | None] = {}
        """Fields looked at, and why not to read one; a virtual one counts as a circle while it is looked at."""
        self._pieces: dict[Identity, tuple[Piece, ...]] = {}
        self._mappings: dict[Identity, int] = {}
        """Mappings of a virtual dataset and of those it leads to."""
        self._outside: dict[Identity, _Outside] = {}
        self._partly: dict[Identity, CatalogError] = {}
        self.swmr = False
        """True where somebody is writing the file."""
        self.root: h5py.File = self._opened(kept_inside(path, self._boundary), path.name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def child(self, group: h5py.Group, name: str) -> Item:
        """Give the group or field of that name; raises CatalogError where its link must or can not be followed."""
        self._steps = 0
        return self._child(group, name, 0)

    def _child(self, group: h5py.Group, name: str, depth: int) -> Item:
        self._steps += 1
        if self._steps > _MOST_STEPS:
            raise CatalogError(f"its links take more than {_MOST_STEPS} steps to follow")
        if depth > _DEEPEST_LINKS:
            raise CatalogError("the links go round in a circle", where=name)
        try:
            encoded = _encoded(name)
            links = group.id.links
            if not links.exists(encoded):
                raise CatalogError("there is nothing of that name", where=name)
            kind = links.get_info(encoded).type
            if kind == h5py.h5l.TYPE_HARD:
                return self._hard(group, encoded, depth)
            if kind == h5py.h5l.TYPE_SOFT:
                path = _name(links.get_val(encoded))
                return self._followed(group.file if path.startswith("/") else group, path, depth + 1)
            if kind == h5py.h5l.TYPE_EXTERNAL:
                filename, inner = links.get_val(encoded)
                return self._external(group, os.fsdecode(filename), _name(inner), depth)
            raise CatalogError("there is nothing of that name", where=name)
        except H5_ERRORS as exc:
            raise CatalogError(f"it cannot be opened ({reason(exc)})", where=name) from exc

    def at(self, group: h5py.Group, path: str) -> Item:
        """Give what lies at a path below a group, or below the file for a path that begins with ``/``.

        Raises CatalogError where a component is missing or must not be followed.
        """
        self._steps = 0
        return self._followed(group.file if path.startswith("/") else group, path, 0)

    def find(self, group: h5py.Group, path: str) -> Item | None:
        """Give what lies at a path, or None where there is nothing that may be read."""
        try:
            return self.at(group, path)
        except CatalogError:
            return None

    def read(self, field: h5py.Dataset, region: Region | None = None, *, gaps: bool = False) -> NDArray[Any]:
        """Give a region of a field, or all of it, of the region's shape; what lies in other files is checked as links.

        Of a virtual dataset what has no source is NaN, and with ``gaps`` also what is lost. Raises CatalogError where
        less is stored than the field says or a source is lost, and what h5py raises.
        """
        region = whole(field.shape) if region is None else region
        identity = self.identity(field)
        if (fault := self._fit.get(identity)) is not None:
            raise type(fault)(fault.what, where=fault.where)
        if (outside := self._outside.get(identity)) is not None:
            return self._from_outside(field, outside)[region]
        if (pieces := self._pieces.get(identity)) is not None:
            return composed(field, region, pieces, lambda source, box: self.read(source, box, gaps=gaps), gaps=gaps)
        return stored(field, region)

    def partly_lost(self, item: Item) -> CatalogError | None:
        """Tell why a virtual dataset is not all there, where some of its sources are and others are not."""
        return self._partly.get(self.identity(item))

    def path_of(self, item: Item) -> Path:
        """Give the file an object lies in; HDF5 itself knows only a descriptor."""
        return self._places[self.identity(item)[0]]

    def identity(self, item: Item) -> Identity:
        """Give what tells an object from all others; raises CatalogError where it cannot be read."""
        known = self._identities.get(item.id.id)
        return _identity(item) if known is None else known

    def _followed(self, start: Item, path: str, depth: int) -> Item:
        item = start
        for name in path.split("/"):
            if name in ("", "."):
                continue
            if not isinstance(item, h5py.Group):
                raise CatalogError(f"the link to {path} leads through something that is no group")
            item = self._child(item, name, depth)
        return item

    def _external(self, group: h5py.Group, filename: str, path: str, depth: int) -> Item:
        target = self._neighbour(group, filename)
        return self._followed(self._opened(target, filename), path, depth + 1)

    def _neighbour(self, item: Item, filename: str) -> Path:
        """Find the file a link names, beside the linking file.

        HDF5 also looks for the name's last part, and in the working folder; neither is done here.
        """
        try:
            target = resolved_inside(self._boundary, self.path_of(item).parent / filename)
        except CatalogError:
            what = f"the link to {filename} leads out of the beamtime's folder and is not followed"
            raise LostFileError(what) from None
        if not target.is_file():
            raise LostFileError(f"the link leads to {filename}, which is not there")
        return target

    def _opened(self, target: Path, called: str) -> h5py.File:
        if target not in self._files:
            file, swmr = _opened(self._boundary, target, called)
            self._files[target] = self._stack.enter_context(file)
            self._identities[file.id.id] = identity = _identity(file)
            self._places.setdefault(identity[0], target)
            self.swmr = self.swmr or swmr
        return self._files[target]

    def _hard(self, group: h5py.Group, encoded: bytes, depth: int) -> Item:
        place = (self.identity(group), encoded)
        if (known := self._children.get(place)) is not None:
            return known
        item = self._met(group, encoded)
        if isinstance(item, h5py.Dataset):
            self._check(item, self.identity(item), depth)
        self._children[place] = item
        return item

    def _met(self, group: h5py.Group, encoded: bytes) -> Item:
        """Open what a hard link leads to."""
        opened = h5py.h5o.open(group.id, encoded)
        item: Item
        if isinstance(opened, h5py.h5d.DatasetID):
            item = h5py.Dataset(opened, readonly=True)
        elif isinstance(opened, h5py.h5g.GroupID):
            item = h5py.Group(opened)
        else:
            item = group[encoded]
        self._identities[item.id.id] = _identity(item)
        return item

    def _check(self, field: h5py.Dataset, identity: Identity, depth: int) -> None:
        """See once that a field's values may be read; the same error is raised again."""
        if identity not in self._fit:
            plist = field.id.get_create_plist()
            self._fit[identity] = CatalogError("the links go round in a circle")
            try:
                if plist.get_layout() == h5py.h5d.VIRTUAL:
                    self._check_sources(field, identity, depth)
                elif plist.get_external_count():
                    self._outside[identity] = self._raw_files(field)
                self._fit[identity] = None
            except CatalogError as exc:
                self._fit[identity] = exc
        if (fault := self._fit[identity]) is not None:
            raise type(fault)(fault.what, where=fault.where)

    def _check_sources(self, field: h5py.Dataset, identity: Identity, depth: int) -> None:
        """Find the sources of a virtual dataset; where none is there and inside, it is refused."""
        if field.id.get_create_plist().get_virtual_count() > _MOST_NESTED:
            raise CatalogError("it is put together from too many parts to be read")
        maps = field.virtual_sources()
        if len({one.file_name for one in maps}) > _MOST_SOURCES:
            raise CatalogError(f"it is put together from more than {_MOST_SOURCES} files, too many to check")
        covered = sum(one.vspace.get_select_npoints() for one in maps)
        if covered > _MOST_LAYERS * field.size:
            raise CatalogError("its sources lie over each other too often to be read")
        behind, pieces, faults = 0, [], []
        for one in maps:
            target = picked(one.vspace, field.shape)
            if target is None:
                raise CatalogError("it is put together in a way that is not read")
            try:
                piece = self._piece(field, one, target, depth)
            except CatalogError as exc:
                faults.append(exc)
                piece = Piece(target, (), None, exc.what)
            pieces.append(piece)
            behind += self._mappings.get(self.identity(piece.source), 0) if piece.source is not None else 0
            if behind > _MOST_NESTED:
                raise CatalogError("the virtual datasets it is put together from are nested too deeply to be read")
        if not pieces or len(faults) == len(pieces):
            raise faults[0] if faults else CatalogError("it has no source")
        if faults:
            self._partly[identity] = type(faults[0])(f"a part of it is lost: {faults[0].what}")
        elif not _touched(pieces, field.shape):
            self._partly[identity] = CatalogError("parts of it have no source")
        self._pieces[identity] = tuple(pieces)
        self._mappings[identity] = len(maps) + behind

    def _piece(self, field: h5py.Dataset, one: VDSmap, target: tuple[range, ...], depth: int) -> Piece:
        filename, path = one.file_name, one.dset_name
        if "%" in filename or "%" in path:
            raise CatalogError(f"its sources are a pattern ({filename}), which is not followed")
        origin = field.file if filename == "." else self._opened(self._neighbour(field, filename), filename)
        source = self._source(origin, path, depth + 1)
        if not isinstance(source, h5py.Dataset) or (never_written(source)):
            raise CatalogError(f"its source {filename}:{path} holds no data")
        taken = picked(one.src_space, source.shape)
        if taken is not None and (not _holds(source, taken) or _points(taken) < _points(target)):
            raise CatalogError(f"its source {filename}:{path} is shorter than what is taken from it")
        if taken is None or not fit(target, taken):
            raise CatalogError("it is put together in a way that is not read")
        return Piece(target, taken, source)

    def _source(self, origin: h5py.File, path: str, depth: int) -> Item:
        """Follow a source's path; it has steps of its own."""
        outer, self._steps = self._steps, 0
        try:
            return self._followed(origin, path, depth)
        finally:
            self._steps = outer

    def _raw_files(self, field: h5py.Dataset) -> _Outside:
        """Find the raw files a field is kept in; relative names count from the HDF5 file's own folder."""
        folder = self.path_of(field).parent
        parts = []
        for raw, offset, size in field.external:
            filename = os.fsdecode(raw)
            try:
                target = resolved_inside(self._boundary, folder / filename)
            except CatalogError:
                what = f"its data in {filename} lie outside of the beamtime's folder and are not read"
                raise LostFileError(what) from None
            if not target.is_file():
                raise LostFileError(f"its data in {filename} are not there")
            parts.append((target, filename, int(offset), int(size)))
        return _Outside(tuple(parts))

    def _from_outside(self, field: h5py.Dataset, outside: _Outside) -> NDArray[Any]:
        """Read all of a field from raw files; one that ends too early is no measurement."""
        needed = field.size * field.dtype.itemsize
        if field.dtype.kind not in "iuf" or needed > _LARGEST_OUTSIDE:
            raise CatalogError("its data in raw files are no numbers, or too many, and are not read")
        content = bytearray()
        for target, filename, offset, size in outside.parts:
            with os.fdopen(_held(self._boundary, target, filename), "rb") as stream:
                stream.seek(offset)
                content += stream.read(min(size, needed - len(content)))
        if len(content) < needed:
            raise CatalogError(f"its data in {outside.parts[-1][1]} end too early, and are not read")
        return np.frombuffer(bytes(content), field.dtype).reshape(field.shape)


def open_inside(path: Path, boundary: Path) -> Inside:
    """Open an HDF5 file for reading, without locks; links are followed inside the boundary alone.

    Raises CatalogError where it is no HDF5 file, is damaged, or is not complete enough to be opened yet.
    """
    return Inside(path, boundary)


def walk_inside(inside: Inside, group: h5py.Group, complaints: Complaints) -> Iterator[Node]:
    """Give everything below a group once, groups before what is in them; what cannot be followed is a problem."""
    seen = {inside.identity(group)}
    waiting: list[tuple[str, h5py.Group]] = [("", group)]
    count = 0
    while waiting:
        prefix, current = waiting.pop()
        current_class = nexus_class(current)
        below: list[tuple[str, h5py.Group]] = []
        for name in _names(current, prefix, complaints):
            path, count = f"{prefix}{name}", count + 1
            if count > _MOST_OBJECTS:
                complaints.add(f"there are more than {_MOST_OBJECTS} objects; the rest was not looked at")
                return
            try:
                item = inside.child(current, name)
                identity = inside.identity(item)
            except CatalogError as exc:
                complaints.add(exc.what, path, once=isinstance(exc, LostFileError))
                continue
            if identity in seen:
                continue
            seen.add(identity)
            if (lost := inside.partly_lost(item)) is not None:
                complaints.add(lost.what, path, once=isinstance(lost, LostFileError))
            yield Node(path, item, current, current_class)
            if isinstance(item, h5py.Group) and path.count("/") < _DEEPEST_GROUPS:
                below.append((f"{path}/", item))
        waiting.extend(reversed(below))


def names_in(group: h5py.Group) -> list[str]:
    """Give what is in a group by name; bytes that are no UTF-8 become lone surrogates. Raises what h5py raises."""
    return [_name(name) for name in group]


def _name(written: str | bytes) -> str:
    """Give a name as text that ``_encoded`` gives back; h5py leaves one that is no UTF-8 as it is."""
    return written.decode("utf-8", "surrogateescape") if isinstance(written, bytes) else written


def _encoded(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def never_written(field: h5py.Dataset) -> bool:
    """Tell a field nobody wrote to: it would be read as fill values."""
    try:
        if not field.size:
            return True
        return field.id.get_storage_size() == 0 and not field.is_virtual and not field.external
    except H5_ERRORS:
        return True


def _holds(source: h5py.Dataset, taken: tuple[range, ...]) -> bool:
    """Tell a source that reaches as far as what a virtual dataset takes from it."""
    return all(not part or part[-1] < length for part, length in zip(taken, source.shape, strict=True))


def _points(parts: tuple[range, ...]) -> int:
    return math.prod(len(part) for part in parts)


def _touched(pieces: list[Piece], shape: tuple[int, ...]) -> bool:
    """Tell pieces of which each index of the first dimension has one: what else they leave are gaps of a detector."""
    if not shape or shape[0] > _MOST_VALUES:
        return True
    seen = np.zeros(shape[0], bool)
    for piece in pieces:
        if piece.target[0]:
            seen[piece.target[0].start : piece.target[0].stop : piece.target[0].step] = True
    return bool(seen.all())


def _names(group: h5py.Group, prefix: str, complaints: Complaints) -> list[str]:
    try:
        return names_in(group)
    except H5_ERRORS as exc:
        complaints.add(f"its contents cannot be listed ({reason(exc)})", prefix.rstrip("/") or None)
        return []


def _identity(item: Item) -> Identity:
    try:
        info = h5py.h5o.get_info(item.id)
    except H5_ERRORS as exc:
        raise CatalogError(f"it cannot be read ({reason(exc)})") from exc
    return int(info.fileno), int(info.addr)


def _held(boundary: Path, target: Path, called: str) -> int:
    """Open a regular file whose path was resolved; a link put in its place meanwhile is not followed."""
    try:
        descriptor = files.open_inside(boundary, PurePosixPath(target.relative_to(boundary)))
    except CatalogError as exc:
        raise CatalogError(exc.what, where=called) from exc
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise CatalogError("is no file", where=called)
    return descriptor


def _opened(boundary: Path, target: Path, called: str) -> tuple[h5py.File, bool]:
    """Open plainly, then as a reader beside a writer; tells which. HDF5 is given what is open here, not a path."""
    descriptor = _held(boundary, target, called)
    name = f"/dev/fd/{descriptor}"
    try:
        if goes_round(descriptor):
            raise CatalogError("is damaged: a heap in which its texts are kept has no end", where=called)
        try:
            return h5py.File(name, "r", locking=False), False
        except H5_ERRORS:
            if not is_being_written(descriptor):
                raise
            return h5py.File(name, "r", locking=False, swmr=True), True
    except H5_ERRORS as exc:
        _refuse(descriptor, called, exc)
    finally:
        os.close(descriptor)


def _refuse(descriptor: int, called: str, exc: BaseException) -> NoReturn:
    text = str(exc).lower()
    remedy = None
    if "signature" in text and _is_hdf4(descriptor):
        what = "is an HDF4 file, which is not read"
        remedy = "make an HDF5 file of it with nxconvert or h4toh5"
    elif "signature" in text:
        what = "is no HDF5 file, or one whose beginning is not written yet"
    elif "truncated" in text:
        what = "is cut short: the HDF5 file ends before its contents do"
    elif isinstance(exc, PermissionError):
        what = "may not be read"
    else:
        said = str(exc).replace(f"/dev/fd/{descriptor}", called)
        what = f"is damaged or not yet written: HDF5 cannot open it ({reason(OSError(said))})"
    raise CatalogError(what, where=called, remedy=remedy) from exc


def _is_hdf4(descriptor: int) -> bool:
    try:
        return os.pread(descriptor, len(HDF4_SIGNATURE), 0) == HDF4_SIGNATURE
    except OSError:
        return False
