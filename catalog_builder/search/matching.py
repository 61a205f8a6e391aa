"""What a request finds: the documents the caller may see, of those the ones that satisfy the query and the choices.

Knows callers' beamtimes, the tree of a query and chosen values; does not count values or order hits.
"""

import functools
from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from catalog_builder.facets import Level, SearchRequest
from catalog_builder.search.collection import Collection, View
from catalog_builder.search.columns import Mask
from catalog_builder.search.documents import FACETS_OF_DATASETS
from catalog_builder.search.tree import And, Between, Everything, Node, Not, OfDataset, Or, Present, Value, Words

Cancel = Callable[[], bool]
"""Tells whether whoever asked does not want to know any more."""


class Cancelled(Exception):  # noqa: N818 - an answer, not a fault of somebody
    """The search was given up."""


def never() -> bool:
    """Nobody gives the search up."""
    return False


def column_of(facet: str, level: Level) -> str:
    """Give the column that tells a facet's values where this level is asked for."""
    return FACETS_OF_DATASETS.get(facet, facet) if level == "dataset" else facet


class Sight:
    """What somebody may see of a collection."""

    def __init__(self, collection: Collection, allowed: frozenset[str] | None) -> None:
        self.collection = collection
        self.visible: Mask = collection.alive
        """Documents of both levels."""
        if allowed is not None:
            known = collection.numbering.beamtimes.values
            open_to_caller = np.fromiter((beamtime in allowed for beamtime in known), np.bool_)
            self.visible = collection.alive & open_to_caller[collection.beamtime]
        self.datasets = np.flatnonzero(self.visible & ~collection.is_scan)
        """Documents of datasets."""

    @functools.cached_property
    def views(self) -> tuple[View, ...]:
        """Segments of which something may be seen.

        The others are not looked into: what stands in them cannot be told from how long an answer takes.
        """
        return tuple(view for view in self.collection.views if self.visible[view.start : view.end].any())

    @functools.cached_property
    def scans(self) -> Mask:
        """Documents of scans."""
        mask: Mask = self.visible & self.collection.is_scan
        return mask

    @functools.cached_property
    def scans_of_datasets(self) -> Mask:
        """Documents that speak for a dataset that can be found: its scans, or itself without any."""
        listed = np.zeros(self.collection.datasets, np.bool_)
        listed[self.collection.dataset[self.datasets]] = True
        mask: Mask = (
            self.visible & (self.collection.is_scan | self.collection.stands_alone) & listed[self.collection.dataset]
        )
        return mask

    def speaking(self, level: Level) -> Mask:
        """Give the documents that are asked."""
        return self.scans if level == "scan" else self.scans_of_datasets


