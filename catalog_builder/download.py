"""What a cart holds as files on this machine, and the tar they leave in.

Knows which files belong to a key and how a tar is laid out; does not know who asks or how bytes are sent.
"""

import json
import os
import stat
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from catalog_builder.buildstate import BuildState, ScanRow
from catalog_builder.errors import CatalogError
from catalog_builder.files import open_inside, status_inside
from catalog_builder.names import split_key
from catalog_builder.records import DataFile
from catalog_builder.recordstore import RecordStore

MANIFEST = "MANIFEST.json"
FORMAT = 1
"""Number of the manifest's format."""

BLOCK = 1 << 20
"""Bytes handed on at a time."""

FolderOf = Callable[[str], Path | None]
"""Gives a beamtime's folder on this machine by id, or None where it is not there."""

_ON_DISK = frozenset({"disk", "both", "part"})
_WHY_NOT = {"tape": "is on tape", "lost": "is lost"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file to take home, as it was when the download was made."""

    name: str
    """In the tar: the beamtime's id and the path below its folder."""
    folder: Path
    """On this machine: the beamtime's folder, or that of its records."""
    path: str
    """Below the folder; no link on the way is followed."""
    scans: tuple[str, ...]
    """Keys of the scans it belongs to."""
    size: int
    mtime_ns: int
    inode: tuple[int, int]
    """Device and number: another file of the same name is another file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """Something asked for that the tar does not hold, and why."""

    name: str
    """A file as in the tar, or a key."""
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a download holds, in the order of the tar."""

    records: tuple[Entry, ...]
    files: tuple[Entry, ...]
    left_out: tuple[LeftOut, ...]

    @property
    def entries(self) -> tuple[Entry, ...]:
        """What follows the manifest: the records, then the files, each by name."""
        return self.records + self.files

    @property
    def size(self) -> int:
        """Bytes of the files, without records, manifest and the tar's own."""
        return sum(entry.size for entry in self.files)


@dataclass(slots=True)
class _Gathered:
    """Files by name while they are gathered: a file of several scans is taken once."""

    found: dict[str, tuple[Path, str, os.stat_result]] = field(default_factory=dict)
    scans: dict[str, list[str]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, scan: str, folder: Path, path: str, status: os.stat_result) -> None:
        if stat.S_ISLNK(status.st_mode):
            self.left_out[name] = "is a symbolic link; not taken"
            return
        if not stat.S_ISREG(status.st_mode):
            self.left_out[name] = "is not a regular file"
            return
        self.found[name] = folder, path, status
        self.scans.setdefault(name, []).append(scan)

    def entries(self) -> tuple[Entry, ...]:
        return tuple(_entry(name, *self.found[name], tuple(self.scans[name])) for name in sorted(self.found))


def contents(keys: Iterable[str], state: BuildState, store: RecordStore, folder_of: FolderOf) -> Contents:
    """Give the files of scans and datasets that are on disk, and what had to be left out.

    No file is opened: one on tape would be called back by that. Only files inside the beamtime's own folder are
    taken; symbolic links are not, for what they lead to may be swapped meanwhile. Links, and keys nobody knows, are
    left out by name.
    """
    records, gathered = _Gathered(), _Gathered()
    for key, row in _scan_rows(keys, state).items():
        if row is None:
            gathered.left_out[key] = "is not in the catalogue"
            continue
        path = store.places.scan_record(row.key)
        try:
            files = store.scan(row.key).files
            _, beamtime, name = split_key(row.key)
            status = status_inside(path.parent, path.name)
            records.add(f"records/{beamtime}/{name}.json", row.key, path.parent, path.name, status)
        except (CatalogError, OSError):
            gathered.left_out[row.key] = "its record cannot be read"
            continue
        _gather(gathered, row, files, folder_of(beamtime))
    left_out = tuple(LeftOut(name=name, why=gathered.left_out[name]) for name in sorted(gathered.left_out))
    return Contents(records=records.entries(), files=gathered.entries(), left_out=left_out)


def _scan_rows(keys: Iterable[str], state: BuildState) -> dict[str, ScanRow | None]:
    """Expand datasets to their scans; gives None for a key nobody knows."""
    rows: dict[str, ScanRow | None] = {}
    for key in keys:
        found = state.scans_of(key) if key.startswith("dataset:") else [row for row in [state.scan(key)] if row]
        rows.update((row.key, row) for row in found)
        if not found:
            rows.setdefault(key, None)
    return {key: rows[key] for key in sorted(rows)}


def _gather(gathered: _Gathered, row: ScanRow, files: Iterable[DataFile], folder: Path | None) -> None:
    """Gather the files of one scan that are on disk."""
    for file in files:
        name = f"{row.beamtime}/{file.path}"
        if row.on_disk not in _ON_DISK:
            gathered.left_out[name] = _WHY_NOT.get(row.on_disk, "may not be on disk")
        elif folder is None:
            gathered.left_out[name] = "the beamtime's folder is not on disk"
        else:
            _gather_file(gathered, name, file, row.key, folder)


def _gather_file(gathered: _Gathered, name: str, file: DataFile, scan: str, folder: Path) -> None:
    try:
        if file.suffix:
            _gather_series(gathered, name, file, scan, folder)
        else:
            gathered.add(name, scan, folder, file.path, status_inside(folder, file.path))
    except CatalogError as exc:
        gathered.left_out[name] = exc.what
    except (FileNotFoundError, NotADirectoryError):
        gathered.left_out[name] = "is not on disk"
    except OSError as exc:
        gathered.left_out[name] = f"cannot be read ({exc.strerror})"


def _gather_series(gathered: _Gathered, name: str, file: DataFile, scan: str, folder: Path) -> None:
    """Gather the files directly in a folder that end as the series does."""
    seen = 0
    for single, status in _listed_in(folder, file):
        seen += 1
        gathered.add(f"{name}/{single}", scan, folder, str(PurePosixPath(file.path, single)), status)
    if seen < file.count:
        gathered.left_out[f"{name}/*{file.suffix}"] = f"{file.count - seen} of {file.count} files are not on disk"


def _listed_in(folder: Path, file: DataFile) -> list[tuple[str, os.stat_result]]:
    """Give the files of a series by name, all from the one folder held open: its path may lead elsewhere by now."""
    opened = open_inside(folder, file.path)
    try:
        with os.scandir(opened) as listing:
            names = sorted(entry.name for entry in listing if entry.name.endswith(file.suffix))
        return [(name, os.stat(name, dir_fd=opened, follow_symlinks=False)) for name in names]
    finally:
        os.close(opened)


def _entry(name: str, folder: Path, path: str, status: os.stat_result, scans: tuple[str, ...]) -> Entry:
    return Entry(
        name=name,
        folder=folder,
        path=path,
        scans=scans,
        size=status.st_size,
        mtime_ns=status.st_mtime_ns,
        inode=(status.st_dev, status.st_ino),
    )


def manifest(contents: Contents) -> bytes:
    """Give the list of what a tar holds and what it does not, as JSON; the same bytes for the same contents."""
    document = {
        "format": FORMAT,
        "files": [_listed(entry) for entry in contents.files],
        "records": [_listed(entry) for entry in contents.records],
        "left_out": [{"path": left.name, "why": left.why} for left in contents.left_out],
    }
    return json.dumps(document, indent=1).encode("ascii") + b"\n"


def _listed(entry: Entry) -> Mapping[str, object]:
    return {"path": entry.name, "size": entry.size, "modified": entry.mtime_ns // 10**9, "scans": entry.scans}


def tar_length(contents: Contents) -> int:
    """Give the bytes of the tar, without reading a file."""
    listing = manifest(contents)
    length = len(_header(MANIFEST, len(listing), _newest(contents))) + _padded(len(listing))
    length += sum(
        len(_header(entry.name, entry.size, entry.mtime_ns)) + _padded(entry.size) for entry in contents.entries
    )
    return length + _end(length)


def tar_stream(contents: Contents) -> Iterator[bytes]:
    """Give the tar in blocks of about 1 MiB: the manifest, the records, the files.

    The layout (POSIX pax, owner 0, whole seconds, order by name) follows from the contents alone. Raises
    CatalogError where a file is no longer the one the contents were made from: the stream ends there, too
    short, and never holds bytes of two files under one name.
    """
    block = bytearray()
    for piece in _pieces(contents):
        block += piece
        if len(block) >= BLOCK:
            yield bytes(block)
            block.clear()
    if block:
        yield bytes(block)


def _pieces(contents: Contents) -> Iterator[bytes]:
    listing = manifest(contents)
    header = _header(MANIFEST, len(listing), _newest(contents))
    length = len(header) + _padded(len(listing))
    yield header + listing.ljust(_padded(len(listing)), b"\0")
    for entry in contents.entries:
        header = _header(entry.name, entry.size, entry.mtime_ns)
        yield header
        yield from _unchanged(entry)
        yield bytes(_padded(entry.size) - entry.size)
        length += len(header) + _padded(entry.size)
    yield bytes(_end(length))


def _unchanged(entry: Entry) -> Iterator[bytes]:
    """Give a file's bytes; the last ones only once it is known that it did not change meanwhile."""
    try:
        handle = open_inside(entry.folder, entry.path)
    except CatalogError as exc:
        raise CatalogError(f"the file cannot be read any more: it {exc.what}", where=entry.name) from exc
    with os.fdopen(handle, "rb", buffering=0) as stream:
        _check_same(entry, os.fstat(handle))
        left = entry.size
        while left:
            piece = stream.read(min(left, BLOCK))
            left -= len(piece or b"")
            if not piece or not left:
                _check_same(entry, os.fstat(handle))
            if not piece:
                raise CatalogError("the file ends too early", where=entry.name)
            yield piece


def _check_same(entry: Entry, status: os.stat_result) -> None:
    if (status.st_size, status.st_mtime_ns, (status.st_dev, status.st_ino)) != (
        entry.size,
        entry.mtime_ns,
        entry.inode,
    ):
        raise CatalogError("the file changed since the download was made", where=entry.name, remedy="download again")


def _header(name: str, size: int, mtime_ns: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = size
    info.mtime = mtime_ns // 10**9
    info.mode = 0o644
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape")


def _newest(contents: Contents) -> int:
    """Give the time of the newest file, ns: the manifest's own, so that it depends on the contents alone."""
    return max((entry.mtime_ns for entry in contents.entries), default=0)


def _padded(size: int) -> int:
    return -(-size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE


def _end(length: int) -> int:
    """Give the zeros that close a tar: two blocks, then up to a whole record."""
    return 2 * tarfile.BLOCKSIZE + -(length + 2 * tarfile.BLOCKSIZE) % tarfile.RECORDSIZE
