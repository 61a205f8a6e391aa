"""What the live pages show that no record holds: a beamtime's card, a line of the cart.

Knows these shapes; does not know who fills them or how they look.
"""

from dataclasses import dataclass

from catalog_builder.records import Beamtime, CuratedScan

PER_PAGE = 100
"""Rows a static list has before it goes on on another page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BeamtimeCard:
    """A beamtime in the list of those somebody may see."""

    beamtime: Beamtime
    datasets: int
    scans: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CartLine:
    """A scan or dataset somebody chose."""

    key: str
    title: str
    address: str
    """Of its page."""
    beamtime: str
    files: int
    size: int
    """Bytes."""
    on_disk: str
    """As in the records: ``disk``, ``tape``, ``both``, ``part``, ``lost``, ``unknown``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """The scans before and after one, in the order of its dataset."""

    before: CuratedScan | None = None
    after: CuratedScan | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PageLink:
    """A page of a list that goes on over several."""

    number: int
    address: str
    current: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Pager:
    """Where one is in a list of several pages, and the way to the others."""

    links: tuple[PageLink | None, ...]
    """None stands for pages left out between two links."""
    before: str | None
    """Address of the page before, or None on the first."""
    after: str | None
    first: int
    """Number of the first row shown, from 1; 0 where there is none."""
    last: int
    total: int
