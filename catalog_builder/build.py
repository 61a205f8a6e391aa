"""The whole story, in reading order: discover, take in, merge, index, render.

Knows the order of the stages and what makes a source current; does not know how any stage does its work.
"""

import json
import logging
import os
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from catalog_builder import discover, intake
from catalog_builder.buildstate import BuildState, SourceRow
from catalog_builder.config import Settings
from catalog_builder.discover import BeamtimeFolder, Found, Source
from catalog_builder.errors import CatalogError, did_you_mean
from catalog_builder.executors import EXECUTORS, Limits
from catalog_builder.facts import beamtime_record
from catalog_builder.files import write_if_changed
from catalog_builder.intake import Taken, Task
from catalog_builder.places import Places
from catalog_builder.publish import Publisher
from catalog_builder.readers import READERS
from catalog_builder.records import Beamtime, Problem
from catalog_builder.recordstore import RecordStore
from catalog_builder.report import BuildSummary, Reporter

Thing = TypeVar("Thing")

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Walked:
    """A beamtime whose folder was walked."""

    folder: BeamtimeFolder
    found: Found
    stale: tuple[Source, ...]
    """Sources that must be taken in."""
    vanished: tuple[str, ...]
    """Paths of sources that are no longer there."""
    resumable: frozenset[str]
    """Paths of stale sources whose records all stand, read under these settings."""


@dataclass(slots=True)
class Counts:
    """What this run did, as it goes."""

    read: int = 0
    current: int = 0
    removed: int = 0
    pages_written: int = 0


def build(
    settings: Settings, reporter: Reporter, *, chosen: Sequence[str] = (), now: datetime | None = None
) -> BuildSummary:
    """Bring a catalogue up to date with its beamtime folders.

    Parameters
    ----------
    chosen
        Ids of the beamtimes to look at; empty means all.
    now
        What counts as the present when a source's age is judged.

    Raises
    ------
    CatalogError
        Where nothing can be built: a root that is not there, an unknown beamtime or executor.
    """
    with BuildState(Places(settings.catalogue).buildstate) as state:
        return Builder(settings, state, reporter, now or datetime.now(UTC)).run(chosen)


