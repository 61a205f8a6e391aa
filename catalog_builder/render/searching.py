"""What the search page shows beside its rows: toggles, filters, chips, sorting, pages, each with its address.

Knows how a request changes by one step and the address of what it becomes; does not know how hits are found.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from catalog_builder.facets import FACETS, FacetCount, Hit, Level, SearchRequest, SearchResult, parameters_of
from catalog_builder.records import Json
from catalog_builder.render.addresses import address_with, search_address
from catalog_builder.render.clauses import Clauses, clauses_of
from catalog_builder.render.figures import ON_DISK
from catalog_builder.render.paging import pager
from catalog_builder.render.shapes import Pager

SHOWN_VALUES = 6
"""Values a filter shows before the rest folds away; chosen ones are always shown."""

SEARCHABLE_FROM = 12
"""Values from which a filter gets a box to find in it."""

SHOWN_YEARS = 12
"""Values a histogram shows before the older ones fold away."""

COLUMN_ORDER = (
    "keyword",
    "sample",
    "year",
    "month",
    "proposal",
    "pi",
    "beamtime",
    "detector",
    "macro",
    "positioner",
    "state",
    "on_disk",
)
"""Filters in the column, top down; any other facet follows. The flag's toggles stand above the table."""

_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")
_MONTHS = 12

_LEVELS: tuple[tuple[Level, str], ...] = (("dataset", "datasets"), ("scan", "scans"))


