"""The order of hits, and a page of it, however deep.

Knows a collection's segments and what they are sorted by; does not know queries. Each segment gives its hits in order,
a run; where a page begins in every run is found by halving, so that the rows before it are never gone through.
"""

import heapq
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import total_ordering
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog_builder.facets import Hit
from catalog_builder.search.collection import View
from catalog_builder.search.columns import Ints
from catalog_builder.search.figures import number_name
from catalog_builder.search.matching import Matched
from catalog_builder.search.segments import SORTED_FIELDS

_FEW = 16
"""Of a segment's documents every so-manieth at most: so few hits are sorted themselves, more are picked out of the
segment's order."""
_STEP = 2048
"""Documents of a segment's order that are looked at at once."""


@total_ordering
class _Downward:
    """A text that sorts the other way round."""

    __slots__ = ("value",)

    def __init__(self, value: bytes) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Downward) and bool(self.value == other.value)

    def __lt__(self, other: "_Downward") -> bool:
        return bool(other.value < self.value)

    __hash__ = None  # type: ignore[assignment]


Place = tuple[bool, Any, str]
"""Whether the value is missing, the value, the key: what hits of different segments are compared by."""


class _Run(ABC):
    """The first hits of a segment in order; by number, their places in the order of all."""

    def __init__(self, view: View, documents: NDArray[Any]) -> None:
        self.view = view
        self.documents = documents

    def __len__(self) -> int:
        return len(self.documents)

    def __getitem__(self, number: int) -> Place:
        document = int(self.documents[number])
        return (*self.value(document), self.view.held.segment.key(document))

    @abstractmethod
    def value(self, document: int) -> tuple[bool, Any]:
        """Give whether a document's value is missing, and the value."""

    def hit(self, number: int) -> Hit:
        segment, document = self.view.held.segment, int(self.documents[number])
        return Hit(key=segment.key(document), fields=segment.row(document))


class _BySortValue(_Run):
    """Sorted by one of SORTED_FIELDS."""

    def __init__(self, view: View, hits: NDArray[np.intp], name: str, most: int, *, descending: bool) -> None:
        self._sort = view.held.segment.sort_values(name)
        self._descending = descending
        segment = view.held.segment
        if len(hits) * _FEW < segment.count:
            places = self._sort.places[hits].astype(np.int64)
            last = len(self._sort.values)
            places = np.where(places < 0, last, last - 1 - places if descending else places)
            super().__init__(view, _first(hits, (places << 32) | segment.rank[hits], most))
        else:
            super().__init__(view, _picked(self._sort.down if descending else self._sort.up, hits, most))

    def value(self, document: int) -> tuple[bool, Any]:
        place = int(self._sort.places[document])
        if place < 0:
            return True, 0
        value = self._sort.values[place]
        if not self._descending:
            return False, value
        return False, -value if self._sort.numeric else _Downward(value)


class _ByNumber(_Run):
    """Sorted by a number, as it is recorded."""

    def __init__(self, view: View, hits: NDArray[np.intp], name: str, most: int, *, descending: bool) -> None:
        segment = view.held.segment
        figures = np.full(segment.count, np.nan)
        for _, documents, values in segment.numbers.stretches(name):
            figures[documents] = -values if descending else values
        self._figures = figures
        mine = figures[hits]
        if most < len(hits):
            # All that are not above the last one of the page: equal ones are told apart by their keys.
            limit = np.partition(mine, most)[most]  # NaN sorts last
            hits = hits if np.isnan(limit) else hits[mine <= limit]
        order = np.lexsort((segment.rank[hits], figures[hits]))
        super().__init__(view, hits[order][:most])

    def value(self, document: int) -> tuple[bool, Any]:
        figure = float(self._figures[document])
        return (True, 0.0) if figure != figure else (False, figure)


