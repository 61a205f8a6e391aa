"""Answering searches: what the caller may see first, then the query, facets and order, over all segments.

Knows generations, datasets of scans, counting and sorting; does not know how a caller's rights come about. Nothing of
a document the caller may not see enters any number, order or message.
"""

import functools
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog_builder.errors import CatalogError
from catalog_builder.facets import (
    FACETS,
    MOST_PER_PAGE,
    MOST_VALUES,
    NUMBERS,
    FacetCount,
    Hit,
    Level,
    SearchRequest,
    SearchResult,
    Suggestion,
    SuggestRequest,
    is_sort,
)
from catalog_builder.search.columns import Ints, Longs, Mask, Numbered
from catalog_builder.search.documents import FACETS_OF_DATASETS
from catalog_builder.search.evaluation import Evaluator, asked_of_datasets
from catalog_builder.search.generations import Damaged, Generation, Part, manifest_path, read_dead, read_generation
from catalog_builder.search.query import Dialect, Everything, Node, OfDataset, parsed
from catalog_builder.search.segments import FACET_COLUMNS, FACET_NAMES, SORTED_FIELDS, Segment
from catalog_builder.search.text import folded

_PLAIN = Dialect()
_IN_ORDER = frozenset(facet.name for facet in FACETS if facet.in_order)

_TRIES = 20
"""Times a generation is read again because it was replaced while it was being opened."""

_Stamp = tuple[int, int, int]


class Cancelled(Exception):  # noqa: N818 - nothing went wrong: nobody waits for the answer
    """A search was given up because it was asked to be."""


def never() -> bool:
    """Tell that nobody gave up."""
    return False


@dataclass(frozen=True, slots=True)
class _Pairs:
    """The datasets and values of a segment's facet that occur together, each pair once."""

    of_entry: NDArray[np.intp]
    """For each entry of the facet's column, its pair."""
    dataset: Ints
    value: Ints
    """Numbers over all segments."""


class _Shared:
    """A segment with what relates its numbers to those of all segments; lives as long as the segment does."""

    def __init__(self, segment: Segment, values: Mapping[str, Numbered[str]], datasets: Numbered[str]) -> None:
        self.segment = segment
        self.evaluator = Evaluator(segment)
        self.facet_numbers = {name: _numbers(values[name], segment.facet(name)[2]) for name in FACET_COLUMNS}
        self.datasets = _numbers(datasets, segment.datasets)
        """Each dataset that the segment holds something of, once."""
        self.dataset: Ints = self.datasets[segment.dataset]
        self.pairs = {name: self._pairs(name) for name in FACET_COLUMNS}

    def _pairs(self, name: str) -> _Pairs:
        documents, numbers, values = self.segment.facet(name)
        each = self.segment.dataset[documents].astype(np.int64) * len(values) + numbers
        pairs, of_entry = np.unique(each, return_inverse=True)
        datasets, local = np.divmod(pairs, max(len(values), 1))
        return _Pairs(of_entry, self.datasets[datasets], self.facet_numbers[name][local])


def _numbers(known: Numbered[str], values: Iterable[str]) -> Ints:
    return np.array([known.number(value) for value in values], np.int32)


@dataclass(frozen=True, slots=True)
class _View:
    """A segment as one generation sees it."""

    shared: _Shared
    alive: Mask
    stands_alone: Mask
    """Datasets none of whose scans is alive: they speak for themselves."""


@dataclass(frozen=True, slots=True)
class _Snapshot:
    views: tuple[_View, ...]
    scattered: Mask
    """For each dataset numbered so far, whether more than one segment holds something of it."""

    @property
    def datasets(self) -> int:
        """Numbers given to datasets so far."""
        return len(self.scattered)


