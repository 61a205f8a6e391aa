"""One look at all beamtimes: which are there, which stand as they were, which sources must be taken in.

Knows folders, what was noted of them last time, and when to doubt that something is gone; takes nothing in.
"""

from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime

from catalog_builder import discover
from catalog_builder.buildstate import BuildState, SourceRow, Sweep
from catalog_builder.config import Settings
from catalog_builder.currency import Identity, identity_of, why_stale
from catalog_builder.discover import BeamtimeFolder, Found, Source
from catalog_builder.errors import CatalogError, did_you_mean
from catalog_builder.readers import READERS
from catalog_builder.readers.bounds import kept_inside
from catalog_builder.readers.inflate import first_bytes
from catalog_builder.records import Beamtime, Problem
from catalog_builder.recordstore import RecordStore

MASS = 3
"""Beamtimes whose raw data may be gone at once without being doubted, and one more, where they are not the most."""

DAY = 86_400


IsRipe = Callable[[Source, SourceRow | None], bool]
"""Tells whether a source that is not current is to be taken in now; the row is what it was last time."""


@dataclass(slots=True)
class Walked:
    """A beamtime whose folder was walked."""

    folder: BeamtimeFolder
    found: Found
    rows: dict[str, SourceRow]
    """Of its sources by path, as they stand now, those gone from disk too."""
    stale: list[Source]
    """Sources that must be taken in."""
    unripe: list[str]
    """Paths of sources that must be, but not yet."""
    vanished: list[str]
    """Paths of sources that are no longer there."""
    current: int = 0
    """Number of sources with scans that need not be."""
    waiting: int = 0
    """Stale sources that are not taken in yet."""
    is_thorough: bool = False
    """True once a week: each page is looked for too."""

    def on_disk(self) -> list[SourceRow]:
        """Give the sources whose files are there."""
        return [row for row in self.rows.values() if not row.gone]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standards:
    """What changes when sources would be read, or pages made, differently."""

    taking_in: str
    publishing: Callable[[str], str]
    """Of one beamtime, by id."""


