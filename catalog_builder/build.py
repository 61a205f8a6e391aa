"""The whole story, in reading order: discover, take in, merge, index, render; beamtime by beamtime.

Knows the order of the stages and what makes a source current; does not know how any stage does its work.
"""

import json
import logging
import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence, Set
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from catalog_builder import discover, intake
from catalog_builder.buildstate import BuildState, SourceRow, Sweep
from catalog_builder.config import Settings
from catalog_builder.currency import Identity, identities, identity_of, why_stale
from catalog_builder.discover import BeamtimeFolder, Found, Source
from catalog_builder.errors import CatalogError, did_you_mean
from catalog_builder.executors import EXECUTORS, Crew, Limits
from catalog_builder.facts import beamtime_record
from catalog_builder.files import write_if_changed
from catalog_builder.intake import Taken, Task
from catalog_builder.places import Places
from catalog_builder.publish import Publisher
from catalog_builder.readers import READERS
from catalog_builder.records import Beamtime, Problem
from catalog_builder.recordstore import RecordStore
from catalog_builder.report import BuildSummary, Counts, Reporter

MASS = 3
"""Beamtimes whose raw data may be gone at once without being doubted, and one more, where they are not the most."""

DAY = 86_400
SECONDS_UNSEEN = 30.0
"""How long a beamtime's scans may be read before what there is of it is published."""

IsRipe = Callable[[Source, SourceRow | None], bool]
"""Tells whether a source that is not current is to be taken in now; the row is what it was last time."""

_logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Walked:
    """A beamtime whose folder was walked."""

    folder: BeamtimeFolder
    found: Found
    rows: dict[str, SourceRow]
    """Of its sources by path, as they stand now."""
    stale: list[Source]
    """Sources that must be taken in."""
    vanished: list[str]
    """Paths of sources that are no longer there."""
    waiting: int = 0
    """Stale sources that are not taken in yet."""
    is_thorough: bool = False
    """True once a week: each page is looked for too."""


def build(
    settings: Settings,
    reporter: Reporter,
    *,
    chosen: Sequence[str] = (),
    now: datetime | None = None,
    believe_gone: bool = False,
) -> BuildSummary:
    """Bring a catalogue up to date with its beamtime folders.

    Parameters
    ----------
    chosen
        Ids of the beamtimes to look at; empty means all.
    now
        What counts as the present when a source's age is judged.
    believe_gone
        True where the raw data of most beamtimes really went to tape at once.

    Raises
    ------
    CatalogError
        Where nothing can be built: a root that is not there, an unknown beamtime or executor.
    """
    limits = Limits(workers=settings.workers or os.cpu_count() or 1, seconds=settings.source_seconds)
    executor = EXECUTORS.get(settings.executor)
    with BuildState(Places(settings.catalogue).buildstate) as state, executor.opened(limits) as crew:
        builder = Builder(settings, state, crew, reporter)
        return builder.run(chosen, now or datetime.now(UTC), believe_gone=believe_gone)


class Builder:
    """What runs share: settings, state and workers; ``watch`` asks it for one run after the other."""

    def __init__(self, settings: Settings, state: BuildState, crew: Crew, reporter: Reporter) -> None:
        self.settings = settings
        self.state = state
        self.crew = crew
        self.reporter = reporter
        self.places = Places(settings.catalogue)
        self.store = RecordStore(self.places)
        self.publisher = Publisher(settings, state)
        self.intake_digest = intake.settings_digest(settings)

    def run(self, chosen: Sequence[str], now: datetime, *, believe_gone: bool = False) -> BuildSummary:
        """Bring the chosen beamtimes up to date, or all."""
        return Run(self, chosen, now, believe_gone=believe_gone).told()

    def run_in(self, folder: BeamtimeFolder, now: datetime, is_ripe: IsRipe) -> BuildSummary:
        """Bring one beamtime up to date whose folder is known to be there; sources that are not ripe stay as they were.

        Neither the roots nor other beamtimes are looked at: whether raw data are missing is the caller's to judge.
        """
        return Run(self, (folder.id,), now, believe_gone=False, folder=folder, is_ripe=is_ripe).told()


