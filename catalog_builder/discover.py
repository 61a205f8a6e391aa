"""Walking folders for beamtimes and their sources.

Knows folders, suffixes and what belongs together, by name or by a beamtime's lists; opens no file of data.
"""

import errno
import json
import os
import re
import stat
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from fnmatch import translate
from pathlib import Path, PurePosixPath

from catalog_builder.config import BeamtimeSettings
from catalog_builder.errors import CatalogError
from catalog_builder.files import read_inside
from catalog_builder.ingested import SUFFIXES as SIDECAR_SUFFIXES
from catalog_builder.records import Problem
from catalog_builder.sidecars import LONGEST_SIDECAR, listed_scans

LOOSE_FRAME_SUFFIXES = frozenset({".cbf", ".tif", ".tiff", ".edf"})
"""Files that hold one detector frame each: they may lie beside a scan file instead of in its folder."""

_EIGER_FILE = re.compile(r"([^/]+)_(master|data_\d+)\.h5$")

_OF_A_DETECTOR = re.compile(r"\.(?:nxs|h5|hdf5?|nx5)$|_mca_s\d{1,9}\.fio$", re.IGNORECASE)
"""Stacks of frames, and a point's spectrum as Sardana names it."""

DEEPEST = 40
"""Folders within folders of a beamtime that are walked."""

_ID = r"(?P<id>[A-Za-z0-9][A-Za-z0-9._-]*)"
_YEAR = r"(?P<year>\d{4})"


@dataclass(frozen=True, slots=True, kw_only=True)
class BeamtimeFolder:
    """A beamtime's folder below a root."""

    id: str
    year: int | None
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFile:
    """A file as its folder tells of it."""

    path: str
    """Below the beamtime's folder."""
    size: int
    mtime_ns: int
    inode: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundSeries:
    """The files of one suffix in one folder, as one thing."""

    path: str
    """The folder, below the beamtime's folder; the file itself where ``suffix`` is empty."""
    suffix: str
    count: int
    size: int
    first_ns: int
    last_ns: int
    detector: str | None
    """First folder below the scan's own, or None for files directly in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The files one reader reads together: a scan file, its namesakes of other formats, its folder of frames."""

    beamtime: str
    path: str
    """Below ``raw/``: the first file, or the folder of a source that is frames alone."""
    readers: tuple[str, ...]
    """Name of the reader for each of ``files``, in the configured order."""
    files: tuple[FoundFile, ...]
    series: tuple[FoundSeries, ...] = ()
    sidecars: tuple[FoundFile, ...] = ()
    """What an ingest left beside it: ``<scan>.scan.json``, ``<scan>.attachment.json``."""

    @property
    def signature(self) -> str:
        """Everything that changes when a file does, as JSON: path, size, mtime_ns and inode of each."""
        told = {
            "readers": self.readers,
            "files": [(f.path, f.size, f.mtime_ns, f.inode) for f in (*self.files, *self.sidecars)],
            "series": [(s.path, s.suffix, s.count, s.size, s.first_ns, s.last_ns) for s in self.series],
        }
        return json.dumps(told, separators=(",", ":"))

    @property
    def newest_ns(self) -> int:
        """Time of the newest file of data, ns since 1970."""
        return max([f.mtime_ns for f in self.files] + [s.last_ns for s in self.series], default=0)


@dataclass(slots=True)
class Found:
    """What walking one beamtime gave."""

    sources: list[Source] = field(default_factory=list)
    lists: list[FoundFile] = field(default_factory=list)
    """``scicat-datasets-*.lst``."""
    problems: list[Problem] = field(default_factory=list)
    folders: dict[str, int] = field(default_factory=dict)
    """Time (ns) of each folder that was listed, by its path below the beamtime's."""
    unseen: list[PurePosixPath] = field(default_factory=list)
    """Folders below ``raw/`` that could not be listed: nothing is known about what they hold."""

    def is_unseen(self, path: str) -> bool:
        """Tell whether a path below ``raw/`` lies in a folder that could not be listed."""
        return any(PurePosixPath(path).is_relative_to(folder) for folder in self.unseen)


