"""One tar file of all that cannot be made again, and the way back from it.

Knows which files those are, how they are checked, and in which order they are put back; does not know what they say.
"""

import hashlib
import json
import lzma
import re
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import IO

from catalog_builder.buildstate import BuildState, DamagedStateError, discard
from catalog_builder.config import FILE_NAME, Settings
from catalog_builder.database import Database, refuse_network_file_system
from catalog_builder.errors import CatalogError
from catalog_builder.files import locked, neighbour, replacement, sweep, write_if_changed
from catalog_builder.names import scan_key
from catalog_builder.places import Places
from catalog_builder.records import OnDisk
from catalog_builder.recordstore import RecordStore
from catalog_builder.remarks import Remarks

FORMAT = 1
"""Of archives; a program refuses those of a higher one."""

DATABASE = "state/catalogue.sqlite3"
MANIFEST = "MANIFEST.json"
SUMS = "SHA256SUMS"
"""The last member, as ``sha256sum`` writes and checks it; an archive without it is cut short."""

ON_DISK: frozenset[OnDisk | str] = frozenset({"disk", "both"})
"""States of scans whose records a build makes again."""

_PART = r"(?!\.+(?:/|\Z))[A-Za-z0-9._=~-]{1,130}"
_PLACED = re.compile(rf"records/{_PART}/(?:beamtime\.json|scans/{_PART}\.json)|previews/{_PART}/{_PART}/{_PART}")
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class BackUp:
    """What an archive holds."""

    path: Path
    remarks: int
    scans: int
    """Of which it holds the records and previews."""

    @property
    def told(self) -> str:
        """Say it in words."""
        remarks = f"{self.remarks} remark{'' if self.remarks == 1 else 's'}"
        return f"the database with {remarks}, records and previews of {self.scans} scan{'' if self.scans == 1 else 's'}"


# There


def back_up(settings: Settings, destination: Path, *, all_records: bool = False, replace: bool = False) -> BackUp:
    """Write what cannot be made again to a tar file, while others read and write.

    Parameters
    ----------
    destination
        The file, or a folder in which one named after the present moment is made.
    all_records
        Take the records and previews of scans on disk too, which a build makes again.
    replace
        Let the file take the place of another.

    Raises
    ------
    CatalogError
        Where there is no catalogue, or a file already.
    """
    places = Places(settings.catalogue)
    if not (places.records.is_dir() or places.database.exists()):
        raise CatalogError("there is no catalogue yet", where=settings.catalogue, remedy="run: catbuild build")
    now = datetime.now(UTC)
    path = destination / f"catalogue-{now:%Y%m%dT%H%M%SZ}.tar" if destination.is_dir() else destination
    if path.exists() and not replace:
        raise CatalogError("there is such a file already", where=path, remedy="name another, or use --force")
    if not path.parent.is_dir():
        raise CatalogError("there is no such folder", where=path.parent, remedy="make it first")
    for folder in (path.parent, places.database.parent):
        sweep(folder)
    with replacement(path) as temporary, tarfile.open(temporary, "w", format=tarfile.PAX_FORMAT) as tar:
        writing = _Writing(tar, now)
        remarks = _add_database(writing, places)
        if settings.source is not None:
            writing.add(FILE_NAME, settings.source)
        scans = _add_records(writing, places, all_records=all_records)
        manifest = {
            "format": FORMAT,
            "made": now.isoformat(timespec="seconds"),
            "program": version("catalog-builder"),
            "remarks": remarks,
            "scans": scans,
        }
        writing.add_bytes(MANIFEST, json.dumps(manifest, indent=1).encode() + b"\n")
        writing.add_bytes(SUMS, "".join(writing.sums).encode())
    return BackUp(path=path, remarks=remarks, scans=scans)


class _Writing:
    """An archive on its way, with the sums of what is in it."""

    def __init__(self, tar: tarfile.TarFile, now: datetime) -> None:
        self._tar = tar
        self._now = now
        self.sums: list[str] = []

    def add(self, name: str, path: Path) -> bool:
        """Add a file as it is when it is opened; tells whether it was there."""
        try:
            with path.open("rb") as stream:
                stream.seek(0, 2)
                size = stream.tell()
                stream.seek(0)
                self._add(name, stream, size)
        except FileNotFoundError:
            return False
        return True

    def add_bytes(self, name: str, content: bytes) -> None:
        self._add(name, BytesIO(content), len(content))

    def _add(self, name: str, stream: IO[bytes], size: int) -> None:
        member = tarfile.TarInfo(name)
        member.size, member.mode, member.mtime = size, 0o600, int(self._now.timestamp())
        summed = _Summed(stream)
        self._tar.addfile(member, summed)
        _forget_members(self._tar)
        self.sums.append(f"{summed.digest.hexdigest()}  {name}\n")


