"""All documents of one generation as one row, whatever segments they are in.

Knows segments, which of their documents count, and numbers for datasets, beamtimes and values that hold over all
segments; does not know queries or callers. Columns that are counted again and again are put end to end on first use:
an update costs copying them, and a search does not go from segment to segment.
"""

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog_builder.search.columns import Ints, Longs, Mask, Numbered
from catalog_builder.search.evaluation import Evaluator
from catalog_builder.search.segments import FACET_COLUMNS, Segment
from catalog_builder.search.text import folded


class _Pairs:
    """Pairs of a dataset and something it has, and the numbers they were given."""

    def __init__(self) -> None:
        self._sorted: Longs = np.empty(0, np.int64)
        self._numbers: Ints = np.empty(0, np.int32)
        self.dataset: Ints = np.empty(0, np.int32)
        self.other: Ints = np.empty(0, np.int32)

    def numbers(self, dataset: Ints, other: Ints) -> Ints:
        """Give the numbers of pairs; new ones get the next."""
        each: Longs = (dataset.astype(np.int64) << 32) | other
        coded, again = np.unique(each, return_inverse=True)
        places = np.searchsorted(self._sorted, coded)
        known = np.zeros(len(coded), np.bool_)
        inside = places < len(self._sorted)
        known[inside] = self._sorted[places[inside]] == coded[inside]
        new = np.flatnonzero(~known)
        numbers = np.empty(len(coded), np.int32)
        numbers[known] = self._numbers[places[known]]
        numbers[new] = np.arange(len(self.dataset), len(self.dataset) + len(new), dtype=np.int32)
        self._sorted = np.insert(self._sorted, places[new], coded[new])
        self._numbers = np.insert(self._numbers, places[new], numbers[new])
        self.dataset = np.append(self.dataset, (coded[new] >> 32).astype(np.int32))
        self.other = np.append(self.other, (coded[new] & 0xFFFFFFFF).astype(np.int32))
        return numbers[again]


@dataclass(frozen=True, slots=True)
class PairValues:
    """The values of pairs of a dataset and a combination: each a pair of the dataset and one value."""

    first: Longs
    """Where each pair's values begin in ``numbers``; one more is the end."""
    numbers: Ints
    """Pairs of dataset and value, one pair after the other."""
    value: Ints
    """The value of each pair of dataset and value."""


class ValueNumbers:
    """A facet's values, their combinations, and pairs with datasets, numbered over all segments."""

    def __init__(self) -> None:
        self.values: Numbered[str] = Numbered()
        self.combinations: Numbered[tuple[int, ...]] = Numbered()
        self.pairs = _Pairs()
        self._folded: list[str] = []
        self._spread: tuple[Ints, Ints] = (np.empty(0, np.int32), np.empty(0, np.int32))
        self._spread_of = 0
        self._single = _Pairs()
        self._pair_values = PairValues(np.zeros(1, np.int64), np.empty(0, np.int32), np.empty(0, np.int32))

    def pair_values(self) -> PairValues:
        """Give what values the pairs numbered so far have."""
        known = self._pair_values
        done, pairs = len(known.first) - 1, self.pairs
        if done < len(pairs.dataset):
            spread, lengths = self.spread()
            combination = pairs.other[done:]
            mine = lengths[combination].astype(np.int64)
            starts = (np.cumsum(lengths, dtype=np.int64) - lengths)[combination]
            ends = np.cumsum(mine)
            inside = np.arange(int(mine.sum())) - np.repeat(ends - mine, mine)
            values = spread[np.repeat(starts, mine) + inside]
            numbers = self._single.numbers(np.repeat(pairs.dataset[done:], mine), values)
            self._pair_values = known = PairValues(
                np.append(known.first, known.first[-1] + ends), np.append(known.numbers, numbers), self._single.other
            )
        return known

    def folded(self) -> list[str]:
        """Give the values, folded, in the order of their numbers."""
        self._folded.extend(folded(value) for value in self.values.values[len(self._folded) :])
        return self._folded

    def spread(self) -> tuple[Ints, Ints]:
        """Give all combinations' values, one combination after the other, and how many each has."""
        known = self.combinations.values
        if self._spread_of < len(known):
            new = known[self._spread_of :]
            values = np.fromiter((value for each in new for value in each), np.int32)
            lengths = np.fromiter((len(each) for each in new), np.int32)
            self._spread = (np.append(self._spread[0], values), np.append(self._spread[1], lengths))
            self._spread_of += len(new)
        return self._spread