class Searcher:
    """Answers searches over the index in a folder, always from its newest generation.

    One object serves many threads.
    """

    def __init__(self, folder: Path, dialect: Dialect = _PLAIN) -> None:
        self._folder = folder
        self._dialect = dialect
        self._lock = threading.Lock()
        self._stamp: _Stamp | None = None
        self._snapshot = _Snapshot((), np.empty(0, np.bool_))
        self._open: dict[str, _Shared] = {}
        self._values: dict[str, Numbered[str]] = {name: Numbered() for name in FACET_COLUMNS}
        self._datasets: Numbered[str] = Numbered()

    def search(
        self, request: SearchRequest, allowed: frozenset[str] | None, cancelled: Callable[[], bool] = never
    ) -> SearchResult:
        """Answer a request from the documents of the allowed beamtimes; None allows all.

        Raises QueryMistake where the query cannot be understood, CatalogError where the request is out of bounds or
        the index cannot be read, Cancelled once ``cancelled()`` is true. An index that does not exist yet has no
        documents.
        """
        started = time.perf_counter()
        query, snapshot, found = self._found(request, allowed)
        total = _total(found)
        hits = _page(found, query, request, snapshot.datasets) if total else ()
        facets: dict[str, tuple[FacetCount, ...]] = {}
        unlisted: dict[str, int] = {}
        for name in FACET_NAMES if request.counted is None else request.counted:
            if cancelled():
                raise Cancelled
            counts = self._counts(found, snapshot, name, request.level)
            facets[name], more = _listed(name, counts, request.chosen.get(name, ()))
            if more:
                unlisted[name] = more
        return SearchResult(
            level=request.level,
            total=total,
            hits=hits,
            facets=facets,
            unlisted=unlisted,
            without={} if total else self._without(request, allowed),
            took_ms=(time.perf_counter() - started) * 1000,
        )

    def _without(self, request: SearchRequest, allowed: frozenset[str] | None) -> dict[str, int]:
        less = {name: replace(request, chosen={**request.chosen, name: ()}) for name in request.chosen}
        if request.q:
            less["q"] = replace(request, q="")
        counts = {name: self.count(other, allowed) for name, other in less.items()}
        return {name: count for name, count in counts.items() if count}

    def rows(self, request: SearchRequest, allowed: frozenset[str] | None) -> Iterator[Hit]:
        """Give all hits in order, as of now."""
        query, snapshot, found = self._found(request, allowed)
        whole = replace(request, page=1, per_page=max(_total(found), 1))
        yield from _page(found, query, whole, snapshot.datasets)

    def suggest(self, asked: SuggestRequest, allowed: frozenset[str] | None) -> tuple[Suggestion, ...]:
        """Give values that hold a word beginning with the text, most hits first; names of fields after them."""
        text = folded(asked.text.strip())
        _, snapshot, found = self._found(asked.search, allowed)
        made: list[Suggestion] = []
        for name in [asked.facet] if asked.facet else FACET_NAMES if text else ():
            for value, count in self._counts(found, snapshot, name, asked.search.level):
                plain = folded(value)
                if text in plain if asked.facet else any(word.startswith(text) for word in plain.split()):
                    made.append(Suggestion(facet=name, value=value, count=count, query=f'{name}:"{value}"'))
        made.sort(key=lambda one: (-one.count, one.facet, one.value))
        if text and not asked.facet:
            fields = sorted({*FACET_NAMES, *NUMBERS})
            made += [Suggestion(facet="field", value=f, count=0, query=f"{f}:") for f in fields if f.startswith(text)]
        return tuple(made[: asked.most])

    def count(self, request: SearchRequest, allowed: frozenset[str] | None) -> int:
        """Give the number of hits alone."""
        return _total(self._found(request, allowed)[2])

    def _found(
        self, request: SearchRequest, allowed: frozenset[str] | None
    ) -> tuple[Node, _Snapshot, list["_Matched"]]:
        _check(request)
        query = parsed(request.q, request.level, self._dialect)
        snapshot = self._current()
        found = [_Matched(view, _visible(view, allowed)) for view in snapshot.views]
        _evaluate(found, query, request, snapshot.datasets)
        return query, snapshot, found

    def _counts(
        self, found: Iterable["_Matched"], snapshot: _Snapshot, name: str, level: Level
    ) -> list[tuple[str, int]]:
        """Give a facet's values and the hits there would be were each alone chosen of it; most first, then by value."""
        column = _column(name, level)
        known = self._values[column]
        if level == "scan":
            counts = _counted_scans(found, name, column, len(known))
        else:
            counts = _counted_datasets(found, name, column, len(known), snapshot.scattered)
        pairs = [(known.values[n], int(counts[n])) for n in np.flatnonzero(counts).tolist()]
        return sorted(pairs, key=lambda pair: (-pair[1], pair[0]))

    def _current(self) -> _Snapshot:
        """Give the newest generation, opened."""
        if _stamp(self._folder) == self._stamp:
            return self._snapshot
        with self._lock:
            for attempt in range(_TRIES):
                stamp = _stamp(self._folder)
                if stamp == self._stamp:
                    break
                try:
                    self._snapshot = self._opened(stamp)
                    self._stamp = stamp
                    break
                except (Damaged, OSError, ValueError, KeyError) as exc:
                    if _stamp(self._folder) == stamp or attempt == _TRIES - 1:
                        raise CatalogError(str(exc), where=self._folder, remedy="build the catalogue again") from exc
            return self._snapshot

    def _opened(self, stamp: _Stamp | None) -> _Snapshot:
        generation = read_generation(self._folder) if stamp is not None else Generation()
        opened = {part.segment: self._open.get(part.segment) or self._share(part) for part in generation.parts}
        alive = [_alive(self._folder, part) for part in generation.parts]
        self._open = opened
        has_scans = np.zeros(len(self._datasets), np.bool_)
        holding = np.zeros(len(self._datasets), np.int32)
        for shared in opened.values():
            holding[shared.datasets] += 1
        for shared, living in zip(opened.values(), alive, strict=True):
            has_scans[shared.dataset[living & shared.segment.is_scan]] = True
        views = tuple(
            _View(shared, living, living & ~shared.segment.is_scan & ~has_scans[shared.dataset])
            for shared, living in zip(opened.values(), alive, strict=True)
        )
        return _Snapshot(views, holding > 1)

    def _share(self, part: Part) -> _Shared:
        return _Shared(Segment(self._folder / part.segment), self._values, self._datasets)


