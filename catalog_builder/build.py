"""The whole story, in reading order: discover, take in, merge, index, render; beamtime by beamtime.

Knows the order of the stages and what makes a source current; does not know how any stage does its work.
"""

import json
import logging
import os
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

from catalog_builder import intake
from catalog_builder.buildstate import BuildState, DamagedStateError, SourceRow, discard
from catalog_builder.config import Settings
from catalog_builder.currency import identities
from catalog_builder.database import Database
from catalog_builder.discover import BeamtimeFolder, Source
from catalog_builder.errors import CatalogError
from catalog_builder.executors import EXECUTORS, Crew, Limits
from catalog_builder.facts import beamtime_record
from catalog_builder.files import write_if_changed
from catalog_builder.intake import Taken, Task
from catalog_builder.places import Places
from catalog_builder.publish import Published, Publisher
from catalog_builder.records import Beamtime, Problem
from catalog_builder.recordstore import RecordStore
from catalog_builder.remarks import Remarks
from catalog_builder.report import BuildSummary, Counts, Reporter
from catalog_builder.survey import IsRipe, Standards, Survey, Walked

RESULTS_A_STEP = 32
"""Sources taken in between two steps of publishing: so many keep the workers busy meanwhile."""

SECONDS_UNSEEN = 30.0
"""How long a beamtime's scans may be read before what there is of it is published."""

_logger = logging.getLogger(__name__)


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
    try:
        return _built(settings, reporter, chosen, now or datetime.now(UTC), believe_gone=believe_gone)
    except DamagedStateError:
        discard(Places(settings.catalogue).buildstate)
        return _built(settings, reporter, chosen, now or datetime.now(UTC), believe_gone=believe_gone)


def _built(
    settings: Settings, reporter: Reporter, chosen: Sequence[str], now: datetime, *, believe_gone: bool
) -> BuildSummary:
    executor = EXECUTORS.get(settings.executor)
    places = Places(settings.catalogue)
    with (
        BuildState(places.buildstate) as state,
        Database(places.database) as database,
        executor.opened(limits_of(settings)) as crew,
    ):
        builder = Builder(settings, state, Remarks(database), crew, reporter)
        return builder.run(chosen, now, believe_gone=believe_gone)


def limits_of(settings: Settings) -> Limits:
    """Give what reading may cost, as the settings say."""
    return Limits(
        workers=settings.workers or os.cpu_count() or 1,
        seconds=settings.source_seconds,
        scheduler=settings.dask.scheduler,
    )


