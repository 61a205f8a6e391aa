"""A segment: some thousands of documents in a folder of its own that never changes once it is written.

Knows how documents become postings and columns and how they are read back; does not know which segments count
(``generations``) nor what is asked of them (``evaluation``).

A segment's folder holds ``postings/`` (Whoosh's), ``columns.bin`` and ``columns.json``. Its columns:

- ``tokens``: numbers of atoms in the segment's sorted ``lexicon``, in reading order, -1 where neighbours end;
  ``rows``: where the tokens of (document, field) end. Phrases, and beginnings that many words share, are read here,
  single words from the postings.
- ``facet.<name>.documents`` and ``.values``; ``sort.<name>`` (-1 where missing); ``number.documents`` and
  ``number.values``, a stretch for each name; ``is_scan``, ``beamtime``, ``dataset``, ``digest``, ``rank`` (order of the
  keys), ``hash`` and ``hashed`` (keys' hashes in order, and their documents); strings ``key`` and ``row``.
"""

import hashlib
import json
from array import array
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog_builder.facets import FACETS, SORTS
from catalog_builder.records import Json
from catalog_builder.search.columns import Columns, ColumnWriter, Ints, Mask, Numbered, renumbered
from catalog_builder.search.documents import FACETS_OF_DATASETS, Document
from catalog_builder.search.postings import TEXT_FIELDS, Postings, write_postings
from catalog_builder.search.text import GAP, folded, indexed_atoms

FACET_NAMES: tuple[str, ...] = tuple(facet.name for facet in FACETS)
FACET_COLUMNS: tuple[str, ...] = (*FACET_NAMES, *FACETS_OF_DATASETS.values())
SORTED_FIELDS: tuple[str, ...] = tuple(name for name in SORTS if name != "relevance")

_BETWEEN = -1
"""The token between atoms that are not neighbours."""


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
        sorted(document.fields.items()),
    )
    return key_hash(repr(whole))


