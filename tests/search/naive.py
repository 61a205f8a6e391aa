"""Answers by going through documents one by one: what a request finds, how it is ordered, counted and suggested.

Knows what a search promises, and the tree of a query; does not know segments, columns or postings.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

from catalog_builder.errors import CatalogError
from catalog_builder.facets import (
    FACETS,
    LONGEST_TEXT,
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
from catalog_builder.names import readable
from catalog_builder.search import Document
from catalog_builder.search.documents import NAMES, WEIGHTS
from catalog_builder.search.query import Dialect, parsed
from catalog_builder.search.text import atoms, folded, indexed_atoms
from catalog_builder.search.tree import And, Between, Everything, Node, Not, OfDataset, Or, Present, Value, Words
from catalog_builder.search.units import converted

PLAIN = Dialect()

WHOLE = 8.0
"""What a word found whole scores above one that only begins so."""

WITHIN = 0.5
"""What the middle of a name scores."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a query means for one document."""

    holds: Callable[[Document, Document | None], bool]
    """Asked of a document and of its dataset's, None where there is none that can be seen."""
    score: Callable[[Document], float] = lambda _: 0.0
    asks: bool = True
    """False where it asks for nothing."""


EVERYTHING = Meaning(lambda *_: True, asks=False)


def meaning_of(node: Node) -> Meaning:
    """Give what the tree of a query means."""
    if isinstance(node, Everything):
        return EVERYTHING
    return Meaning(lambda document, dataset: satisfies(node, document, dataset), lambda document: score(node, document))


def satisfies(node: Node, document: Document, dataset: Document | None) -> bool:
    """Tell whether a document satisfies a query."""
    match node:
        case Everything():
            return True
        case And(parts):
            return all(satisfies(part, document, dataset) for part in parts)
        case Or(parts):
            return any(satisfies(part, document, dataset) for part in parts)
        case Not(part):
            return not satisfies(part, document, dataset)
        case OfDataset(part):
            return dataset is not None and is_between(part, dataset)
        case Present(facet):
            return bool(document.facets.get(facet))
        case Value():
            return any(is_value(node, value) for value in document.facets.get(node.facet, ()))
        case Between():
            return is_between(node, document)
        case Words():
            return word_score(node, document) > 0


def score(node: Node, document: Document) -> float:
    """Give the sum over the words of a query that a document has; what it must not have scores nothing."""
    match node:
        case And(parts) | Or(parts):
            return sum(score(part, document) for part in parts)
        case Words():
            return word_score(node, document)
        case _:
            return 0.0


def is_value(asked: Value, value: str) -> bool:
    spelt = value if asked.verbatim else folded(value)
    return spelt.startswith(asked.value) if asked.beginning else spelt == asked.value


def is_between(asked: Between, document: Document) -> bool:
    """Compare the number of that name, and the positioner of that name only where a document has none."""
    for name in (asked.field, f"positioner.{asked.field}"):
        figure = document.numbers.get(name)
        if figure is None or figure != figure:
            continue
        low: float | None = asked.low
        high: float | None = asked.high
        if asked.unit is not None:
            unit = document.units.get(name, "")
            low, high = converted(asked.low, asked.unit, unit), converted(asked.high, asked.unit, unit)
        if low is None or high is None:
            return False
        above = figure > low or (figure == low and not asked.without_low)
        return above and (figure < high or (figure == high and not asked.without_high))
    return False


def word_score(words: Words, document: Document) -> float:
    """Score the text that has the words best; 0 where none has them."""
    scores = (
        _text_score(words, field, tokens(text))
        for field, texts in document.texts.items()
        if not words.fields or field in words.fields
        for text in texts
    )
    return max(scores, default=0.0)


@lru_cache(maxsize=10_000)
def tokens(text: str) -> tuple[str, ...]:
    """Give the atoms of a text as they follow each other, with an empty one where neighbours end."""
    return tuple(indexed_atoms(text))


def _text_score(words: Words, field: str, there: Sequence[str]) -> float:
    size = len(words.atoms)
    stretches = [there[at : at + size] for at in range(len(there) - size + 1)]
    lasts = {stretch[-1] for stretch in stretches if _are_words(stretch, words)}
    if lasts:
        return WEIGHTS[field] + (WHOLE if words.atoms[-1] in lasts else 0.0)
    within = words.within and field in NAMES and any(_are_within(stretch, words.atoms) for stretch in stretches)
    return WITHIN if within else 0.0


def _are_words(stretch: Sequence[str], words: Words) -> bool:
    *first, last = words.atoms
    fits = stretch[-1].startswith(last) if words.beginning else stretch[-1] == last
    return fits and [*stretch[:-1]] == first


