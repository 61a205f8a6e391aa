"""HDF5 files and the four ways they point elsewhere: followed inside a beamtime's folder, never out of it.

Knows links, virtual datasets and external storage; does not know what a field means.

HDF5 follows external links, soft links to them, virtual sources and external raw storage by itself as soon as
a path is opened. So nothing is opened here before its link was looked at (``getlink=True``), component by
component; every file a link names is resolved (symlinks first) and opened by us, without locks.
"""

import math
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self, TypeAlias

import h5py
import hdf5plugin

from catalog_builder.errors import CatalogError
from catalog_builder.files import resolved_inside
from catalog_builder.readers.attributes import H5_ERRORS, nexus_class
from catalog_builder.readers.bounds import kept_inside, reason
from catalog_builder.readers.complaints import Complaints

Item: TypeAlias = h5py.Group | h5py.Dataset

HDF4_SIGNATURE = b"\x0e\x03\x13\x01"
"""Begins an HDF4 file, which older NeXus writers made (HDF4 specification, "File header"); HDF5 cannot read it."""

FILTERS = hdf5plugin.get_filters()
"""Importing hdf5plugin registers them (bitshuffle/LZ4 of Eiger)."""

_LARGEST_CHUNK = 1 << 30
"""Bytes a chunk may inflate to; HDF5 inflates the whole chunk a value lies in."""
_MOST_CHUNKS = 1000
"""Chunks of a field that are looked at before it is read."""
_MOST_LAYERS = 2
"""Times that all of a virtual dataset may be mapped; HDF5 reads each source as often as it is mapped."""
_MOST_NESTED = 20_000
"""Mappings of virtual datasets behind one; HDF5 opens each anew for every mapping that leads to it."""
_DEEPEST_LINKS = 8
_MOST_STEPS = 100
"""Names looked up for one link, those of the links it leads through included."""
_DEEPEST_GROUPS = 12
_MOST_OBJECTS = 20_000
_MOST_SOURCES = 2_000
"""Files a virtual dataset may be put together from; each is opened to look at its links."""


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


