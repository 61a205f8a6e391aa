"""Whoosh: the schema, the analysis of fields and the postings of one segment. The only place that imports it.

Knows which documents hold a term in a field; does not know queries, columns or generations.
"""

import threading
import warnings
import weakref
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from catalog_builder.search.columns import Ints
from catalog_builder.search.documents import WEIGHTS

with warnings.catch_warnings():
    # Old spellings in its source (invalid escapes, deprecated modules) are no concern of who runs a catalogue.
    for _kind in (DeprecationWarning, SyntaxWarning, PendingDeprecationWarning):
        warnings.simplefilter("ignore", _kind)
    from whoosh import fields, formats
    from whoosh.codec.whoosh3 import W3Codec
    from whoosh.filedb.filestore import FileStorage
    from whoosh.index import IndexError as WhooshError

TEXT_FIELDS: tuple[str, ...] = tuple(WEIGHTS)
"""In the order of their numbers in a segment's columns."""

_MEGABYTES_SORTED_AT_ONCE = 256


class _Atoms(fields.FieldType):  # type: ignore[misc]
    """A field whose values come as the distinct atoms of a text, analysed by ``search.text``."""

    def __init__(self) -> None:
        super().__init__(format=formats.Existence(), analyzer=None)

    def index(self, value: Iterable[bytes], **_options: object) -> Iterator[tuple[bytes, int, float, bytes]]:
        """Give what Whoosh stores of each atom: itself, frequency, weight, and no further value."""
        return ((atom, 1, 1.0, b"") for atom in value)


def _schema() -> fields.Schema:
    return fields.Schema(**{name: _Atoms() for name in TEXT_FIELDS})


def write_postings(folder: Path, documents: Iterable[Mapping[str, Iterable[bytes]]]) -> None:
    """Write the postings of a segment's documents, which come in order of their numbers, into an empty folder.

    Each maps fields to their distinct atoms.
    """
    folder.mkdir()
    index = FileStorage(str(folder)).create_index(_schema())
    # Most atoms stand in one or two documents: compressing each of their blocks costs time and saves nothing.
    codec = W3Codec(blocklimit=1024, compression=0)
    writer = index.writer(limitmb=_MEGABYTES_SORTED_AT_ONCE, codec=codec, compound=False)
    for document in documents:
        writer.add_document(**document)
    writer.commit(merge=False)
    index.close()


class Postings:
    """The postings of one segment, opened for reading; may be asked by several threads."""

    def __init__(self, folder: Path) -> None:
        """Open the folder; raises OSError or ValueError where it is missing or damaged."""
        try:
            index = FileStorage(str(folder)).open_index(schema=_schema())
        except (WhooshError, AssertionError) as exc:
            raise ValueError(f"{folder}: {exc}") from exc
        self._reader = index.reader()
        index.close()
        weakref.finalize(self, self._reader.close)
        self._lock = threading.Lock()

    def documents(self, field: str, atom: str) -> Ints:
        """Give the numbers of the documents with the atom in the field, ascending."""
        term = atom.encode("utf-8")
        with self._lock:
            if (field, term) not in self._reader:
                return np.empty(0, np.int32)
            return np.fromiter(self._reader.postings(field, term).all_ids(), np.int32)
