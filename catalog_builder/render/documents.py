"""The JSON beside a page: what files say, what counts, and where each value came from.

Knows the shape ``{"key", "facts", "effective", "origin"}``; does not know pages.
"""

import json
from collections.abc import Mapping

from pydantic import TypeAdapter

from catalog_builder.records import CuratedDataset, CuratedScan, Dataset, Origin, Quantity
from catalog_builder.recordstore import public_json

_DATASETS: TypeAdapter[Dataset] = TypeAdapter(Dataset)
_ORIGINS: TypeAdapter[Mapping[str, Origin]] = TypeAdapter(Mapping[str, Origin])
_QUANTITIES: TypeAdapter[tuple[Quantity, ...]] = TypeAdapter(tuple[Quantity, ...])


def scan_json(scan: CuratedScan) -> bytes:
    """Give a scan's ``scan.json``, the same bytes for the same scan."""
    effective = {
        "flag": scan.flag,
        "keywords": list(scan.keywords),
        "sample": scan.sample,
        "title": scan.title,
        "dataset": scan.dataset,
        "on_disk": scan.on_disk,
        "quantities": _QUANTITIES.dump_python(scan.quantities, mode="json"),
    }
    return _document(scan.facts.key, public_json(scan.facts), effective, scan.origin)


def dataset_json(dataset: CuratedDataset) -> bytes:
    """Give a dataset's ``dataset.json``, the same bytes for the same dataset."""
    facts = dataset.facts
    effective = {
        "title": facts.title,
        "sample": facts.sample,
        "flags": list(facts.flags),
        "keywords": list(facts.keywords),
        "scans": [scan.facts.key for scan in dataset.scans],
        "on_disk": facts.on_disk,
    }
    return _document(facts.key, _DATASETS.dump_python(facts, mode="json"), effective, dataset.origin)


def _document(key: str, facts: object, effective: object, origin: Mapping[str, Origin]) -> bytes:
    """Put the document together; a file name that is no Unicode keeps its bytes as ``\\udcXX`` escapes."""
    origins = _ORIGINS.dump_python(origin, mode="json")
    document = {"key": key, "facts": facts, "effective": effective, "origin": dict(sorted(origins.items()))}
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8", "backslashreplace") + b"\n"
