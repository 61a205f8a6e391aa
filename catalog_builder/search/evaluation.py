"""Evaluating the leaves of a query on one segment: each becomes the documents that satisfy it, and what they score.

Knows one segment and one leaf at a time; does not know who asks, which documents are dead, or how leaves are joined.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from catalog_builder.search.columns import Ints, Mask
from catalog_builder.search.documents import NAMES, WEIGHTS
from catalog_builder.search.lexicon import are_in
from catalog_builder.search.postings import TEXT_FIELDS
from catalog_builder.search.segments import Segment
from catalog_builder.search.texts import Texts
from catalog_builder.search.tree import Between, Words
from catalog_builder.search.units import converted

HALVES = 2
"""Scores are counted in halves, so that weights are whole numbers."""

WHOLE = 16
"""What a word found whole scores above one that only begins so: more than any field's weight."""

WITHIN = 1
"""What the middle of a name scores."""

_CACHE_BYTES = 4_000_000
"""Of each segment's cache of leaves."""

_RARE = 100
"""Documents up to which a whole word is read from the postings; beyond, the columns of texts are faster."""

Scores = NDArray[np.int8]

_WEIGHTS = np.array([round(WEIGHTS[field] * HALVES) for field in TEXT_FIELDS], np.int8)


@dataclass(frozen=True, slots=True)
class Found:
    """What a leaf finds: documents in order, and what each scores, in halves."""

    documents: Ints
    scores: Scores

    @property
    def size(self) -> int:
        """Bytes held, roughly."""
        return self.documents.nbytes + self.scores.nbytes + 500


class Evaluator:
    """Evaluates leaves on a segment and remembers them; may be asked by several threads."""

    def __init__(self, segment: Segment) -> None:
        self._segment = segment
        self._leaves: OrderedDict[Words | Between, Found] = OrderedDict()
        self._held = 0
        self._lock = threading.Lock()

    def found(self, leaf: Words | Between) -> Found:
        """Give the documents that satisfy a leaf."""
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

    def _read(self, leaf: Words | Between) -> Found:
        match leaf:
            case Between():
                return _unscored(self._between(leaf))
            case Words():
                return self._words(leaf)

    # -- words -----------------------------------------------------------------------------------------------------

    def _words(self, words: Words) -> Found:
        if len(words.atoms) == 1 and not words.beginning and not words.within:
            rare = self._rare(words)
            if rare is not None:
                return rare
        return self._of_texts(_scored_texts(self._segment.texts, words))

    def _rare(self, words: Words) -> Found | None:
        """Read a whole word from the postings; None where it is frequent."""
        texts, atom = self._segment.texts, words.atoms[0]
        first, last = texts.lexicon.span(atom, beginning=False)
        if first == last:
            return _unscored(np.empty(0, np.int32))
        if texts.holders(first) > _RARE:
            return None
        scores = np.zeros(self._segment.count, np.int8)
        for field in texts.fields_of(first):
            if not words.fields or field in words.fields:
                documents = self._segment.postings.documents(field, atom)
                scores[documents] = np.maximum(scores[documents], _WEIGHTS[TEXT_FIELDS.index(field)] + WHOLE)
        return _scored(scores)

    def _of_texts(self, best: Scores | None) -> Found:
        """Give the documents that hold the texts, with what the best of each scores."""
        if best is None:
            return _unscored(np.empty(0, np.int32))
        texts = np.flatnonzero(best > 0).astype(np.int32)
        texts = texts[np.argsort(best[texts], kind="stable")]
        documents, lengths = self._segment.texts.documents(texts)
        scores = np.zeros(self._segment.count, np.int8)
        scores[documents] = np.repeat(best[texts], lengths)  # of a document's texts the last, which scores most, stays
        return _scored(scores)

    # -- numbers ---------------------------------------------------------------------------------------------------

    def _between(self, leaf: Between) -> Ints:
        """Compare the number of that name; where a document has none, the positioner of that name."""
        having, found = self._compared(leaf, leaf.field)
        others, fitting = self._compared(leaf, f"positioner.{leaf.field}")
        if len(others):
            found = np.union1d(found, fitting[~np.isin(fitting, having, assume_unique=True)])
        return found.astype(np.int32)

    def _compared(self, leaf: Between, name: str) -> tuple[Ints, Ints]:
        """Give the documents that have a number, and those where it lies between the ends; both ascending."""
        having, found = [np.empty(0, np.int32)], [np.empty(0, np.int32)]
        for unit, documents, figures in self._segment.numbers.stretches(name):
            having.append(documents)
            ends = _ends(leaf, unit)
            if ends is not None:
                found.append(documents[_inside(figures, leaf, *ends)])
        return np.sort(np.concatenate(having)), np.sort(np.concatenate(found))