class _Multiple:
    """A column of any number of values a document, being written."""

    def __init__(self) -> None:
        self.values: Numbered[str] = Numbered()
        self.documents = array("i")
        self.numbers = array("i")

    def add(self, document: int, values: Iterable[str]) -> None:
        for value in dict.fromkeys(values):
            self.documents.append(document)
            self.numbers.append(self.values.number(value))


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
        self._lexicon: Numbered[str] = Numbered()
        self._tokens, self._row_ends = array("i"), array("q", [0])
        self._facets = {name: _Multiple() for name in FACET_COLUMNS}
        self._sorts: dict[str, tuple[Numbered[Any], array[int]]] = {
            name: (Numbered(), array("i")) for name in SORTED_FIELDS
        }
        self._numbers: dict[str, tuple[array[int], array[float]]] = {}

    def add(self, document: Document) -> None:
        """Add a document; one with the same key added before no longer counts."""
        row = json.dumps(dict(document.fields), ensure_ascii=True, separators=(",", ":")).encode("ascii")
        number = self._begin(document.key, row, digest(document))
        self._is_scan.append(document.level == "scan")
        self._beamtime.append(self._beamtimes.number(document.beamtime))
        self._dataset.append(self._datasets.number(document.dataset))
        for field in TEXT_FIELDS:
            self._add_texts(document.texts.get(field, ()))
        for name, column in self._facets.items():
            column.add(number, document.facets.get(name, ()))
        for name, (values, places) in self._sorts.items():
            value = document.sorts.get(name)
            places.append(-1 if value is None or value != value else values.number(value))
        for name, figure in document.numbers.items():
            if figure == figure:
                documents, figures = self._numbers.setdefault(folded(name), (array("i"), array("d")))
                documents.append(number)
                figures.append(figure)

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

    def _add_texts(self, texts: Iterable[str]) -> None:
        tokens, number = self._tokens, self._lexicon.number
        for text in texts:
            for atom in indexed_atoms(text):
                tokens.append(number(atom) if atom is not GAP else _BETWEEN)
            tokens.append(_BETWEEN)
        self._row_ends.append(len(tokens))

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
        self._absorb_tokens(segment, kept)
        for name, column in self._facets.items():
            documents, values, meanings = segment.facet(name)
            chosen = alive[documents]
            column.documents.frombytes(places[documents[chosen]].tobytes())
            _append(column.numbers, column.values, values[chosen], meanings)
        for name, (known, ordinals) in self._sorts.items():
            _append(ordinals, known, segment.sort_places(name)[kept], segment.sort_values(name))
        for name in segment.number_names:
            documents, figures = segment.numbers(name)
            chosen = alive[documents]
            mine = self._numbers.setdefault(name, (array("i"), array("d")))
            mine[0].frombytes(places[documents[chosen]].tobytes())
            mine[1].frombytes(figures[chosen].tobytes())

    def _absorb_tokens(self, segment: "Segment", kept: NDArray[np.intp]) -> None:
        fields = len(TEXT_FIELDS)
        tokens, ends = segment.tokens, segment.row_ends
        lengths = np.diff(ends).reshape(-1, fields)[kept].ravel()
        pieces = [tokens[ends[n * fields] : ends[(n + 1) * fields]] for n in kept.tolist()]
        start = len(self._tokens)
        _append(self._tokens, self._lexicon, np.concatenate([np.empty(0, np.int32), *pieces]), segment.lexicon)
        self._row_ends.frombytes((start + np.cumsum(lengths, dtype=np.int64)).tobytes())

    def write(self, folder: Path) -> None:
        """Write the segment into a folder that does not exist yet."""
        folder.mkdir()
        writer = ColumnWriter()
        lexicon, places = self._lexicon.in_order()
        tokens = renumbered(self._tokens, places)
        ends = np.array(self._row_ends, np.int64)
        writer.arrays |= {"tokens": tokens, "rows": ends}
        writer.meaning |= {"count": self.count, "lexicon": list(lexicon)}
        self._write_keys(writer)
        self._write_values(writer)
        self._write_numbers(writer)
        write_postings(folder / "postings", _atoms_by_field(self.count, tokens, ends, lexicon))
        writer.meaning["sizes"] = {
            str(path.relative_to(folder)): path.stat().st_size for path in sorted((folder / "postings").iterdir())
        }
        writer.write(folder)

    def _write_keys(self, writer: ColumnWriter) -> None:
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

    def _write_values(self, writer: ColumnWriter) -> None:
        for name, values, column in (
            ("beamtime", self._beamtimes, self._beamtime),
            ("dataset", self._datasets, self._dataset),
        ):
            writer.meaning[name], places = _listed(values)
            writer.arrays[name] = renumbered(column, places)
        facets: dict[str, Json] = {}
        for name, multiple in self._facets.items():
            facets[name], places = _listed(multiple.values)
            writer.arrays[f"facet.{name}.documents"] = np.array(multiple.documents, np.int32)
            writer.arrays[f"facet.{name}.values"] = renumbered(multiple.numbers, places)
        sorts: dict[str, Json] = {}
        for name, (known, ordinals) in self._sorts.items():
            sorts[name], places = _listed(known)
            writer.arrays[f"sort.{name}"] = renumbered(ordinals, places)
        writer.meaning |= {"facets": facets, "sorts": sorts}

    def _write_numbers(self, writer: ColumnWriter) -> None:
        ends = np.cumsum([0, *(len(documents) for documents, _ in self._numbers.values())]).tolist()
        stretches: dict[str, Json] = {
            name: [start, end] for name, (start, end) in zip(self._numbers, pairwise(ends), strict=True)
        }
        writer.meaning["numbers"] = stretches
        pairs = list(self._numbers.values())
        writer.arrays["number.documents"] = np.concatenate(
            [np.empty(0, np.int32), *(np.array(d, np.int32) for d, _ in pairs)]
        )
        writer.arrays["number.values"] = np.concatenate([np.empty(0), *(np.array(v, np.float64) for _, v in pairs)])


def _listed(values: Numbered[Any]) -> tuple[list[Json], Ints]:
    listed, places = values.in_order()
    return list(listed), places


