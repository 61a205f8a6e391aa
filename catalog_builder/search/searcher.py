"""Answering searches: what the caller may see first, then the query, the order and the counts, over all segments.

Knows generations and the story of an answer; does not know how a caller's rights come about. Nothing of a document the
caller may not see enters any number, order or message.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from catalog_builder.errors import CatalogError
from catalog_builder.facets import (
    MOST_PER_PAGE,
    FacetCount,
    Hit,
    SearchRequest,
    SearchResult,
    Suggestion,
    SuggestRequest,
    is_sort,
)
from catalog_builder.search.collection import Collection, Held, Numbering
from catalog_builder.search.columns import Mask
from catalog_builder.search.counting import counted
from catalog_builder.search.generations import (
    Damaged,
    Generation,
    Part,
    index_folder,
    manifest_path,
    read_dead,
    read_generation,
)
from catalog_builder.search.matching import Cancel, Matched, Sight, never
from catalog_builder.search.ordering import in_order, page
from catalog_builder.search.query import Dialect, parsed
from catalog_builder.search.segments import FACET_NAMES, Segment
from catalog_builder.search.suggesting import suggestions

_TRIES = 20
"""Times a generation is read again because it was replaced while it was being opened."""

_SIGHTS = 32
"""Callers whose sight of the newest generation is kept."""

_LONGEST_SHOWN = 60

_PLAIN = Dialect()

_Stamp = tuple[int, int, int]


class Searcher:
    """Answers searches over the index in a folder, always from its newest generation.

    One object serves many threads. Where the index vanishes, what is open goes on answering.
    """

    def __init__(self, folder: Path, dialect: Dialect = _PLAIN) -> None:
        self._folder = index_folder(folder)
        self._dialect = dialect
        self._lock = threading.Lock()
        self._stamp: _Stamp | None = None
        self._numbering = Numbering()
        self._collection = Collection((), self._numbering)
        self._open: dict[str, Held] = {}
        self._sights: OrderedDict[frozenset[str] | None, Sight] = OrderedDict()

    def search(self, request: SearchRequest, allowed: frozenset[str] | None, cancelled: Cancel = never) -> SearchResult:
        """Answer a request from the documents of the allowed beamtimes; None allows all.

        Raises QueryMistake where the query cannot be understood, CatalogError where the request is out of bounds or
        the index cannot be read, Cancelled once ``cancelled`` says so. An index that does not exist yet has no
        documents.
        """
        started = time.perf_counter()
        matched = self._matched(request, allowed, cancelled)
        start = (request.page - 1) * request.per_page
        hits = page(matched, request.sort, start, start + request.per_page) if start < matched.total else ()
        facets: dict[str, tuple[FacetCount, ...]] = {}
        unlisted: dict[str, int] = {}
        for name in FACET_NAMES if request.counted is None else request.counted:
            facets[name], more = counted(matched, name, request.chosen.get(name, ()))
            if more:
                unlisted[name] = more
        without = {} if matched.total else matched.without()
        return SearchResult(
            level=request.level,
            total=matched.total,
            hits=hits,
            facets=facets,
            unlisted=unlisted,
            without=without,
            took_ms=(time.perf_counter() - started) * 1000,
        )

    def count(self, request: SearchRequest, allowed: frozenset[str] | None) -> int:
        """Give the number of hits alone; raises as ``search``."""
        return self._matched(request, allowed, never).total

    def rows(self, request: SearchRequest, allowed: frozenset[str] | None, cancelled: Cancel = never) -> Iterator[Hit]:
        """Give all hits in order, whatever the page asked for, all from one generation; raises as ``search``."""
        return in_order(self._matched(request, allowed, cancelled), request.sort)

    def suggest(
        self, request: SuggestRequest, allowed: frozenset[str] | None, cancelled: Cancel = never
    ) -> tuple[Suggestion, ...]:
        """Suggest values from the documents of the allowed beamtimes; raises as ``search``."""
        return suggestions(self._matched(request.search, allowed, cancelled), request)

    def _matched(self, request: SearchRequest, allowed: frozenset[str] | None, cancelled: Cancel) -> Matched:
        _check(request)
        query = parsed(request.q, request.level, self._dialect)
        return Matched(self._sight(allowed), query, request, cancelled)

    def _sight(self, allowed: frozenset[str] | None) -> Sight:
        collection = self._current()
        with self._lock:
            known = self._sights.get(allowed)
            if known is not None and known.collection is collection:
                self._sights.move_to_end(allowed)
                return known
        sight = Sight(collection, allowed)
        with self._lock:
            self._sights[allowed] = sight
            self._sights.move_to_end(allowed)
            if len(self._sights) > _SIGHTS:
                self._sights.popitem(last=False)
        return sight

    def _current(self) -> Collection:
        """Give the newest generation, opened."""
        stamp = _stamp(self._folder)
        if stamp in (None, self._stamp):
            return self._collection
        with self._lock:
            for attempt in range(_TRIES):
                stamp = _stamp(self._folder)
                if stamp in (None, self._stamp):
                    break
                try:
                    self._collection = self._opened()
                    self._stamp = stamp
                    self._sights.clear()
                    break
                except (Damaged, OSError, ValueError, KeyError) as exc:
                    if _stamp(self._folder) == stamp or attempt == _TRIES - 1:
                        raise CatalogError(_said(exc), where=self._folder, remedy="build the catalogue again") from exc
            return self._collection

    def _opened(self) -> Collection:
        generation: Generation = read_generation(self._folder)
        held = [self._open.get(part.segment) or self._held(part) for part in generation.parts]
        alive = [_alive(self._folder, part) for part in generation.parts]
        self._open = {one.segment.name: one for one in held}
        return Collection(zip(held, alive, strict=True), self._numbering)

    def _held(self, part: Part) -> Held:
        return Held(Segment(self._folder / part.segment), self._numbering)


def _said(exc: Exception) -> str:
    """Say what is the matter; in which file matters to nobody, for all of them are made again."""
    match exc:
        case Damaged():
            return str(exc)
        case OSError():
            return f"the search index cannot be read ({exc.strerror or 'no access'})"
        case _:
            return "the search index is damaged"


def _check(request: SearchRequest) -> None:
    if not is_sort(request.sort):
        raise CatalogError(f"cannot sort by {request.sort[:_LONGEST_SHOWN]!r}", where="sort")
    if not (1 <= request.per_page <= MOST_PER_PAGE and request.page >= 1):
        raise CatalogError(f"a page has 1 to {MOST_PER_PAGE} rows, and the first page is 1", where="page")
    asked = {*request.chosen, *(request.counted or ())}
    unknown = sorted(asked - set(FACET_NAMES))
    if unknown:
        raise CatalogError(f"no facet {unknown[0][:_LONGEST_SHOWN]!r}")


def _stamp(folder: Path) -> _Stamp | None:
    try:
        status = manifest_path(folder).stat()
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise CatalogError("the search index cannot be read", where=folder) from exc
    return status.st_ino, status.st_mtime_ns, status.st_size


def _alive(folder: Path, part: Part) -> Mask:
    alive = np.ones(part.count, np.bool_)
    alive[read_dead(folder, part)] = False
    return alive
