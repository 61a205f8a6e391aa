"""What the search knows of a dataset or scan: its words, facet values, sort keys, numbers and the row it shows.

Knows how a record becomes a document; does not know how documents are kept or found.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from catalog_builder.facets import Level
from catalog_builder.names import page_address, proposal_forms, readable
from catalog_builder.records import Beamtime, CuratedDataset, CuratedScan, Json, Quantity, Scan
from catalog_builder.search.text import folded, natural

WEIGHTS: Mapping[str, float] = {
    "name": 4.0,
    "beamtime": 4.0,
    "proposal": 4.0,
    "sample": 3.0,
    "title": 3.0,
    "keyword": 3.0,
    "dataset": 2.0,
    "dataset_title": 2.0,
    "pi": 2.0,
    "positioner": 1.5,
    "detector": 1.0,
    "command": 1.0,
    "flag": 0.5,
}
"""The fields whose words are found, and what a word found there counts; below 8 each."""

NAMES: frozenset[str] = frozenset(("name", "dataset", "sample", "beamtime", "proposal"))
"""Fields in which the middle of a word is found too: ``2021090`` and ``210907`` find ``20210907``."""

TEXTS_OF_DATASETS: Mapping[str, tuple[str, ...]] = {
    "name": ("name", "dataset"),
    "title": ("title", "dataset_title"),
}
"""Where datasets are asked for: fields whose words may also be the dataset's own, and where a scan carries those."""

FACETS_OF_DATASETS: Mapping[str, str] = {"on_disk": "dataset.on_disk"}
"""Where datasets are asked for: facets of which a dataset has a value none of its scans has (``part``), and where a
scan carries its own and that one."""

MARKS = "has"
"""The column of what a document has besides words and numbers, as ``has:preview`` asks for it; it is never counted."""

