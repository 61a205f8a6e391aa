"""Publishing one beamtime: its datasets, pages and index entries, made from its records.

Knows when they are current and in which order they are put in place; does not know how records came about.
"""

import hashlib
import shutil
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from catalog_builder import render
from catalog_builder.buildstate import BuildState, ScanRow, SourceRow
from catalog_builder.config import Settings
from catalog_builder.errors import CatalogError
from catalog_builder.files import locked, sweep, write_if_changed
from catalog_builder.merge import merged
from catalog_builder.places import Places
from catalog_builder.records import Beamtime, CuratedDataset, OnDisk, Problem, Scan
from catalog_builder.recordstore import BEAMTIMES, RecordStore, record_bytes
from catalog_builder.search import Indexer
from catalog_builder.search.documents import Document, documents_of

VERSION = 1
"""Raised whenever the same records would give other datasets or index entries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What publishing a beamtime did."""

    pages_written: int = 0
    problems: tuple[Problem, ...] = ()
    """Records that could not be loaded."""


class Publisher:
    """Puts beamtimes on the site and into the index, one at a time, under the builder's lock."""

    def __init__(self, settings: Settings, state: BuildState) -> None:
        self.settings = settings
        self.state = state
        self.places = Places(settings.catalogue)
        self.store = RecordStore(self.places)
        self.renderer = render.Renderer(settings)
        self.indexer = Indexer(self.places.index)
        self.settings_digest = _settings_digest(settings)
        self.current = {} if self.indexer.needs_all else state.digests()

    def publish(self, beamtime: Beamtime, rows: Collection[SourceRow]) -> Published:
        """Bring a beamtime's pages and index entries up to date, if they are not.

        Parameters
        ----------
        rows
            The sources on disk; scans of the catalogue that are in none of them are on tape.
        """
        digest = self._digest(beamtime, rows)
        page = self.places.site / "beamtimes" / beamtime.id / "index.html"
        if self.current.get(beamtime.id) == digest and page.exists():
            return Published()
        with locked(self.places.lock):
            return self._publish(beamtime, rows, digest)

    def finish(self, beamtimes: Collection[str]) -> None:
        """Say that these are all beamtimes there are, each published: others leave site and index."""
        with locked(self.places.lock):
            for id in self.indexer.beamtimes() - frozenset(beamtimes):
                self.indexer.remove_beamtime(id)
                self.state.forget_beamtime(id)
                shutil.rmtree(self.places.site / "beamtimes" / id, ignore_errors=True)
            self.indexer.finish()

    def _publish(self, beamtime: Beamtime, rows: Collection[SourceRow], digest: str) -> Published:
        self.state.forget_digest(beamtime.id)
        scans, problems = self._scans(beamtime.id)
        on_disk = {key for row in rows for key in row.scans}
        states: dict[str, OnDisk] = {scan.key: "disk" if scan.key in on_disk else "tape" for scan in scans}
        datasets = merged(beamtime, scans, states, self.settings)
        failed = [problem for row in rows if row.failed for problem in row.problems]
        written = self._write_pages(replace(beamtime, problems=(*beamtime.problems, *failed)), datasets)
        self.indexer.replace_beamtime(beamtime.id, _documents(beamtime, datasets))
        with self.state.transaction():
            self.state.put_scans(beamtime.id, list(_scan_rows(datasets)))
            if not problems:  # a damaged record is named at every build until it is mended
                self.state.put_digest(beamtime.id, digest)
        return Published(pages_written=written, problems=tuple(problems))

    def _scans(self, beamtime: str) -> tuple[list[Scan], list[Problem]]:
        """Load a beamtime's records; a damaged one costs itself alone."""
        scans, problems = [], []
        for name in self.store.scan_names(beamtime):
            try:
                scans.append(self.store.scan(f"scan:{beamtime}/{name}"))
            except CatalogError as exc:
                what = f"{exc.what}; {exc.remedy}" if exc.remedy else exc.what
                problems.append(Problem(where=f"{beamtime}/{name}", what=what))
        return scans, problems

    def _write_pages(self, beamtime: Beamtime, datasets: Sequence[CuratedDataset]) -> int:
        """Write the pages that differ, and remove those that are no longer made; gives the number written."""
        expected: set[Path] = set()
        written = 0
        for address, content in self._pages(beamtime, datasets):
            path = self.places.site / address
            expected.add(path.parent)
            written += write_if_changed(path, content)
        _remove_others(self.places.site / "beamtimes" / beamtime.id, expected)
        for folder in expected:
            sweep(folder)
        return written

    def _pages(self, beamtime: Beamtime, datasets: Sequence[CuratedDataset]) -> Iterator[tuple[str, bytes]]:
        yield from self.renderer.beamtime_pages(beamtime, datasets)
        for dataset in datasets:
            yield from self.renderer.dataset_pages(beamtime, dataset)
            for scan in dataset.scans:
                yield from self.renderer.scan_pages(beamtime, scan, dataset)

    def _digest(self, beamtime: Beamtime, rows: Collection[SourceRow]) -> str:
        """Give a digest of all that a beamtime's pages and index entries are made from."""
        digest = hashlib.sha256(self.settings_digest.encode())
        digest.update(record_bytes(BEAMTIMES, beamtime))
        digest.update(repr(self.store.scan_stamps(beamtime.id)).encode())
        for row in rows:
            digest.update(repr((row.path, row.signature, row.settings, row.scans, row.again_at)).encode())
        return digest.hexdigest()


def _settings_digest(settings: Settings) -> str:
    concerned = (VERSION, settings.rules, settings.grouping, settings.flags, settings.quantities)
    return hashlib.sha256(f"{render.digest(settings)} {concerned!r}".encode()).hexdigest()


def _documents(beamtime: Beamtime, datasets: Sequence[CuratedDataset]) -> Iterator[Document]:
    for dataset in datasets:
        yield from documents_of(beamtime, dataset)


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


def _remove_others(folder: Path, expected: set[Path]) -> None:
    """Remove pages' folders below a beamtime's that hold no page any more."""
    for kind in ("datasets", "scans", "."):
        for path in sorted((folder / kind).glob("*/")):
            is_page = path.is_dir() and path.name not in ("datasets", "scans")
            if is_page and path not in expected and not any(path in other.parents for other in expected):
                shutil.rmtree(path, ignore_errors=True)