class _Matched:
    """What a request finds in one segment."""

    def __init__(self, view: _View, visible: Mask) -> None:
        self.view = view
        self.visible = visible
        """Documents the caller may see, of both levels."""
        self.satisfying: Mask = visible
        """Documents that satisfy the query themselves, before any facet is chosen: scans, or at dataset level scans
        and datasets without scans."""
        self.hits: Mask = visible
        """Documents of the level asked for that are found."""
        self._choices: dict[str, Mask] = {}
        self._fitting: Mask | None = None

    def choose(self, request: SearchRequest) -> None:
        """Take up what is chosen of each facet."""
        for name, wanted in request.chosen.items():
            if not wanted:
                continue
            documents, numbers, values = self.view.shared.segment.facet(_column(name, request.level))
            any_of = frozenset(wanted)
            fits = np.fromiter((value in any_of for value in values), np.bool_, len(values))
            mask = np.zeros(len(self.visible), np.bool_)
            if len(values):
                mask[documents[fits[numbers]]] = True
            self._choices[name] = mask

    @property
    def fitting(self) -> Mask:
        """Documents that satisfy the query and have what is chosen."""
        if self._fitting is None:
            self._fitting = functools.reduce(np.logical_and, self._choices.values(), self.satisfying)
        return self._fitting

    def fitting_without(self, name: str) -> Mask:
        """Give the documents that fit, as if nothing were chosen of this facet."""
        if name not in self._choices:
            return self.fitting
        masks = [mask for facet, mask in self._choices.items() if facet != name]
        return functools.reduce(np.logical_and, masks, self.satisfying)


def _column(name: str, level: Level) -> str:
    """Give the column that tells a facet's values where this level is asked for."""
    return FACETS_OF_DATASETS.get(name, name) if level == "dataset" else name


def _counted_scans(found: Iterable[_Matched], name: str, column: str, values: int) -> Longs:
    """Count the scans that fit for each value of a facet; shape (values,)."""
    counts = np.zeros(values, np.int64)
    for matched in found:
        shared = matched.view.shared
        documents, numbers, _ = shared.segment.facet(column)
        there = numbers[matched.fitting_without(name)[documents]]
        meant = shared.facet_numbers[column]
        counts[meant] += np.bincount(there, minlength=len(meant))
    return counts


