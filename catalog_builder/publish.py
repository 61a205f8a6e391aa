"""Publishing one beamtime: its datasets, pages and index entries, made from its records.

Knows which are current and in which order they are put in place; does not know how records came about.
"""

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from catalog_builder import render
from catalog_builder.buildstate import BuildState, ScanRow, SourceRow
from catalog_builder.config import Settings
from catalog_builder.database import Database
from catalog_builder.errors import CatalogError
from catalog_builder.files import locked, sweep, write_if_changed
from catalog_builder.merge import merged
from catalog_builder.names import key_at
from catalog_builder.places import Places
from catalog_builder.plan import Planned, Stamp, planned
from catalog_builder.records import Beamtime, CuratedDataset, OnDisk, Problem, Scan
from catalog_builder.recordstore import BEAMTIMES, RecordStore, record_bytes
from catalog_builder.remarks import Remarks
from catalog_builder.search import Indexer

VERSION = 4
"""Raised whenever the same records would give other datasets or index entries."""

STEP_SECONDS = 1.0
"""How long the builder's lock is held at a time, about; others wait for no longer than that."""

ENTRIES_AT_ONCE = 2_000
"""Entries put into the index in one commit: many small commits cost more than they are worth."""

KEPT_SCANS = 4_000
"""Scans of other beamtimes whose records are kept in memory; a watched one is published again and again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What publishing a beamtime did."""

    pages_written: int = 0
    problems: tuple[Problem, ...] = ()
    """Records that could not be loaded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """A beamtime as it is to be published, and of what state that was said."""

    digest: str
    datasets: Sequence[CuratedDataset]
    pages: Sequence[Planned]
    problems: tuple[Problem, ...]


@dataclass(slots=True)
class _Work:
    """One publishing of a beamtime, from step to step."""

    beamtime: Beamtime
    thorough: bool
    plan: _Plan | None = None
    """What was planned in an earlier step; it holds while the digest does."""
    made: list[Planned] = field(default_factory=list)
    """Pages in place whose entries wait to be put into the index, many at once."""
    pages_written: int = 0
    problems: tuple[Problem, ...] = ()


class Publisher:
    """Puts beamtimes on the site and into the index, one at a time, the builder's lock held for about a second a step.

    Several processes may publish at the same time: what one has done the next finds current.
    """

    def __init__(self, settings: Settings, state: BuildState, remarks: Remarks) -> None:
        self.settings = settings
        self.state = state
        self.remarks = remarks
        self.places = Places(settings.catalogue)
        self.store = RecordStore(self.places)
        self.renderer = render.Renderer(settings)
        self.indexer = Indexer(self.places.index)
        self.settings_digest = _settings_digest(settings)
        self._site = str(self.places.site)
        self._records = _Records(self.store)
        self._begun_afresh = False

    def publish(self, beamtime: Beamtime, *, thorough: bool = False) -> Published:
        """Bring a beamtime's pages and index entries up to date, as far as they are not.

        Its scans that no source in the build state gave are no longer on disk. With ``thorough`` each page is looked
        for, even where nothing suggests that one is missing.
        """
        return list(self.steps(beamtime, thorough=thorough))[-1]

    def steps(self, beamtime: Beamtime, *, thorough: bool = False) -> Iterator[Published]:
        """Do what ``publish`` does in steps of about a second; gives after each what was done so far."""
        work = _Work(beamtime, thorough)
        is_last = False
        while not is_last:
            with locked(self.places.lock):
                self._apply_waiting()
                is_last = self._step(work)
            yield Published(pages_written=work.pages_written, problems=work.problems)

    def apply_waiting(self) -> None:
        """Bring what people said since the last publishing onto its pages and into search."""
        with locked(self.places.lock):
            self._apply_waiting()

    def _apply_waiting(self) -> None:
        """Publish the beamtimes that remarks wait for; whoever holds the lock does it."""
        newest, applied = self.remarks.newest_id(), self.state.applied_remark()
        if newest == applied:
            return
        for id in self.remarks.beamtimes_since(applied if applied < newest else 0):
            try:
                beamtime = self.store.beamtime(id)
            except CatalogError:  # missing or damaged: who makes it again publishes it with all that was said
                continue
            work = _Work(beamtime, thorough=False)
            while not self._step(work):
                pass
        self.state.put_applied_remark(newest)

    def mark(self, id: str) -> str:
        """Give what changes when a beamtime would have to be published again, without listing its records or pages."""
        records = _time_of(self.places.scan_records(id)), _time_of(self.places.beamtime_record(id))
        previews = _time_of(self.places.previews / id)
        said = self.remarks.newest_id(id)
        return f"{self.settings_digest} {records} {previews} {said} {self.state.digest(id)}{self._folder_times(id)}"

    def finish(self, beamtimes: Callable[[], Collection[str]]) -> None:
        """Say that all beamtimes there are were published: others leave site and index.

        Which there are is asked under the lock, so that one that another process adds meanwhile stays.
        """
        with locked(self.places.lock):
            for id in self.indexer.beamtimes() - frozenset(beamtimes()):
                self.indexer.remove_beamtime(id)
                self.state.forget_beamtime(id)
                shutil.rmtree(self.places.site / "beamtimes" / id, ignore_errors=True)
            self.indexer.finish()
            self._begun_afresh = False

    def _step(self, work: _Work) -> bool:
        """Do what can be done in about a second; tells whether that was all."""
        self._begin_afresh()
        beamtime = work.beamtime
        rows = self.state.sources_on_disk(beamtime.id)
        stamps = self._records.stamps(beamtime.id)
        digest = self._digest(beamtime, rows, stamps)
        if work.plan is None and self._stands(beamtime.id, digest, thorough=work.thorough):
            return True
        self.state.forget_digest(beamtime.id)
        if work.plan is None or work.plan.digest != digest:
            work.made = []  # their pages are made anew where they differ
            work.plan = self._planned(beamtime, rows, stamps, digest)
            work.problems = work.plan.problems
            with self.state.transaction():
                self.state.put_scans(beamtime.id, list(_scan_rows(work.plan.datasets)))
        is_last = self._make(work, work.plan)
        if is_last and not work.problems:  # a damaged record is named at every build until it is mended
            self.state.put_digest(beamtime.id, digest + self._folder_times(beamtime.id))
        return is_last

    def _stands(self, id: str, digest: str, *, thorough: bool) -> bool:
        """Tell whether a beamtime is published as the digest says, and its pages are there."""
        if self.state.digest(id) != digest + self._folder_times(id):
            return False
        return not thorough or all(map(self._is_there, self.state.pages(id)))

    def plan(self, beamtime: Beamtime) -> list[Planned]:
        """Give all pages of a beamtime as they would be made now."""
        rows = self.state.sources_on_disk(beamtime.id)
        return list(self._planned(beamtime, rows, self._records.stamps(beamtime.id), "").pages)

    def _planned(
        self, beamtime: Beamtime, rows: Collection[SourceRow], stamps: Mapping[str, Stamp], digest: str
    ) -> _Plan:
        scans, problems = self._records.load(beamtime.id, stamps)
        remarks = self.remarks.of_beamtime(beamtime.id)
        datasets = merged(beamtime, scans, _on_disk(scans, rows), self.settings, remarks)
        failed = [problem for row in rows if row.failed for problem in row.problems]
        told = replace(beamtime, problems=(*beamtime.problems, *failed))
        pages = list(planned(self.renderer, told, datasets, stamps, self.settings_digest))
        return _Plan(digest=digest, datasets=datasets, pages=pages, problems=tuple(problems))

    def _begin_afresh(self) -> None:
        """Take nothing for current where the index was lost: pages and entries are made, and remembered, together."""
        is_afresh = self.indexer.needs_all
        if is_afresh and not self._begun_afresh:
            self.state.forget_all_pages()
        self._begun_afresh = is_afresh

    def _make(self, work: _Work, plan: _Plan) -> bool:
        """Make pages and entries that are not current until the time is up; tells whether none is left to make.

        A page counts as made once its entry is in the index, so that what is killed in between is done again.
        """
        id, before = work.beamtime.id, self.state.pages(work.beamtime.id)
        waiting = {page.address for page in work.made}
        due = [page for page in plan.pages if page.address not in waiting and not self._is_current(page, before)]
        gone = before.keys() - {page.address for page in plan.pages}
        self.state.forget_pages(id, [*(page.address for page in due), *gone])
        written, made = self._written(due)
        work.pages_written += written
        work.made += made
        is_last = len(made) == len(due)
        if is_last or len(work.made) >= ENTRIES_AT_ONCE:
            removed = [key for address in gone if (key := key_at(address)) is not None] if is_last else []
            self.indexer.apply((page.document() for page in work.made if page.document is not None), removed)
            with self.state.transaction():
                self.state.put_pages(id, {page.address: page.digest for page in work.made})
            work.made = []
        if is_last:
            self._remove_others(id, plan.pages)
        return is_last

    def _is_current(self, page: Planned, before: Mapping[str, str]) -> bool:
        return before.get(page.address) == page.digest and self._is_there(page.address)

    def _written(self, due: Sequence[Planned]) -> tuple[int, list[Planned]]:
        written, until = 0, time.monotonic() + STEP_SECONDS
        made: list[Planned] = []
        for page in due:
            if made and time.monotonic() > until:
                break
            files = {self.places.site / address: content for address, content in page.pages()}
            for path, content in files.items():
                written += write_if_changed(path, content)
            if page.key is not None:
                _remove_folders(self.places.site / page.address.strip("/"), {path.parent.name for path in files})
            made.append(page)
        return written, made

    def _is_there(self, address: str) -> bool:
        return os.path.exists(f"{self._site}{address}index.html")  # noqa: PTH110 - a Path each costs 5 µs

    def _remove_others(self, id: str, plan: Sequence[Planned]) -> None:
        """Remove the folders of pages that are no longer made, whoever made them."""
        names: dict[str, set[str]] = {"": {"datasets", "scans"}, "datasets": set(), "scans": set()}
        for page in plan:
            kind, _, name = page.address.removeprefix(render.beamtime_address(id)).strip("/").rpartition("/")
            names[kind].add(name)
        for kind, kept in names.items():
            _remove_folders(self.places.site / "beamtimes" / id / kind, kept)

    def _folder_times(self, id: str) -> str:
        """Give the times of a beamtime's folders on the site: they change when a page comes or goes."""
        folder = self.places.site / "beamtimes" / id
        return "".join(f" {_time_of(folder / kind)}" for kind in (".", "datasets", "scans"))

    def _digest(self, beamtime: Beamtime, rows: Iterable[SourceRow], stamps: Mapping[str, Stamp]) -> str:
        """Give a digest of all that a beamtime's pages and index entries are made from."""
        digest = hashlib.sha256(self.settings_digest.encode())
        digest.update(record_bytes(BEAMTIMES, beamtime))
        digest.update(repr((sorted(stamps.items()), self.remarks.newest_id(beamtime.id))).encode())
        for row in rows:
            failed = row.problems if row.failed else ()
            digest.update(repr((row.scans, failed)).encode("utf-8", "surrogatepass"))
        return digest.hexdigest()


