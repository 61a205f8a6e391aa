"""What to suggest to somebody who is typing: values that are there, with what they would find, and fields.

Knows the values of facets and the names of datasets among matched documents; what nobody may see is not suggested.
"""

import re
from collections.abc import Iterable, Iterator

import numpy as np

from catalog_builder.facets import FACETS, LONGEST_TEXT, NUMBERS, Suggestion, SuggestRequest
from catalog_builder.names import readable
from catalog_builder.search.counting import value_counts
from catalog_builder.search.documents import WEIGHTS
from catalog_builder.search.matching import Matched, column_of
from catalog_builder.search.text import atoms, folded

_SUGGESTED = ("sample", "keyword", "beamtime", "proposal", "pi", "detector", "macro", "positioner", "flag")
"""Facets whose values complete a word; the others have few values, all of them on the page."""

_FIELDS = tuple(sorted({*WEIGHTS, *(facet.name for facet in FACETS), *NUMBERS, "date", "has"}))
_OF_FIELD = re.compile(r"([A-Za-z_]+):\"?(.*)")
_PARTS = re.compile(r"[^\W_]+")


def suggestions(matched: Matched, request: SuggestRequest) -> tuple[Suggestion, ...]:
    """Give what completes the text, best first: what begins with it, then what has a word that does, then the rest.

    ``matched`` is what is asked already finds.
    """
    facet, text = request.facet, request.text[:LONGEST_TEXT]
    of_field = _OF_FIELD.fullmatch(text)
    if facet is None and of_field is not None:
        facet, text = of_field[1].lower(), of_field[2]
    sought = folded(text).strip()
    if facet is not None:
        found = _of_facet(matched, facet, sought)
    elif sought:
        found = [
            *_fields(sought),
            *(one for name in (*_SUGGESTED, "dataset") for one in _of_facet(matched, name, sought)),
        ]
    else:
        found = []
    found.sort(key=lambda pair: (pair[0], -pair[1].count, pair[1].value, pair[1].facet))
    return tuple(suggestion for _, suggestion in found[: request.most])


Ranked = tuple[int, Suggestion]


def _of_facet(matched: Matched, facet: str, sought: str) -> list[Ranked]:
    if facet == "dataset":
        return [*_datasets(matched, sought)]
    if all(facet != known.name for known in FACETS):
        return []
    counts = value_counts(matched, facet)
    numbering = matched.collection.numbering
    with numbering.lock:
        known = numbering.facets[column_of(facet, matched.level)]
        values, spelt = known.values.values, known.folded()
    there = np.flatnonzero(counts).tolist()
    return [
        (rank, Suggestion(facet=facet, value=values[n], count=int(counts[n]), query=_query(facet, values[n])))
        for n in there
        if (rank := _rank(spelt[n], sought)) is not None
    ]


def _datasets(matched: Matched, sought: str) -> Iterator[Ranked]:
    """Give names of datasets; a name that several beamtimes use counts the hits of all of them."""
    collection = matched.collection
    numbers = np.bincount(collection.dataset[matched.hits], minlength=collection.datasets)
    counts: dict[str, int] = {}
    for n in np.flatnonzero(numbers).tolist():
        name = readable(collection.numbering.datasets.values[n].partition("/")[2])
        counts[name] = counts.get(name, 0) + int(numbers[n])
    for name, count in counts.items():
        rank = _rank(folded(name), sought)
        if rank is not None:
            yield rank, Suggestion(facet="dataset", value=name, count=count, query=_query("dataset", name))


def _fields(sought: str) -> Iterable[Ranked]:
    for name in _FIELDS:
        if name.startswith(sought) and len(sought) > 1:
            yield 0, Suggestion(facet="field", value=name, count=0, query=f"{name}:")


def _rank(value: str, sought: str) -> int | None:
    """Tell how well a folded value answers: 0 it begins so, 1 a word of it does, 2 it holds it, None not at all."""
    at = value.find(sought)
    if at <= 0:
        return None if at < 0 else 0
    return 1 if any(part.start() for part in _PARTS.finditer(value) if value.startswith(sought, part.start())) else 2


def _query(facet: str, value: str) -> str:
    """Write what asks for a value; one that holds a quotation mark is asked for by its words."""
    if '"' not in value:
        return f'{facet}:"{value}"'
    return " ".join(f"{facet}:{word}" for word in atoms(value))