class Matched:
    """What a request finds in a collection."""

    def __init__(self, sight: Sight, query: Node, request: SearchRequest, cancelled: Cancel) -> None:
        self.collection = sight.collection
        self.sight = sight
        self.level: Level = request.level
        self._query = query
        self._cancelled = cancelled
        self._chosen = {name: tuple(values) for name, values in request.chosen.items() if values}
        self._choices = {name: self._having(name, values) for name, values in self._chosen.items()}
        self.satisfying: Mask = sight.speaking(self.level)
        """Documents that satisfy the query themselves, before any facet is chosen: scans, or at dataset level scans
        and datasets without scans."""
        scored = request.sort.removeprefix("-") == "relevance"
        self._scores = np.zeros(self.collection.count if scored else 0, np.int16)
        if not isinstance(query, Everything):
            self.satisfying = self.satisfying & self._mask(query, scored=scored)
        self._found: dict[str, NDArray[np.intp]] = {}

    def check(self) -> None:
        """Stop here if nobody wants to know any more; raises Cancelled."""
        if self._cancelled():
            raise Cancelled

    @functools.cached_property
    def fitting(self) -> Mask:
        """Documents that satisfy the query and have what is chosen."""
        return functools.reduce(np.logical_and, self._choices.values(), self.satisfying)

    def numbers(self, without: str = "") -> NDArray[np.intp]:
        """Give the numbers of the documents that fit, as if nothing were chosen of one facet."""
        left_out = without if without in self._choices else ""
        if left_out not in self._found:
            mask = self.fitting
            if left_out:
                others = [choice for name, choice in self._choices.items() if name != left_out]
                mask = functools.reduce(np.logical_and, others, self.satisfying)
            self._found[left_out] = np.flatnonzero(mask)
        return self._found[left_out]

    @functools.cached_property
    def hits(self) -> NDArray[np.intp]:
        """Numbers of the documents of the level asked for that are found; a dataset when one of its scans fits."""
        return self.numbers() if self.level == "scan" else self._datasets(self.numbers())

    @property
    def total(self) -> int:
        return len(self.hits)

    def without(self) -> dict[str, int]:
        """Give the total there would be without each of the choices, and without the words (``q``)."""
        totals = {name: self._total(self.numbers(name)) for name in self._choices}
        if not isinstance(self._query, Everything):
            speaking = self.sight.speaking(self.level)
            freely = functools.reduce(np.logical_and, self._choices.values(), speaking)
            totals["q"] = self._total(np.flatnonzero(freely))
        return {name: total for name, total in totals.items() if total}

    def scores(self) -> NDArray[np.int16]:
        """Score each document, in halves: the sum over the words it has, each in the field that weighs most.

        A dataset has the best score of its scans that fit. Only where the request sorts by relevance.
        """
        if self.level == "scan":
            return self._scores
        best = np.zeros(self.collection.datasets, np.int16)
        fitting = self.numbers()
        fitting = fitting[np.argsort(self._scores[fitting], kind="stable")]
        best[self.collection.dataset[fitting]] = self._scores[fitting]
        return best[self.collection.dataset]

    def _total(self, numbers: NDArray[np.intp]) -> int:
        return len(numbers) if self.level == "scan" else len(self._datasets(numbers))

    def _datasets(self, numbers: NDArray[np.intp]) -> NDArray[np.intp]:
        """Give the documents of the datasets these documents speak for."""
        there = np.zeros(self.collection.datasets, np.bool_)
        there[self.collection.dataset[numbers]] = True
        documents = self.sight.datasets
        return documents[there[self.collection.dataset[documents]]]

    def _having(self, facet: str, values: Iterable[str]) -> Mask:
        """Tell which documents have one of a facet's values."""
        column = column_of(facet, self.level)
        self.collection.combination(column)  # numbers the values
        with self.collection.numbering.lock:
            known = self.collection.numbering.facets[column].values
            wanted = [number for value in values if (number := known.find(value)) is not None]
        fits = np.zeros(len(known), np.bool_)
        fits[wanted] = True
        return self._with_values(column, fits)

    def _with_values(self, column: str, fits: Mask) -> Mask:
        """Tell which documents have a value that fits; ``fits`` is asked by the values' numbers."""
        combination = self.collection.combination(column)
        with self.collection.numbering.lock:
            spread, lengths = self.collection.numbering.facets[column].spread()
        chosen = np.zeros(len(lengths), np.bool_)
        # Values that were numbered since belong to newer generations.
        fitting = np.flatnonzero(np.append(fits, np.zeros(1, np.bool_))[np.minimum(spread, len(fits))])
        chosen[np.repeat(np.arange(len(lengths)), lengths)[fitting]] = True
        mask: Mask = chosen[combination]
        return mask

    def _value(self, leaf: Value) -> Mask:
        numbering = self.collection.numbering
        self.collection.combination(leaf.facet)  # numbers the values
        with numbering.lock:
            known = numbering.facets[leaf.facet]
            values = known.values.values if leaf.verbatim else known.folded()
            if leaf.beginning:
                fits = np.fromiter((value.startswith(leaf.value) for value in values), np.bool_)
            else:
                fits = np.fromiter((value == leaf.value for value in values), np.bool_)
        return self._with_values(leaf.facet, fits)

    def _present(self, leaf: Present) -> Mask:
        combination = self.collection.combination(leaf.facet)
        with self.collection.numbering.lock:
            _, lengths = self.collection.numbering.facets[leaf.facet].spread()
        mask: Mask = (lengths > 0)[combination]
        return mask

    def _mask(self, node: Node, *, scored: bool) -> Mask:
        """Tell for each document whether it satisfies the query; shape (documents,). Words are scored as they come."""
        self.check()
        match node:
            case Everything():
                return np.ones(self.collection.count, np.bool_)
            case And(parts):
                return functools.reduce(np.logical_and, (self._mask(part, scored=scored) for part in parts))
            case Or(parts):
                return functools.reduce(np.logical_or, (self._mask(part, scored=scored) for part in parts))
            case Not(part):
                return ~self._mask(part, scored=False)
            case OfDataset(part):
                return self._of_datasets(part)
            case Value():
                return self._value(node)
            case Present():
                return self._present(node)
            case Between() | Words():
                return self._leaf(node, scored=scored)

    def _leaf(self, leaf: Between | Words, *, scored: bool) -> Mask:
        """Tell which documents satisfy a leaf; none does in segments of which nothing may be seen."""
        mask = np.zeros(self.collection.count, np.bool_)
        for view in self.sight.views:
            self.check()
            found = view.held.evaluator.found(leaf)
            every = len(found.documents) == view.held.segment.count
            here = slice(None) if every else found.documents
            mask[view.start : view.end][here] = True
            if scored:
                self._scores[view.start : view.end][here] += found.scores
        return mask

    def _of_datasets(self, leaf: Between) -> Mask:
        """Tell for each document whether its dataset, as far as the caller may see it, satisfies a leaf."""
        documents = self.sight.datasets
        datasets = np.zeros(self.collection.datasets, np.bool_)
        datasets[self.collection.dataset[documents[self._leaf(leaf, scored=False)[documents]]]] = True
        mask: Mask = datasets[self.collection.dataset]
        return mask
