"""Evaluating a query on one segment: leaves become documents, the tree becomes set algebra on masks.

Knows one segment and one query tree; does not know who asks, which documents are dead, or datasets of scans.
"""

import functools
import threading
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catalog_builder.search.columns import Ints, Mask
from catalog_builder.search.documents import WEIGHTS
from catalog_builder.search.postings import TEXT_FIELDS
from catalog_builder.search.query import And, Between, Everything, Leaf, Node, Not, OfDataset, Or, Present, Value, Words
from catalog_builder.search.segments import Segment
from catalog_builder.search.text import folded

WHOLE = 8.0
"""What a word found whole scores above one that only begins so: more than any field's weight."""

_LAST = "\U0010ffff"
_CACHE_BYTES = 4_000_000
"""Of each segment's cache of leaves."""

_RARE = 500
"""Occurrences up to which a word is read from the postings; beyond, the column of tokens is faster."""

Scores = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Found:
    """What a leaf finds: documents in order, and what each scores."""

    documents: Ints
    scores: Scores

    @property
    def size(self) -> int:
        """Bytes held, roughly."""
        return self.documents.nbytes + self.scores.nbytes + 500


class Evaluator:
    """Evaluates queries on a segment and remembers its leaves; may be asked by several threads."""

    def __init__(self, segment: Segment) -> None:
        self._segment = segment
        self._occurrences = np.bincount(segment.tokens[segment.tokens >= 0], minlength=len(segment.lexicon))
        self._weights = np.array([WEIGHTS[field] for field in TEXT_FIELDS], np.float32)
        self._leaves: OrderedDict[Leaf, Found] = OrderedDict()
        self._held = 0
        self._lock = threading.Lock()

    def mask(self, node: Node, known: Mapping[OfDataset, Mask]) -> Mask:
        """Tell for each document whether it satisfies the query; shape (documents,).

        ``known`` tells the same of what only its dataset tells.
        """
        match node:
            case Everything():
                return np.ones(self._segment.count, np.bool_)
            case And(parts):
                return functools.reduce(np.logical_and, [self.mask(part, known) for part in parts])
            case Or(parts):
                return functools.reduce(np.logical_or, [self.mask(part, known) for part in parts])
            case Not(part):
                return ~self.mask(part, known)
            case OfDataset():
                return known[node]
            case _:
                mask = np.zeros(self._segment.count, np.bool_)
                mask[self.documents(node)] = True
                return mask

    def documents(self, leaf: Leaf) -> Ints:
        """Give the documents that satisfy a leaf, in order."""
        return self._leaf(leaf).documents

    def scores(self, node: Node) -> Scores:
        """Score each document: the sum over the words it has, each counted once, in the field that weighs most."""
        total = np.zeros(self._segment.count, np.float32)
        for leaf in _positive_leaves(node):
            found = self._leaf(leaf)
            total[found.documents] += found.scores
        return total

    def _leaf(self, leaf: Leaf) -> Found:
        with self._lock:
            known = self._leaves.get(leaf)
            if known is not None:
                self._leaves.move_to_end(leaf)
                return known
        found = self._read(leaf)
        with self._lock:
            if leaf not in self._leaves:
                self._leaves[leaf] = found
                self._held += found.size
            while self._held > _CACHE_BYTES and len(self._leaves) > 1:
                self._held -= self._leaves.popitem(last=False)[1].size
        return found

    def _read(self, leaf: Leaf) -> Found:
        match leaf:
            case Between():
                return _unscored(self._between(leaf))
            case Value():
                return _unscored(self._value(leaf))
            case Present():
                return _unscored(np.unique(self._segment.facet(leaf.facet)[0]))
            case Words():
                return self._words(leaf)

    def _words(self, words: Words) -> Found:
        lexicon = self._segment.lexicon
        spans = [_span(lexicon, atom, beginning=False) for atom in words.atoms]
        if words.beginning:
            spans[-1] = _span(lexicon, words.atoms[-1], beginning=True)
        if any(first == last for first, last in spans):
            return _unscored(np.empty(0, np.int32))
        first, last = spans[0]
        if len(spans) == 1 and last == first + 1 and self._occurrences[first] <= _RARE:
            whole = lexicon[first] == words.atoms[0]
            return self._from_postings(lexicon[first], words.fields or TEXT_FIELDS, whole=whole)
        return self._from_tokens(words, spans)

    def _from_postings(self, atom: str, fields: tuple[str, ...], *, whole: bool) -> Found:
        found = [(self._segment.postings.documents(name, atom), WEIGHTS[name]) for name in fields]
        documents = np.concatenate([numbers for numbers, _ in found])
        scores = np.concatenate([np.full(len(numbers), weight, np.float32) for numbers, weight in found])
        order = np.argsort(documents, kind="stable")
        return _best(documents[order], scores[order] + np.float32(WHOLE if whole else 0.0))

    def _from_tokens(self, words: Words, spans: list[tuple[int, int]]) -> Found:
        """Look for neighbouring tokens, beginning with the rarest one of them."""
        segment, tokens = self._segment, self._segment.tokens
        counts = [int(self._occurrences[first:last].sum()) for first, last in spans]
        rarest = counts.index(min(counts))
        first, last = spans[rarest]
        places = np.flatnonzero((tokens >= first) & (tokens < last)) - rarest
        places = places[(places >= 0) & (places + len(spans) <= len(tokens))]
        for offset, (first, last) in enumerate(spans):
            if offset != rarest:
                there = tokens[places + offset]
                places = places[(there >= first) & (there < last)]
        rows = np.searchsorted(segment.row_ends, places, side="right") - 1
        fields = rows % len(TEXT_FIELDS)
        scores = self._weights[fields]
        final = spans[-1][0]
        if segment.lexicon[final] == words.atoms[-1]:
            scores = scores + np.where(tokens[places + len(spans) - 1] == final, WHOLE, 0.0).astype(np.float32)
        documents = (rows // len(TEXT_FIELDS)).astype(np.int32)
        if words.fields:
            here = np.isin(fields, [TEXT_FIELDS.index(field) for field in words.fields])
            documents, scores = documents[here], scores[here]
        return _best(documents, scores)

    def _value(self, leaf: Value) -> Ints:
        documents, numbers, values = self._segment.facet(leaf.facet)
        spelt: Callable[[str], str] = str if leaf.verbatim else folded
        fits: Callable[[str], bool] = (
            (lambda value: value.startswith(leaf.value)) if leaf.beginning else (lambda value: value == leaf.value)
        )
        chosen = np.fromiter((fits(spelt(value)) for value in values), np.bool_, len(values))
        return np.unique(documents[chosen[numbers]]) if len(values) else np.empty(0, np.int32)

    def _between(self, leaf: Between) -> Ints:
        """Compare the number of that name; where a document has none, the positioner of that name."""
        documents, figures = self._segment.numbers(leaf.field)
        found = documents[_inside(figures, leaf)]
        others, figures = self._segment.numbers(f"positioner.{leaf.field}")
        if len(others):
            others = others[_inside(figures, leaf)]
            found = np.union1d(found, others[~np.isin(others, documents, assume_unique=True)])
        return found.astype(np.int32)


def _span(lexicon: list[str], atom: str, *, beginning: bool) -> tuple[int, int]:
    """Give the stretch of the lexicon with the atom, or with all that begins so."""
    first = bisect_left(lexicon, atom)
    if beginning:
        return first, bisect_left(lexicon, atom + _LAST, first)
    return first, first + (first < len(lexicon) and lexicon[first] == atom)


def _inside(figures: NDArray[np.float64], leaf: Between) -> Mask:
    low = figures > leaf.low if leaf.without_low else figures >= leaf.low
    high = figures < leaf.high if leaf.without_high else figures <= leaf.high
    return np.logical_and(low, high)


def _unscored(documents: Ints) -> Found:
    return Found(documents, np.zeros(len(documents), np.float32))


def _best(documents: Ints, scores: Scores) -> Found:
    """Keep each document once, with its best score; they come in order."""
    if not len(documents):
        return _unscored(documents)
    starts = np.flatnonzero(np.r_[True, documents[1:] != documents[:-1]])
    return Found(documents[starts], np.maximum.reduceat(scores, starts))


def asked_of_datasets(node: Node) -> frozenset[OfDataset]:
    """Give what a query asks of datasets alone."""
    match node:
        case And(parts) | Or(parts):
            return frozenset(leaf for part in parts for leaf in asked_of_datasets(part))
        case Not(part):
            return asked_of_datasets(part)
        case OfDataset():
            return frozenset((node,))
        case _:
            return frozenset()


def _positive_leaves(node: Node) -> list[Leaf]:
    match node:
        case And(parts) | Or(parts):
            return [leaf for part in parts for leaf in _positive_leaves(part)]
        case Not() | OfDataset() | Everything():
            return []
        case _:
            return [node]