class _ByScore(_Run):
    """Sorted by what documents score; the best first, or last."""

    def __init__(
        self, view: View, hits: NDArray[np.intp], scores: NDArray[np.int16], most: int, *, worst_first: bool
    ) -> None:
        mine = scores[view.start : view.end].astype(np.int64)
        self._ordered = mine if worst_first else -mine
        super().__init__(view, _first(hits, (self._ordered[hits] << 32) + view.held.segment.rank[hits], most))

    def value(self, document: int) -> tuple[bool, Any]:
        return False, int(self._ordered[document])


def page(matched: Matched, sort: str, start: int, stop: int) -> tuple[Hit, ...]:
    """Give the hits from ``start`` on, up to ``stop``, in the order asked for."""
    runs = _runs(matched, sort, stop)
    places = _places(runs, start)
    return tuple(islice(_merged(runs, places), stop - start))


def in_order(matched: Matched, sort: str) -> Iterator[Hit]:
    """Give all hits in the order asked for."""
    runs = _runs(matched, sort, max(matched.total, 1))
    return _merged(runs, [0] * len(runs))


def _runs(matched: Matched, sort: str, most: int) -> list[_Run]:
    name, descending = sort.removeprefix("-"), sort.startswith("-")
    scores = matched.scores() if name == "relevance" else None
    hits, views = matched.hits, matched.collection.views
    bounds = np.searchsorted(hits, [view.start for view in views] + [matched.collection.count]).tolist()
    runs: list[_Run] = []
    for number, view in enumerate(views):
        mine = hits[bounds[number] : bounds[number + 1]] - view.start
        if not len(mine):
            continue
        matched.check()
        if scores is not None:
            runs.append(_ByScore(view, mine, scores, most, worst_first=descending))
        elif name in SORTED_FIELDS:
            runs.append(_BySortValue(view, mine, name, most, descending=descending))
        else:
            runs.append(_ByNumber(view, mine, number_name(name.removeprefix("quantity.")), most, descending=descending))
    return runs


def _merged(runs: Sequence[_Run], places: Sequence[int]) -> Iterator[Hit]:
    """Give the hits from these places in the runs on, in the order of all."""
    heap = [(run[at], number, at) for number, (run, at) in enumerate(zip(runs, places, strict=True)) if at < len(run)]
    heapq.heapify(heap)
    while heap:
        _, number, at = heap[0]
        run = runs[number]
        yield run.hit(at)
        if at + 1 < len(run):
            heapq.heapreplace(heap, (run[at + 1], number, at + 1))
        else:
            heapq.heappop(heap)


def _places(runs: Sequence[_Run], start: int) -> list[int]:
    """Give, for each run, how many of its hits are among the first so many of all."""
    low = [0] * len(runs)
    high = [min(len(run), start) for run in runs]
    if sum(high) <= start:
        return high
    while any(a < b for a, b in zip(low, high, strict=True)):
        widest = max(range(len(runs)), key=lambda n: high[n] - low[n])
        middle = (low[widest] + high[widest]) // 2
        pivot = runs[widest][middle]
        before = [middle if n == widest else bisect_left(run, pivot, low[n], high[n]) for n, run in enumerate(runs)]
        if sum(before) < start:
            low = before
            low[widest] = middle + 1
        else:
            high = before
    return low


def _first(hits: NDArray[np.intp], order: NDArray[np.int64], most: int) -> NDArray[np.intp]:
    """Give the hits that come first; the numbers that order them are all different."""
    if most < len(hits):
        near = np.argpartition(order, most)[:most]
        hits, order = hits[near], order[near]
    return hits[np.argsort(order)]


def _picked(order: Ints, hits: NDArray[np.intp], most: int) -> Ints:
    """Pick the first hits out of an order of all documents."""
    is_hit = np.zeros(len(order), np.bool_)
    is_hit[hits] = True
    picked: list[Ints] = []
    found = 0
    step = _STEP if most * 4 < len(hits) else len(order)
    for start in range(0, len(order), step):
        block = order[start : start + step]
        picked.append(block[is_hit[block]])
        found += len(picked[-1])
        if found >= most:
            break
    return np.concatenate(picked)[:most]
