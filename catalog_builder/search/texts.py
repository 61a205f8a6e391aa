"""The distinct texts of a segment: which words stand in which of them, and which documents hold which.

Knows fields, texts, their atoms and documents by number; does not know what a query means. People repeat themselves:
a beamtime's title is written once here, however many scans carry it.

Columns, of A atoms, T texts and N documents:

- ``text.field`` (T), the field's place in TEXT_FIELDS; the atoms are those of ``lexicon``
- ``tokens``: numbers of atoms, text after text in reading order, -1 where neighbours end and behind each text;
  ``token.text``, whose they are, and ``token.ends`` (T + 1)
- ``atom.tokens``, ``atom.ends`` (A + 1): the places of each atom's tokens; ``atom.documents`` (A), how many documents
  hold it; ``atom.fields`` (A), in which fields, a bit each
- ``text.documents``, ``text.ends`` (T + 1): the documents that hold each text, ascending;
  ``document.texts``, ``document.ends`` (N + 1): the other way round
"""

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from catalog_builder.search.columns import Columns, ColumnWriter, Ints, Longs, Numbered
from catalog_builder.search.lexicon import Lexicon, write_lexicon
from catalog_builder.search.postings import TEXT_FIELDS
from catalog_builder.search.text import GAP, indexed_atoms

BETWEEN = -1
"""The token between atoms that are not neighbours."""

_FIELD_NUMBERS = {name: number for number, name in enumerate(TEXT_FIELDS)}


class TextWriter:
    """Collects the texts of documents."""

    def __init__(self) -> None:
        self._lexicon: Numbered[str] = Numbered()
        self._texts: Numbered[tuple[int, bytes]] = Numbered()
        """Field and tokens, as bytes."""
        self._seen: dict[tuple[int, str], int] = {}
        self._held, self._ends = array("i"), array("q", [0])

    def add(self, texts: Mapping[str, Iterable[str]]) -> None:
        """Add the next document's texts, by field."""
        held: dict[int, None] = {}
        for name, several in texts.items():
            field = _FIELD_NUMBERS[name]
            for text in several:
                number = self._seen.get((field, text))
                if number is None:
                    number = self._seen[field, text] = self._texts.number((field, self._tokens(text)))
                held[number] = None
        self._held.extend(held)
        self._ends.append(len(self._held))

    def _tokens(self, text: str) -> bytes:
        number = self._lexicon.number
        atoms = (BETWEEN if atom is GAP else number(atom) for atom in indexed_atoms(text))
        return array("i", [*atoms, BETWEEN]).tobytes()

    def absorb(self, texts: "Texts", kept: NDArray[np.intp]) -> None:
        """Add some of another segment's documents, in their order."""
        held, lengths = texts.texts_of(kept)
        used = np.unique(held)
        atoms = np.unique(np.concatenate([np.empty(0, np.int32), *(texts.tokens_of(n) for n in used.tolist())]))
        renumbered = np.full(len(texts.lexicon) + 1, BETWEEN, np.int32)
        for atom in atoms[atoms >= 0].tolist():
            renumbered[atom] = self._lexicon.number(texts.lexicon[atom])
        places = np.zeros(texts.count, np.int32)
        for number in used.tolist():
            mine = renumbered[texts.tokens_of(number)].tobytes()
            places[number] = self._texts.number((int(texts.field[number]), mine))
        start = len(self._held)
        self._held.frombytes(places[held].tobytes())
        self._ends.frombytes((start + np.cumsum(lengths, dtype=np.int64)).tobytes())

    def write(self, writer: ColumnWriter) -> Iterator[dict[str, list[bytes]]]:
        """Write the columns; gives for each document the distinct atoms of each field."""
        lexicon, places = self._lexicon.in_order()
        order = np.append(places, np.int32(BETWEEN))
        tokens = [order[np.frombuffer(words, np.int32)] for _, words in self._texts.values]
        fields = np.array([field for field, _ in self._texts.values], np.uint8)
        held, ends = np.array(self._held, np.int32), np.array(self._ends, np.int64)
        encoded = [atom.encode("utf-8") for atom in lexicon]
        write_lexicon(writer, encoded)
        writer.arrays |= {"text.field": fields, "document.texts": held, "document.ends": ends}
        _write_tokens(writer, tokens)
        documents = _inverted(np.repeat(np.arange(len(ends) - 1, dtype=np.int32), np.diff(ends)), held, len(fields))
        writer.arrays |= {"text.documents": documents[0], "text.ends": documents[1]}
        _write_atoms(writer, len(lexicon))
        distinct = [[encoded[n] for n in dict.fromkeys(mine.tolist()) if n != BETWEEN] for mine in tokens]
        return _atoms_by_field(distinct, fields.tolist(), held.tolist(), ends.tolist())


def _write_tokens(writer: ColumnWriter, tokens: Sequence[Ints]) -> None:
    writer.arrays["tokens"] = np.concatenate([np.empty(0, np.int32), *tokens])
    lengths = np.array([len(mine) for mine in tokens], np.int64)
    writer.arrays["token.text"] = np.repeat(np.arange(len(tokens), dtype=np.int32), lengths)
    writer.arrays["token.ends"] = np.append(0, np.cumsum(lengths)).astype(np.int64)