def _counted_datasets(found: Iterable[_Matched], name: str, column: str, values: int, scattered: Mask) -> Longs:
    """Count for each value of a facet the datasets one of whose scans fits and has it; shape (values,)."""
    counts = np.zeros(values, np.int64)
    again = [np.empty(0, np.int64)]
    for matched in found:
        shared = matched.view.shared
        documents, _, _ = shared.segment.facet(column)
        pairs = shared.pairs[column]
        there = np.zeros(len(pairs.value), np.bool_)
        there[pairs.of_entry[matched.fitting_without(name)[documents]]] = True
        elsewhere = there & scattered[pairs.dataset]
        again.append(pairs.dataset[elsewhere].astype(np.int64) * values + pairs.value[elsewhere])
        counts += np.bincount(pairs.value[there & ~elsewhere], minlength=values)
    once = np.unique(np.concatenate(again))
    return counts + np.bincount(once % max(values, 1), minlength=values)


def _listed(name: str, counts: list[tuple[str, int]], chosen: Iterable[str]) -> tuple[tuple[FacetCount, ...], int]:
    """Give the values an answer lists, those chosen in any case, and how many more there are."""
    everything = dict(counts)
    if name in _IN_ORDER:
        whole = dict.fromkeys(chosen, 0) | everything
        return tuple(FacetCount(value=value, count=whole[value]) for value in sorted(whole)), 0
    listed = dict(counts[:MOST_VALUES])
    listed |= {value: everything.get(value, 0) for value in sorted(set(chosen)) if value not in listed}
    more = len(everything.keys() - listed.keys())
    return tuple(FacetCount(value=value, count=count) for value, count in listed.items()), more


def _total(found: Iterable[_Matched]) -> int:
    return sum(int(np.count_nonzero(matched.hits)) for matched in found)


def _check(request: SearchRequest) -> None:
    if not is_sort(request.sort):
        raise CatalogError(f"cannot sort by {request.sort!r}", where="sort")
    if not (1 <= request.per_page <= MOST_PER_PAGE and request.page >= 1):
        raise CatalogError(f"a page has 1 to {MOST_PER_PAGE} rows, and the first page is 1", where="page")
    unknown = sorted(request.chosen.keys() - set(FACET_NAMES))
    if unknown:
        raise CatalogError(f"no facet {unknown[0]!r}")


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


def _visible(view: _View, allowed: frozenset[str] | None) -> Mask:
    if allowed is None:
        return view.alive
    segment = view.shared.segment
    open_to_caller = np.fromiter((b in allowed for b in segment.beamtimes), np.bool_, len(segment.beamtimes))
    return view.alive & open_to_caller[segment.beamtime]


def _evaluate(found: list[_Matched], query: Node, request: SearchRequest, datasets: int) -> None:
    """Find what satisfies the query and has what is chosen, at the level asked for.

    A dataset is found when one of its scans alone satisfies all of it; one without scans when it does itself.
    """
    speaking = _scans(found) if request.level == "scan" else _scans_of_datasets(found, datasets)
    told = {leaf: _datasets_with(found, leaf, datasets) for leaf in asked_of_datasets(query)}
    for matched, asked in zip(found, speaking, strict=True):
        matched.satisfying = asked
        if not isinstance(query, Everything):
            shared = matched.view.shared
            known = {leaf: mask[shared.dataset] for leaf, mask in told.items()}
            matched.satisfying = asked & shared.evaluator.mask(query, known)
        matched.choose(request)
    if request.level == "scan":
        for matched in found:
            matched.hits = matched.fitting
        return
    by_scan = np.zeros(datasets, np.bool_)
    for matched in found:
        by_scan[matched.view.shared.dataset[matched.fitting]] = True
    for matched in found:
        shared = matched.view.shared
        matched.hits = matched.visible & ~shared.segment.is_scan & by_scan[shared.dataset]


def _datasets_with(found: Iterable[_Matched], leaf: OfDataset, datasets: int) -> Mask:
    """Tell for each dataset whether it, as far as the caller may see it, has the number."""
    mask = np.zeros(datasets, np.bool_)
    for matched in found:
        shared = matched.view.shared
        documents = shared.evaluator.documents(leaf.part)
        own = matched.visible[documents] & ~shared.segment.is_scan[documents]
        mask[shared.dataset[documents[own]]] = True
    return mask


def _scans(found: Iterable[_Matched]) -> list[Mask]:
    return [matched.visible & matched.view.shared.segment.is_scan for matched in found]


