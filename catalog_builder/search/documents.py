"""What the search knows of a dataset or scan: its words, facet values, sort keys, numbers and the row it shows.

Knows how a record becomes a document; does not know how documents are kept or found.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo

from catalog_builder.facets import Level
from catalog_builder.names import page_address, proposal_forms, readable
from catalog_builder.records import Beamtime, CuratedDataset, CuratedScan, Json, Quantity, Scan
from catalog_builder.search.figures import dataset_numbers, dataset_units, date_of, scan_numbers, scan_units, year_of
from catalog_builder.search.text import natural

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
    "comment": 0.5,
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

MARKS: Mapping[str, str] = {
    "preview": "a preview picture",
    "curve": "a curve among its previews",
    "map": "a map among its previews",
    "image": "images or spectra of a detector",
    "peak": "a peak that was found and measured",
    "title": "a title of its own",
    "comment": "a comment",
    "problem": "a problem that was met when it was read",
}
"""What ``has:`` asks for besides facets and numbers; a document's are in its facet column ``has``."""

_FROM_IMAGES = frozenset(("frame", "projection", "spectra"))

HAS = "has"
"""The facet column that holds a document's MARKS; no facet that is shown."""

_DESCRIBING = ("sample_description", "chemical_formula", "user_comment")
"""Parameters whose words tell of a scan, as Sardana's macros at DESY and writers of NeXus files name them."""


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
    """By facet name, or by one of FACETS_OF_DATASETS, or HAS; each value once."""
    sorts: Mapping[str, str | float] = field(default_factory=dict)
    """By a field of SORTS, ``date`` as seconds since 1970; a missing one sorts last both ways."""
    numbers: Mapping[str, float] = field(default_factory=dict)
    """What can be compared and sorted by, named by ``figures.number_name``: ``positioner.chi``, ``channel.roi1.max``,
    ``energy``, ``energy.min``, ``points``, ``date`` (s since 1970).

    Queries compare a scan's own numbers, and of its dataset ``scans`` and ``size`` alone (``OfDataset``). All others
    of a dataset are only for sorting: sums (``points``), spans (``duration``) and averages (``energy``) that none of
    its scans need have.
    """
    units: Mapping[str, str] = field(default_factory=dict)
    """Of numbers, by the same names, where known: one of ``units.UNITS``."""
    fields: Mapping[str, Json] = field(default_factory=dict)
    """What a hit's row shows."""


class DatasetDocuments:
    """The documents of a dataset and of each scan in it.

    A scan carries the words that belong to its dataset and beamtime as well, so that it alone tells whether
    it, and with it its dataset, satisfies a query.
    """

    def __init__(self, beamtime: Beamtime, dataset: CuratedDataset, zone: tzinfo = UTC) -> None:
        """Take the beamline's zone for the years and months of what was measured."""
        self._beamtime = beamtime
        self._zone = zone
        self._dataset = dataset
        of_scans = {word for scan in dataset.scans for word in scan.keywords}
        self.own_keywords = tuple(word for word in dataset.facts.keywords if word not in of_scans)
        self._shared = _shared_texts(beamtime, dataset)

    def of_dataset(self) -> Document:
        """Give the dataset's own document."""
        return _of_dataset(self._beamtime, self._dataset, self._shared, self._zone)

    def of_scan(self, scan: CuratedScan) -> Document:
        """Give the document of a scan in the dataset."""
        return _of_scan(self._beamtime, self._dataset, scan, self.own_keywords, self._shared, self._zone)


def documents_of(beamtime: Beamtime, dataset: CuratedDataset, zone: tzinfo = UTC) -> list[Document]:
    """Give the documents of a dataset and of each scan in it."""
    made = DatasetDocuments(beamtime, dataset, zone)
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


