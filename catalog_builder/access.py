"""Who may do what with a beamtime: the one rule every page, file, search, cart and tar asks.

Knows people's groups and a beamtime's groups; does no I/O and does not know how anybody signed in.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from catalog_builder.config import GroupSettings
from catalog_builder.records import Beamtime


class Role(StrEnum):
    """What somebody may do with a beamtime."""

    READ = "read"
    DOWNLOAD = "download"
    CURATE = "curate"
    ADMINISTER = "administer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Somebody who asks; without a name, somebody not signed in."""

    name: str | None = None
    groups: frozenset[str] = frozenset()


NOBODY = Caller()


def roles(caller: Caller, beamtime: Beamtime, settings: GroupSettings) -> frozenset[Role]:
    """Give what the caller may do with the beamtime; nothing unless a group says so.

    ``ownerGroup`` and ``accessGroups`` of the beamtime's metadata stand in place of the site's patterns.
    """
    if caller.name is None:
        return frozenset()
    if caller.groups & _named(settings.staff, beamtime):
        return frozenset(Role)
    granted: set[Role] = set()
    owners = frozenset(beamtime.owner_groups) or _named(settings.owner, beamtime)
    readers = frozenset(beamtime.access_groups) or _named(settings.readers, beamtime)
    if caller.groups & _named(settings.curators, beamtime):
        granted |= {Role.READ, Role.DOWNLOAD, Role.CURATE}
    if caller.groups & (owners | readers):
        granted |= {Role.READ, Role.DOWNLOAD}
    return frozenset(granted)


def may(caller: Caller, role: Role, beamtime: Beamtime, settings: GroupSettings) -> bool:
    """Tell whether the caller may do this with the beamtime."""
    return role in roles(caller, beamtime, settings)


def readable(caller: Caller, beamtimes: Iterable[Beamtime], settings: GroupSettings) -> frozenset[str]:
    """Give the ids of the beamtimes the caller may read."""
    return frozenset(b.id for b in beamtimes if may(caller, Role.READ, b, settings))


def _named(patterns: Iterable[str], beamtime: Beamtime) -> frozenset[str]:
    return frozenset(pattern.replace("{beamtime}", beamtime.id) for pattern in patterns)