def _scans_of_datasets(found: Sequence[_Matched], datasets: int) -> list[Mask]:
    """Give the visible documents that speak for a dataset that can be found: its scans, or itself without any."""
    listed = np.zeros(datasets, np.bool_)
    for matched in found:
        shared = matched.view.shared
        listed[shared.dataset[matched.visible & ~shared.segment.is_scan]] = True
    return [
        matched.visible
        & (matched.view.shared.segment.is_scan | matched.view.stands_alone)
        & listed[matched.view.shared.dataset]
        for matched in found
    ]


def _page(found: list[_Matched], query: Node, request: SearchRequest, datasets: int) -> tuple[Hit, ...]:
    """Give the rows of the page asked for: the first ones of each segment are enough to know the first of all."""
    name, descending = request.sort.removeprefix("-"), request.sort.startswith("-")
    needed = request.page * request.per_page
    if name == "relevance":
        candidates = _by_relevance(found, query, request.level, datasets, needed, worst_first=descending)
    else:
        candidates = [c for m in found for c in _by_column(m, name, needed, descending=descending)]
        candidates.sort(key=lambda c: c.key)
        candidates.sort(key=lambda c: c.value, reverse=descending)
        candidates.sort(key=lambda c: c.missing)
    chosen = candidates[needed - request.per_page : needed]
    return tuple(Hit(key=c.key, fields=c.segment.row(c.number)) for c in chosen)


@dataclass(frozen=True, slots=True)
class _Candidate:
    segment: Segment
    number: int
    key: str
    value: Any = None
    """What it is sorted by: text or number, the same kind for all."""
    missing: bool = False


def _by_column(matched: _Matched, name: str, most: int, *, descending: bool) -> list[_Candidate]:
    """Give a segment's first hits in the order of a column, then of the keys; missing values last."""
    segment = matched.view.shared.segment
    hits = np.flatnonzero(matched.hits)
    if name not in SORTED_FIELDS:
        return _by_number(segment, hits, name)
    values = segment.sort_values(name)
    places = segment.sort_places(name)[hits].astype(np.int64)
    ordered = np.where(places < 0, len(values), len(values) - 1 - places if descending else places)
    first = _first(hits, (ordered << 32) | segment.rank[hits], most)
    zero: str | float = 0.0 if name == "date" else ""
    column = segment.sort_places(name)
    return [
        _Candidate(segment, n, segment.key(n), values[column[n]] if column[n] >= 0 else zero, bool(column[n] < 0))
        for n in first.tolist()
    ]


def _by_number(segment: Segment, hits: NDArray[np.intp], name: str) -> list[_Candidate]:
    documents, figures = segment.numbers(name)
    known = dict(zip(documents.tolist(), figures.tolist(), strict=True))
    return [_Candidate(segment, n, segment.key(n), known.get(n, 0.0), n not in known) for n in hits.tolist()]


def _by_relevance(
    found: list[_Matched], query: Node, level: str, datasets: int, most: int, *, worst_first: bool
) -> list[_Candidate]:
    """Give hits by score, then key; a dataset scores as the best of the scans that fit."""
    scores = [matched.view.shared.evaluator.scores(query) for matched in found]
    if level == "dataset":
        best = np.zeros(datasets, np.float32)
        for matched, scored in zip(found, scores, strict=True):
            shared = matched.view.shared
            np.maximum.at(best, shared.dataset[matched.fitting], scored[matched.fitting])
        scores = [best[matched.view.shared.dataset] for matched in found]
    sign = 1 if worst_first else -1
    candidates: list[_Candidate] = []
    for matched, scored in zip(found, scores, strict=True):
        segment = matched.view.shared.segment
        hits = np.flatnonzero(matched.hits)
        # Weights and WHOLE are multiples of a half, so that sums are exact.
        ordered = ((sign * scored[hits] * 2).astype(np.int64) << 32) + segment.rank[hits]
        for n in _first(hits, ordered, most).tolist():
            candidates.append(_Candidate(segment, n, segment.key(n), sign * float(scored[n])))
    candidates.sort(key=lambda c: (c.value, c.key))
    return candidates


def _first(hits: NDArray[np.intp], order: NDArray[np.int64], most: int) -> NDArray[np.intp]:
    """Give the hits that come first; the numbers that order them are all different."""
    if most < len(hits):
        near = np.argpartition(order, most)[:most]
        hits, order = hits[near], order[near]
    return hits[np.argsort(order)]