class Survey:
    """The look of one run at its beamtimes."""

    def __init__(
        self,
        settings: Settings,
        state: BuildState,
        store: RecordStore,
        now: datetime,
        standards: Standards,
        *,
        believe_gone: bool,
    ) -> None:
        self.settings = settings
        self.state = state
        self.store = store
        self.now = now
        self.standards = standards
        self.believe_gone = believe_gone
        self.problems: list[Problem] = []
        """Of no single beamtime."""
        self.is_blind = False
        """True where beamtimes are missing that may only not be mounted: none is said to be gone."""
        self.doubted: set[str] = set()
        """Beamtimes whose raw data are missing, which is not believed."""
        self.came: set[Identity] = set()
        """Files that came with this run: one that vanished elsewhere and is here was moved."""

    def folders(self, chosen: Sequence[str]) -> list[BeamtimeFolder]:
        """Give the folders of the chosen beamtimes, or of all; an empty root is not believed.

        Raises CatalogError where no beamtime is found but the catalogue holds some, or a chosen one is nowhere.
        """
        folders, problems = discover.beamtimes(self.settings.beamtimes)
        self.problems += problems
        kept = self.store.beamtime_ids()
        if kept and not folders:
            raise CatalogError(
                f"no beamtime was found, but the catalogue holds {len(kept)}; nothing was changed",
                where=", ".join(map(str, self.settings.beamtimes.roots)),
                remedy="mount the file system, or correct beamtimes.roots",
            )
        self._doubt(folders)
        known = {folder.id for folder in folders} | set(kept)
        for id in chosen:
            if id not in known:
                raise CatalogError(f"there is no beamtime {id!r}", remedy=did_you_mean(id, known))
        return [folder for folder in folders if not chosen or folder.id in chosen]

    def _doubt(self, folders: Sequence[BeamtimeFolder]) -> None:
        """See whether something is not mounted: a root without beamtimes, or most beamtimes empty at once."""
        for root in self.settings.beamtimes.roots:
            if not any(folder.path.is_relative_to(root) for folder in folders):
                self._be_blind(
                    str(root),
                    f"no folder below it looks like {self.settings.beamtimes.pattern!r} (beamtimes.pattern); "
                    "beamtimes that are not found stay as they were",
                )
        had = self.state.beamtimes_on_disk()
        there = {folder.id for folder in folders if discover.has_raw(folder, self.settings.beamtimes)}
        missing = had - there
        if len(missing) >= MASS and len(missing) * 2 > len(had) and not self.believe_gone:
            self.doubted = missing
            self._be_blind(
                ", ".join(map(str, self.settings.beamtimes.roots)),
                f"the raw data of {len(missing)} of {len(had)} beamtimes are gone at once, which a file system that is "
                "not mounted looks like; they stay as they were. If they did go to tape, run: catbuild build --gone",
            )

    def _be_blind(self, where: str, what: str) -> None:
        self.is_blind = True
        self.problems.append(Problem(where=where, what=what))

    def is_at_rest(self, folder: BeamtimeFolder) -> bool:
        """Tell whether an ended beamtime stands as a whole: its folders' times are those of a walk within the week."""
        sweep = self.state.sweep(folder.id)
        if sweep is None or not sweep.folders or self._is_due(sweep):
            return False
        if self.state.is_to_be_read_again(folder.id) or self._mark(folder.id) != sweep.mark:
            return False
        return all(discover.time_of(folder, path) == time for path, time in sweep.folders.items())

    def _is_due(self, sweep: Sweep) -> bool:
        return not 0 <= self.now.timestamp() - sweep.at < self.settings.beamtimes.sweep_days * DAY

    def _mark(self, id: str) -> str:
        """Give what else an ended beamtime depends on, without listing anything."""
        return f"{self.standards.taking_in} {self.standards.publishing(id)}"

    def walked(self, folder: BeamtimeFolder, is_ripe: IsRipe | None = None) -> Walked:
        """Walk a beamtime's folder and say which of its sources must be taken in; those that are not ripe stay."""
        sweep, rows, found = self.state.sweep(folder.id), self.state.sources(folder.id), walk(folder, self.settings)
        kept = self.store.kept_keys(folder.id)
        digest, now = self.standards.taking_in, self.now
        stale = [
            source
            for source in found.sources
            if why_stale(source, rows.get(source.path), settings=digest, records=kept, now=now)
        ]
        there = {source.path for source in found.sources}
        current = there - {source.path for source in stale}
        ripe = [source for source in stale if is_ripe is None or is_ripe(source, rows.get(source.path))]
        taken = {source.path for source in ripe}
        self._take_back(rows, [source for source in found.sources if source.path in current])
        self.came.update(identity for source in ripe for identity in map(identity_of, source.files))
        vanished = [path for path in rows if path not in there and not rows[path].gone and not found.is_unseen(path)]
        return Walked(
            folder=folder,
            found=found,
            rows=rows,
            stale=ripe,
            unripe=[source.path for source in stale if source.path not in taken],
            vanished=[] if folder.id in self.doubted else vanished,
            current=sum(1 for path in current if rows[path].scans or rows[path].failed),
            waiting=len(ripe),
            is_thorough=sweep is None or self._is_due(sweep),
        )

    def is_kept(self, row: SourceRow | None, records: Set[str]) -> bool:
        """Tell whether all that was taken in of a source stands, and would be read the same today."""
        return row is not None and row.settings == self.standards.taking_in and records >= set(row.scans)

    def _take_back(self, rows: dict[str, SourceRow], current: Iterable[Source]) -> None:
        """Note that sources which were gone are on disk again, as they were."""
        for source in current:
            row = rows[source.path]
            if row.gone:
                rows[source.path] = replace(row, gone=False, signature=source.signature)
                self.state.put_source(rows[source.path])

    def note(self, walked: Walked, beamtime: Beamtime) -> None:
        """Remember the times of an ended beamtime's folders, so that it is not walked until one changes."""
        id, now = walked.folder.id, self.now.timestamp()
        before = self.state.sweep(id)
        at = now if walked.is_thorough or before is None else before.at
        newest = max([source.newest_ns for source in walked.found.sources], default=0)
        times: dict[str, int | None] = dict(walked.found.folders)
        metadata = self.settings.beamtimes.metadata.replace("{id}", id)
        times |= {path: discover.time_of(walked.folder, path) for path in (metadata, *self._lists(walked))}
        is_over = beamtime.end is None or beamtime.end < self.now
        is_ended = (
            is_over
            and newest < (now - 7 * DAY) * 1e9
            and max((time or 0 for time in times.values()), default=0) < (now - DAY) * 1e9
        )
        told = is_ended and not self.doubted and not walked.found.problems
        self.state.put_sweep(id, Sweep(at=at, folders=times if told else {}, mark=self._mark(id)))

    def _lists(self, walked: Walked) -> list[str]:
        return [file.path for file in walked.found.lists]


def walk(folder: BeamtimeFolder, settings: Settings) -> Found:
    """Walk a beamtime's folder for what the configured readers read."""
    readers = [READERS.get(name) for name in settings.readers]
    suffixes: dict[str, tuple[str, ...]] = {}
    for reader in readers:
        for suffix in reader.suffixes:
            suffixes[suffix] = (*suffixes.get(suffix, ()), reader.name)
    whole = frozenset(reader.name for reader in readers if reader.keeps_suffix)

    def is_scan(reader: str, path: str) -> bool:
        try:
            return READERS.get(reader).recognises(first_bytes(kept_inside(folder.path / path, folder.path)))
        except (CatalogError, OSError):
            return False

    return discover.Walk(folder, settings.beamtimes, suffixes, whole, is_scan).run()