def _write_atoms(writer: ColumnWriter, atoms: int) -> None:
    tokens, texts = writer.arrays["tokens"], writer.arrays["token.text"]
    places = np.flatnonzero(tokens >= 0).astype(np.int32)
    standing, ends = _inverted(places, tokens[places], atoms)
    writer.arrays |= {"atom.tokens": standing, "atom.ends": ends}
    # Each text of an atom once, however often it stands in it; two texts of one document count twice.
    pairs = np.unique(tokens[places].astype(np.int64) << 32 | texts[places])
    atom, text = (pairs >> 32).astype(np.int32), (pairs & 0xFFFFFFFF).astype(np.int32)
    documents = np.diff(writer.arrays["text.ends"])[text]
    counts = np.bincount(atom, weights=documents, minlength=atoms)
    fields = np.zeros(atoms, np.uint32)
    np.bitwise_or.at(fields, atom, np.uint32(1) << writer.arrays["text.field"][text].astype(np.uint32))
    writer.arrays |= {"atom.documents": counts.astype(np.int32), "atom.fields": fields}


def _inverted(values: Ints, keys: Ints, count: int) -> tuple[Ints, Longs]:
    """Give the values sorted by their keys, those of one key in order, and where each of so many keys ends."""
    order = np.argsort(keys, kind="stable")
    ends = np.zeros(count + 1, np.int64)
    np.cumsum(np.bincount(keys, minlength=count), out=ends[1:])
    return values[order], ends


def _atoms_by_field(
    distinct: list[list[bytes]], fields: list[int], held: list[int], ends: list[int]
) -> Iterator[dict[str, list[bytes]]]:
    for start, end in pairwise(ends):
        document: dict[str, dict[bytes, None]] = {}
        for text in held[start:end]:
            document.setdefault(TEXT_FIELDS[fields[text]], {}).update(dict.fromkeys(distinct[text]))
        yield {field: list(atoms) for field, atoms in document.items() if atoms}


class Texts:
    """The texts of a segment, opened for reading."""

    def __init__(self, columns: Columns) -> None:
        self.lexicon = Lexicon(columns)
        self.tokens: Ints = columns.array("tokens")
        self.field: NDArray[np.uint8] = columns.array("text.field")
        self.count = len(self.field)
        self._token_text: Ints = columns.array("token.text")
        self._token_ends: Longs = columns.array("token.ends")
        self._atom_tokens: Ints = columns.array("atom.tokens")
        self._atom_ends: Longs = columns.array("atom.ends")
        self._atom_documents: Ints = columns.array("atom.documents")
        self._atom_fields: NDArray[np.uint32] = columns.array("atom.fields")
        self._documents: Ints = columns.array("text.documents")
        self._ends: Longs = columns.array("text.ends")
        self._held: Ints = columns.array("document.texts")
        self._held_ends: Longs = columns.array("document.ends")

    def spread(self, first: int, last: int) -> int:
        """Give how many tokens these atoms have."""
        return int(self._atom_ends[last] - self._atom_ends[first])

    def places(self, first: int, last: int) -> Ints:
        """Give the places of the tokens of a stretch of the lexicon, in no order."""
        return self._atom_tokens[self._atom_ends[first] : self._atom_ends[last]]

    def places_of(self, atoms: Ints) -> Ints:
        """Give the places of the tokens of these atoms, in no order."""
        return _gathered(self._atom_tokens, self._atom_ends, atoms)[0]

    def holders(self, atom: int) -> int:
        """Give a number of documents that is not below that of those which hold the atom."""
        return int(self._atom_documents[atom])

    def fields_of(self, atom: int) -> tuple[str, ...]:
        """Give the fields in which the atom stands."""
        bits = int(self._atom_fields[atom])
        return tuple(name for number, name in enumerate(TEXT_FIELDS) if bits >> number & 1)

    def text_at(self, places: Ints) -> Ints:
        """Give the texts in which tokens stand."""
        texts: Ints = self._token_text[places]
        return texts

    def documents(self, texts: Ints) -> tuple[Ints, Longs]:
        """Give the documents that hold the texts, one text after the other, and how many of them each has."""
        return _gathered(self._documents, self._ends, texts)

    def texts_of(self, documents: NDArray[np.intp]) -> tuple[Ints, Longs]:
        """Give the texts of documents, one document after the other, and how many each has."""
        return _gathered(self._held, self._held_ends, documents)

    def tokens_of(self, text: int) -> Ints:
        """Give a text's tokens; shape (tokens,)."""
        return self.tokens[self._token_ends[text] : self._token_ends[text + 1]]


def _gathered(values: Ints, ends: Longs, rows: NDArray[np.intp] | Ints) -> tuple[Ints, Longs]:
    """Give the values of some rows, one row after the other, and how many each has."""
    starts = ends[rows]
    lengths = ends[np.asarray(rows) + 1] - starts
    total = int(lengths.sum())
    if len(rows) == 1:
        return values[int(starts[0]) : int(starts[0]) + total], lengths
    before = np.cumsum(lengths) - lengths
    return values[np.arange(total) + np.repeat(starts - before, lengths)], lengths