def apply_waiting(settings: Settings) -> None:
    """Bring remarks that wait onto their pages and into search, where anything was built yet."""
    places = Places(settings.catalogue)
    if places.buildstate.exists():
        with BuildState(places.buildstate) as state, Database(places.database) as database:
            Publisher(settings, state, Remarks(database)).apply_waiting()


class _Records:
    """The records of beamtimes published lately, kept in memory while their files stay the same."""

    def __init__(self, store: RecordStore) -> None:
        self._store = store
        self._loaded: dict[str, dict[str, tuple[Stamp, Scan]]] = {}

    def stamps(self, beamtime: str) -> dict[str, Stamp]:
        """Give the stamp of each scan's record file, by key."""
        found = self._store.scan_stamps(beamtime)
        return {f"scan:{beamtime}/{name}": (size, time, inode) for name, size, time, inode in found}

    def load(self, beamtime: str, stamps: Mapping[str, Stamp]) -> tuple[list[Scan], list[Problem]]:
        """Load a beamtime's records; a damaged one costs itself alone."""
        before = self._loaded.pop(beamtime, {})
        now: dict[str, tuple[Stamp, Scan]] = {}
        problems = []
        for key, stamp in stamps.items():
            known = before.get(key)
            if known is None or known[0] != stamp:
                try:
                    known = stamp, self._store.scan(key)
                except CatalogError as exc:
                    what = f"{exc.what}; {exc.remedy}" if exc.remedy else exc.what
                    problems.append(Problem(where=key.partition(":")[2], what=what))
                    continue
            now[key] = known
        self._keep(beamtime, now)
        return [scan for _, scan in now.values()], problems

    def _keep(self, beamtime: str, scans: dict[str, tuple[Stamp, Scan]]) -> None:
        """Keep these, and of others the ones used last, as far as there is room."""
        self._loaded[beamtime] = scans
        while len(self._loaded) > 1 and sum(map(len, self._loaded.values())) > KEPT_SCANS:
            del self._loaded[next(iter(self._loaded))]


