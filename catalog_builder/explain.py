"""Why a scan or a dataset is as it is: what it was read from, and what the next build would do again.

Knows how to ask each stage; builds nothing.
"""

from collections.abc import Iterator
from datetime import datetime

from catalog_builder import discover, intake
from catalog_builder.buildstate import BuildState, SourceRow
from catalog_builder.config import Settings
from catalog_builder.currency import why_stale
from catalog_builder.database import Database
from catalog_builder.errors import CatalogError, did_you_mean
from catalog_builder.names import is_key, page_address, split_key
from catalog_builder.places import Places
from catalog_builder.publish import Publisher
from catalog_builder.recordstore import RecordStore
from catalog_builder.remarks import Remarks
from catalog_builder.render import site_path
from catalog_builder.survey import walk


def explained(settings: Settings, key: str, now: datetime) -> Iterator[str]:
    """Say line by line what is current about a scan or dataset, and why something is not.

    Raises CatalogError where there is no such key, or nothing is built yet.
    """
    places = Places(settings.catalogue)
    store = RecordStore(places)
    with BuildState(places.buildstate, read_only=True) as state, Database(places.database) as database:
        key = _meant(key, store, state)
        for scan in _scans(key, store, state):
            yield from _of_scan(settings, scan, store, state, now)
        beamtime = split_key(key)[1]
        publisher = Publisher(settings, state, Remarks(database))
        plan = publisher.plan(store.beamtime(beamtime))
        address = page_address(key)
        wanted = next((page.digest for page in plan if page.address == address), None)
        yield f"page {address}: {_page(wanted, state.pages(beamtime).get(address), places, address)}"
        yield f"search index: {'has it' if key in publisher.indexer else 'will get it'}"


def _meant(text: str, store: RecordStore, state: BuildState) -> str:
    """Give the key somebody means by a key or by ``BEAMTIME/NAME``, a scan's before a dataset's."""
    scan, dataset = f"scan:{text}", f"dataset:{text}"
    if not is_key(text) and is_key(scan):
        is_dataset = split_key(scan)[2] not in store.scan_names(split_key(scan)[1]) and state.scans_of(dataset)
        text = dataset if is_dataset else scan
    if not is_key(text):
        remedy = "write scan:BEAMTIME/NAME, dataset:BEAMTIME/SLUG or BEAMTIME/NAME"
        raise CatalogError(f"{text[:200]!r} is no key", remedy=remedy)
    return text


def _scans(key: str, store: RecordStore, state: BuildState) -> list[str]:
    """Give the scan itself, or those of a dataset."""
    kind, beamtime, name = split_key(key)
    if kind == "dataset":
        found = [row.key for row in state.scans_of(key)]
    else:
        found = [key] if name in store.scan_names(beamtime) else []
    if not found:
        known = [f"scan:{beamtime}/{one}" for one in store.scan_names(beamtime)]
        raise CatalogError(f"the catalogue holds no {key}", remedy=did_you_mean(key, known))
    return found


def _of_scan(settings: Settings, key: str, store: RecordStore, state: BuildState, now: datetime) -> Iterator[str]:
    beamtime = split_key(key)[1]
    row = next((row for row in state.sources_on_disk(beamtime) if key in row.scans), None)
    if row is None:
        yield f"{key}: no source on disk; its record and previews are kept as they were read"
        return
    reasons = _reasons(settings, row, store, now)
    said = "current" if not reasons else f"will be read again, for {'; and '.join(reasons)}"
    yield f"{key}: from {settings.beamtimes.raw}/{row.path}, {said}"


def _reasons(settings: Settings, row: SourceRow, store: RecordStore, now: datetime) -> tuple[str, ...]:
    folders = {folder.id: folder for folder in discover.beamtimes(settings.beamtimes)[0]}
    if row.beamtime not in folders:
        return ("its beamtime's folder is gone",)
    found = walk(folders[row.beamtime], settings)
    source = next((source for source in found.sources if source.path == row.path), None)
    if source is None:
        return ("its file is gone: the scan stays, as on tape",)
    return why_stale(
        source,
        row,
        settings=intake.settings_digest(settings),
        records=store.kept_keys(row.beamtime),
        now=now,
    )


def _page(wanted: str | None, made: str | None, places: Places, address: str) -> str:
    if wanted is None:
        return "is not made any more"
    if not (places.site / site_path(address)).exists():
        return "will be made, it is not there"
    if made is None:
        return "will be made again, its making was broken off"
    return "current" if wanted == made else "will be made again, something it shows has changed"
