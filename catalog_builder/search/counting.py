"""Counting what is found by a facet's values.

Knows matched documents and combinations of values; does not know how they were found.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from catalog_builder.facets import FACETS, MOST_VALUES, FacetCount
from catalog_builder.search.columns import Longs
from catalog_builder.search.matching import Matched, column_of

_IN_ORDER = frozenset(facet.name for facet in FACETS if facet.in_order)


def counted(matched: Matched, name: str, chosen: Iterable[str]) -> tuple[tuple[FacetCount, ...], int]:
    """Give the values of a facet an answer lists, and how many more there are.

    Each with the hits there would be were it alone chosen of the facet: most first, then by value, and those chosen in
    any case; a scale whole and in its order.
    """
    numbers = value_counts(matched, name)
    values = matched.collection.numbering.facets[column_of(name, matched.level)].values.values
    pairs = [(values[n], int(numbers[n])) for n in np.flatnonzero(numbers).tolist()]
    if name in _IN_ORDER:
        everything = dict(pairs) | {value: 0 for value in chosen if value not in dict(pairs)}
        return tuple(FacetCount(value=value, count=everything[value]) for value in sorted(everything)), 0
    pairs.sort(key=lambda pair: (-pair[1], pair[0]))
    return _listed(pairs, chosen)


def value_counts(matched: Matched, name: str) -> Longs:
    """Count, for each value of a facet numbered so far, the hits that have it; shape (values,)."""
    matched.check()
    column = column_of(name, matched.level)
    numbers = matched.numbers(without=name)
    if matched.level == "scan":
        return _of_scans(matched, column, numbers)
    return _of_datasets(matched, column, numbers)


def _of_scans(matched: Matched, column: str, numbers: NDArray[np.intp]) -> Longs:
    combination = matched.collection.combination(column)[numbers]
    with matched.collection.numbering.lock:
        known = matched.collection.numbering.facets[column]
        spread, lengths = known.spread()
        values = len(known.values)
    counts = np.bincount(combination, minlength=len(lengths))
    return np.bincount(spread, weights=np.repeat(counts, lengths), minlength=values).astype(np.int64)


def _of_datasets(matched: Matched, column: str, numbers: NDArray[np.intp]) -> Longs:
    """Count the datasets one of whose scans fits and has the value, each once."""
    pair = matched.collection.pair(column)[numbers]
    with matched.collection.numbering.lock:
        known = matched.collection.numbering.facets[column]
        of_pairs, values = known.pair_values(), len(known.values)
    there = np.zeros(len(of_pairs.first) - 1, np.bool_)
    there[pair] = True
    pairs = np.flatnonzero(there)
    # Two combinations of one dataset may have a value in common, which counts once.
    first, last = of_pairs.first[pairs], of_pairs.first[pairs + 1]
    mine = last - first
    inside = np.arange(int(mine.sum())) + np.repeat(first - (np.cumsum(mine) - mine), mine)
    has = np.zeros(len(of_pairs.value), np.bool_)
    has[of_pairs.numbers[inside]] = True
    return np.bincount(of_pairs.value[has], minlength=values)


def _listed(pairs: list[tuple[str, int]], chosen: Iterable[str]) -> tuple[tuple[FacetCount, ...], int]:
    """Give the most frequent values and those chosen, and how many more there are."""
    everything = dict(pairs)
    listed = dict(pairs[:MOST_VALUES])
    listed |= {value: everything.get(value, 0) for value in sorted(set(chosen)) if value not in listed}
    more = len(everything.keys() - listed.keys())
    return tuple(FacetCount(value=value, count=count) for value, count in listed.items()), more