class Run:
    """One run; an object because every stage needs the same few things.

    Beamtimes are walked one after the other as workers need work, and published as soon as their last source is
    taken in, so that of a large catalogue only a few are in memory.
    """

    def __init__(
        self,
        builder: Builder,
        chosen: Sequence[str],
        now: datetime,
        *,
        believe_gone: bool,
        folder: BeamtimeFolder | None = None,
        is_ripe: IsRipe | None = None,
    ) -> None:
        self.builder = builder
        self.settings, self.state, self.store = builder.settings, builder.state, builder.store
        self.reporter, self.places, self.publisher = builder.reporter, builder.places, builder.publisher
        self.chosen = chosen
        self.now = now
        self.believe_gone = believe_gone
        self.folder = folder
        self.is_ripe = is_ripe
        self.counts: dict[str, Counts] = {}
        """By beamtime."""
        self.is_blind = False
        """True where beamtimes are missing that may only not be mounted: none is said to be gone."""
        self.doubted: set[str] = set()
        """Beamtimes whose raw data are missing, which is not believed."""
        self.problems: dict[str, list[Problem]] = {"": []}
        """By the id of the beamtime looked at; of no beamtime under an empty id."""
        self.under_way: dict[str, Walked] = {}
        """Beamtimes walked and not yet published, by id."""
        self.came: set[Identity] = set()
        """Files that came with this run: one that vanished elsewhere and is here was moved."""
        self.went: list[tuple[str, SourceRow]] = []
        """Sources that vanished, with their beamtimes, and have not been found elsewhere yet."""

    def told(self) -> BuildSummary:
        """Do it all, and say what was done."""
        begun = time.monotonic()
        folders = self._folders()
        self.reporter.stage("Building", 0)
        self.published_at = begun
        for done in self.builder.crew.run(intake.take_in, self._tasks(folders)):
            self._remember(done.item.source, done.result or _died(done.item))
            self._publish_ready()
        self._publish_ready()
        for id in self._without_folder(folders):
            with self._costing_itself_alone(id):
                self._publish_gone(id)
        self._follow_moved()
        if not self.chosen:
            self.publisher.finish(self.store.beamtime_ids())
        return self._summary(time.monotonic() - begun)

    # -- discover

    def _folders(self) -> list[BeamtimeFolder]:
        """Give the folders of the chosen beamtimes; an empty root is not believed."""
        if self.folder is not None:
            return [self.folder]
        folders, problems = discover.beamtimes(self.settings.beamtimes)
        self.problems[""] += problems
        kept = self.store.beamtime_ids()
        if kept and not folders:
            raise CatalogError(
                f"no beamtime was found, but the catalogue holds {len(kept)}; nothing was changed",
                where=", ".join(map(str, self.settings.beamtimes.roots)),
                remedy="mount the file system, or correct beamtimes.roots",
            )
        self._doubt(folders)
        known = {folder.id for folder in folders} | set(kept)
        for id in self.chosen:
            if id not in known:
                raise CatalogError(f"there is no beamtime {id!r}", remedy=did_you_mean(id, known))
        return [folder for folder in folders if not self.chosen or folder.id in self.chosen]

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
        self.problems[""].append(Problem(where=where, what=what))

    def _tasks(self, folders: Iterable[BeamtimeFolder]) -> Iterator[Task]:
        """Walk beamtime after beamtime, and give what must be taken in."""
        for folder in folders:
            if self._is_quiet(folder):
                continue
            walked = self.under_way[folder.id] = self._walked(folder)
            kept = self.store.kept_keys(folder.id) if walked.stale else set()
            for source in walked.stale:
                row = walked.rows.get(source.path)
                before = row if self._is_kept(row, kept) else None
                yield Task(source=source, folder=folder, settings=self.settings, now=self.now, before=before)
            if not walked.stale:
                self._publish_ready()

    def _is_quiet(self, folder: BeamtimeFolder) -> bool:
        """Tell whether an ended beamtime stands as a whole: its folders' times are those of a walk within the week.

        What is wrong with it stays wrong.
        """
        sweep = self.state.sweep(folder.id)
        if sweep is None or not sweep.folders or self._is_due(sweep):
            return False
        times = {path: discover.folder_time(folder, path) for path in sweep.folders}
        if times != sweep.folders or self._mark(folder.id) != sweep.mark or self.state.is_to_be_read_again(folder.id):
            return False
        counts = self.counts[folder.id] = Counts(current=self.state.sources_with_scans(folder.id))
        self.reporter.advance(counts.current)
        self.problems[folder.id] = [problem for id, problem in self.state.problems() if id == folder.id]
        return True

    def _is_due(self, sweep: Sweep) -> bool:
        return not 0 <= self.now.timestamp() - sweep.at < self.settings.beamtimes.sweep_days * DAY

    def _mark(self, id: str) -> str:
        """Give what else an ended beamtime depends on, without listing anything."""
        return f"{self.builder.intake_digest} {self.publisher.mark(id)}"

    def _walked(self, folder: BeamtimeFolder) -> Walked:
        """Walk a beamtime's folder and say which of its sources must be taken in."""
        sweep, rows, found = self.state.sweep(folder.id), self.state.sources(folder.id), walk(folder, self.settings)
        kept = self.store.kept_keys(folder.id)
        digest, now = self.builder.intake_digest, self.now
        stale = [
            source
            for source in found.sources
            if why_stale(source, rows.get(source.path), settings=digest, records=kept, now=now)
            and (self.is_ripe is None or self.is_ripe(source, rows.get(source.path)))
        ]
        there = {source.path for source in found.sources}
        current = there - {source.path for source in stale}
        counts = self.counts[folder.id] = Counts()
        counts.current = sum(1 for path in current & rows.keys() if rows[path].scans or rows[path].failed)
        self.reporter.expect(len(stale))
        self.came.update(identity for source in stale for identity in map(identity_of, source.files))
        is_doubted = folder.id in self.doubted
        return Walked(
            folder=folder,
            found=found,
            rows=rows,
            stale=stale,
            vanished=[] if is_doubted else [p for p in rows if p not in there and not found.is_unseen(p)],
            waiting=len(stale),
            is_thorough=sweep is None or self._is_due(sweep),
        )

    def _is_kept(self, row: SourceRow | None, records: Set[str]) -> bool:
        """Tell whether all that was taken in of a source stands, and would be read the same today."""
        return row is not None and row.settings == self.builder.intake_digest and records >= set(row.scans)

    # -- take in

    def _remember(self, source: Source, taken: Taken) -> None:
        """Note what taking in a source gave; one that was not read to its end keeps the scans it had."""
        walked = self.under_way[source.beamtime]
        before = walked.rows.get(source.path)
        had = before.scans if before else ()
        row = SourceRow(
            beamtime=source.beamtime,
            path=source.path,
            signature=source.signature,
            settings=self.builder.intake_digest,
            scans=taken.scans if taken.whole else tuple(dict.fromkeys((*had, *taken.scans))),
            problems=taken.problems,
            again_at=taken.again_at,
            failed=taken.failed,
            bookmark=taken.bookmark,
        )
        self._drop(set(had) - set(row.scans))
        self.state.put_source(row)
        walked.rows[source.path] = row
        walked.waiting -= 1
        self.counts[source.beamtime].read += bool(row.scans or row.failed)
        self.reporter.advance()
        for problem in taken.problems:
            self.reporter.problem(problem)

    def _drop(self, scans: Iterable[str]) -> None:
        """Remove scans that their file, still on disk, no longer holds."""
        for key in scans:
            self.store.remove_scan(key)

    # -- merge, index, render

    def _publish_ready(self) -> None:
        """Publish the beamtimes whose sources are all taken in, and what there is so far of one that takes long."""
        for id in [id for id, walked in self.under_way.items() if not walked.waiting]:
            walked = self.under_way.pop(id)
            with self._costing_itself_alone(id):
                self._publish_walked(walked)
        if self.under_way and time.monotonic() - self.published_at > SECONDS_UNSEEN:
            id, walked = next(iter(self.under_way.items()))
            with self._costing_itself_alone(id):
                published = self.publisher.publish(self._record_of(walked))
                self.counts[id].pages_written += published.pages_written
            self.published_at = time.monotonic()

    def _publish_walked(self, walked: Walked) -> None:
        self._forget_vanished(walked)
        beamtime = self._record_of(walked)
        self._publish_one(beamtime, walked.rows.values(), walked.found.problems, thorough=walked.is_thorough)
        self._note_sweep(walked, beamtime)

    def _record_of(self, walked: Walked) -> Beamtime:
        on_disk = {key for row in walked.rows.values() for key in row.scans}
        beamtime = beamtime_record(
            walked.folder, walked.found.lists, self._kept(walked.folder.id), on_disk, self.settings
        )
        self.store.save_beamtime(beamtime)
        return beamtime

    def _note_sweep(self, walked: Walked, beamtime: Beamtime) -> None:
        """Remember the times of an ended beamtime's folders, so that it is not walked until one changes."""
        id, now = walked.folder.id, self.now.timestamp()
        before = self.state.sweep(id)
        at = now if walked.is_thorough or before is None else before.at
        newest = max([source.newest_ns for source in walked.found.sources], default=0)
        times = walked.found.folders
        is_over = beamtime.end is None or beamtime.end < self.now
        is_ended = is_over and newest < (now - 7 * DAY) * 1e9 and max(times.values(), default=0) < (now - DAY) * 1e9
        told = is_ended and not self.doubted and not walked.found.problems
        self.state.put_sweep(id, Sweep(at=at, folders=times if told else {}, mark=self._mark(id)))

    def _without_folder(self, folders: Sequence[BeamtimeFolder]) -> list[str]:
        """Give the beamtimes the catalogue holds although their folders are gone: their data are on tape."""
        if self.is_blind:
            return []
        found = {folder.id for folder in folders}
        return [id for id in self.store.beamtime_ids() if id not in found and (not self.chosen or id in self.chosen)]

    def _publish_gone(self, id: str) -> None:
        vanished = self.state.sources(id)
        self.state.forget_sources(id, vanished)
        self.counts[id] = Counts(removed=len(vanished))
        self.went += [(id, row) for row in vanished.values()]
        kept = self._kept(id)
        if kept is not None:
            self._publish_one(kept, (), ())

    @contextmanager
    def _costing_itself_alone(self, id: str) -> Iterator[None]:
        """Let a beamtime that cannot be published cost itself alone; a disk that refuses costs the build."""
        try:
            yield
        except (CatalogError, OSError, MemoryError):
            raise
        except Exception as exc:
            _logger.exception("publishing beamtime %s failed", id)
            what = f"could not be published ({type(exc).__name__}: {exc}); its pages stay as they were"
            self.problems.setdefault(id, []).append(Problem(where=id, what=what))

    def _forget_vanished(self, walked: Walked) -> None:
        """Forget sources that are no longer there.

        Their scans stay, on tape now; but where a file has become part of another source (a ``.fio`` beside a
        ``.nxs``), or was renamed, the source it is in now says what scans there are.
        """
        id, rows = walked.folder.id, walked.rows
        gone = {path: rows.pop(path) for path in walked.vanished}
        on_disk = {key for row in rows.values() for key in row.scans}
        absorbed = {file.path for source in walked.found.sources for file in source.files}
        for path, row in gone.items():
            if f"{self.settings.beamtimes.raw}/{path}" in absorbed or self.came.intersection(identities(row)):
                self._drop(set(row.scans) - on_disk)
            else:
                self.went.append((id, row))
        self.state.forget_sources(id, gone)
        self.counts[id].removed += len(gone)

    def _follow_moved(self) -> None:
        """Drop the scans of files that were moved to a beamtime walked later."""
        moved = [(id, row) for id, row in self.went if self.came.intersection(identities(row))]
        for id in dict.fromkeys(id for id, _ in moved):
            on_disk = {key for row in self.state.sources(id).values() for key in row.scans}
            for _, row in moved:
                self._drop({key for key in row.scans if key.startswith(f"scan:{id}/")} - on_disk)
            kept = self._kept(id)
            if kept is not None:
                with self._costing_itself_alone(id):
                    self.counts[id].pages_written += self.publisher.publish(kept).pages_written

    def _publish_one(
        self,
        beamtime: Beamtime,
        rows: Collection[SourceRow],
        problems: Iterable[Problem],
        *,
        thorough: bool = False,
    ) -> None:
        published = self.publisher.publish(beamtime, thorough=thorough)
        counts = self.counts[beamtime.id]
        counts.pages_written += published.pages_written
        counts.failed = sum(row.failed for row in rows)
        of_sources = [problem for row in rows for problem in row.problems]
        listed = self.problems.setdefault(beamtime.id, [])
        listed += [*beamtime.problems, *problems, *of_sources, *published.problems]

    def _kept(self, id: str) -> Beamtime | None:
        """Give the beamtime's record as it stands; a damaged one is made again."""
        if not self.places.beamtime_record(id).exists():
            return None
        try:
            return self.store.beamtime(id)
        except CatalogError as exc:
            self.problems.setdefault(id, []).append(Problem(where=f"{id}/beamtime.json", what=exc.what))
            return None

    # -- tell

    def _summary(self, seconds: float) -> BuildSummary:
        scans, datasets = self.state.counts()
        summary = BuildSummary(
            read=sum(each.read for each in self.counts.values()),
            current=sum(each.current for each in self.counts.values()),
            removed=sum(each.removed for each in self.counts.values()),
            failed=self.state.failed(),
            scans=scans,
            datasets=datasets,
            pages_written=sum(each.pages_written for each in self.counts.values()),
            seconds=seconds,
            beamtimes=self.counts,
            problems=tuple(problem for id in sorted(self.problems) for problem in self.problems[id]),
        )
        self._write_status(summary)
        return summary

    def _write_status(self, summary: BuildSummary) -> None:
        """Say on the status page what is wrong with every beamtime, those not looked at in this run included."""
        with self.state.transaction():
            for id, found in self.problems.items():
                self.state.put_problems(id, found)
        problems = [{"beamtime": id or None, "where": p.where, "what": p.what} for id, p in self.state.problems()]
        status = {
            "built": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": round(summary.seconds, 3),
            "summary": {**summary.as_json(), "problems": len(problems)},
            "beamtimes": {id: asdict(counts) for id, counts in sorted(self.counts.items())},
            "newer_on_disk": self.state.to_be_read_again(),
            "problems": problems,
        }
        write_if_changed(
            self.places.status, json.dumps(status, ensure_ascii=False, indent=1).encode("utf-8", "backslashreplace")
        )


def walk(folder: BeamtimeFolder, settings: Settings) -> Found:
    """Walk a beamtime's folder for what the configured readers read."""
    readers = [READERS.get(name) for name in settings.readers]
    suffixes: dict[str, tuple[str, ...]] = {}
    for reader in readers:
        for suffix in reader.suffixes:
            suffixes[suffix] = (*suffixes.get(suffix, ()), reader.name)
    whole = frozenset(reader.name for reader in readers if reader.keeps_suffix)
    return discover.Walk(folder, settings.beamtimes, suffixes, whole).run()


def _died(task: Task) -> Taken:
    what = "the worker died over it (too slow, too much memory, or a fault in a library); tried again at the next build"
    return Taken(problems=(Problem(where=task.where, what=what),), failed=True, again_at=0)
