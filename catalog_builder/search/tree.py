"""What a query means: a bounded tree of words, values and numbers, or the mistake that stands in its place.

Knows no spelling and no documents: ``query`` makes the tree, ``evaluation`` finds what satisfies it, ``said`` says it.
"""

import math
from dataclasses import dataclass

from catalog_builder.errors import CatalogError


class QueryMistake(CatalogError):  # noqa: N818 - the word people will read about
    """A query that cannot be understood; ``position`` counts its characters from 0."""

    def __init__(
        self, what: str, *, where: object = None, remedy: str | None = None, position: int | None = None
    ) -> None:
        self.position = position
        if where is None and position is not None:
            where = f"query, character {position + 1}"
        super().__init__(what, where=where, remedy=remedy)


@dataclass(frozen=True, slots=True)
class Words:
    """Atoms that must stand next to each other in one of the fields, or in any field where there are none."""

    atoms: tuple[str, ...]
    fields: tuple[str, ...] = ()
    beginning: bool = False
    """True where the last atom may be the beginning of a longer one."""
    within: bool = False
    """True where in names (``NAMES``) the first atom may also be the end of a longer one, and a single atom stand
    anywhere in one."""


@dataclass(frozen=True, slots=True)
class Value:
    """A facet's value, folded; with ``beginning`` what it begins with, with ``verbatim`` the value as it is spelt."""

    facet: str
    value: str
    beginning: bool = False
    verbatim: bool = False


@dataclass(frozen=True, slots=True)
class Between:
    """A number from ``low`` to ``high``; an end is left out where its flag says so."""

    field: str
    low: float = -math.inf
    high: float = math.inf
    without_low: bool = False
    without_high: bool = False
    unit: str | None = None
    """Unit of both ends, one of ``units.UNITS``: what is recorded in another is converted, what is recorded without
    any is not found. None compares with the figure as it is recorded."""


@dataclass(frozen=True, slots=True)
class Present:
    """Any value of a facet."""

    facet: str


@dataclass(frozen=True, slots=True)
class OfDataset:
    """What is in a dataset that has the number; a dataset's own numbers are not written into each of its scans."""

    part: Between


@dataclass(frozen=True, slots=True)
class Everything:
    """What an empty query finds."""


@dataclass(frozen=True, slots=True)
class And:
    """All of the parts."""

    parts: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Any of the parts."""

    parts: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """What the part does not find."""

    part: "Node"


Leaf = Words | Value | Present | Between
Node = Leaf | OfDataset | Everything | And | Or | Not