class _Summed:
    """A stream whose sum is taken as it is read."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        content = self._stream.read(size)
        self.digest.update(content)
        return content


def _forget_members(tar: tarfile.TarFile) -> None:
    """Let go of the members gone through: ``tarfile`` remembers all, some 1 kB each."""
    vars(tar)["members"] = []


def _add_database(writing: _Writing, places: Places) -> int:
    """Add the database as it is at one moment; gives the number of remarks in it."""
    with Database(places.database) as database, neighbour(places.database) as copy:
        database.copy_to(copy)
        writing.add(DATABASE, copy)
        with Database(copy) as copied:
            return Remarks(copied).newest_id()


def _add_records(writing: _Writing, places: Places, *, all_records: bool) -> int:
    """Add the beamtimes' records, and those of scans with their previews; gives the number of scans."""
    store, count = RecordStore(places), 0
    with ExitStack() as stack:
        on_disk = _on_disk_by(None if all_records else _last_build(places, stack))
        for beamtime in sorted(path.name for path in places.records.glob("*/")):
            writing.add(f"records/{beamtime}/beamtime.json", places.beamtime_record(beamtime))
            for name in store.scan_names(beamtime):
                key = scan_key(beamtime, name)
                if on_disk(key) or not writing.add(f"records/{beamtime}/scans/{name}.json", places.scan_record(key)):
                    continue
                count += 1
                for preview in sorted(places.scan_previews(key).glob("[!.]*")):
                    if _PLACED.fullmatch(placed := f"previews/{beamtime}/{name}/{preview.name}"):
                        writing.add(placed, preview)
    return count


def _last_build(places: Places, stack: ExitStack) -> BuildState | None:
    """Open what the last build left; None where there is none to ask, and then no scan is known to be on disk."""
    try:
        return stack.enter_context(BuildState(places.buildstate, read_only=True))
    except CatalogError:
        return None


def _on_disk_by(state: BuildState | None) -> Callable[[str], bool]:
    """Give what tells whether a scan was on disk at the last build; False where that is not known."""

    def on_disk(key: str) -> bool:
        try:
            row = None if state is None else state.scan(key)
        except CatalogError:  # damaged: the next build makes it again
            return False
        return row is not None and row.on_disk in ON_DISK

    return on_disk


# And back


def verified(path: Path) -> "Archive":
    """Open an archive and check all of it; raises CatalogError where it is not whole, or holds what it must not."""
    sums: dict[str, str] = {}
    kept: dict[str, bytes] = {}
    with _in_words(path):
        for name, stream in _members(path):
            if SUMS in kept or name in sums:
                raise _bad(path, f"{name!r} should not be there")
            summed = _Summed(stream)
            if name in (SUMS, MANIFEST, FILE_NAME):
                kept[name] = summed.read()
            while summed.read(_CHUNK):
                pass
            if name != SUMS:
                sums[name] = summed.digest.hexdigest()
    if SUMS not in kept:
        raise _bad(path, "it is cut short")
    lines = (line.partition("  ") for line in kept[SUMS].decode("utf-8", "replace").splitlines())
    said = {name: digest for digest, _, name in lines}
    wrong = sorted(name for name in sums.keys() | said.keys() if sums.get(name) != said.get(name))
    if wrong:
        raise _bad(path, f"{wrong[0]!r} is not what was backed up")
    if DATABASE not in sums:
        raise _bad(path, "it holds no database")
    return Archive(path, sums, _manifest(path, kept.get(MANIFEST, b"")), kept.get(FILE_NAME))


def _manifest(path: Path, content: bytes) -> BackUp:
    try:
        found = json.loads(content)
        if found["format"] > FORMAT:
            what = f"the backup is of format {found['format']}, this program knows {FORMAT}"
            raise CatalogError(what, where=path, remedy="use the newer catalog-builder that wrote it")
        return BackUp(path=path, remarks=int(found["remarks"]), scans=int(found["scans"]))
    except (ValueError, KeyError, TypeError) as exc:
        raise _bad(path, "its manifest is damaged") from exc


