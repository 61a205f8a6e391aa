"""What the live pages show that no record holds: a beamtime's card, a line of the cart, who may see what.

Knows these shapes; does not know who fills them or how they look.
"""

from dataclasses import dataclass
from datetime import datetime

from catalog_builder.access import Standing
from catalog_builder.accounts import Account
from catalog_builder.invitations import Invitation
from catalog_builder.openings import Opening
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


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestLine:
    """Somebody who redeemed an invitation."""

    account: Account
    stated_name: str
    """What they said they are called; nobody checked it."""
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class InvitationLine:
    """An invitation in a list, with who redeemed it."""

    invitation: Invitation
    state: str
    """As people read it: ``open``, ``used up``, ``over``, ``revoked``."""
    guests: tuple[GuestLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLink:
    """The link of an invitation just made, which is shown this once."""

    invitation: Invitation
    address: str
    """With the token in its fragment, which browsers send to nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """Somebody with an account, and why they may see a beamtime."""

    account: Account
    because: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessView:
    """Who can see a beamtime, and why."""

    beamtime: Beamtime
    standings: tuple[Standing, ...]
    members: tuple[Member, ...]
    more_members: int
    """Those left out of a long list."""
    invitations: tuple[InvitationLine, ...]
    opening: Opening | None
    is_open: bool
    opens_for: bool
    """Whether who asks may say when it opens: staff may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountLine:
    """Somebody's account as staff see it."""

    account: Account
    own_groups: tuple[str, ...]
    """Those that staff put them into."""
    other_groups: tuple[str, ...]
    """Those that other sources say, each with its source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StaffView:
    """What staff see of accounts, invitations and openings."""

    find: str
    """What of a name or group the accounts are narrowed by."""
    accounts: tuple[AccountLine, ...]
    more_accounts: int
    invitations: tuple[InvitationLine, ...]
    more_invitations: int
    openings: tuple[Opening, ...]
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnBeamtime:
    """A beamtime somebody may see, and why."""

    beamtime: Beamtime
    roles: tuple[str, ...]
    because: tuple[str, ...]

    @property
    def administered(self) -> bool:
        """Tell whether they may say who else sees it."""
        return "administer" in self.roles


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountView:
    """Who somebody is to the catalogue, and what that lets them do."""

    account: Account
    groups: tuple[tuple[str, str], ...]
    """Each with the source that says so."""
    beamtimes: tuple[OwnBeamtime, ...]
    more_beamtimes: int
    invitations: tuple[Invitation, ...]
    """Those they redeemed that hold."""
    sessions: int
    expires: datetime
    shared_computer: bool
    is_staff: bool
    has_password: bool