def _are_within(stretch: Sequence[str], wanted: Sequence[str]) -> bool:
    if len(wanted) == 1:
        return wanted[0] in stretch[0]
    return stretch[0].endswith(wanted[0]) and stretch[1:-1] == wanted[1:-1] and stretch[-1].startswith(wanted[-1])


@dataclass(frozen=True, slots=True)
class _Candidate:
    """What can be found, and the documents that are asked about it: a scan itself, or a dataset's scans."""

    document: Document
    speaking: tuple[Document, ...]


class Plain:
    """Documents, of which those of the allowed beamtimes can be seen; a key's last document counts."""

    def __init__(
        self,
        documents: Iterable[Document],
        allowed: frozenset[str] | None,
        dialect: Dialect = PLAIN,
        most_values: int = MOST_VALUES,
    ) -> None:
        latest = {document.key: document for document in documents}
        self._seen = {key: d for key, d in latest.items() if allowed is None or d.beamtime in allowed}
        self._dialect = dialect
        self._most_values = most_values

    def search(self, request: SearchRequest, meaning: Meaning | None = None) -> SearchResult:
        """Answer a request; ``meaning`` stands for what is read from its query otherwise."""
        asked = _Asked(self._candidates(request.level), self._seen, request, meaning or self._meaning(request))
        hits = asked.in_order()
        start = (request.page - 1) * request.per_page
        names = [facet.name for facet in FACETS] if request.counted is None else request.counted
        counts = {name: self._listed(asked, name) for name in names}
        return SearchResult(
            level=request.level,
            total=len(hits),
            hits=tuple(Hit(key=d.key, fields=d.fields) for d in hits[start : start + request.per_page]),
            facets={name: listed for name, (listed, _) in counts.items()},
            unlisted={name: more for name, (_, more) in counts.items() if more},
            without={} if hits else asked.without(),
            took_ms=0.0,
        )

    def keys(self, request: SearchRequest) -> list[str]:
        """Give the keys of all hits in order."""
        asked = _Asked(self._candidates(request.level), self._seen, request, self._meaning(request))
        return [document.key for document in asked.in_order()]

    def suggest(self, request: SuggestRequest) -> tuple[Suggestion, ...]:
        """Give what completes a text."""
        search = request.search
        asked = _Asked(self._candidates(search.level), self._seen, search, self._meaning(search))
        text, facet = request.text[:LONGEST_TEXT], request.facet
        name, colon, rest = text.partition(":")
        if facet is None and colon and name.replace("_", "x").isascii() and name.replace("_", "x").isalpha():
            facet, text = name.lower(), rest.removeprefix('"')
        sought = folded(text).strip()
        if facet is not None:
            found = [*_completions(asked, facet, sought)]
        else:
            every = (*_COMPLETED, "dataset") if sought else ()
            found = [*_fields(sought), *(one for each in every for one in _completions(asked, each, sought))]
        found.sort(key=lambda pair: (pair[0], -pair[1].count, pair[1].value, pair[1].facet))
        return tuple(suggestion for _, suggestion in found[: request.most])

    def _meaning(self, request: SearchRequest) -> Meaning:
        if not is_sort(request.sort):
            raise CatalogError(f"cannot sort by {request.sort!r}", where="sort")
        return meaning_of(parsed(request.q, request.level, self._dialect))

    def _candidates(self, level: Level) -> list[_Candidate]:
        scans = [d for d in self._seen.values() if d.level == "scan"]
        if level == "scan":
            return [_Candidate(scan, (scan,)) for scan in scans]
        of: dict[str, list[Document]] = {}
        for scan in scans:
            of.setdefault(scan.dataset, []).append(scan)
        datasets = [d for d in self._seen.values() if d.level == "dataset"]
        return [_Candidate(dataset, tuple(of.get(dataset.key, (dataset,)))) for dataset in datasets]

    def _listed(self, asked: "_Asked", name: str) -> tuple[tuple[FacetCount, ...], int]:
        """Give the values of a facet that are listed, and how many more there are."""
        counts = asked.counts(name)
        chosen = asked.request.chosen.get(name, ())
        if any(facet.name == name and facet.in_order for facet in FACETS):
            listed = sorted({*counts, *chosen})
        else:
            most = sorted(counts, key=lambda value: (-counts[value], value))[: self._most_values]
            listed = [*most, *sorted({*chosen} - {*most})]
        return tuple(FacetCount(value=v, count=counts[v]) for v in listed), len(counts.keys() - {*listed})


