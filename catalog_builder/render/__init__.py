"""The render room: records and answers become HTML and JSON.

Knows templates, their addresses and words; does not know where records lie, who may see a page, or the network.
"""

from catalog_builder.render.addresses import beamtime_address, site_path
from catalog_builder.render.environment import digest
from catalog_builder.render.pages import newest_first, problems_of
from catalog_builder.render.paging import dealt, page_name
from catalog_builder.render.renderer import Page, Renderer
from catalog_builder.render.shapes import (
    PER_PAGE,
    AccessView,
    AccountLine,
    AccountView,
    BeamtimeCard,
    CartLine,
    GuestLine,
    InvitationLine,
    Member,
    NewLink,
    OwnBeamtime,
    StaffView,
)

__all__ = [
    "PER_PAGE",
    "AccessView",
    "AccountLine",
    "AccountView",
    "BeamtimeCard",
    "CartLine",
    "GuestLine",
    "InvitationLine",
    "Member",
    "NewLink",
    "OwnBeamtime",
    "Page",
    "Renderer",
    "StaffView",
    "beamtime_address",
    "dealt",
    "digest",
    "newest_first",
    "page_name",
    "problems_of",
    "site_path",
]