class Builder:
    """One run; an object because every stage needs the same few things."""

    def __init__(self, settings: Settings, state: BuildState, reporter: Reporter, now: datetime) -> None:
        self.settings = settings
        self.state = state
        self.reporter = reporter
        self.now = now
        self.places = Places(settings.catalogue)
        self.store = RecordStore(self.places)
        self.publisher = Publisher(settings, state)
        self.executor = EXECUTORS.get(settings.executor)
        self.intake_digest = intake.settings_digest(settings)
        self.counts = Counts()
        self.rows: dict[str, dict[str, SourceRow]] = {}
        """Of each beamtime whose folder was walked, by source path, as they stand now."""
        self.is_blind = False
        """True where a root holds no beamtime at all: it may not be mounted, and nothing is said to be gone."""
        self.problems: dict[str, list[Problem]] = {"": []}
        """By the id of the beamtime looked at; of no beamtime under an empty id."""

    def run(self, chosen: Sequence[str]) -> BuildSummary:
        begun = time.monotonic()
        folders = self._folders(chosen)
        walked = [self._walked(folder) for folder in self._staged("Looking for scans", folders)]
        self._take_in(walked)
        self._publish(walked, self._without_folder(chosen, folders))
        if not chosen:
            self.publisher.finish(self.store.beamtime_ids())
        return self._summary(time.monotonic() - begun)

    # -- discover

    def _folders(self, chosen: Sequence[str]) -> list[BeamtimeFolder]:
        """Give the folders of the chosen beamtimes; an empty root is not believed."""
        folders, problems = discover.beamtimes(self.settings.beamtimes)
        self.problems[""] += problems
        kept = self.store.beamtime_ids()
        if kept and not folders:
            raise CatalogError(
                f"no beamtime was found, but the catalogue holds {len(kept)}; nothing was changed",
                where=", ".join(map(str, self.settings.beamtimes.roots)),
                remedy="mount the file system, or correct beamtimes.roots",
            )
        for root in self.settings.beamtimes.roots:
            if not any(folder.path.is_relative_to(root) for folder in folders):
                self.is_blind = True
                what = (
                    f"no folder below it looks like {self.settings.beamtimes.pattern!r} (beamtimes.pattern); "
                    "beamtimes that are not found stay as they were"
                )
                self.problems[""].append(Problem(where=str(root), what=what))
        known = {folder.id for folder in folders} | set(kept)
        for id in chosen:
            if id not in known:
                raise CatalogError(f"there is no beamtime {id!r}", remedy=did_you_mean(id, known))
        return [folder for folder in folders if not chosen or folder.id in chosen]

    def _walked(self, folder: BeamtimeFolder) -> Walked:
        """Walk a beamtime's folder and say which of its sources must be taken in."""
        found = self._walk(folder)
        rows = self.rows[folder.id] = self.state.sources(folder.id)
        names = {f"scan:{folder.id}/{name}" for name in self.store.scan_names(folder.id)}
        drawn = (self.places.previews / folder.id).is_dir()
        stale = [s for s in found.sources if not (drawn and self._is_current(s, rows.get(s.path), names))]
        there = {source.path for source in found.sources}
        current = there - {source.path for source in stale}
        self.counts.current += sum(1 for path in current if rows[path].scans or rows[path].failed)
        return Walked(
            folder=folder,
            found=found,
            stale=tuple(stale),
            vanished=tuple(path for path in rows if path not in there and not found.is_unseen(path)),
            resumable=frozenset(s.path for s in stale if drawn and self._is_kept(rows.get(s.path), names)),
        )

    def _walk(self, folder: BeamtimeFolder) -> Found:
        readers = [READERS.get(name) for name in self.settings.readers]
        suffixes: dict[str, tuple[str, ...]] = {}
        for reader in readers:
            for suffix in reader.suffixes:
                suffixes[suffix] = (*suffixes.get(suffix, ()), reader.name)
        whole = frozenset(reader.name for reader in readers if reader.keeps_suffix)
        return discover.Walk(folder, self.settings.beamtimes, suffixes, whole).run()

    def _is_current(self, source: Source, row: SourceRow | None, records: set[str]) -> bool:
        return (
            row is not None
            and (row.again_at is None or self.now.timestamp() < row.again_at)
            and row.signature == source.signature
            and self._is_kept(row, records)
        )

    def _is_kept(self, row: SourceRow | None, records: set[str]) -> bool:
        """Tell whether all that was taken in of a source stands, and would be read the same today."""
        return row is not None and row.settings == self.intake_digest and records.issuperset(row.scans)

    # -- take in

    def _take_in(self, walked: Sequence[Walked]) -> None:
        tasks = (
            Task(
                source=source,
                folder=each.folder,
                settings=self.settings,
                now=self.now,
                before=self.rows[each.folder.id][source.path] if source.path in each.resumable else None,
            )
            for each in walked
            for source in each.stale
        )
        self.reporter.stage("Reading and drawing", sum(len(each.stale) for each in walked))
        limits = Limits(workers=self.settings.workers or os.cpu_count() or 1, seconds=self.settings.source_seconds)
        for done in self.executor.run(intake.take_in, tasks, limits):
            self._remember(done.item.source, done.result or _died(done.item))
            self.reporter.advance()

    def _remember(self, source: Source, taken: Taken) -> None:
        """Note what taking in a source gave; one that was not read to its end keeps the scans it had."""
        before = self.rows[source.beamtime].get(source.path)
        had = before.scans if before else ()
        row = SourceRow(
            beamtime=source.beamtime,
            path=source.path,
            signature=source.signature,
            settings=self.intake_digest,
            scans=taken.scans if taken.whole else tuple(dict.fromkeys((*had, *taken.scans))),
            problems=taken.problems,
            again_at=taken.again_at,
            failed=taken.failed,
            bookmark=taken.bookmark,
        )
        self._drop(set(had) - set(row.scans))
        self.state.put_source(row)
        self.rows[source.beamtime][source.path] = row
        self.counts.read += bool(row.scans or row.failed)
        for problem in taken.problems:
            self.reporter.problem(problem)

    def _drop(self, scans: Iterable[str]) -> None:
        """Remove scans that their file, still on disk, no longer holds."""
        for key in scans:
            self.store.remove_scan(key)

    # -- merge, index, render

    def _without_folder(self, chosen: Sequence[str], folders: Sequence[BeamtimeFolder]) -> list[str]:
        """Give the beamtimes the catalogue holds although their folders are gone: their data are on tape."""
        if self.is_blind:
            return []
        found = {folder.id for folder in folders}
        return [id for id in self.store.beamtime_ids() if id not in found and (not chosen or id in chosen)]

    def _publish(self, walked: Sequence[Walked], gone: Sequence[str]) -> None:
        for each in self._staged("Writing pages and index", walked):
            with self._costing_itself_alone(each.folder.id):
                self._publish_walked(each)
        for id in gone:
            with self._costing_itself_alone(id):
                self._publish_gone(id)

    def _publish_walked(self, walked: Walked) -> None:
        id, rows = walked.folder.id, self.rows[walked.folder.id]
        on_disk = self._forget_vanished(walked)
        beamtime = beamtime_record(walked.folder, walked.found.lists, self._kept(id), on_disk, self.settings)
        self._publish_one(beamtime, rows.values(), walked.found.problems)

    def _publish_gone(self, id: str) -> None:
        vanished = tuple(self.state.sources(id))
        self.state.forget_sources(id, vanished)
        self.counts.removed += len(vanished)
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

    def _forget_vanished(self, walked: Walked) -> set[str]:
        """Forget sources that are no longer there; gives the keys of the scans that are on disk.

        The scans of a vanished source stay, on tape now; but where its file has become part of another source
        (a ``.fio`` beside a ``.nxs``), that source says what scans there are.
        """
        rows = self.rows[walked.folder.id]
        gone = {path: rows.pop(path) for path in walked.vanished}
        on_disk = {key for row in rows.values() for key in row.scans}
        absorbed = {file.path for source in walked.found.sources for file in source.files}
        for path, row in gone.items():
            if f"{self.settings.beamtimes.raw}/{path}" in absorbed:
                self._drop(set(row.scans) - on_disk)
        self.state.forget_sources(walked.folder.id, gone)
        self.counts.removed += len(gone)
        return on_disk

    def _publish_one(self, beamtime: Beamtime, rows: Collection[SourceRow], problems: Iterable[Problem]) -> None:
        self.store.save_beamtime(beamtime)
        published = self.publisher.publish(beamtime, rows)
        self.counts.pages_written += published.pages_written
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

    def _staged(self, name: str, items: Sequence[Thing]) -> Iterator[Thing]:
        """Go through items as one stage of the progress."""
        self.reporter.stage(name, len(items))
        for item in items:
            yield item
            self.reporter.advance()

    def _summary(self, seconds: float) -> BuildSummary:
        scans, datasets = self.state.counts()
        summary = BuildSummary(
            read=self.counts.read,
            current=self.counts.current,
            removed=self.counts.removed,
            failed=self.state.failed(),
            scans=scans,
            datasets=datasets,
            pages_written=self.counts.pages_written,
            seconds=seconds,
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
            "problems": problems,
        }
        write_if_changed(
            self.places.status, json.dumps(status, ensure_ascii=False, indent=1).encode("utf-8", "backslashreplace")
        )


def _died(task: Task) -> Taken:
    what = "the worker died over it (too slow, too much memory, or a fault in a library); tried again at the next build"
    return Taken(problems=(Problem(where=task.where, what=what),), failed=True, again_at=0)
