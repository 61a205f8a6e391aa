"""A segment: some thousands of documents in a folder of its own that never changes once it is written.

Knows how documents become postings and columns and how they are read back; does not know which segments count
(``generations``) nor what is asked of them (``evaluation``).

A segment's folder holds ``postings/`` (Whoosh's), ``columns.bin`` and ``columns.json``. Its columns are those of
``texts``, ``values``, ``sorting`` and ``numbers``, and of each document: ``is_scan``, ``beamtime``, ``dataset``,
``digest``, ``rank`` (order of the keys), ``hash`` and ``hashed`` (keys' hashes in order, and their documents); strings
``key`` and ``row``.
"""

import hashlib
import json
from array import array
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from catalog_builder.facets import FACETS, SORTS
from catalog_builder.records import Json
from catalog_builder.search.columns import Columns, ColumnWriter, Ints, Mask, Numbered, renumbered
from catalog_builder.search.documents import FACETS_OF_DATASETS, HAS, Document
from catalog_builder.search.numbers import NumberColumns, NumberWriter
from catalog_builder.search.postings import Postings, write_postings
from catalog_builder.search.sorting import SortValues, SortWriter
from catalog_builder.search.texts import Texts, TextWriter
from catalog_builder.search.values import Values, ValueWriter

FACET_NAMES: tuple[str, ...] = tuple(facet.name for facet in FACETS)
FACET_COLUMNS: tuple[str, ...] = (*FACET_NAMES, *FACETS_OF_DATASETS.values(), HAS)
SORTED_FIELDS: tuple[str, ...] = tuple(name for name in SORTS if name != "relevance")

_HEAD = 4096
"""Bytes of each postings file whose checksum is kept: all of the table of contents, and the others' beginnings."""


