"""The plan of a beamtime's pages: which there are, what each is made from, and how it is made.

Knows what a page and its entry in the index depend on, as one digest a page; does not know which are current, nor
where anything is put.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from zoneinfo import ZoneInfo

from catalog_builder.names import page_address
from catalog_builder.records import Beamtime, CuratedDataset, CuratedScan
from catalog_builder.recordstore import BEAMTIMES, record_bytes
from catalog_builder.render import Page, Renderer, beamtime_address, dealt, newest_first, page_name, problems_of
from catalog_builder.search import DatasetDocuments, Document

Stamp = tuple[int, int, int]
"""Size, time (ns) and inode of a record's file: the same while the record is the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A page with the files beside it, and its entry in the index."""

    address: str
    """``/beamtimes/11017404/scans/gk_00001/``."""
    digest: str
    """Changes when anything does that the page or the entry is made from."""
    pages: Callable[[], Iterator[Page]]
    key: str | None = None
    """Of the scan or dataset; None for a beamtime's own pages, which have no entry in the index."""
    document: Callable[[], Document] | None = None


def planned(
    renderer: Renderer,
    beamtime: Beamtime,
    datasets: Sequence[CuratedDataset],
    stamps: Mapping[str, Stamp],
    settings_digest: str,
) -> Iterator[Planned]:
    """Give every page of a beamtime: of scans and datasets first, then the beamtime's own.

    Parameters
    ----------
    stamps
        Of the scans' record files, by key.
    settings_digest
        Changes when settings, templates or this program do.
    """
    plain = replace(beamtime, scan_groups={}, problems=())
    """What pages of scans and datasets show of their beamtime: not what changes with every scan."""
    base = _digest(settings_digest, record_bytes(BEAMTIMES, plain))
    of_datasets: dict[str, str] = {}
    for dataset in datasets:
        yield from _of_dataset(renderer, plain, dataset, stamps, base, of_datasets)
    yield from _of_beamtime(renderer, beamtime, datasets, settings_digest, of_datasets)


def _of_dataset(
    renderer: Renderer,
    beamtime: Beamtime,
    dataset: CuratedDataset,
    stamps: Mapping[str, Stamp],
    base: str,
    digests: dict[str, str],
) -> Iterator[Planned]:
    documents = DatasetDocuments(beamtime, dataset, ZoneInfo(renderer.settings.timezone))
    facts = dataset.facts
    shared = (base, facts.key, facts.title, facts.on_disk, documents.own_keywords)
    own = [_digest(stamps[scan.facts.key], _beside_facts(scan)) for scan in dataset.scans]
    keys = [scan.facts.key for scan in dataset.scans]
    for place, scan in enumerate(dataset.scans):
        yield Planned(
            address=page_address(scan.facts.key),
            digest=_digest(shared, own[place], keys[max(place - 1, 0) : place + 2]),
            pages=partial(renderer.scan_pages, beamtime, scan, dataset),
            key=scan.facts.key,
            document=partial(documents.of_scan, scan),
        )
    digests[facts.key] = _digest(base, facts, sorted(dataset.origin.items()), own)
    yield Planned(
        address=page_address(facts.key),
        digest=digests[facts.key],
        pages=partial(renderer.dataset_pages, beamtime, dataset),
        key=facts.key,
        document=documents.of_dataset,
    )


def _of_beamtime(
    renderer: Renderer,
    beamtime: Beamtime,
    datasets: Sequence[CuratedDataset],
    settings_digest: str,
    digests: Mapping[str, str],
) -> Iterator[Planned]:
    ordered = newest_first(datasets)
    problems = list(problems_of(ordered))
    told = [(one.scan.facts.key, one.problem) for one in problems]
    totals = (len(ordered), sum(len(one.scans) for one in ordered), told)
    base = _digest(settings_digest, record_bytes(BEAMTIMES, replace(beamtime, scan_groups={})), totals)

    def page(number: int) -> Iterator[Page]:
        yield renderer.beamtime_page(beamtime, ordered, problems, number)

    for number, chosen in dealt(ordered):
        yield Planned(
            address=f"{beamtime_address(beamtime.id)}{page_name(number)}",
            digest=_digest(base, [digests[dataset.facts.key] for dataset in chosen]),
            pages=partial(page, number),
        )


def _beside_facts(scan: CuratedScan) -> list[object]:
    """Give all of a curated scan but what its record holds, in a fixed order."""
    told = [getattr(scan, field.name) for field in fields(scan) if field.name != "facts"]
    return [sorted(value.items()) if isinstance(value, Mapping) else value for value in told]


def _digest(*made_from: object) -> str:
    return hashlib.sha256(repr(made_from).encode("utf-8", "surrogatepass")).hexdigest()[:32]
