"""The words of a search: what may be asked, what may be filtered, and what an answer holds.

Knows the facets by name, the shape of requests and results and how a request is spelt in an address; does not
know how hits are found.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from catalog_builder.errors import CatalogError, did_you_mean
from catalog_builder.records import Json

Level = Literal["dataset", "scan"]

MOST_PER_PAGE = 100
"""Rows a page of results may have."""

LONGEST_TEXT = 200
"""Characters that suggestions are made for."""

MOST_SUGGESTIONS = 50
"""Suggestions an answer may have."""

MOST_VALUES = 100
"""Values of a facet an answer lists: the most frequent ones; those chosen are listed in any case."""


@dataclass(frozen=True, slots=True)
class Facet:
    """A field whose values are counted and can be chosen."""

    name: str
    """As in the address and the API."""
    label: str
    """As on the page."""
    in_order: bool = False
    """True where the values are a scale, listed whole and in its order: a histogram. Else the most frequent first."""


FACETS: tuple[Facet, ...] = (
    Facet("flag", "Flag"),
    Facet("keyword", "Keyword"),
    Facet("sample", "Sample"),
    Facet("beamtime", "Beamtime"),
    Facet("proposal", "Proposal"),
    Facet("pi", "PI"),
    Facet("year", "Year", in_order=True),
    Facet("month", "Month", in_order=True),
    Facet("detector", "Detector"),
    Facet("macro", "Scan macro"),
    Facet("positioner", "Positioner"),
    Facet("on_disk", "On disk"),
    Facet("state", "State"),
)

SORTS: tuple[str, ...] = (
    "date",
    "name",
    "title",
    "sample",
    "beamtime",
    "proposal",
    "pi",
    "macro",
    "flag",
    "state",
    "on_disk",
    "relevance",
)
"""Fields results can be sorted by, and NUMBERS besides; ``-`` in front turns the order round. ``relevance`` is best
first; what has no value comes last both ways."""

NUMBERS: tuple[str, ...] = (
    "points",
    "number",
    "scans",
    "size",
    "exposure",
    "duration",
    "energy",
    "temperature",
    "pressure",
)
"""Numbers every catalogue may have, to compare and to sort by. Any other has a dot in its name: ``positioner.chi``,
``channel.roi1.max``, ``quantity.humidity``."""


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
    counted: tuple[str, ...] | None = None
    """Facets to count; None counts all."""


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
    without: Mapping[str, int] = field(default_factory=dict)
    """Where nothing is found: by facet name, or ``q``, the total without what it asks; those that are not 0."""
    took_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SuggestRequest:
    """What somebody has typed so far, and of what to suggest."""

    text: str
    """The word that is being typed; of a facet also empty, or from the middle of a value."""
    facet: str | None = None
    """Values of this facet alone, whatever is listed of it, as in a box to find in it; None suggests of all."""
    search: SearchRequest = field(default_factory=SearchRequest)
    """What is asked already: a suggestion counts what would be found with it added."""
    most: int = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A value that is there, and the hits it would find."""

    facet: str
    """Name of the facet it is a value of; ``dataset`` where it is a dataset's name, ``field`` of a field's."""
    value: str
    count: int
    """Hits with it; 0 for a field."""
    query: str
    """What to write into the box to ask for it: ``sample:"LaB6 film"``, ``positioner:``."""


_FACET_NAMES: tuple[str, ...] = tuple(facet.name for facet in FACETS)
_PARAMETERS = ("q", "level", *_FACET_NAMES, "sort", "page", "per_page", "facets")
_SUGGESTING = ("text", "facet", "most")
_NO_FACETS = "none"
_DOTTED = re.compile(r"[^\W\d][\w-]*(?:\.[\w~+-]+)+")
_LONGEST_NUMBER = 120


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
        counted=_counted(given.get("facets", ())),
    )


def is_sort(word: str) -> bool:
    """Tell whether results can be sorted by this: a field, a number every catalogue may have, or one with a dot."""
    name = word.removeprefix("-")
    is_dotted = len(name) <= _LONGEST_NUMBER and _DOTTED.fullmatch(name) is not None
    return name in SORTS or name in NUMBERS or is_dotted


def suggest_request_from(parameters: Iterable[tuple[str, str]]) -> SuggestRequest:
    """Read what is typed from the parameters of an address: ``text``, ``facet``, ``most``, and those of a search.

    Raises CatalogError as ``request_from`` does, and where the text is too long or the facet is none.
    """
    given: dict[str, list[str]] = {}
    others: list[tuple[str, str]] = []
    for name, value in parameters:
        if name in _SUGGESTING:
            given.setdefault(name, []).append(value)
        else:
            others.append((name, value))
    text = _single(given, "text", "")
    if len(text) > LONGEST_TEXT:
        raise CatalogError(f"the text has {len(text):,} characters, at most {LONGEST_TEXT} are read", where="text")
    facet = _single(given, "facet", "").strip()
    if facet and facet not in _FACET_NAMES:
        word = _shown(facet)
        raise CatalogError(f"no facet {word!r}", where="facet", remedy=did_you_mean(word, _FACET_NAMES))
    most = _single(given, "most", "").strip() or str(SuggestRequest(text="").most)
    return SuggestRequest(
        text=text, facet=facet or None, search=request_from(others), most=_whole("most", most, MOST_SUGGESTIONS)
    )


def parameters_of(request: SearchRequest) -> list[tuple[str, str]]:
    """Spell a request as parameters of an address: one order, values sorted, defaults left out."""
    default = SearchRequest()
    pairs = [("q", request.q), ("level", request.level)]
    pairs += [(f.name, value) for f in FACETS for value in sorted(set(request.chosen.get(f.name, ())))]
    pairs += [("sort", request.sort), ("page", str(request.page)), ("per_page", str(request.per_page))]
    if request.counted is not None:
        names = [name for name in _FACET_NAMES if name in request.counted]
        pairs.append(("facets", ",".join(names) or _NO_FACETS))
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
    if not is_sort(word):
        word = _shown(word)
        remedy = did_you_mean(word.removeprefix("-"), (*SORTS, *NUMBERS))
        remedy = remedy or "sort by a column such as 'date', or by a number such as 'positioner.chi'"
        raise CatalogError(f"cannot sort by {word!r}", where="sort", remedy=remedy)
    return word


def _counted(texts: Iterable[str]) -> tuple[str, ...] | None:
    """Read which facets to count: names between commas, each text the same; None counts all."""
    names = {name for text in texts for part in text.split(",") if (name := part.strip())}
    if not names:
        return None
    if names == {_NO_FACETS}:
        return ()
    for name in sorted(names):
        if name not in _FACET_NAMES:
            word = _shown(name)
            remedy = f"{_NO_FACETS!r} stands alone" if name == _NO_FACETS else did_you_mean(word, _FACET_NAMES)
            raise CatalogError(f"no facet {word!r}", where="facets", remedy=remedy)
    return tuple(name for name in _FACET_NAMES if name in names)


def _whole(name: str, text: str, most: int | None) -> int:
    word = text.strip()
    number = int(word) if word.isascii() and word.isdigit() and len(word) <= 9 else 0
    if number < 1 or (most is not None and number > most):
        limit = "a whole number from 1 on" if most is None else f"a whole number from 1 to {most}"
        raise CatalogError(f"{_shown(text)!r} is not {limit}", where=name)
    return number