def key_hash(key: str) -> int:
    """Give 64 bits of a key's hash; documents found by it are compared by key."""
    return int.from_bytes(hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def digest(document: Document) -> int:
    """Give 64 bits that change when anything in the document changes."""
    whole = (
        document.key,
        document.level,
        document.beamtime,
        document.dataset,
        sorted(document.texts.items()),
        sorted(document.facets.items()),
        sorted(document.sorts.items()),
        sorted(document.numbers.items()),
        sorted(document.units.items()),
        sorted(document.fields.items()),
    )
    return key_hash(repr(whole))


class SegmentWriter:
    """Collects documents and writes them as one segment; holds them in memory until then."""

    def __init__(self) -> None:
        self.count = 0
        self.replaced: list[int] = []
        """Documents whose key came again later."""
        self._numbers_of: dict[str, int] = {}
        self._keys: list[bytes] = []
        self._rows: list[bytes] = []
        self._digests = array("Q")
        self._is_scan = array("b")
        self._beamtimes, self._beamtime = Numbered[str](), array("i")
        self._datasets, self._dataset = Numbered[str](), array("i")
        self._texts = TextWriter()
        self._facets = {name: ValueWriter() for name in FACET_COLUMNS}
        self._sorts = {name: SortWriter() for name in SORTED_FIELDS}
        self._numbers = NumberWriter()

    def add(self, document: Document) -> None:
        """Add a document; one with the same key added before no longer counts."""
        row = json.dumps(dict(document.fields), ensure_ascii=True, separators=(",", ":")).encode("ascii")
        number = self._begin(document.key, row, digest(document))
        self._is_scan.append(document.level == "scan")
        self._beamtime.append(self._beamtimes.number(document.beamtime))
        self._dataset.append(self._datasets.number(document.dataset))
        self._texts.add(document.texts)
        for name, values in self._facets.items():
            values.add(document.facets.get(name, ()))
        for name, order in self._sorts.items():
            order.add(document.sorts.get(name))
        self._numbers.add(number, document.numbers, document.units)

    def _begin(self, key: str, row: bytes, fingerprint: int) -> int:
        number = self.count
        earlier = self._numbers_of.get(key)
        if earlier is not None:
            self.replaced.append(earlier)
        self._numbers_of[key] = number
        self._keys.append(key.encode("utf-8", "surrogatepass"))
        self._rows.append(row)
        self._digests.append(fingerprint)
        self.count += 1
        return number

    def absorb(self, segment: "Segment", alive: Mask) -> None:
        """Add the documents of another segment that are alive, column by column."""
        kept = np.flatnonzero(alive)
        places = np.full(segment.count, -1, np.int32)
        places[kept] = np.arange(self.count, self.count + len(kept), dtype=np.int32)
        for number in kept.tolist():
            self._begin(segment.key(number), segment.rows[number], int(segment.digests[number]))
        self._is_scan.frombytes(segment.is_scan[kept].astype(np.int8).tobytes())
        _append(self._beamtime, self._beamtimes, segment.beamtime[kept], segment.beamtimes)
        _append(self._dataset, self._datasets, segment.dataset[kept], segment.datasets)
        self._texts.absorb(segment.texts, kept)
        for name, values in self._facets.items():
            values.absorb(segment.values(name), kept)
        for name, order in self._sorts.items():
            order.absorb(segment.sort_values(name), kept)
        self._numbers.absorb(segment.numbers, alive, places)

    def write(self, folder: Path) -> None:
        """Write the segment into a folder that does not exist yet."""
        folder.mkdir()
        writer = ColumnWriter()
        writer.meaning["count"] = self.count
        rank = self._write_keys(writer)
        datasets = self._write_places(writer)
        facets: dict[str, Json] = {name: v.write(writer, name, datasets) for name, v in self._facets.items()}
        writer.meaning["facets"] = facets
        for name, order in self._sorts.items():
            order.write(writer, name, rank)
        writer.meaning["numbers"] = self._numbers.write(writer)
        write_postings(folder / "postings", self._texts.write(writer))
        files = sorted((folder / "postings").iterdir())
        writer.meaning["sizes"] = {str(path.relative_to(folder)): path.stat().st_size for path in files}
        writer.meaning["sums"] = {str(path.relative_to(folder)): _sum_of_head(path) for path in files}
        writer.write(folder)

    def _write_keys(self, writer: ColumnWriter) -> Ints:
        order = np.array(sorted(range(self.count), key=self._keys.__getitem__), np.int32)
        rank = np.empty(self.count, np.int32)
        rank[order] = np.arange(self.count, dtype=np.int32)
        hashes = np.array([key_hash(key.decode("utf-8", "surrogatepass")) for key in self._keys], np.uint64)
        hashed = np.argsort(hashes, kind="stable").astype(np.int32)
        writer.arrays |= {"rank": rank, "hash": hashes[hashed], "hashed": hashed}
        writer.arrays["digest"] = np.array(self._digests, np.uint64)
        writer.arrays["is_scan"] = np.array(self._is_scan, np.int8)
        writer.strings("key", self._keys)
        writer.strings("row", self._rows)
        return rank

    def _write_places(self, writer: ColumnWriter) -> Ints:
        """Write where each document belongs; gives its dataset, numbered as written."""
        for name, values, column in (
            ("beamtime", self._beamtimes, self._beamtime),
            ("dataset", self._datasets, self._dataset),
        ):
            listed, places = values.in_order()
            writer.meaning[name] = list(listed)
            writer.arrays[name] = renumbered(column, places)
        datasets: Ints = writer.arrays["dataset"]
        return datasets


def _sum_of_head(path: Path) -> int:
    """Give the checksum of a file's beginning: what Whoosh unpickles or trusts on opening, as far as it is cheap.

    A damaged pickle may raise anything, or take all memory, before it says that it is one.
    """
    with path.open("rb") as stream:
        return crc32(stream.read(_HEAD))


def _append(column: "array[int]", known: Numbered[Any], numbers: Ints, meanings: list[Any]) -> None:
    """Append another segment's numbers to a column, in this one's numbering."""
    places = np.zeros(len(meanings), np.int32)
    for number in np.unique(numbers).tolist():
        places[number] = known.number(meanings[number])
    column.frombytes(places[numbers].tobytes())


class Segment:
    """A segment, opened for reading; never changes."""

    def __init__(self, folder: Path) -> None:
        """Open the folder; raises OSError, KeyError or ValueError where it is missing or damaged."""
        self.name = folder.name
        self._columns = columns = Columns(folder)
        for path, size in columns.meaning["sizes"].items():
            if (folder / path).stat().st_size != size:
                raise ValueError(f"{folder / path} is damaged")
        for path, checksum in columns.meaning.get("sums", {}).items():
            if _sum_of_head(folder / path) != checksum:
                raise ValueError(f"{folder / path} is damaged")
        self.postings = Postings(folder / "postings")
        self.count: int = columns.meaning["count"]
        self.texts = Texts(columns)
        self.numbers = NumberColumns(columns)
        self.rows = columns.strings("row")
        self._keys = columns.strings("key")
        self.rank: Ints = columns.array("rank")
        self.digests: NDArray[np.uint64] = columns.array("digest")
        self.is_scan: Mask = columns.array("is_scan").astype(np.bool_)
        self.beamtimes: list[str] = columns.meaning["beamtime"]
        self.beamtime: Ints = columns.array("beamtime")
        self.datasets: list[str] = columns.meaning["dataset"]
        self.dataset: Ints = columns.array("dataset")
        self._values = {name: Values.of(columns, name) for name in FACET_COLUMNS}
        self._sorts = {name: SortValues.of(columns, name) for name in SORTED_FIELDS}
        self._hashes: NDArray[np.uint64] = columns.array("hash")
        self._hashed: Ints = columns.array("hashed")

    def key(self, number: int) -> str:
        return self._keys[number].decode("utf-8", "surrogatepass")

    def row(self, number: int) -> dict[str, Json]:
        """Give what a hit's row shows."""
        fields: dict[str, Json] = json.loads(self.rows[number])
        return fields

    def values(self, name: str) -> Values:
        """Give the values of one of FACET_COLUMNS."""
        return self._values[name]

    def sort_values(self, name: str) -> SortValues:
        """Give the order of one of SORTED_FIELDS."""
        return self._sorts[name]

    def find(self, keys: Iterable[str]) -> list[int]:
        """Give the numbers of the documents that have these keys, dead ones included."""
        wanted = list(keys)
        hashes = np.array([key_hash(key) for key in wanted], np.uint64)
        first = np.searchsorted(self._hashes, hashes, "left").tolist()
        last = np.searchsorted(self._hashes, hashes, "right").tolist()
        found: list[int] = []
        for key, start, end in zip(wanted, first, last, strict=True):
            found += [n for n in self._hashed[start:end].tolist() if self.key(n) == key]
        return found
