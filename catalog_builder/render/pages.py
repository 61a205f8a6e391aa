"""What the static pages show, put together from curated records before a template lays it out.

Knows which previews, rows and problems a page picks; does not know HTML or files.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from catalog_builder.config import Settings
from catalog_builder.names import page_address
from catalog_builder.records import (
    CuratedDataset,
    CuratedScan,
    Preview,
    Problem,
    Quantity,
)
from catalog_builder.render import addresses
from catalog_builder.render.shapes import Neighbours

PICTURES = 2
"""Previews a dataset's page shows."""

PROBLEMS = 100
"""Problems of its scans a beamtime's page names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A preview with the scan it is of."""

    scan: CuratedScan
    preview: Preview
    address: str
    page: str
    """Address of the scan's page."""
    main: bool
    """True for a scan's first preview, which the peak's facts belong to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A line of the scientific metadata; without a quantity it was not recorded."""

    name: str
    quantity: Quantity | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetRow:
    """A dataset in its beamtime's list."""

    dataset: CuratedDataset
    thumb: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanProblem:
    """A problem with the scan it was met in."""

    scan: CuratedScan
    problem: Problem


def newest_first(datasets: Sequence[CuratedDataset]) -> list[CuratedDataset]:
    """Order datasets by their start, newest first, those without a time last, then by slug."""
    timeless = [one for one in datasets if one.facts.started is None]
    timed = [one for one in datasets if one.facts.started is not None]
    timed.sort(key=lambda one: one.facts.slug)
    timed.sort(key=lambda one: one.facts.started.timestamp() if one.facts.started else 0.0, reverse=True)
    return timed + sorted(timeless, key=lambda one: one.facts.slug)


def dataset_row(dataset: CuratedDataset, main_flag: str) -> DatasetRow:
    """Give a dataset's row, with the thumbnail of the scan that stands for it."""
    chosen = _standing_for(dataset, main_flag)
    return DatasetRow(dataset=dataset, thumb=addresses.thumbnail(chosen[0]) if chosen else None)


def pictures_of_dataset(dataset: CuratedDataset, main_flag: str) -> list[Picture]:
    """Give the first previews of the scans of the main flag; of any scans where none of those has one."""
    return [next(iter(pictures_of_scan(scan))) for scan in _standing_for(dataset, main_flag)[:PICTURES]]


def pictures_of_scan(scan: CuratedScan) -> list[Picture]:
    """Give all previews of a scan, the main one first."""
    page = page_address(scan.facts.key)
    return [
        Picture(scan=scan, preview=one, address=addresses.preview(scan, one.name), page=page, main=place == 0)
        for place, one in enumerate(scan.facts.previews)
    ]


def _standing_for(dataset: CuratedDataset, main_flag: str) -> list[CuratedScan]:
    """Give the scans with a preview: those of the main flag before others, the main scan before its like."""
    drawn = [scan for scan in dataset.scans if scan.facts.previews]
    main = dataset.facts.main_scan
    return sorted(drawn, key=lambda scan: (scan.flag != main_flag, scan.facts.key != main))


def main_scan(dataset: CuratedDataset) -> CuratedScan | None:
    """Give the scan that stands for a dataset, or None where it has no scan."""
    named = (scan for scan in dataset.scans if scan.facts.key == dataset.facts.main_scan)
    return next(named, None) or next(iter(dataset.scans), None)


def figures_of(quantities: Sequence[Quantity], settings: Settings) -> list[Figure]:
    """Give the scientific metadata: the settings' quantities in their order, then any others."""
    known = {one.name: one for one in quantities}
    names = [*settings.quantities, *(name for name in known if name not in settings.quantities)]
    return [Figure(name=name, quantity=known.get(name)) for name in names]


def rules_behind(dataset: CuratedDataset) -> dict[str, tuple[str, ...]]:
    """Give the rules that set values of its scans, by ``flag.alignment``, ``keywords.XRR``."""
    found: dict[str, set[str]] = {}
    for scan in dataset.scans:
        for key, origin in scan.origin.items():
            if origin.source == "rule" and origin.name:
                found.setdefault(f"flag.{scan.flag}" if key == "flag" else key, set()).add(origin.name)
    return {key: tuple(sorted(rules)) for key, rules in found.items()}


def problems_of(datasets: Sequence[CuratedDataset]) -> Iterator[ScanProblem]:
    """Give the problems met in a beamtime's scans."""
    for dataset in datasets:
        for scan in dataset.scans:
            for problem in scan.facts.problems:
                yield ScanProblem(scan=scan, problem=problem)


def neighbours(scan: CuratedScan, dataset: CuratedDataset, place: int) -> Neighbours:
    """Give the scans beside the one at this place in its dataset."""
    scans = dataset.scans
    if not 0 <= place < len(scans) or scans[place].facts.key != scan.facts.key:
        return Neighbours()
    return Neighbours(
        before=scans[place - 1] if place else None,
        after=scans[place + 1] if place + 1 < len(scans) else None,
    )