class Numbering:
    """What numbers mean over all segments that were ever open together; only grows."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.beamtimes: Numbered[str] = Numbered()
        self.datasets: Numbered[str] = Numbered()
        self.facets = {name: ValueNumbers() for name in FACET_COLUMNS}


class Held:
    """A segment that is open, with its columns in the numbers of all segments."""

    def __init__(self, segment: Segment, numbering: Numbering) -> None:
        self.segment = segment
        self.evaluator = Evaluator(segment)
        self._numbering = numbering
        self._combinations: dict[str, Ints] = {}
        self._pairs: dict[str, Ints] = {}
        with numbering.lock:
            self.beamtime = _numbers(numbering.beamtimes, segment.beamtimes)[segment.beamtime]
            self._datasets = _numbers(numbering.datasets, segment.datasets)
        self.dataset: Ints = self._datasets[segment.dataset]

    def combination(self, name: str) -> Ints:
        """Give each document's combination of a facet's values; shape (documents,)."""
        if name not in self._combinations:
            self._combinations[name] = self._combination_numbers(name)[self.segment.values(name).combination]
        return self._combinations[name]

    def pair(self, name: str) -> Ints:
        """Give each document's pair of dataset and combination; shape (documents,)."""
        if name not in self._pairs:
            values = self.segment.values(name)
            combination = self._combination_numbers(name)[values.pair_combination]
            pairs = self._numbering.facets[name].pairs.numbers(self._datasets[values.pair_dataset], combination)
            self._pairs[name] = pairs[values.pair]
        return self._pairs[name]

    def _combination_numbers(self, name: str) -> Ints:
        known, here = self._numbering.facets[name], self.segment.values(name)
        values = _numbers(known.values, here.values).tolist()
        # Sorted, so that the same values are the same combination in whatever order a segment numbers them.
        return _numbers(known.combinations, (tuple(sorted(values[v] for v in each)) for each in here.combinations))


def _numbers(known: Numbered[Any], values: Iterable[Any]) -> Ints:
    return np.fromiter((known.number(value) for value in values), np.int32)


@dataclass(frozen=True, slots=True)
class View:
    """A segment as one generation sees it."""

    held: Held
    alive: Mask
    start: int
    """Number of its first document."""

    @property
    def end(self) -> int:
        return self.start + self.held.segment.count


@dataclass(slots=True)
class _Columns:
    combinations: dict[str, Ints] = field(default_factory=dict)
    pairs: dict[str, Ints] = field(default_factory=dict)


class Collection:
    """The documents of one generation, numbered from 0 through all segments; never changes."""

    def __init__(self, parts: Iterable[tuple[Held, Mask]], numbering: Numbering) -> None:
        views: list[View] = []
        for held, alive in parts:
            views.append(View(held, alive, views[-1].end if views else 0))
        self.views = tuple(views)
        self.numbering = numbering
        self.count = views[-1].end if views else 0
        self.alive: Mask = _joined((view.alive for view in views), np.bool_)
        self.is_scan: Mask = _joined((view.held.segment.is_scan for view in views), np.bool_)
        self.beamtime: Ints = _joined((view.held.beamtime for view in views), np.int32)
        self.dataset: Ints = _joined((view.held.dataset for view in views), np.int32)
        self.datasets = len(numbering.datasets)
        """Numbers given to datasets so far."""
        has_scans = np.zeros(self.datasets, np.bool_)
        has_scans[self.dataset[self.alive & self.is_scan]] = True
        self.stands_alone: Mask = self.alive & ~self.is_scan & ~has_scans[self.dataset]
        """Datasets none of whose scans is alive: they speak for themselves."""
        self._columns = _Columns()

    def combination(self, name: str) -> Ints:
        """Give each document's combination of a facet's values; shape (documents,)."""
        known = self._columns.combinations
        if name not in known:
            with self.numbering.lock:
                known[name] = _joined((view.held.combination(name) for view in self.views), np.int32)
        return known[name]

    def pair(self, name: str) -> Ints:
        """Give each document's pair of dataset and combination of values; shape (documents,)."""
        known = self._columns.pairs
        if name not in known:
            with self.numbering.lock:
                known[name] = _joined((view.held.pair(name) for view in self.views), np.int32)
        return known[name]


def _joined(columns: Iterable[NDArray[Any]], kind: type) -> NDArray[Any]:
    return np.concatenate([np.empty(0, kind), *columns])