class Builder:
    """What runs share: settings, state and workers; ``watch`` asks it for one run after the other."""

    def __init__(self, settings: Settings, state: BuildState, remarks: Remarks, crew: Crew, reporter: Reporter) -> None:
        self.settings = settings
        self.state = state
        self.crew = crew
        self.reporter = reporter
        self.places = Places(settings.catalogue)
        self.store = RecordStore(self.places)
        self.publisher = Publisher(settings, state, remarks)
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
        self.folder = folder
        self.is_ripe = is_ripe
        self.counts: dict[str, Counts] = {}
        """By beamtime."""
        self.survey = Survey(
            self.settings,
            self.state,
            self.store,
            now,
            Standards(taking_in=builder.intake_digest, publishing=self.publisher.mark),
            believe_gone=believe_gone,
        )
        self.problems: dict[str, list[Problem]] = {"": []}
        """By the id of the beamtime looked at; of no beamtime under an empty id."""
        self.under_way: dict[str, Walked] = {}
        """Beamtimes walked and not yet published, by id."""
        self.publishing: Iterator[Published] | None = None
        """The beamtime that is being published."""
        self.unripe: dict[str, list[str]] = {}
        """Sources that are newer on disk and left for a later run, by beamtime."""
        self.went: list[SourceRow] = []
        """Sources that vanished and have not been found elsewhere yet."""

    def told(self) -> BuildSummary:
        """Do it all, and say what was done."""
        begun = time.monotonic()
        folders = self.survey.folders(self.chosen) if self.folder is None else [self.folder]
        self.problems[""] += self.survey.problems
        self.reporter.stage("Building", 0)
        self.published_at = begun
        for number, done in enumerate(self.builder.crew.run(intake.take_in, self._tasks(folders)), start=1):
            self._remember(done.item.source, done.result or _died(done.item))
            if number % RESULTS_A_STEP == 0:
                self._publish_a_step()
        self._publish_ready()
        for id in self._without_folder(folders):
            with self._costing_itself_alone(id):
                self._publish_gone(id)
        self._follow_moved()
        if not self.chosen:
            self.publisher.finish(self.store.beamtime_ids)
        return self._summary(time.monotonic() - begun)

    # -- discover

    def _tasks(self, folders: Iterable[BeamtimeFolder]) -> Iterator[Task]:
        """Walk beamtime after beamtime, and give what must be taken in."""
        for folder in folders:
            if self.survey.is_at_rest(folder):
                self._pass_over(folder.id)
                continue
            walked = self.under_way[folder.id] = self.survey.walked(folder, self.is_ripe)
            self.counts[folder.id] = Counts(current=walked.current)
            self.reporter.expect(len(walked.stale))
            self.unripe[folder.id] = walked.unripe
            kept = self.store.kept_keys(folder.id) if walked.stale else set()
            for source in walked.stale:
                row = walked.rows.get(source.path)
                before = row if self.survey.is_kept(row, kept) else None
                yield Task(source=source, folder=folder, settings=self.settings, now=self.now, before=before)
            if not walked.stale:
                self._publish_ready()

    def _pass_over(self, id: str) -> None:
        """Leave a beamtime as it stands; what is wrong with it stays wrong."""
        self.counts[id] = Counts(current=self.state.sources_with_scans(id))
        self.problems[id] = [problem for _, problem in self.state.problems(id)]

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
        """Publish the beamtimes whose sources are all taken in."""
        while self._publish_a_step():
            pass

    def _publish_a_step(self) -> bool:
        """Go on publishing for about a second, while workers read on; tells whether anything was left to do.

        Of a beamtime that takes long what there is of it is published now and then.
        """
        if self.publishing is None:
            ready = next((id for id, walked in self.under_way.items() if not walked.waiting), None)
            if ready is not None:
                self.publishing = self._published(self.under_way.pop(ready))
            elif self.under_way and time.monotonic() - self.published_at > SECONDS_UNSEEN:
                self.publishing = self._published_partly(next(iter(self.under_way.values())))
            else:
                return False
        if next(self.publishing, None) is None:
            self.publishing, self.published_at = None, time.monotonic()
        return True

    def _published(self, walked: Walked) -> Iterator[Published]:
        """Publish a beamtime step by step."""
        id = walked.folder.id
        with self._costing_itself_alone(id):
            self._forget_vanished(walked)
            beamtime = self._record_of(walked)
            for done in self.publisher.steps(beamtime, thorough=walked.is_thorough):
                yield done
            self._note(beamtime, walked.on_disk(), walked.found.problems, done)
            self.survey.note(walked, beamtime)

    def _published_partly(self, walked: Walked) -> Iterator[Published]:
        id, done = walked.folder.id, Published()
        with self._costing_itself_alone(id):
            for done in self.publisher.steps(self._record_of(walked)):
                yield done
            self.counts[id].pages_written += done.pages_written

    def _record_of(self, walked: Walked) -> Beamtime:
        on_disk = {key for row in walked.on_disk() for key in row.scans}
        beamtime = beamtime_record(
            walked.folder, walked.found.lists, self._kept(walked.folder.id), on_disk, self.settings
        )
        self.store.save_beamtime(beamtime)
        return beamtime

    def _without_folder(self, folders: Sequence[BeamtimeFolder]) -> list[str]:
        """Give the beamtimes the catalogue holds although their folders are gone: their data are on tape."""
        if self.survey.is_blind:
            return []
        found = {folder.id for folder in folders}
        return [id for id in self.store.beamtime_ids() if id not in found and (not self.chosen or id in self.chosen)]

    def _publish_gone(self, id: str) -> None:
        vanished = [row for row in self.state.sources(id).values() if not row.gone]
        self._keep_gone(vanished)
        self.counts[id] = Counts(removed=len(vanished))
        kept = self._kept(id)
        if kept is not None:
            self.store.save_beamtime(kept)
            self._note(kept, (), (), self.publisher.publish(kept))

    def _keep_gone(self, rows: Iterable[SourceRow]) -> None:
        """Note that sources are gone from disk: what was read of them stays, and counts again when they come back."""
        for row in rows:
            self.state.put_source(replace(row, gone=True))
            self.went.append(row)

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
        """Note which sources are no longer there.

        Their scans stay, on tape now; but where a file has become part of another source (a ``.fio`` beside a
        ``.nxs``), or was renamed, the source it is in now says what scans there are.
        """
        id, rows = walked.folder.id, walked.rows
        gone = {path: rows.pop(path) for path in walked.vanished}
        on_disk = {key for row in walked.on_disk() for key in row.scans}
        absorbed = {file.path for source in walked.found.sources for file in source.files}
        elsewhere = [
            row
            for path, row in gone.items()
            if f"{self.settings.beamtimes.raw}/{path}" in absorbed or self.survey.came.intersection(identities(row))
        ]
        for row in elsewhere:
            self._drop(set(row.scans) - on_disk)
        self.state.forget_sources(id, [row.path for row in elsewhere])
        self._keep_gone(row for row in gone.values() if row not in elsewhere)
        self.counts[id].removed += len(gone)

    def _follow_moved(self) -> None:
        """Drop the scans of files that are elsewhere now: that came with this run, or with one before it."""
        moved = self._moved()
        for id in dict.fromkeys(row.beamtime for row in moved):
            mine = [row for row in moved if row.beamtime == id]
            self.state.forget_sources(id, [row.path for row in mine])
            on_disk = {key for row in self.state.sources(id).values() if not row.gone for key in row.scans}
            self._drop({key for row in mine for key in row.scans} - on_disk)
            kept = self._kept(id)
            if kept is not None:
                with self._costing_itself_alone(id):
                    pages_written = self.publisher.publish(kept).pages_written
                    if id in self.counts:  # else the file came from a beamtime that this run does not look at
                        self.counts[id].pages_written += pages_written

    def _moved(self) -> list[SourceRow]:
        """Give the sources gone from disk, in this run or before, whose files are on disk elsewhere."""
        came = self.survey.came
        gone = [row for row in self.state.sources_of_inodes(inode for inode, _, _ in came) if row.gone]
        went = set().union(*map(identities, self.went))
        stand = [row for row in self.state.sources_of_inodes(inode for inode, _, _ in went) if not row.gone]
        elsewhere = came.union(*map(identities, stand))
        rows = {(row.beamtime, row.path): row for row in (*self.went, *gone)}
        return [row for row in rows.values() if not elsewhere.isdisjoint(identities(row))]

    def _note(
        self, beamtime: Beamtime, rows: Collection[SourceRow], problems: Iterable[Problem], published: Published
    ) -> None:
        """Note what publishing a beamtime did, and all that is wrong with it."""
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
        newer = self.state.to_be_read_again()
        for id, paths in self.unripe.items():
            newer[id] = sorted({*newer.get(id, ()), *paths})
        counts = {id: asdict(counts) for id, counts in sorted(self.counts.items())}
        status = {
            "built": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": round(summary.seconds, 3),
            "summary": {**summary.as_json(), "problems": len(problems)},
            "beamtimes": counts,
            "newer_on_disk": {id: paths for id, paths in sorted(newer.items()) if paths},
            "problems": problems,
        }
        if self.chosen:
            status = _with_whole_build(status, read_status(self.places))
        write_if_changed(
            self.places.status, json.dumps(status, ensure_ascii=False, indent=1).encode("utf-8", "backslashreplace")
        )


def read_status(places: Places) -> dict[str, Any]:
    """Give what the last build said; nothing where there was none, or it cannot be read."""
    try:
        told = json.loads(places.status.read_bytes())
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def _with_whole_build(status: dict[str, Any], before: dict[str, Any]) -> dict[str, Any]:
    """Say of a run over a few beamtimes what it changed in what the last build of all said."""
    if not isinstance(before.get("summary"), dict) or not isinstance(before.get("beamtimes"), dict):
        return status
    now = {name: status["summary"][name] for name in ("scans", "datasets", "problems")}
    return {
        **before,
        "summary": {**before["summary"], **now},
        "beamtimes": {**before["beamtimes"], **status["beamtimes"]},
        "newer_on_disk": status["newer_on_disk"],
        "problems": status["problems"],
    }


def _died(task: Task) -> Taken:
    what = "the worker died over it (too slow, too much memory, or a fault in a library); tried again at the next build"
    return Taken(problems=(Problem(where=task.where, what=what),), failed=True, again_at=0)