def _append(column: "array[int]", known: Numbered[Any], numbers: Ints, meanings: list[Any]) -> None:
    """Append another segment's numbers to a column, in this one's numbering."""
    used = np.unique(numbers[numbers >= 0])
    places = np.full(len(meanings), -1, np.int32)
    for number in used.tolist():
        places[number] = known.number(meanings[number])
    column.frombytes(
        (np.where(numbers < 0, -1, places[numbers]) if len(places) else numbers).astype(np.int32).tobytes()
    )


def _atoms_by_field(
    count: int, tokens: Ints, ends: NDArray[np.int64], lexicon: list[str]
) -> Iterator[dict[str, list[bytes]]]:
    """Give for each document the distinct atoms of each field."""
    encoded = [atom.encode("utf-8") for atom in lexicon]
    numbers, bounds = tokens.tolist(), ends.tolist()
    at = 0
    for _ in range(count):
        document: dict[str, list[bytes]] = {}
        for field in TEXT_FIELDS:
            atoms = set(numbers[bounds[at] : bounds[at + 1]])
            atoms.discard(_BETWEEN)
            if atoms:
                document[field] = [encoded[number] for number in atoms]
            at += 1
        yield document


class Segment:
    """A segment, opened for reading; never changes."""

    def __init__(self, folder: Path) -> None:
        """Open the folder; raises OSError, KeyError or ValueError where it is missing or damaged."""
        self.name = folder.name
        self._columns = columns = Columns(folder)
        for path, size in columns.meaning["sizes"].items():
            if (folder / path).stat().st_size != size:
                raise ValueError(f"{folder / path} is damaged")
        self.postings = Postings(folder / "postings")
        self.count: int = columns.meaning["count"]
        self.lexicon: list[str] = columns.meaning["lexicon"]
        self.tokens: Ints = columns.array("tokens")
        self.row_ends: NDArray[np.int64] = columns.array("rows")
        self.rows = columns.strings("row")
        self._keys = columns.strings("key")
        self.rank: Ints = columns.array("rank")
        self.digests: NDArray[np.uint64] = columns.array("digest")
        self.is_scan: Mask = columns.array("is_scan").astype(np.bool_)
        self.beamtimes: list[str] = columns.meaning["beamtime"]
        self.beamtime: Ints = columns.array("beamtime")
        self.datasets: list[str] = columns.meaning["dataset"]
        self.dataset: Ints = columns.array("dataset")
        self._hashes: NDArray[np.uint64] = columns.array("hash")
        self._hashed: Ints = columns.array("hashed")

    def key(self, number: int) -> str:
        return self._keys[number].decode("utf-8", "surrogatepass")

    def row(self, number: int) -> dict[str, Json]:
        """Give what a hit's row shows."""
        fields: dict[str, Json] = json.loads(self.rows[number])
        return fields

    def facet(self, name: str) -> tuple[Ints, Ints, list[str]]:
        """Give the documents (ascending) of one of FACET_COLUMNS, the number of each one's value, and the values."""
        columns = self._columns
        documents, values = columns.array(f"facet.{name}.documents"), columns.array(f"facet.{name}.values")
        return documents, values, columns.meaning["facets"][name]

    def sort_places(self, name: str) -> Ints:
        """Give each document's place among the sort values, -1 where it has none."""
        places: Ints = self._columns.array(f"sort.{name}")
        return places

    def sort_values(self, name: str) -> list[Any]:
        values: list[Any] = self._columns.meaning["sorts"][name]
        return values

    @property
    def number_names(self) -> Iterable[str]:
        names: Iterable[str] = self._columns.meaning["numbers"].keys()
        return names

    def numbers(self, name: str) -> tuple[Ints, NDArray[np.float64]]:
        """Give the documents that have the number, ascending, and its values; empty where none has."""
        start, end = self._columns.meaning["numbers"].get(name, (0, 0))
        return (
            self._columns.array("number.documents")[start:end],
            self._columns.array("number.values")[start:end],
        )

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
