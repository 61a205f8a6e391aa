"""Search: documents made of records, an index of them in a folder, and answers from it.

Whoosh keeps schema, analysis and postings; columns beside them are counted, sorted and compared with numpy; a query is
evaluated here and never runs on Whoosh's matchers. Knows documents; does not know files, accounts or pages.

Segments are our own, one Whoosh index in a folder each, that never change: Whoosh's writer renumbers documents when it
merges, which would leave columns behind, and its commit could not switch them in the same step. Here a generation is
one manifest, replaced in one step, that names the segments which count and the documents in them that no longer do.
"""

from catalog_builder.search.documents import DatasetDocuments, Document, documents_of
from catalog_builder.search.indexer import Indexer
from catalog_builder.search.matching import Cancel, Cancelled, never
from catalog_builder.search.query import Dialect
from catalog_builder.search.searcher import Searcher
from catalog_builder.search.tree import QueryMistake

__all__ = [
    "Cancel",
    "Cancelled",
    "DatasetDocuments",
    "Dialect",
    "Document",
    "Indexer",
    "QueryMistake",
    "Searcher",
    "documents_of",
    "never",
]