class _Asked:
    """A request, asked of all candidates."""

    def __init__(
        self,
        candidates: Sequence[_Candidate],
        seen: Mapping[str, Document],
        request: SearchRequest,
        meaning: Meaning,
    ) -> None:
        self.request = request
        self._candidates = candidates
        self._meaning = meaning
        self._satisfying = {
            d.key for each in candidates for d in each.speaking if meaning.holds(d, seen.get(d.dataset))
        }

    def fitting(self, without: str = "") -> Iterator[tuple[Document, list[Document]]]:
        """Give what is found, with the documents that each satisfy all of it but one facet, or the query (``q``)."""
        chosen = {name: {*values} for name, values in self.request.chosen.items() if values and name != without}
        for each in self._candidates:
            fitting = [
                d
                for d in each.speaking
                if (without == "q" or d.key in self._satisfying)
                and all(wanted & {*self.values(d, name)} for name, wanted in chosen.items())
            ]
            if fitting:
                yield each.document, fitting

    def values(self, document: Document, facet: str) -> tuple[str, ...]:
        """Give a document's values of a facet; a dataset may be on disk in part, which none of its scans is."""
        of_dataset = facet == "on_disk" and self.request.level == "dataset"
        return document.facets.get("dataset.on_disk" if of_dataset else facet, ())

    def counts(self, facet: str) -> Counter[str]:
        """Count the hits that have each value, as if nothing were chosen of the facet."""
        found = self.fitting(without=facet)
        return Counter(value for _, fitting in found for value in {v for d in fitting for v in self.values(d, facet)})

    def without(self) -> dict[str, int]:
        """Give the total without each choice and without the words, those that are not 0."""
        names = [name for name, values in self.request.chosen.items() if values] + ["q"] * self._meaning.asks
        totals = {name: sum(1 for _ in self.fitting(without=name)) for name in names}
        return {name: total for name, total in totals.items() if total}

    def in_order(self) -> list[Document]:
        """Give the hits in order: those without a value last, equal ones by their keys."""
        found = sorted(self.fitting(), key=lambda pair: pair[0].key)
        name, down = self.request.sort.removeprefix("-"), self.request.sort.startswith("-")
        values = {document.key: self._sorted_by(name, document, fitting) for document, fitting in found}
        documents = [document for document, _ in found]
        there = [(value, document) for document in documents if (value := values[document.key]) is not None]
        there.sort(key=lambda pair: pair[0], reverse=down != (name == "relevance"))
        return [*(document for _, document in there), *(d for d in documents if values[d.key] is None)]

    def _sorted_by(self, name: str, document: Document, fitting: Iterable[Document]) -> Any:
        if name == "relevance":
            return max(self._meaning.score(each) for each in fitting)
        if name in _SORTED_BY_FIGURE or "." in name:
            figure = document.numbers.get(name.removeprefix("quantity."))
            return None if figure is None or figure != figure else figure
        value = document.sorts.get(name)
        return None if value is None or value != value else value

    def datasets(self) -> Counter[str]:
        """Count the hits by the names of their datasets."""
        return Counter(readable(document.dataset.partition("/")[2]) for document, _ in self.fitting())


_SORTED_BY_FIGURE = frozenset(NUMBERS)
_COMPLETED = ("sample", "keyword", "beamtime", "proposal", "pi", "detector", "macro", "positioner", "flag")
_FIELDS = {*WEIGHTS, *(facet.name for facet in FACETS), *NUMBERS, "date", "has"}

_Ranked = tuple[int, Suggestion]


def _completions(asked: _Asked, facet: str, sought: str) -> Iterator[_Ranked]:
    if facet == "dataset":
        counts = asked.datasets()
    elif any(facet == known.name for known in FACETS):
        counts = asked.counts(facet)
    else:
        return
    for value, count in counts.items():
        rank = _rank(folded(value), sought)
        if rank is not None:
            yield rank, Suggestion(facet=facet, value=value, count=count, query=_asking(facet, value))


def _fields(sought: str) -> Iterator[_Ranked]:
    for name in _FIELDS:
        if len(sought) > 1 and name.startswith(sought):
            query = name if name.endswith(".") else f"{name}:"
            yield 0, Suggestion(facet="field", value=name, count=0, query=query)


def _rank(value: str, sought: str) -> int | None:
    if value.startswith(sought):
        return 0
    if sought not in value:
        return None
    begins = [at for at, (one, two) in enumerate(pairwise(value), 1) if two.isalnum() and not one.isalnum()]
    return 1 if any(value.startswith(sought, at) for at in begins) else 2


def _asking(facet: str, value: str) -> str:
    if '"' not in value:
        return f'{facet}:"{value}"'
    return " ".join(f"{facet}:{atom}" for atom in atoms(value))
