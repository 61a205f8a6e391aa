"""The words of a search: what may be asked, what may be filtered, and what an answer holds.

Knows the facets by name, the shape of requests and results and how a request is spelt in an address; does not
know how hits are found.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from catalog_builder.errors import CatalogError, did_you_mean
from catalog_builder.records import Json

Level = Literal["dataset", "scan"]

MOST_PER_PAGE = 100
"""Rows a page of results may have."""

MOST_VALUES = 100
"""Values of a facet an answer lists: the most frequent ones; those chosen are listed in any case."""


@dataclass(frozen=True, slots=True)
class Facet:
    """A field whose values are counted and can be chosen."""

    name: str
    """As in the address and the API."""
    label: str
    """As on the page."""


FACETS: tuple[Facet, ...] = (
    Facet("flag", "Flag"),
    Facet("keyword", "Keyword"),
    Facet("sample", "Sample"),
    Facet("beamtime", "Beamtime"),
    Facet("proposal", "Proposal"),
    Facet("pi", "PI"),
    Facet("year", "Year"),
    Facet("detector", "Detector"),
    Facet("macro", "Scan macro"),
    Facet("positioner", "Positioner"),
    Facet("on_disk", "On disk"),
    Facet("state", "State"),
)

SORTS: tuple[str, ...] = ("date", "name", "sample", "beamtime", "proposal", "relevance")
"""Fields results can be sorted by; ``-`` in front turns the order round. ``relevance`` is best first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRequest:
    """What somebody asks."""

    q: str = ""
    level: Level = "dataset"
    chosen: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Values chosen of each facet; several of one facet mean any of them."""
    sort: str = "-date"
    page: int = 1
    per_page: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class FacetCount:
    """A facet's value and the hits that have it."""

    value: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A dataset or scan found, with the fields its row shows."""

    key: str
    fields: Mapping[str, Json]
    """title, name, sample, flags, keywords, beamtime, proposal, proposal_type, date, scans, command, energy, on_disk,
    thumb (an address or None), address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """An answer: a page of hits, and the counts over all of them."""

    level: Level
    total: int
    hits: tuple[Hit, ...]
    facets: Mapping[str, tuple[FacetCount, ...]]
    """By facet name; most frequent first, then by value. Each count is the total there would be were that value alone
    chosen of its facet."""
    unlisted: Mapping[str, int] = field(default_factory=dict)
    """By facet name, how many more values hits have than are listed; without those that are listed whole."""
    took_ms: float


_PARAMETERS = ("q", "level", *(facet.name for facet in FACETS), "sort", "page", "per_page")


def request_from(parameters: Iterable[tuple[str, str]]) -> SearchRequest:
    """Read a request from the parameters of an address, in any order; a repeated facet means any of its values.

    Empty parameters count as absent, as a form sends them. Raises CatalogError for one that is unknown, given
    twice where one can count, or has no meaning.
    """
    given: dict[str, list[str]] = {}
    for name, value in parameters:
        if name not in _PARAMETERS:
            word = _shown(name)
            raise CatalogError(f"no search parameter {word!r}", remedy=did_you_mean(word, _PARAMETERS))
        if value.strip():
            given.setdefault(name, []).append(value)
    chosen = {f.name: tuple(sorted(set(given[f.name]))) for f in FACETS if f.name in given}
    default = SearchRequest()
    return SearchRequest(
        q=_single(given, "q", default.q).strip(),
        level=_level(_single(given, "level", default.level)),
        chosen=chosen,
        sort=_sort(_single(given, "sort", default.sort)),
        page=_whole("page", _single(given, "page", str(default.page)), None),
        per_page=_whole("per_page", _single(given, "per_page", str(default.per_page)), MOST_PER_PAGE),
    )


def parameters_of(request: SearchRequest) -> list[tuple[str, str]]:
    """Spell a request as parameters of an address: one order, values sorted, defaults left out."""
    default = SearchRequest()
    pairs = [("q", request.q), ("level", request.level)]
    pairs += [(f.name, value) for f in FACETS for value in sorted(set(request.chosen.get(f.name, ())))]
    pairs += [("sort", request.sort), ("page", str(request.page)), ("per_page", str(request.per_page))]
    left_out = {(name, str(getattr(default, name))) for name in ("q", "level", "sort", "page", "per_page")}
    return [pair for pair in pairs if pair not in left_out]


def _shown(text: str) -> str:
    """Cut what somebody sent to what a message can hold."""
    return text if len(text) <= 60 else f"{text[:59]}…"


def _single(given: Mapping[str, list[str]], name: str, default: str) -> str:
    values = given.get(name, [default])
    if len(set(values)) > 1:
        raise CatalogError(f"the search parameter {name!r} is given {len(values)} times", remedy="give it once")
    return values[0]


def _level(word: str) -> Level:
    for level in get_args(Level):
        if word == level:
            return "scan" if level == "scan" else "dataset"
    word = _shown(word)
    raise CatalogError(f"no level {word!r}", where="level", remedy=did_you_mean(word, get_args(Level)))


def _sort(word: str) -> str:
    if word.removeprefix("-") not in SORTS:
        word = _shown(word)
        raise CatalogError(f"cannot sort by {word!r}", where="sort", remedy=did_you_mean(word.removeprefix("-"), SORTS))
    return word


def _whole(name: str, text: str, most: int | None) -> int:
    word = text.strip()
    number = int(word) if word.isascii() and word.isdigit() and len(word) <= 9 else 0
    if number < 1 or (most is not None and number > most):
        limit = "a whole number from 1 on" if most is None else f"a whole number from 1 to {most}"
        raise CatalogError(f"{_shown(text)!r} is not {limit}", where=name)
    return number