def beamtimes(settings: BeamtimeSettings) -> tuple[list[BeamtimeFolder], list[Problem]]:
    """Give all beamtime folders below the roots, by id.

    Raises CatalogError where a root is missing or cannot be read: then nothing is known about what it holds.
    """
    found: dict[str, BeamtimeFolder] = {}
    real: dict[Path, BeamtimeFolder] = {}
    problems: list[Problem] = []
    for root in settings.roots:
        if not root.is_dir():
            raise CatalogError(
                "the folder of beamtimes is not there",
                where=root,
                remedy="mount it, or correct beamtimes.roots",
            )
        for folder in _matching(root, settings.pattern.split("/"), {}):
            other = found.get(folder.id) or real.get(folder.path.resolve())
            if other is not None:
                problems.append(Problem(where=str(folder.path), what=f"is beamtime {other.id} in {other.path} already"))
                continue
            found[folder.id] = real[folder.path.resolve()] = folder
    return sorted(found.values(), key=lambda folder: folder.id), problems


def time_of(folder: BeamtimeFolder, path: str) -> int | None:
    """Give the time (ns) of a file or folder below a beamtime's; None where it is not there."""
    try:
        return os.stat(f"{folder.path}/{path}").st_mtime_ns  # noqa: PTH116 - a Path each costs 5 µs
    except OSError:
        return None


def has_raw(folder: BeamtimeFolder, settings: BeamtimeSettings) -> bool:
    """Tell whether there is anything in a beamtime's raw folder."""
    try:
        with os.scandir(folder.path / settings.raw) as entries:
            return next(entries, None) is not None
    except OSError:
        return False


def beamtime_folders(settings: BeamtimeSettings) -> dict[str, Path]:
    """Give each beamtime's folder by id."""
    return {folder.id: folder.path for folder in beamtimes(settings)[0]}


def _matching(folder: Path, pattern: list[str], known: Mapping[str, str]) -> Iterator[BeamtimeFolder]:
    """Descend one level of the pattern: ``{year}``, ``{id}``, ``*`` and plain names."""
    if not pattern:
        year = known.get("year")
        yield BeamtimeFolder(id=known["id"], year=int(year) if year else None, path=folder)
        return
    if not re.search(r"[{*]", pattern[0]):
        if (folder / pattern[0]).is_dir():
            yield from _matching(folder / pattern[0], pattern[1:], known)
        return
    expression = re.escape(pattern[0]).replace(r"\{id\}", _ID).replace(r"\{year\}", _YEAR).replace(r"\*", ".*")
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as exc:
        raise CatalogError(f"the folder cannot be read ({exc.strerror})", where=folder) from exc
    for entry in entries:
        match = re.fullmatch(expression, entry.name)
        if match and entry.is_dir():
            yield from _matching(folder / entry.name, pattern[1:], {**known, **match.groupdict()})


@dataclass(slots=True)
class _Folder:
    """One listed folder."""

    path: PurePosixPath
    """Below the beamtime's folder."""
    files: list[FoundFile]
    folders: list[str]