class Inside:
    """An open HDF5 file and the files its links lead to, all inside one folder; closed together."""

    def __init__(self, path: Path, boundary: Path) -> None:
        self._boundary = boundary.resolve()
        self._stack = ExitStack()
        self._files: dict[Path, h5py.File] = {}
        self._steps = 0
        self._fit: dict[tuple[int, int], CatalogError | None] = {}
        """Fields looked at, and why not to read one; a virtual one counts as a circle while it is looked at."""
        self._mappings: dict[tuple[int, int], int] = {}
        """Mappings of a virtual dataset and of those it leads to."""
        self._external_storage: dict[tuple[int, int], h5py.Dataset] = {}
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
            link = group.get(_encoded(name), getlink=True)
            if isinstance(link, h5py.ExternalLink):
                return self._external(group, link, depth)
            if isinstance(link, h5py.SoftLink):
                path = _name(link.path)
                return self._followed(group.file if path.startswith("/") else group, path, depth + 1)
            if not isinstance(link, h5py.HardLink):
                raise CatalogError("there is nothing of that name", where=name)
            return self._hard(group, name, depth)
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

    def _followed(self, start: Item, path: str, depth: int) -> Item:
        item = start
        for name in path.split("/"):
            if name in ("", "."):
                continue
            if not isinstance(item, h5py.Group):
                raise CatalogError(f"the link to {path} leads through something that is no group")
            item = self._child(item, name, depth)
        return item

    def _external(self, group: h5py.Group, link: h5py.ExternalLink, depth: int) -> Item:
        target = self._neighbour(group, link.filename)
        return self._followed(self._opened(target, link.filename), _name(link.path), depth + 1)

    def _neighbour(self, item: Item, filename: str) -> Path:
        """Find the file a link names, beside the linking file.

        HDF5 also looks for the name's last part, and in the working folder; neither is done here, and as HDF5
        looks beside the file first, it reads nothing else than what was checked.
        """
        folder = Path(os.fsdecode(item.file.filename)).parent
        try:
            target = resolved_inside(self._boundary, folder / filename)
        except CatalogError:
            what = f"the link to {filename} leads out of the beamtime's folder and is not followed"
            raise LostFileError(what) from None
        if not target.is_file():
            raise LostFileError(f"the link leads to {filename}, which is not there")
        return target

    def _opened(self, target: Path, called: str) -> h5py.File:
        if target not in self._files:
            file, swmr = _opened(target, called)
            self._files[target] = self._stack.enter_context(file)
            self.swmr = self.swmr or swmr
        return self._files[target]

    def _hard(self, group: h5py.Group, name: str, depth: int) -> Item:
        encoded = _encoded(name)
        info = h5py.h5o.get_info(group.id, encoded)
        if (kept := self._external_storage.get((info.fileno, info.addr))) is not None:
            return kept
        item: Item = group[encoded]
        if not isinstance(item, h5py.Dataset):
            return item
        self._check(item, (info.fileno, info.addr), depth)
        outside = item.external
        if not outside:
            return item
        del item  # HDF5 opens a field again under another prefix only once it is closed
        field = self._externally_stored(group, encoded, [os.fsdecode(raw) for raw, _, _ in outside])
        self._external_storage[info.fileno, info.addr] = field
        return field

    def _check(self, field: h5py.Dataset, identity: tuple[int, int], depth: int) -> None:
        """See once that a field can be read without harm; the same error is raised again."""
        if identity not in self._fit:
            self._fit[identity] = CatalogError("the links go round in a circle")
            try:
                if field.is_virtual:
                    self._check_sources(field, depth)
                elif _has_short_chunks(field):
                    raise CatalogError("its chunks are stored shorter than they are, and are not read")
                self._fit[identity] = None
            except CatalogError as exc:
                self._fit[identity] = exc
        if (fault := self._fit[identity]) is not None:
            raise type(fault)(fault.what, where=fault.where)

    def _check_sources(self, field: h5py.Dataset, depth: int) -> None:
        """See that all sources of a virtual dataset are there, whole, inside, and do not point out themselves.

        What a source lacks would be read as fill values, so the field is refused.
        """
        maps = field.virtual_sources()
        if len({one.file_name for one in maps}) > _MOST_SOURCES:
            raise CatalogError(f"it is put together from more than {_MOST_SOURCES} files, too many to check")
        covered = sum(one.vspace.get_select_npoints() for one in maps)
        if covered < field.size:
            raise CatalogError("parts of it have no source")
        if covered > _MOST_LAYERS * field.size:
            raise CatalogError("its sources lie over each other too often to be read")
        behind = 0
        for one in sorted(maps, key=lambda one: (one.file_name, one.dset_name)):
            filename, path = one.file_name, one.dset_name
            if "%" in filename or "%" in path:
                raise CatalogError(f"its sources are a pattern ({filename}), which is not followed")
            origin = field.file if filename == "." else self._opened(self._neighbour(field, filename), filename)
            if origin.swmr_mode != field.file.swmr_mode:
                raise CatalogError(f"its source {filename} is still being written, and HDF5 would not read it")
            source = self._source(origin, path, depth + 1)
            if not isinstance(source, h5py.Dataset) or never_written(source):
                raise CatalogError(f"its source {filename}:{path} holds no data")
            if not _holds(source, one.src_space, one.vspace.get_select_npoints()):
                raise CatalogError(f"its source {filename}:{path} is shorter than what is taken from it")
            behind += self._mappings.get(_identity(source), 0)
            if behind > _MOST_NESTED:
                raise CatalogError("the virtual datasets it is put together from are nested too deeply to be read")
        self._mappings[_identity(field)] = len(maps) + behind

    def _source(self, origin: h5py.File, path: str, depth: int) -> Item:
        """Follow a source's path; it has steps of its own."""
        outer, self._steps = self._steps, 0
        try:
            return self._followed(origin, path, depth)
        finally:
            self._steps = outer

    def _externally_stored(self, group: h5py.Group, encoded: bytes, filenames: list[str]) -> h5py.Dataset:
        """Open a field kept in raw files outside of HDF5; relative names count from the file's own folder."""
        folder = Path(os.fsdecode(group.file.filename)).parent
        for filename in filenames:
            try:
                target = resolved_inside(self._boundary, folder / filename)
            except CatalogError:
                what = f"its data in {filename} lie outside of the beamtime's folder and are not read"
                raise LostFileError(what) from None
            if not target.is_file():
                raise LostFileError(f"its data in {filename} are not there")
        access = h5py.h5p.create(h5py.h5p.DATASET_ACCESS)
        access.set_efile_prefix(os.fsencode(folder))
        return h5py.Dataset(h5py.h5d.open(group.id, encoded, access))


def open_inside(path: Path, boundary: Path) -> Inside:
    """Open an HDF5 file for reading, without locks; links are followed inside the boundary alone.

    Raises CatalogError where it is no HDF5 file, is damaged, or is not complete enough to be opened yet.
    """
    return Inside(path, boundary)