def _of_dataset(
    beamtime: Beamtime, dataset: CuratedDataset, shared: Mapping[str, tuple[str, ...]], zone: tzinfo
) -> Document:
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
        "comment": _texts(*(text for scan in dataset.scans for text in _comments(scan.facts))),
    }
    states = sorted({scan.facts.state for scan in dataset.scans})
    return Document(
        key=facts.key,
        level="dataset",
        beamtime=beamtime.id,
        dataset=facts.key,
        texts=texts,
        facets=_dataset_facets(beamtime, dataset, zone),
        sorts=_sorts(
            beamtime,
            facts.started,
            name=readable(facts.slug),
            title=facts.title,
            sample=facts.sample,
            macro=next(iter(facts.macros), None),
            flag=next(iter(facts.flags), None),
            state=next(iter(states), None),
            on_disk=facts.on_disk,
        ),
        numbers=dataset_numbers(beamtime, dataset, zone),
        units=dataset_units(dataset),
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
    zone: tzinfo,
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
        "comment": _comments(facts),
    }
    return Document(
        key=facts.key,
        level="scan",
        beamtime=beamtime.id,
        dataset=dataset.facts.key,
        texts=texts,
        facets=_scan_facets(beamtime, dataset, scan, keywords, zone),
        sorts=_sorts(
            beamtime,
            facts.started,
            name=name,
            title=scan.title or name,
            sample=scan.sample,
            macro=facts.command.macro,
            flag=scan.flag,
            state=facts.state,
            on_disk=scan.on_disk,
        ),
        numbers=scan_numbers(beamtime, scan, zone),
        units=scan_units(scan),
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


def _comments(facts: Scan) -> tuple[str, ...]:
    """Give what people wrote to a scan, and who measured it."""
    described = (facts.parameters.get(name) for name in _DESCRIBING)
    return _texts(*facts.comments, *(text for text in described if isinstance(text, str)), facts.user)


def _dataset_facets(beamtime: Beamtime, dataset: CuratedDataset, zone: tzinfo) -> dict[str, tuple[str, ...]]:
    facts = dataset.facts
    started = [scan.facts.started for scan in dataset.scans] or [facts.started]
    marks = {mark for scan in dataset.scans for mark in _marks(scan)}
    return _facets_of_beamtime(beamtime) | {
        "year": _texts(*(_year(beamtime, time, zone) for time in started)),
        "month": _texts(*(_month(time, zone) for time in started)),
        "flag": _texts(*facts.flags),
        "keyword": _texts(*facts.keywords),
        "sample": _texts(*(facts.samples or (facts.sample,))),
        "detector": _texts(*facts.detectors),
        "macro": _texts(*facts.macros),
        "positioner": _texts(*(name for scan in dataset.scans for name in _scanned(scan.facts))),
        "on_disk": (facts.on_disk,),
        "dataset.on_disk": (facts.on_disk,),
        "state": _texts(*(scan.facts.state for scan in dataset.scans)),
        HAS: tuple(mark for mark in MARKS if mark in marks),
    }


def _scan_facets(
    beamtime: Beamtime, dataset: CuratedDataset, scan: CuratedScan, keywords: tuple[str, ...], zone: tzinfo
) -> dict[str, tuple[str, ...]]:
    facts = scan.facts
    return _facets_of_beamtime(beamtime) | {
        "year": _texts(_year(beamtime, facts.started, zone)),
        "month": _texts(_month(facts.started, zone)),
        "flag": (scan.flag,),
        "keyword": keywords,
        "sample": _texts(scan.sample),
        "detector": _texts(*facts.detectors),
        "macro": _texts(facts.command.macro),
        "positioner": _scanned(facts),
        "on_disk": (scan.on_disk,),
        "dataset.on_disk": _texts(scan.on_disk, dataset.facts.on_disk),
        "state": (facts.state,),
        HAS: tuple(_marks(scan)),
    }


def _facets_of_beamtime(beamtime: Beamtime) -> dict[str, tuple[str, ...]]:
    return {
        "beamtime": (beamtime.id,),
        "proposal": _texts(beamtime.proposal_id),
        "pi": _texts(beamtime.pi),
    }


def _marks(scan: CuratedScan) -> list[str]:
    """Give the MARKS of a scan, in their order."""
    facts = scan.facts
    kinds = {preview.kind for preview in facts.previews}
    holds = {
        "preview": bool(kinds),
        "curve": "curve" in kinds,
        "map": "map" in kinds,
        "image": any(file.detector for file in facts.files) or not kinds.isdisjoint(_FROM_IMAGES),
        "peak": facts.peak is not None,
        "title": bool(scan.title),
        "comment": bool(facts.comments),
        "problem": bool(facts.problems),
    }
    return [mark for mark in MARKS if holds[mark]]


def _scanned(facts: Scan) -> tuple[str, ...]:
    """Give the positioners that were scanned; what it is drawn over where the command does not say."""
    return _texts(*(each.positioner for each in facts.command.ranges)) or _texts(*facts.axes)


def _sorts(beamtime: Beamtime, started: datetime | None, **texts: str | None) -> dict[str, str | float]:
    """Give what is sorted by: texts in natural order, ``date``; what there is none of is left out."""
    known = {**texts, "beamtime": beamtime.id, "proposal": beamtime.proposal_id, "pi": beamtime.pi}
    return {name: natural(text) for name, text in known.items() if text} | date_of(started)


def _year(beamtime: Beamtime, started: datetime | None, zone: tzinfo) -> str | None:
    year = year_of(beamtime, started, zone)
    return None if year is None else f"{year:04d}"


def _month(started: datetime | None, zone: tzinfo) -> str | None:
    if started is None:
        return None
    there = started.astimezone(zone)
    return f"{there.year:04d}-{there.month:02d}"


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