def _settings_digest(settings: Settings) -> str:
    concerned = (VERSION, settings.rules, settings.grouping, settings.flags, settings.quantities)
    return hashlib.sha256(f"{render.digest(settings)} {concerned!r}".encode()).hexdigest()


def _on_disk(scans: Iterable[Scan], rows: Iterable[SourceRow]) -> dict[str, OnDisk]:
    there = {key for row in rows for key in row.scans}
    return {scan.key: "disk" if scan.key in there else "tape" for scan in scans}


def _scan_rows(datasets: Sequence[CuratedDataset]) -> Iterator[ScanRow]:
    for dataset in datasets:
        for scan in dataset.scans:
            yield ScanRow(
                key=scan.facts.key,
                beamtime=scan.facts.beamtime,
                dataset=scan.dataset,
                on_disk=scan.on_disk,
                size=sum(file.size for file in scan.facts.files),
                files=sum(file.count for file in scan.facts.files),
            )


def _remove_folders(folder: Path, kept: Collection[str]) -> None:
    """Remove the folders in a folder of the site that are not among the kept, and what killed writers left."""
    sweep(folder)
    try:
        with os.scandir(folder) as entries:
            others = [entry.path for entry in entries if entry.name not in kept and entry.is_dir()]
    except FileNotFoundError:
        return
    for path in others:
        shutil.rmtree(path, ignore_errors=True)


def _time_of(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