def _members(path: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Give name and content of each member; nothing but plain files in their known places is let through."""
    with tarfile.open(path, "r:*") as tar:
        while (member := tar.next()) is not None:
            _forget_members(tar)
            stream = tar.extractfile(member) if member.isreg() else None
            known = member.name in (DATABASE, FILE_NAME, MANIFEST, SUMS) or _PLACED.fullmatch(member.name)
            if stream is None or not known:
                raise _bad(path, f"{member.name!r} should not be there")
            with closing(stream):
                yield member.name, stream


@contextmanager
def _in_words(path: Path) -> Iterator[None]:
    """Say in words that an archive cannot be read."""
    try:
        yield
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError) as exc:
        first = str(exc).partition("\n")[0].rstrip(": ")
        raise _bad(path, f"it cannot be read ({first or type(exc).__name__})") from exc


def _bad(path: Path, what: str) -> CatalogError:
    return CatalogError(f"this is no whole backup: {what}", where=path, remedy="nothing was changed; use another one")


class Archive:
    """A backup that was found to be whole."""

    def __init__(self, path: Path, sums: dict[str, str], manifest: BackUp, configuration: bytes | None) -> None:
        self.path = path
        self._sums = sums
        self._configuration = configuration
        self.told = manifest.told

    def configuration(self) -> bytes:
        """Give the ``site_config.yaml`` in it; raises CatalogError where there is none."""
        if self._configuration is None:
            raise CatalogError("the backup holds no configuration", where=self.path, remedy="name one with --config")
        return self._configuration

    def restore(self, settings: Settings, *, replace: bool = False) -> None:
        """Put everything back; the database is last, in one step, so that the restored state is whole or not there.

        Parameters
        ----------
        replace
            Let the database and the records in the archive take the place of others. The database is kept beside as
            ``catalogue.sqlite3.before-restore``. Otherwise records that are there stay as they are.

        Raises
        ------
        CatalogError
            Where there is a database already, or the one in the archive is a newer program's.
        """
        places = Places(settings.catalogue)
        if places.database.exists() and not replace:
            remedy = "use --force to replace it; it is kept beside the restored one"
            raise CatalogError("there is a state already", where=places.database, remedy=remedy)
        refuse_network_file_system(places.database)
        places.database.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        sweep(places.database.parent)
        with locked(places.lock), neighbour(places.database) as staged, _in_words(self.path):
            for name, stream in _members(self.path):
                if name == DATABASE:
                    self._stage(stream, staged)
                elif _PLACED.fullmatch(name) and (replace or not (settings.catalogue / name).exists()):
                    content = stream.read()
                    self._must_be(name, hashlib.sha256(content).hexdigest())
                    write_if_changed(settings.catalogue / name, content, durable=True)
            _put_in_place(staged, places.database, self.path)
            _forget_pages(places)

    def _stage(self, stream: IO[bytes], staged: Path) -> None:
        summed = _Summed(stream)
        with staged.open("wb") as target:
            while chunk := summed.read(_CHUNK):
                target.write(chunk)
        self._must_be(DATABASE, summed.digest.hexdigest())

    def _must_be(self, name: str, digest: str) -> None:
        if digest != self._sums.get(name):
            raise CatalogError("the backup changed while it was read", where=self.path, remedy="restore it again")


def _put_in_place(staged: Path, path: Path, source: Path) -> None:
    """Let a database take the place of another, which is kept beside it."""
    beside = path.with_name(f"{path.name}.before-restore")
    try:
        new = Database(staged)
    except CatalogError as exc:
        raise CatalogError(exc.what, where=source, remedy=exc.remedy) from exc
    with new:
        if path.exists() and _has_become(path, new, beside):
            return
        for suffix in ("-wal", "-shm", ""):  # a log left beside a new database would be taken for its own
            aside = path.with_name(path.name + suffix)
            if aside.exists():
                aside.replace(beside.with_name(beside.name + suffix))
        with replacement(path) as fresh:
            new.copy_to(fresh)


def _has_become(path: Path, new: Database, beside: Path) -> bool:
    """Copy a database beside itself and fill it with another's content, also while it is in use.

    False, and nothing changed, where it cannot be: it is damaged, or of a newer program.
    """
    try:
        with Database(path) as current:
            with replacement(beside) as copy:
                current.copy_to(copy)
            current.become(new)
    except CatalogError:
        return False
    return True


def _forget_pages(places: Places) -> None:
    """Let the next build make all pages and index entries anew: they show another state."""
    if places.buildstate.exists():
        try:
            with BuildState(places.buildstate) as state:
                state.forget_all_pages()
        except DamagedStateError:
            discard(places.buildstate)