_UNASKABLE = re.compile(r"[^\w.\-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One dataset or scan as the search sees it."""

    key: str
    level: Level
    beamtime: str
    dataset: str
    """Key of the dataset a scan is in; a dataset's own key."""
    texts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By field, one of WEIGHTS; a phrase is found within one text."""
    facets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By facet name, or by one of FACETS_OF_DATASETS; each value once."""
    sorts: Mapping[str, str | float] = field(default_factory=dict)
    """By a field of SORTS, ``date`` as seconds since 1970; a missing one sorts last both ways."""
    numbers: Mapping[str, float] = field(default_factory=dict)
    """What can be compared: ``positioner.chi``, ``energy``, ``points``, ``date`` (s since 1970); by ``number_name``."""
    units: Mapping[str, str] = field(default_factory=dict)
    """Of numbers, by the same names, where known: one of ``units.UNITS``."""
    fields: Mapping[str, Json] = field(default_factory=dict)
    """What a hit's row shows."""


def number_name(name: str) -> str:
    """Give the name a number is asked for by: folded, and what cannot stand before a colon as ``_``.

    ``Two Theta`` is ``two_theta``.
    """
    return _UNASKABLE.sub("_", folded(name))


class DatasetDocuments:
    """The documents of a dataset and of each scan in it.

    A scan carries the words that belong to its dataset and beamtime as well, so that it alone tells whether
    it, and with it its dataset, satisfies a query.
    """

    def __init__(self, beamtime: Beamtime, dataset: CuratedDataset) -> None:
        self._beamtime = beamtime
        self._dataset = dataset
        of_scans = {word for scan in dataset.scans for word in scan.keywords}
        self.own_keywords = tuple(word for word in dataset.facts.keywords if word not in of_scans)
        self._shared = _shared_texts(beamtime, dataset)

    def of_dataset(self) -> Document:
        """Give the dataset's own document."""
        return _of_dataset(self._beamtime, self._dataset, self._shared)

    def of_scan(self, scan: CuratedScan) -> Document:
        """Give the document of a scan in the dataset."""
        return _of_scan(self._beamtime, self._dataset, scan, self.own_keywords, self._shared)


def documents_of(beamtime: Beamtime, dataset: CuratedDataset) -> list[Document]:
    """Give the documents of a dataset and of each scan in it."""
    made = DatasetDocuments(beamtime, dataset)
    return [made.of_dataset(), *(made.of_scan(scan) for scan in dataset.scans)]


def _shared_texts(beamtime: Beamtime, dataset: CuratedDataset) -> dict[str, tuple[str, ...]]:
    forms: tuple[str, ...] = ()
    if beamtime.proposal_id:
        forms = proposal_forms(beamtime.proposal_id, beamtime.proposal_type, beamtime.id)
    facts = dataset.facts
    return {
        "beamtime": _texts(beamtime.id, beamtime.title),
        "proposal": forms,
        "pi": _texts(beamtime.pi),
        "dataset": _addressed(beamtime, facts.slug),
        "dataset_title": _texts(facts.title),
    }


def _addressed(beamtime: Beamtime, name: str) -> tuple[str, ...]:
    """Give a name with its beamtime in front, so that a pasted key is found; as in its key too where that differs."""
    return tuple(f"{beamtime.id}/{form}" for form in _texts(readable(name), name if "=" in name else None))


def _of_dataset(beamtime: Beamtime, dataset: CuratedDataset, shared: Mapping[str, tuple[str, ...]]) -> Document:
    facts = dataset.facts
    texts = {
        **shared,
        "name": _texts(readable(facts.slug)),
        "title": _texts(facts.title),
        "sample": _texts(facts.sample, *facts.samples),
        "keyword": facts.keywords,
        "detector": facts.detectors,
        "command": facts.macros,
        "flag": facts.flags,
    }
    return Document(
        key=facts.key,
        level="dataset",
        beamtime=beamtime.id,
        dataset=facts.key,
        texts=texts,
        facets=_dataset_facets(beamtime, dataset),
        sorts=_sorts(beamtime, facts.started, readable(facts.slug), facts.sample),
        numbers=_times(beamtime, facts.started) | {"scans": float(len(facts.scans)), "size": float(facts.size)},
        fields=_dataset_row(beamtime, dataset),
    )


def _dataset_row(beamtime: Beamtime, dataset: CuratedDataset) -> dict[str, Json]:
    facts = dataset.facts
    main = next((scan for scan in dataset.scans if scan.facts.key == facts.main_scan), None)
    row = _row(beamtime, facts.key, facts.started, main)
    return row | {
        "title": facts.title,
        "name": readable(facts.slug),
        "sample": facts.sample,
        "flags": list(facts.flags),
        "keywords": list(facts.keywords),
        "scans": len(facts.scans),
        "command": None if main is None else main.facts.command.text or None,
        "energy": _energy(facts.quantities),
        "on_disk": facts.on_disk,
    }


def _of_scan(
    beamtime: Beamtime,
    dataset: CuratedDataset,
    scan: CuratedScan,
    dataset_keywords: tuple[str, ...],
    shared: Mapping[str, tuple[str, ...]],
) -> Document:
    facts = scan.facts
    keywords = _texts(*scan.keywords, *dataset_keywords)
    name = readable(facts.name)
    texts = {
        **shared,
        "name": _addressed(beamtime, facts.name),
        "title": _texts(scan.title),
        "sample": _texts(scan.sample),
        "keyword": keywords,
        "detector": facts.detectors,
        "command": _texts(facts.command.text),
        "positioner": _scanned(facts),
        "flag": (scan.flag,),
    }
    return Document(
        key=facts.key,
        level="scan",
        beamtime=beamtime.id,
        dataset=dataset.facts.key,
        texts=texts,
        facets=_scan_facets(beamtime, dataset, scan, keywords),
        sorts=_sorts(beamtime, facts.started, name, scan.sample),
        numbers=_numbers(beamtime, scan),
        fields=_scan_row(beamtime, scan, keywords),
    )


def _scan_row(beamtime: Beamtime, scan: CuratedScan, keywords: tuple[str, ...]) -> dict[str, Json]:
    facts = scan.facts
    name = readable(facts.name)
    row = _row(beamtime, facts.key, facts.started, scan)
    return row | {
        "title": scan.title or name,
        "name": name,
        "sample": scan.sample,
        "flags": [scan.flag],
        "keywords": list(keywords),
        "scans": 1,
        "command": facts.command.text or None,
        "energy": _energy(scan.quantities),
        "on_disk": scan.on_disk,
    }


def _texts(*values: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value for value in values if value))