def _ends(leaf: Between, unit: str) -> tuple[float, float] | None:
    """Give both ends in the unit of what is recorded; None where that measures something else, or has none."""
    if leaf.unit is None:
        return leaf.low, leaf.high
    low, high = converted(leaf.low, leaf.unit, unit), converted(leaf.high, leaf.unit, unit)
    return None if low is None or high is None else (low, high)


def _inside(figures: NDArray[np.float64], leaf: Between, low: float, high: float) -> Mask:
    above = figures > low if leaf.without_low else figures >= low
    below = figures < high if leaf.without_high else figures <= high
    return np.logical_and(above, below)


def _unscored(documents: Ints) -> Found:
    return Found(documents, np.zeros(len(documents), np.int8))


def _scored(scores: Scores) -> Found:
    if scores.all():
        return Found(np.arange(len(scores), dtype=np.int32), scores)
    documents = np.flatnonzero(scores > 0).astype(np.int32)
    return Found(documents, scores[documents])


# -- words in texts ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Sought:
    """Atoms any of which may stand in one place: a stretch of the lexicon, or some of it."""

    texts: Texts
    first: int
    last: int
    some: Ints | None = None

    @property
    def spread(self) -> int:
        return self.texts.spread(self.first, self.last)

    def places(self) -> Ints:
        texts = self.texts
        return texts.places(self.first, self.last) if self.some is None else texts.places_of(self.some)

    def holds(self, tokens: Ints) -> Mask:
        inside: Mask = (tokens >= self.first) & (tokens < self.last)
        return inside if self.some is None else inside & are_in(tokens, self.some)


def _scored_texts(texts: Texts, words: Words) -> Scores | None:
    """Score each text that holds the words, 0 where it does not; None where none does."""
    best: Scores | None = None
    final = words.atoms[-1]
    passes = [(_within(texts, words.atoms), WITHIN)] if words.within else []
    for sought, score in (*passes, (_straight(texts, words), None)):
        if any(each.first == each.last for each in sought):
            continue
        places = _neighbours(texts, sought)
        held = texts.text_at(places)
        here = _in_fields(texts.field[held], words.fields, names=score is not None)
        places, held = places[here], held[here]
        if not len(held):
            continue
        if best is None:
            best = np.zeros(texts.count, np.int8)
        if score is not None:
            best[held] = score
            continue
        best[held] = _WEIGHTS[texts.field[held]]
        first, last = texts.lexicon.span(final, beginning=False)
        if first < last:
            whole = held[texts.tokens[places + len(sought) - 1] == first]
            best[whole] = _WEIGHTS[texts.field[whole]] + WHOLE
    return best


def _straight(texts: Texts, words: Words) -> list[_Sought]:
    return _one_after_the_other(texts, words.atoms, beginning=words.beginning)


def _one_after_the_other(texts: Texts, atoms: Sequence[str], *, beginning: bool) -> list[_Sought]:
    """Seek atoms, the last one perhaps as a beginning; ends with the first that is nowhere."""
    sought: list[_Sought] = []
    for number, atom in enumerate(atoms, 1):
        first, last = texts.lexicon.span(atom, beginning=beginning and number == len(atoms))
        sought.append(_Sought(texts, first, last))
        if first == last:
            break
    return sought


def _within(texts: Texts, atoms: Sequence[str]) -> list[_Sought]:
    """Seek a part of a name: one atom anywhere in one, several from the end of one to the beginning of another."""
    some = texts.lexicon.ending(atoms[0]) if len(atoms) > 1 else texts.lexicon.containing(atoms[0])
    if not len(some):
        return [_Sought(texts, 0, 0)]
    first = _Sought(texts, int(some[0]), int(some[-1]) + 1, some)
    return [first, *_one_after_the_other(texts, atoms[1:], beginning=True)]


def _neighbours(texts: Texts, sought: Sequence[_Sought]) -> Ints:
    """Give the places where such atoms begin to stand next to each other, looking at the rarest one first."""
    tokens = texts.tokens
    spreads = [each.spread for each in sought]
    rarest = spreads.index(min(spreads))
    places = sought[rarest].places() - np.int32(rarest)
    places = places[(places >= 0) & (places + len(sought) <= len(tokens))]
    for offset, each in enumerate(sought):
        if offset != rarest:
            places = places[each.holds(tokens[places + offset])]
    return places


def _in_fields(fields: NDArray[np.uint8], wanted: Sequence[str], *, names: bool) -> Mask:
    """Tell which fields are among the wanted ones (no wanted one means any), and, if so asked, among the names."""
    fits = [(not wanted or name in wanted) and (not names or name in NAMES) for name in TEXT_FIELDS]
    mask: Mask = np.array(fits, np.bool_)[fields]
    return mask