_FILES = (("csv", "Download as CSV"), ("json", "JSON"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A value of a filter."""

    value: str
    label: str
    count: int | None
    """Hits that have it; None where that is not known."""
    chosen: bool
    share: int = 0
    """How long its bar is, in percent of the longest of its histogram; at least 1 where anything has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Year:
    """The months of a year, folded."""

    label: str
    months: tuple[Choice, ...]
    bars: tuple[int, ...]
    """How high the bars of its twelve months are, in percent of the highest of all years."""
    opened: bool
    """True where one of its months is chosen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """A facet as the column shows it."""

    name: str
    label: str
    noun: str
    """The label as it stands within a sentence."""
    shown: tuple[Choice, ...]
    folded: tuple[Choice, ...]
    searchable: bool
    unlisted: int
    """Values beyond those listed: the answer holds the most frequent ones."""
    in_order: bool = False
    """True where it is a histogram: bars instead of the most frequent first."""
    years: tuple[Year, ...] = ()
    """A histogram's months by their year, in place of its values one by one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """Something that narrows the search, and the address of the search without it."""

    label: str
    value: str
    without: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Less:
    """Something that narrows the search to nothing, and what there would be without it."""

    label: str
    values: tuple[str, ...]
    total: int
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """A column of the table, and the address of the search sorted by it."""

    label: str
    name: str
    numeric: bool
    address: str
    order: str | None = None
    """``ascending``, ``descending``, or None where the rows are not sorted by it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchView:
    """All that the search page shows, rows included."""

    request: SearchRequest
    asked: Clauses
    """What is asked in words, for the inputs of the form."""
    result: SearchResult | None
    hits: tuple[Hit, ...]
    toggles: tuple[Choice, ...]
    levels: tuple[tuple[str, str, bool], ...]
    """Word, address, and whether it is the present one."""
    filters: tuple[Filter, ...]
    chips: tuple[Chip, ...]
    clear: str
    headings: tuple[Heading, ...]
    hidden: tuple[tuple[str, str], ...]
    """Parameters the form keeps although nothing on it shows them."""
    best_first: str | None
    """Address of the search sorted by relevance; None where it is, or where there is no text to be relevant to."""
    without: tuple[Less, ...]
    """Where nothing is found: what to leave out, the most that would be found first."""
    files: tuple[tuple[str, str], ...]
    """Words and addresses of the answer as files."""
    pages: Pager | None
    with_energy: bool


def search_view(
    request: SearchRequest, result: SearchResult | None, flags: Sequence[str], energy_unit: str | None = None
) -> SearchView:
    """Put together what the page shows; without a result it still shows what was chosen."""
    counted = {} if result is None else result.facets
    request = _without_idle_flags(request, flags)
    hits = () if result is None else result.hits
    with_energy = any(hit.fields.get("energy") is not None for hit in hits)
    return SearchView(
        request=request,
        asked=clauses_of(request.q),
        result=result,
        hits=hits,
        toggles=_toggles(request, counted.get("flag", ()), flags),
        levels=tuple(
            (word, search_address(replace(request, level=level, page=1)), request.level == level)
            for level, word in _LEVELS
        ),
        filters=_filters(request, counted, {} if result is None else result.unlisted),
        chips=tuple(_chips(request)),
        clear=search_address(replace(request, q="", chosen={}, page=1)),
        headings=tuple(_headings(request, _energy_label(energy_unit) if with_energy else None)),
        hidden=tuple(pair for pair in parameters_of(request) if pair[0] in ("level", "sort", "per_page")),
        best_first=search_address(replace(request, sort="relevance", page=1))
        if request.q and request.sort != "relevance"
        else None,
        without=() if result is None else _without(request, result.without),
        files=tuple(
            (word, address_with("/search", [*parameters_of(request), ("format", name)])) for name, word in _FILES
        ),
        pages=None if result is None else _pages(request, result.total),
        with_energy=with_energy,
    )


def cell(hit: Hit, name: str) -> Json:
    """Give a field of a hit, None where it has none."""
    return hit.fields.get(name)


def words(value: Json) -> list[str]:
    """Give a field that holds several words (flags, keywords) as a list, whatever shape it came in."""
    if isinstance(value, list):
        return [str(one) for one in value if one is not None]
    return [] if value in (None, "") else [str(value)]


def _without_idle_flags(request: SearchRequest, flags: Sequence[str]) -> SearchRequest:
    """All flags switched on are the same as none chosen: the toggles say what is shown."""
    chosen = request.chosen.get("flag", ())
    if not chosen or not set(flags) <= set(chosen):
        return request
    return replace(request, chosen={name: values for name, values in request.chosen.items() if name != "flag"})


def _toggles(request: SearchRequest, counts: Sequence[FacetCount], flags: Sequence[str]) -> tuple[Choice, ...]:
    chosen = request.chosen.get("flag", ())
    known = {one.value: one.count for one in counts}
    names = [*flags, *(name for name in [*known, *chosen] if name not in flags)]
    return tuple(
        Choice(
            value=name, label=name, count=known.get(name, 0) if counts else None, chosen=not chosen or name in chosen
        )
        for name in dict.fromkeys(names)
    )


def _filters(
    request: SearchRequest, counted: Mapping[str, tuple[FacetCount, ...]], unlisted: Mapping[str, int]
) -> tuple[Filter, ...]:
    known = {facet.name: facet for facet in FACETS if facet.name != "flag"}
    order = [*(name for name in COLUMN_ORDER if name in known), *(n for n in known if n not in COLUMN_ORDER)]
    made: list[Filter] = []
    for name in order:
        facet, chosen, counts = known[name], request.chosen.get(name, ()), counted.get(name, ())
        if facet.in_order:
            made.append(_histogram(name, facet.label, chosen, counts))
        else:
            made.append(_filter(name, facet.label, chosen, counts, unlisted.get(name, 0)))
    return tuple(one for one in made if one.shown or one.years)


def _histogram(name: str, label: str, chosen: Sequence[str], counts: Sequence[FacetCount]) -> Filter:
    """Give a facet that is a scale with bars, the newest first; months by their year."""
    known = dict.fromkeys(chosen, 0) | {one.value: one.count for one in counts}
    most = max(known.values(), default=0)
    choices = [
        Choice(value=value, label=value, count=count, chosen=value in chosen, share=_share(count, most))
        for value, count in sorted(known.items(), reverse=True)
    ]
    is_monthly = choices != [] and all(_MONTH.fullmatch(one.value) for one in choices)
    room = SHOWN_YEARS + 1 if len(choices) == SHOWN_YEARS + 1 else SHOWN_YEARS
    return Filter(
        name=name,
        label=label,
        noun=_noun(label),
        shown=() if is_monthly else tuple(one for n, one in enumerate(choices) if n < room or one.chosen),
        folded=() if is_monthly else tuple(one for one in choices[room:] if not one.chosen),
        searchable=False,
        unlisted=0,
        in_order=True,
        years=_years(choices) if is_monthly else (),
    )


def _share(count: int, most: int) -> int:
    return max(1, round(100 * count / most)) if count else 0


def _years(months: Sequence[Choice]) -> tuple[Year, ...]:
    """Fold months by their year, the newest year first and its months as in a calendar."""
    by_year: dict[str, list[Choice]] = {}
    for one in months:
        by_year.setdefault(one.value[:4], []).insert(0, one)
    years = []
    for year, chosen in by_year.items():
        shares = {int(one.value[5:]): one.share for one in chosen}
        bars = tuple(shares.get(number, 0) for number in range(1, _MONTHS + 1))
        opened = any(one.chosen for one in chosen)
        years.append(Year(label=year, months=tuple(chosen), bars=bars, opened=opened))
    return tuple(years)


def _filter(name: str, label: str, chosen: Sequence[str], counts: Sequence[FacetCount], unlisted: int) -> Filter:
    known = {one.value: one.count for one in counts}
    first = [value for value in chosen if value not in known] + [one.value for one in counts if one.value in chosen]
    others = [one.value for one in counts if one.value not in chosen]
    room = max(SHOWN_VALUES - len(first), 2)
    if len(others) == room + 1:
        room += 1
    choices = [
        Choice(value=value, label=_label(name, value), count=known.get(value, 0), chosen=value in chosen)
        for value in [*first, *others]
    ]
    cut = len(first) + room
    return Filter(
        name=name,
        label=label,
        noun=_noun(label),
        shown=tuple(choices[:cut]),
        folded=tuple(choices[cut:]),
        searchable=len(choices) >= SEARCHABLE_FROM or unlisted > 0,
        unlisted=unlisted,
    )


def _noun(label: str) -> str:
    """Give a label as it stands within a sentence: ``sample``, ``PI``."""
    return label if label.isupper() else label.lower()


def _label(name: str, value: str) -> str:
    return ON_DISK.get(value, value) if name == "on_disk" else value


def _chips(request: SearchRequest) -> list[Chip]:
    """Give a chip for each part of what is asked in words and one for each chosen value."""
    asked = clauses_of(request.q)
    days = " – ".join((asked.date_from or "…", asked.date_to or "…")) if asked.date_from or asked.date_to else ""
    parts = (
        ("text", asked.text, replace(asked, text="")),
        ("name", asked.name, replace(asked, name="")),
        ("date", days, replace(asked, date_from="", date_to="")),
    )
    chips = [
        Chip(label=label, value=value, without=search_address(replace(request, q=rest.query(), page=1)))
        for label, value, rest in parts
        if value
    ]
    labels = {facet.name: _noun(facet.label) for facet in FACETS}
    for name, values in request.chosen.items():
        for value in values:
            rest = {**request.chosen, name: tuple(other for other in values if other != value)}
            kept = {facet: left for facet, left in rest.items() if left}
            without = search_address(replace(request, chosen=kept, page=1))
            chips.append(Chip(label=labels.get(name, name), value=_label(name, value), without=without))
    return chips


def _without(request: SearchRequest, totals: Mapping[str, int]) -> tuple[Less, ...]:
    """Give what to leave out so that something is found, and the address of the search without it."""
    labels = {facet.name: _noun(facet.label) for facet in FACETS}
    found: list[Less] = []
    for name, total in totals.items():
        if name == "q":
            values, less = [request.q], replace(request, q="", page=1)
        else:
            kept = {facet: chosen for facet, chosen in request.chosen.items() if facet != name}
            values, less = [_label(name, one) for one in request.chosen.get(name, ())], replace(request, chosen=kept)
        label, address = labels.get(name, "the words"), search_address(replace(less, page=1))
        found.append(Less(label=label, values=tuple(values), total=total, address=address))
    return tuple(sorted(found, key=lambda one: -one.total))


def _energy_label(unit: str | None) -> str:
    return f"Energy ({unit})" if unit else "Energy"


def _headings(request: SearchRequest, energy: str | None) -> list[Heading]:
    columns = [("Name", "name", False), ("Sample", "sample", False), ("Flag", "flag", False)]
    if request.level == "dataset":
        columns.append(("Scans", "scans", True))
    columns += [("Date", "date", False), ("Beamtime ID", "beamtime", False), ("Proposal ID", "proposal", False)]
    if energy:
        columns.append((energy, "energy", True))
    columns.append(("On disk", "on_disk", False))
    return [_heading(request, label, sort, numeric) for label, sort, numeric in columns]


def _heading(request: SearchRequest, label: str, sort: str, numeric: bool) -> Heading:
    """Give a column's heading; the first click on a date or number gives the newest or largest first."""
    present = request.sort.removeprefix("-") == sort
    downward = request.sort.startswith("-")
    turned = sort if present and downward else f"-{sort}" if present or numeric or sort == "date" else sort
    return Heading(
        label=label,
        name=sort,
        numeric=numeric,
        address=search_address(replace(request, sort=turned, page=1)),
        order=("descending" if downward else "ascending") if present else None,
    )


def _pages(request: SearchRequest, total: int) -> Pager:
    return pager(request.page, total, request.per_page, lambda number: search_address(replace(request, page=number)))
