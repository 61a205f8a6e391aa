"""What can stand before a colon: fields of words, facets and numbers, and what each number measures.

Knows names; does not know what stands behind the colon, nor documents.
"""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from catalog_builder.facets import FACETS, NUMBERS
from catalog_builder.search.documents import MARKS, WEIGHTS

FACET_FIELDS = frozenset(facet.name for facet in FACETS)
EXACT_FIELDS = FACET_FIELDS - WEIGHTS.keys()
"""Facets whose values are compared as a whole, not word by word."""

ALIASES: Mapping[str, str] = {"scan": "name"}

PREFIXES = ("positioner", "channel", "quantity")
"""What stands before the dot of numbers that not every catalogue has."""

EXTREMES = ("min", "max", "mean")
"""What is known of a channel; of a quantity the first two."""

KINDS: Mapping[str, tuple[str, ...]] = {
    "points": (),
    "number": (),
    "scans": (),
    "year": (),
    "size": ("bytes",),
    "exposure": ("time",),
    "duration": ("time",),
    "energy": ("energy",),
    "temperature": ("temperature",),
    "pressure": ("pressure", "surface pressure"),
}
"""What numbers of NUMBERS measure, by the kinds of ``units.UNITS``; of all others only records know."""


def base(number: str) -> str:
    """Give the quantity an extreme is one of: ``energy.min`` is energy's."""
    name, dot, end = number.rpartition(".")
    return name if dot and end in EXTREMES[:2] else number


def kinds_of(number: str) -> tuple[str, ...] | None:
    """Give what a number measures; None where only records know."""
    return KINDS.get(base(number))


def known_fields(quantities: Iterable[str] = ()) -> tuple[str, ...]:
    """Give all that can stand before a colon, but for names that depend on the data."""
    return tuple(dict.fromkeys((*WEIGHTS, *FACET_FIELDS, *ALIASES, *NUMBERS, *quantities, "date", "has")))


def known_presences(quantities: Iterable[str] = ()) -> tuple[str, ...]:
    """Give all that can stand behind ``has:``, but for names that depend on the data."""
    return tuple(dict.fromkeys((*MARKS, *FACET_FIELDS, *NUMBERS, *quantities, "date")))


def meant_prefix(number: str) -> str | None:
    """Give the name with the prefix put right, where it is close to one of PREFIXES: ``positoner.chi``."""
    prefix, dot, rest = number.partition(".")
    close = get_close_matches(prefix, PREFIXES, n=1, cutoff=0.75)
    return f"{close[0]}.{rest}" if dot and close and prefix not in PREFIXES else None