def walk_inside(inside: Inside, group: h5py.Group, complaints: Complaints) -> Iterator[Node]:
    """Give everything below a group once, groups before what is in them; what cannot be followed is a problem."""
    seen = {_identity(group)}
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
                identity = _identity(item)
            except CatalogError as exc:
                complaints.add(exc.what, path, once=isinstance(exc, LostFileError))
                continue
            if identity in seen:
                continue
            seen.add(identity)
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
        if field.size in (0, None):
            return True
        return not field.is_virtual and not field.external and field.id.get_storage_size() == 0
    except H5_ERRORS:
        return True


def inflates(field: h5py.Dataset) -> bool:
    """Tell a field whose chunks are so large that reading one value of it would fill the memory."""
    try:
        return bool(field.chunks) and math.prod(field.chunks) * field.dtype.itemsize > _LARGEST_CHUNK
    except H5_ERRORS:
        return True


def too_short(field: h5py.Dataset, chunk: h5py.h5d.StoreInfo) -> bool:
    """Tell a chunk that is stored as it is (h5py's ``StoreInfo``) in fewer bytes than it has.

    HDF5 hands out what stands behind it in memory. A filter that made a chunk no smaller is left out by HDF5
    itself (``filter_mask``), and then the chunk has all its bytes.
    """
    if chunk.byte_offset is None:
        return False
    as_it_is = chunk.filter_mask != 0 or field.id.get_create_plist().get_nfilters() == 0
    return bool(as_it_is and chunk.size < math.prod(field.chunks) * field.id.get_type().get_size())


def _has_short_chunks(field: h5py.Dataset) -> bool:
    """Look at the first of a field's chunks."""
    looked_at: list[bool] = []

    def look(chunk: h5py.h5d.StoreInfo) -> bool | None:
        looked_at.append(too_short(field, chunk))
        return True if looked_at[-1] or len(looked_at) >= _MOST_CHUNKS else None

    if field.chunks and not never_written(field):
        field.id.chunk_iter(look)
    return any(looked_at)


def _holds(source: h5py.Dataset, taken: h5py.h5s.SpaceID, points: int) -> bool:
    """Tell a source that reaches as far as what a virtual dataset takes from it."""
    if taken.get_select_type() == h5py.h5s.SEL_ALL:
        return bool(source.size >= points)
    _, last = taken.get_select_bounds()
    return len(last) == len(source.shape) and all(at < size for at, size in zip(last, source.shape, strict=True))


def _names(group: h5py.Group, prefix: str, complaints: Complaints) -> list[str]:
    try:
        return names_in(group)
    except H5_ERRORS as exc:
        complaints.add(f"its contents cannot be listed ({reason(exc)})", prefix.rstrip("/") or None)
        return []


def _identity(item: Item) -> tuple[int, int]:
    try:
        info = h5py.h5o.get_info(item.id)
    except H5_ERRORS as exc:
        raise CatalogError(f"it cannot be read ({reason(exc)})") from exc
    return int(info.fileno), int(info.addr)


def _opened(target: Path, called: str) -> tuple[h5py.File, bool]:
    """Open plainly, then as a reader beside a writer; tells which."""
    if not target.is_file():
        raise CatalogError("is no file", where=called)
    try:
        return h5py.File(target, "r", locking=False), False
    except H5_ERRORS:
        pass
    try:
        return h5py.File(target, "r", locking=False, swmr=True), True
    except H5_ERRORS as exc:
        _refuse(target, called, exc)


def _refuse(target: Path, called: str, exc: BaseException) -> NoReturn:
    text = str(exc).lower()
    remedy = None
    if "signature" in text and _is_hdf4(target):
        what = "is an HDF4 file, which is not read"
        remedy = "make an HDF5 file of it with nxconvert or h4toh5"
    elif "signature" in text:
        what = "is no HDF5 file, or one whose beginning is not written yet"
    elif "truncated" in text:
        what = "is cut short: the HDF5 file ends before its contents do"
    elif isinstance(exc, PermissionError):
        what = "may not be read"
    else:
        what = f"is damaged or not yet written: HDF5 cannot open it ({reason(exc)})"
    raise CatalogError(what, where=called, remedy=remedy) from exc


def _is_hdf4(target: Path) -> bool:
    try:
        with target.open("rb") as stream:
            return stream.read(len(HDF4_SIGNATURE)) == HDF4_SIGNATURE
    except OSError:
        return False