class Walk:
    """One walk over a beamtime's raw folder.

    Parameters
    ----------
    folder
        The beamtime's folder.
    suffixes
        Reader names by suffix, in the configured order; ``""`` stands for files without one.
    named_whole
        Readers whose scans keep the file's whole name; such files own no folder and no namesakes.
    is_scan
        Asked, of a file that its suffix gives to a reader, whether it is one: reader's name, path below the
        beamtime's folder.
    """

    def __init__(
        self,
        folder: BeamtimeFolder,
        settings: BeamtimeSettings,
        suffixes: Mapping[str, tuple[str, ...]],
        named_whole: frozenset[str],
        is_scan: Callable[[str, str], bool] = lambda reader, path: True,
    ) -> None:
        self.folder = folder
        self.is_scan = is_scan
        self.settings = settings
        self.suffixes = suffixes
        self.named_whole = named_whole
        self.raw = PurePosixPath(settings.raw)
        self.is_list = re.compile(translate(PurePosixPath(settings.groups_file).name)).match
        self.found = Found()
        readers = dict.fromkeys(reader for each in suffixes.values() for reader in each)
        self.order = {reader: place for place, reader in enumerate(readers)}

    def run(self) -> Found:
        """Walk, and give what was found, sorted by path."""
        if self._is_there(self.raw):
            self._walk(self.raw)
            self._add_listed_folders()
        self.found.sources.sort(key=lambda source: source.path)
        self.found.lists.sort(key=lambda file: file.path)
        self.found.problems.sort(key=lambda problem: problem.where)
        return self.found

    def _walk(self, path: PurePosixPath) -> None:
        here = self._listed(path)
        if here is None:
            return
        owned: set[str] = set()
        loose, sidecars, eiger = _loose_frames(here), _sidecars(here), self._eiger_files(here)
        for (stem, alone), members in self._members(here, {file.path for files in eiger.values() for file in files}):
            series: list[FoundSeries] = []
            if not alone:
                owned.add(stem)
                series += self._series(path / stem) if stem in here.folders else []
                series += loose.get(stem, [])
                series += [_one_file(file, None) for file in eiger.get(stem, [])]
            self._add(members, series, () if alone else sidecars.get(stem, ()))
        for name in here.folders:
            if name in owned:
                continue
            series = self._series(path / name) if self._is_frames_alone(path / name) else []
            if series:
                self._add_frames(path / name, series)
            else:
                self._walk(path / name)

    def _members(
        self, here: _Folder, claimed: Container[str]
    ) -> Iterator[tuple[tuple[str, bool], list[tuple[str, FoundFile]]]]:
        """Group a folder's scan files by stem; a file that is named whole stands alone, a claimed one is none."""
        members: dict[tuple[str, bool], list[tuple[str, FoundFile]]] = {}
        for file in here.files:
            if file.path in claimed:
                continue
            stem, suffix = _split(file.path)
            if self.is_list(stem + suffix) and PurePosixPath(file.path).match(self.settings.groups_file):
                self.found.lists.append(file)
                continue
            for reader in self.suffixes.get(suffix.lower(), ())[:1]:
                alone = reader in self.named_whole
                members.setdefault((stem + suffix if alone else stem, alone), []).append((reader, file))
        for group in members.values():
            group.sort(key=lambda member: (self.order[member[0]], member[1].path))
        yield from members.items()

    def _eiger_files(self, here: _Folder) -> dict[str, list[FoundFile]]:
        """Give an Eiger's files that lie beside scans, by the stem they belong to: the scan's, else the master's.

        ``gk_00012_master.h5`` and its ``gk_00012_data_000001.h5`` are frames of ``gk_00012.fio`` beside them; without
        one the master is the scan. Source: Dectris, the file writer's names.
        """
        named = [(file, match) for file in here.files if (match := _EIGER_FILE.search(file.path))]
        masters = {match[1] for _, match in named if match[2] == "master"}
        if not masters:
            return {}
        split = (_split(file.path) for file in here.files)
        scans = {stem for stem, suffix in split if self._owns(suffix)}
        found: dict[str, list[FoundFile]] = {}
        for file, match in named:
            if match[1] not in masters:
                continue
            if match[1] in scans:
                found.setdefault(match[1], []).append(file)
            elif match[2] != "master":
                found.setdefault(f"{match[1]}_master", []).append(file)
        return found

    def _owns(self, suffix: str) -> bool:
        """Tell the suffix of a file of one scan; one that is named whole (``gk.dat``, a note) owns nothing."""
        readers = self.suffixes.get(suffix.lower(), ())[:1]
        return bool(readers) and readers[0] not in self.named_whole

    def _add(
        self, members: list[tuple[str, FoundFile]], series: list[FoundSeries], sidecars: tuple[FoundFile, ...]
    ) -> None:
        self.found.sources.append(
            Source(
                beamtime=self.folder.id,
                path=members[0][1].path.removeprefix(f"{self.raw}/"),
                readers=tuple(reader for reader, _ in members),
                files=tuple(file for _, file in members),
                series=tuple(series),
                sidecars=sidecars,
            )
        )

    def _add_frames(self, path: PurePosixPath, series: list[FoundSeries]) -> None:
        self.found.sources.append(
            Source(
                beamtime=self.folder.id,
                path=str(path.relative_to(self.raw)),
                readers=(),
                files=(),
                series=tuple(series),
            )
        )

    def _add_listed_folders(self) -> None:
        """Give scans the further folders that the beamtime's lists name; what lies in them is no scan of its own."""
        further: dict[PurePosixPath, dict[PurePosixPath, None]] = {}
        for file in self.found.lists:
            try:
                text = read_inside(self.folder.path, file.path, limit=LONGEST_SIDECAR).decode("utf-8", "replace")
            except CatalogError:  # said by who reads the groups from it
                continue
            for scan in listed_scans(text, PurePosixPath(file.path).parent.relative_to(self.raw)):
                further.setdefault(scan.path, {}).update(dict.fromkeys(scan.folders))
        if any(further.values()):
            self._take_folders(further)

    def _take_folders(self, further: Mapping[PurePosixPath, Iterable[PurePosixPath]]) -> None:
        """Move folders from where they were found to the scans they were listed for.

        A scan's own folder stays its own, and what a list names as a scan stays one wherever it lies.
        """
        scans = {PurePosixPath(s.path).with_suffix(""): s.path for s in self.found.sources if s.files}
        taken: dict[PurePosixPath, PurePosixPath] = {}
        more: dict[str, list[FoundSeries]] = {}
        for scan, folders in sorted(further.items()):
            for folder in folders:
                is_elsewhere = not folder.is_relative_to(scan) and not scan.is_relative_to(folder)
                if scan in scans and folder not in scans and is_elsewhere and self._is_there(self.raw / folder):
                    more.setdefault(scans[scan], []).extend(self._series(self.raw / folder, folder.name))
                    taken.setdefault(folder, scan)
        self.found.sources = [
            replace(source, series=(*source.series, *more.get(source.path, [])))
            for source in self.found.sources
            if PurePosixPath(source.path).with_suffix("") in further or not self._is_taken(source, taken)
        ]

    def _is_taken(self, source: Source, taken: Mapping[PurePosixPath, PurePosixPath]) -> bool:
        """Tell whether a source lies in a folder that is another scan's; a scan's own file in it is named.

        Frames in it are that scan's, and so are spectra of its points; other ``.fio`` and SPEC files would go unseen.
        """
        scan = next((taken[folder] for folder in PurePosixPath(source.path).parents if folder in taken), None)
        if scan is None:
            return False
        for reader, file in zip(source.readers, source.files, strict=True):
            path = PurePosixPath(file.path)
            if not _OF_A_DETECTOR.search(path.name) and self.is_scan(reader, file.path):
                what = f"lies in a folder that is listed for the scan {scan}, so it is no scan itself"
                self._problem(path, f"{what}; list it too, or move it")
        return True

    def _is_frames_alone(self, path: PurePosixPath) -> bool:
        """Tell whether a folder is a scan of frames without a scan file: ``<scan>/<detector>/<scan>_….nxs``."""
        here = self._listed(path, quietly=True)
        if here is None or here.files or not here.folders:
            return False
        files = [file for name in here.folders for file in self._files_of(path / name)]
        own = re.compile(re.escape(path.name) + r"([_.-].*)?")
        return bool(files) and all(own.fullmatch(PurePosixPath(file.path).stem) for file in files)

    def _files_of(self, path: PurePosixPath) -> list[FoundFile]:
        here = self._listed(path, quietly=True)
        return [] if here is None else here.files

    def _series(self, path: PurePosixPath, detector: str | None = None) -> list[FoundSeries]:
        """Sum up a scan's own folder: one series a folder and suffix."""
        here = self._listed(path)
        if here is None:
            return []
        by_suffix: dict[str, list[FoundFile]] = {}
        for file in here.files:
            by_suffix.setdefault(PurePosixPath(file.path).suffix, []).append(file)
        series = [_one_file(file, detector) for file in by_suffix.pop("", [])]
        series += [
            FoundSeries(
                path=str(path),
                suffix=suffix,
                count=len(files),
                size=sum(f.size for f in files),
                first_ns=min(f.mtime_ns for f in files),
                last_ns=max(f.mtime_ns for f in files),
                detector=detector,
            )
            for suffix, files in sorted(by_suffix.items())
        ]
        for name in here.folders:
            series += self._series(path / name, detector or name)
        return series

    def _listed(self, path: PurePosixPath, *, quietly: bool = False) -> _Folder | None:
        """List a folder, sorted; what cannot be listed or leads elsewhere is a problem."""
        files: list[FoundFile] = []
        folders: list[str] = []
        try:
            if len(path.parts) > DEEPEST:
                raise OSError(errno.ELOOP, "it lies too deep")
            place = f"{self.folder.path}/{path}"
            self.found.folders[str(path)] = os.stat(place).st_mtime_ns  # noqa: PTH116 - before it is listed
            with os.scandir(place) as entries:
                for entry in entries:
                    if not entry.name.startswith("."):
                        with suppress(FileNotFoundError):  # gone since it was listed
                            self._sort_in(path, entry, files, folders, quietly)
        except OSError as exc:
            if not quietly:
                self._not_seen(path, exc)
            return None
        return _Folder(path, sorted(files, key=lambda file: file.path), sorted(folders))

    def _sort_in(
        self,
        path: PurePosixPath,
        entry: os.DirEntry[str],
        files: list[FoundFile],
        folders: list[str],
        quietly: bool,
    ) -> None:
        if not _is_utf8(entry.name):
            if not quietly:
                self._problem(path / entry.name, "the name is not UTF-8; rename it")
        elif entry.is_symlink() and not self._stays_inside(Path(entry.path)):
            if not quietly:
                self._problem(
                    path / entry.name, "a symbolic link that leads out of the beamtime or nowhere; not followed"
                )
        elif entry.is_symlink() and entry.is_dir():
            if not quietly:
                self._problem(path / entry.name, "a symbolic link to a folder; not followed")
        elif entry.is_dir():
            folders.append(entry.name)
        elif entry.is_file():
            is_now = entry.stat()
            size, time, inode = is_now.st_size, is_now.st_mtime_ns, is_now.st_ino
            files.append(FoundFile(path=f"{path}/{entry.name}", size=size, mtime_ns=time, inode=inode))

    def _stays_inside(self, path: Path) -> bool:
        try:
            return path.resolve(strict=True).is_relative_to(self.folder.path.resolve())
        except (OSError, RuntimeError):
            return False

    def _is_there(self, path: PurePosixPath) -> bool:
        place = self.folder.path / path
        try:
            if not stat.S_ISDIR(place.stat().st_mode):
                return False
            if not self._stays_inside(place):
                raise OSError(errno.ELOOP, "it leads out of the beamtime")
            return True
        except FileNotFoundError:
            return False
        except OSError as exc:
            self._not_seen(path, exc)
            return False

    def _not_seen(self, path: PurePosixPath, exc: OSError) -> None:
        self.found.unseen.append(path.relative_to(self.raw))
        self._problem(path, f"the folder cannot be read ({exc.strerror}); what was known of it stays")

    def _problem(self, path: PurePosixPath, what: str) -> None:
        where = os.fsencode(f"{self.folder.id}/{path}").decode("utf-8", "backslashreplace")
        self.found.problems.append(Problem(where=where, what=what))