def _dataset_facets(beamtime: Beamtime, dataset: CuratedDataset) -> dict[str, tuple[str, ...]]:
    facts = dataset.facts
    return _facets_of_beamtime(beamtime) | {
        "flag": _texts(*facts.flags),
        "keyword": _texts(*facts.keywords),
        "sample": _texts(*(facts.samples or (facts.sample,))),
        "detector": _texts(*facts.detectors),
        "macro": _texts(*facts.macros),
        "positioner": _texts(*(name for scan in dataset.scans for name in _scanned(scan.facts))),
        "on_disk": (facts.on_disk,),
        "dataset.on_disk": (facts.on_disk,),
        "state": _texts(*(scan.facts.state for scan in dataset.scans)),
    }


def _scan_facets(
    beamtime: Beamtime, dataset: CuratedDataset, scan: CuratedScan, keywords: tuple[str, ...]
) -> dict[str, tuple[str, ...]]:
    facts = scan.facts
    return _facets_of_beamtime(beamtime) | {
        "flag": (scan.flag,),
        "keyword": keywords,
        "sample": _texts(scan.sample),
        "detector": _texts(*facts.detectors),
        "macro": _texts(facts.command.macro),
        "positioner": _scanned(facts),
        "on_disk": (scan.on_disk,),
        "dataset.on_disk": _texts(scan.on_disk, dataset.facts.on_disk),
        "state": (facts.state,),
    }


def _facets_of_beamtime(beamtime: Beamtime) -> dict[str, tuple[str, ...]]:
    return {
        "beamtime": (beamtime.id,),
        "proposal": _texts(beamtime.proposal_id),
        "pi": _texts(beamtime.pi),
        "year": () if beamtime.year is None else (str(beamtime.year),),
    }


def _scanned(facts: Scan) -> tuple[str, ...]:
    """Give the positioners that were scanned; what it is drawn over where the command does not say."""
    return _texts(*(each.positioner for each in facts.command.ranges)) or _texts(*facts.axes)


def _sorts(beamtime: Beamtime, started: datetime | None, name: str, sample: str | None) -> dict[str, str | float]:
    keys: dict[str, str | float] = {"name": natural(name), "beamtime": natural(beamtime.id)}
    if sample:
        keys["sample"] = natural(sample)
    if beamtime.proposal_id:
        keys["proposal"] = natural(beamtime.proposal_id)
    return keys | _date(started)


def _date(started: datetime | None) -> dict[str, float]:
    return {} if started is None else {"date": started.timestamp()}


def _times(beamtime: Beamtime, started: datetime | None) -> dict[str, float]:
    return _date(started) | ({} if beamtime.year is None else {"year": float(beamtime.year)})


def _numbers(beamtime: Beamtime, scan: CuratedScan) -> dict[str, float]:
    facts = scan.facts
    numbers = {number_name(f"positioner.{name}"): value for name, value in facts.positioners.items()}
    numbers |= {number_name(quantity.name): quantity.average for quantity in scan.quantities}
    numbers |= _times(beamtime, facts.started)
    numbers["points"] = float(facts.points)
    numbers["size"] = float(sum(file.size for file in facts.files))
    if facts.number is not None:
        numbers["number"] = float(facts.number)
    if facts.command.exposure is not None:
        numbers["exposure"] = facts.command.exposure
    return numbers


def _energy(quantities: Iterable[Quantity]) -> float | None:
    return next((quantity.average for quantity in quantities if quantity.name == "energy"), None)


def _row(beamtime: Beamtime, key: str, started: datetime | None, pictured: CuratedScan | None) -> dict[str, Json]:
    has_preview = pictured is not None and bool(pictured.facts.previews)
    return {
        "beamtime": beamtime.id,
        "proposal": beamtime.proposal_id,
        "proposal_type": beamtime.proposal_type,
        "date": None if started is None else started.isoformat(),
        "thumb": f"{page_address(pictured.facts.key)}thumb.png" if pictured is not None and has_preview else None,
        "address": page_address(key),
    }
