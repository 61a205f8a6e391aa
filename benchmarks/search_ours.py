"""This project in the search benchmark, by what it shows to callers.

Knows Indexer and Searcher; does not know how they work.
"""

from collections.abc import Iterable
from pathlib import Path

from benchmarks.search_contender import Answer
from benchmarks.search_queries import COUNTED, PER_PAGE, Question
from catalog_builder.facets import SearchRequest
from catalog_builder.search import Document, Indexer, Searcher


class Ours:
    """This project: documents of datasets and of scans are indexed, scans are asked for."""

    name = "ours"
    packages: tuple[str, ...] = ("catalog-builder", "numpy")
    most: int | None = None

    def build(self, folder: Path, documents: Iterable[Document]) -> int:
        indexer = Indexer(folder)
        indexer.apply(documents)
        indexer.finish()
        return len(indexer)

    def open(self, folder: Path) -> "OpenOurs":
        return OpenOurs(folder)


class OpenOurs:
    """A searcher, and an indexer once there are updates."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._searcher = Searcher(folder)
        self._indexer: Indexer | None = None

    def ask(self, question: Question, allowed: frozenset[str] | None, scans: int) -> Answer:
        request = SearchRequest(
            q=question.text,
            level="scan",
            chosen=question.chosen,
            sort=question.sort,
            page=question.page(scans),
            per_page=PER_PAGE,
            counted=COUNTED,
        )
        found = self._searcher.search(request, allowed)
        facets = {name: [(each.value, each.count) for each in found.facets[name]] for name in COUNTED}
        return Answer(found.total, [hit.fields for hit in found.hits], facets)

    def get_ready(self) -> None:
        self._indexer = Indexer(self._folder)

    def update(self, document: Document) -> None:
        if self._indexer is None:
            raise AssertionError("not ready for updates")
        self._indexer.apply([document])

    def close(self) -> None:
        del self._searcher, self._indexer