def _is_utf8(name: str) -> bool:
    """Tell whether a file's name can be written down; Linux lets a name be any bytes."""
    return not any("\ud800" <= character <= "\udfff" for character in name)


def _split(path: str) -> tuple[str, str]:
    """Give a file's stem and suffix, as ``PurePosixPath`` does, at a tenth of its cost."""
    name = path.rpartition("/")[2]
    at = name.rfind(".")
    return (name[:at], name[at:]) if 0 < at < len(name) - 1 else (name, "")


def _loose_frames(here: _Folder) -> dict[str, list[FoundSeries]]:
    """Give the frames that lie directly in a folder, by stem: they belong to a scan of exactly that stem."""
    frames: dict[str, list[FoundSeries]] = {}
    for file in here.files:
        stem, suffix = _split(file.path)
        if suffix.lower() in LOOSE_FRAME_SUFFIXES:
            frames.setdefault(stem, []).append(_one_file(file, None))
    return frames


def _sidecars(here: _Folder) -> dict[str, tuple[FoundFile, ...]]:
    """Give what an ingest left in a folder, by the stem of the scan it is about."""
    found: dict[str, tuple[FoundFile, ...]] = {}
    for file in here.files:
        name = file.path.rpartition("/")[2]
        for suffix in SIDECAR_SUFFIXES:
            if name.endswith(suffix):
                stem = name.removesuffix(suffix)
                found[stem] = (*found.get(stem, ()), file)
    return found


def _one_file(file: FoundFile, detector: str | None) -> FoundSeries:
    return FoundSeries(
        path=file.path,
        suffix="",
        count=1,
        size=file.size,
        first_ns=file.mtime_ns,
        last_ns=file.mtime_ns,
        detector=detector,
    )
