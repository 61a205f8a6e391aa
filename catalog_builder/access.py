"""Who may do what with a beamtime: the one rule every page, file, search, cart and tar asks.

Knows people's groups, what they were invited to, and a beamtime's groups and the day it opens; does no I/O and does not
know how anybody signed in.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from catalog_builder.config import GroupSettings
from catalog_builder.records import Beamtime


class Role(StrEnum):
    """What somebody may do with a beamtime."""

    READ = "read"
    DOWNLOAD = "download"
    CURATE = "curate"
    ADMINISTER = "administer"


READING = frozenset({Role.READ})
TAKING_HOME = frozenset({Role.READ, Role.DOWNLOAD})
CURATING = frozenset({Role.READ, Role.DOWNLOAD, Role.CURATE})
EVERYTHING = frozenset(Role)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Somebody who asks; without a name, somebody not signed in."""

    name: str | None = None
    groups: frozenset[str] = frozenset()
    invited: Mapping[str, frozenset[Role]] = field(default_factory=dict)
    """By beamtime, what invitations that hold now let them do."""


NOBODY = Caller()


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Groups and what their members may do with a beamtime."""

    groups: frozenset[str]
    roles: frozenset[Role]
    what: str
    """Of a group, in a sentence: ``owns the beamtime``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why somebody may do something with a beamtime."""

    roles: frozenset[Role]
    because: str
    """As a person reads it: ``in the group 11017404-dmgt, which owns the beamtime``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Openings:
    """From when on beamtimes are open to everybody, and what time it is: before that day they are under embargo."""

    days: Mapping[str, datetime] = field(default_factory=dict)
    """By beamtime; one that is not in it never opens by itself."""
    now: datetime

    def is_open(self, beamtime: str) -> bool:
        """Tell whether a beamtime is open to everybody now."""
        day = self.days.get(beamtime)
        return day is not None and day <= self.now


def reasons(caller: Caller, beamtime: Beamtime, settings: GroupSettings, openings: Openings) -> tuple[Reason, ...]:
    """Give all that lets the caller do something with the beamtime; nothing unless something says so."""
    found: list[Reason] = []
    if openings.is_open(beamtime.id):
        day = openings.days[beamtime.id]
        roles = READING if caller.name is None else TAKING_HOME
        found.append(Reason(roles=roles, because=f"the beamtime is open to everybody since {day:%Y-%m-%d}"))
    if caller.name is None:
        return tuple(found)
    for standing in standings(beamtime, settings):
        found += [
            Reason(roles=standing.roles, because=f"in the group {name}, which {standing.what}")
            for name in sorted(caller.groups & standing.groups)
        ]
    if invited := caller.invited.get(beamtime.id):
        found.append(Reason(roles=invited, because="invited to the beamtime"))
    return tuple(found)


def standings(beamtime: Beamtime, settings: GroupSettings) -> tuple[Standing, ...]:
    """Give the groups that may do something with the beamtime, by what they may do; those without a group are left out.

    ``ownerGroup`` and ``accessGroups`` of the beamtime's metadata stand in place of the site's patterns.
    """
    owners = frozenset(beamtime.owner_groups) or _named(settings.owner, beamtime)
    readers = frozenset(beamtime.access_groups) or _named(settings.readers, beamtime)
    all_of_them = (
        Standing(groups=_named(settings.staff, beamtime), roles=EVERYTHING, what="is staff"),
        Standing(groups=_named(settings.curators, beamtime), roles=CURATING, what="curates the beamtime"),
        Standing(groups=owners, roles=EVERYTHING, what="owns the beamtime"),
        Standing(groups=readers - owners, roles=TAKING_HOME, what="has access to the beamtime"),
    )
    return tuple(standing for standing in all_of_them if standing.groups)


def roles(caller: Caller, beamtime: Beamtime, settings: GroupSettings, openings: Openings) -> frozenset[Role]:
    """Give what the caller may do with the beamtime."""
    return frozenset().union(*(reason.roles for reason in reasons(caller, beamtime, settings, openings)))


def may(caller: Caller, role: Role, beamtime: Beamtime, settings: GroupSettings, openings: Openings) -> bool:
    """Tell whether the caller may do this with the beamtime."""
    return role in roles(caller, beamtime, settings, openings)


def readable(
    caller: Caller, beamtimes: Iterable[Beamtime], settings: GroupSettings, openings: Openings
) -> frozenset[str]:
    """Give the ids of the beamtimes the caller may read."""
    return frozenset(b.id for b in beamtimes if may(caller, Role.READ, b, settings, openings))


def _named(patterns: Iterable[str], beamtime: Beamtime) -> frozenset[str]:
    return frozenset(pattern.replace("{beamtime}", beamtime.id) for pattern in patterns)
