"""Invitations: the page a link leads to, and the page of who can see a beamtime, where links are made and ended.

Knows forms, the throttle and who may use them; does not know how tokens are kept nor what they give.
"""

import logging
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from catalog_builder import access
from catalog_builder.access import Caller, Role
from catalog_builder.errors import CatalogError
from catalog_builder.invitations import Invitation
from catalog_builder.openings import first_moment
from catalog_builder.records import Beamtime
from catalog_builder.render import AccessView, GuestLine, InvitationLine, Member, NewLink
from catalog_builder.server import answers
from catalog_builder.server.api import Problem
from catalog_builder.server.catalogue import Catalogue
from catalog_builder.server.forms import Fields, Form
from catalog_builder.server.signing import spoken
from catalog_builder.server.visitors import (
    Asking,
    Cookie,
    SignedIn,
    TheCatalogue,
    TheCookie,
    address_of,
    site_address,
)

logger = logging.getLogger(__name__)

router = APIRouter(include_in_schema=False)

OPENS_NOTHING = "This invitation does not open anything any more. Ask who sent it for a new one."
"""Said of every invitation that is not good, whatever is the matter with it: who guesses learns nothing."""

MOST_MEMBERS = 200
"""People listed of those a beamtime's groups let in."""

_READ = ["GET", "HEAD"]


# Redeeming


@router.api_route("/invited", methods=_READ)
def invited(request: Request, catalogue: TheCatalogue) -> Response:
    """Show the page whose script reads an invitation's token from the fragment, and a field to paste it into."""
    return _invited_page(request, catalogue, None, "", 200)


@router.post("/invited")
def redeem(request: Request, form: Form, catalogue: TheCatalogue, cookie: TheCookie) -> Response:
    """Let somebody in by an invitation; an account that is signed in, or a guest that was here before, gains it."""
    address, stated = address_of(request), "".join(letter for letter in form.one("name") if letter.isprintable())
    wait = catalogue.accounts.begin_redemption(address)
    if wait is not None:
        said = f"There were too many attempts. Wait {spoken(wait)}, then try again."
        answer = _invited_page(request, catalogue, said, stated, 429)
        answer.headers["Retry-After"] = str(int(wait.total_seconds()))
        return answer
    here = _here_already(request, catalogue, cookie)
    redeemed = catalogue.invitations.redeem(
        form.one("token").strip().rpartition("#")[2],
        stated_name=stated,
        account=here,
    )
    if redeemed is None:
        logger.info("an invitation redeemed from %s opened nothing", address)
        return _invited_page(request, catalogue, OPENS_NOTHING, stated, 403)
    catalogue.accounts.forgive_redemption(address)
    invitation, account = redeemed
    says = f', says to be "{stated.strip()}"' if stated.strip() else ""
    catalogue.audit.note(
        "redeem", who=account.name, via="invitation", what=f"{_named(invitation)}{says}", address=address
    )
    answer = answers.redirect(f"/beamtimes/{invitation.beamtime}/")
    if here is None:
        shared = bool(form.one("shared"))
        cookie.put(
            answer, catalogue.accounts.open_session(account.name, shared_computer=shared), shared_computer=shared
        )
    return answer


def _here_already(request: Request, catalogue: Catalogue, cookie: Cookie) -> str | None:
    """Give the name of who is signed in, or of a guest whom nothing lets in any more: they stay who they were."""
    if request.scope["visitor"] is not None:
        return str(request.scope["visitor"].name)
    token = cookie.token(request.scope["headers"])
    session = catalogue.accounts.session(token) if token else None
    return session.account.name if session else None


def _invited_page(request: Request, catalogue: Catalogue, mistake: str | None, name: str, status: int) -> Response:
    visitor = request.scope["visitor"]
    signed_in = None if visitor is None else visitor.session.account.display_name
    html = catalogue.renderer.invited_page(mistake, name, signed_in)
    return HTMLResponse(html, status, headers={"Cache-Control": "no-store"})


# Who can see a beamtime


def _administered(beamtime: str, caller: Asking, catalogue: TheCatalogue) -> Beamtime:
    """Give the beamtime of the address to who administers it; for everybody else there is no such page."""
    found = catalogue.beamtime(beamtime) if catalogue.may(caller, Role.ADMINISTER, beamtime) else None
    if found is None:
        raise HTTPException(404)
    return found


Administered = Annotated[Beamtime, Depends(_administered)]


@router.api_route("/beamtimes/{beamtime}/access", methods=_READ)
def who_can_see(request: Request, administered: Administered, caller: Asking, catalogue: TheCatalogue) -> Response:
    """Show who can see a beamtime and why."""
    return answers.page(request, catalogue.renderer.access_page(_view(catalogue, caller, administered)))


@router.post("/beamtimes/{beamtime}/access/invite")
def invite(
    request: Request, administered: Administered, form: Form, caller: Asking, catalogue: TheCatalogue
) -> Response:
    """Make an invitation, and show its link this once."""
    try:
        made, token = catalogue.invitations.create(
            administered.id,
            by=caller.name or "",
            label=form.one("label"),
            gives=form.one("gives"),
            days=_whole(form, "days"),
            devices=_whole(form, "devices"),
        )
    except CatalogError as exc:
        return _access_page(catalogue, caller, administered, None, answers.told(exc), 400)
    _note(request, catalogue, caller, "invite", f"{_named(made)}, for {made.label!r}, gives {made.gives}")
    link = NewLink(invitation=made, address=invitation_link(site_address(request), token))
    return _access_page(catalogue, caller, administered, link, None, 200)


@router.post("/beamtimes/{beamtime}/access/revoke")
def revoke(
    request: Request, administered: Administered, form: Form, caller: Asking, catalogue: TheCatalogue
) -> Response:
    """End an invitation to this beamtime; one to another is as one that is not there."""
    wanted = form.one("id")
    if wanted not in {str(one.id) for one in catalogue.invitations.of_beamtime(administered.id)}:
        raise HTTPException(404)
    _note(request, catalogue, caller, "revoke", _named(catalogue.invitations.revoke(int(wanted))))
    return answers.redirect(f"/beamtimes/{administered.id}/access#invitations")


@router.post("/beamtimes/{beamtime}/access/open")
def open_to_everybody(
    request: Request, administered: Administered, form: Form, caller: Asking, catalogue: TheCatalogue
) -> Response:
    """Open a beamtime to everybody, at once or from a day on: staff alone say so."""
    _staff_alone(catalogue, caller)
    try:
        day = first_moment(form.one("day"), catalogue.settings.timezone) if form.one("day") else None
    except CatalogError as exc:
        return _access_page(catalogue, caller, administered, None, answers.told(exc), 400)
    opening = catalogue.opening_days.open(administered.id, caller.name or "", day)
    _note(request, catalogue, caller, "open", f"beamtime {administered.id} from {opening.day:%Y-%m-%d %H:%M} UTC on")
    return answers.redirect(f"/beamtimes/{administered.id}/access#opening")


@router.post("/beamtimes/{beamtime}/access/close")
def close(request: Request, administered: Administered, caller: Asking, catalogue: TheCatalogue) -> Response:
    """Close a beamtime to all that no group and no invitation lets in: staff alone say so."""
    _staff_alone(catalogue, caller)
    if catalogue.opening_days.close(administered.id):
        _note(request, catalogue, caller, "close", f"beamtime {administered.id}")
    return answers.redirect(f"/beamtimes/{administered.id}/access#opening")


class Access(BaseModel):
    """What the caller may do with a beamtime, and why."""

    beamtime: str
    roles: list[Role]
    because: list[str]


_NOT_YOURS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "content": {"application/problem+json": {}}, "description": what}
    for status, what in ((401, "Nobody is signed in"), (404, "There is no such beamtime, or it is not the caller's"))
}
api_router = APIRouter(prefix="/api")


@api_router.get("/access/{beamtime}", responses=_NOT_YOURS)
def own_access(beamtime: str, visitor: SignedIn, catalogue: TheCatalogue) -> Access:
    """Tell what the caller may do with a beamtime, and why."""
    reasons = catalogue.reasons(visitor.caller, beamtime)
    roles = frozenset().union(*(reason.roles for reason in reasons))
    if Role.READ not in roles:
        raise HTTPException(404)
    return Access(
        beamtime=beamtime,
        roles=[role for role in Role if role in roles],
        because=[reason.because for reason in reasons],
    )


def invitation_link(site: str, token: str) -> str:
    """Give the address to send to somebody: what is behind the # leaves no browser, so no log and no scanner has it."""
    return f"{site}/invited#{token}"


def invitation_lines(catalogue: Catalogue, invitations: list[Invitation]) -> tuple[InvitationLine, ...]:
    """Give invitations with how they stand and who redeemed them."""
    now = datetime.now(UTC)
    return tuple(
        InvitationLine(
            invitation=one,
            state=one.state(now),
            guests=tuple(
                GuestLine(account=account, stated_name=stated, at=at)
                for account, stated, at in catalogue.invitations.guests(one.id)
            ),
        )
        for one in invitations
    )


def _view(catalogue: Catalogue, caller: Caller, beamtime: Beamtime) -> AccessView:
    members = _members(catalogue, beamtime)
    openings = {opening.beamtime: opening for opening in catalogue.opening_days.all()}
    return AccessView(
        beamtime=beamtime,
        standings=access.standings(beamtime, catalogue.settings.groups),
        members=tuple(members[:MOST_MEMBERS]),
        more_members=max(0, len(members) - MOST_MEMBERS),
        invitations=invitation_lines(catalogue, catalogue.invitations.of_beamtime(beamtime.id)),
        opening=openings.get(beamtime.id),
        is_open=catalogue.is_open(beamtime.id),
        opens_for=catalogue.is_staff(caller),
    )


def _members(catalogue: Catalogue, beamtime: Beamtime) -> list[Member]:
    """Give who is let in by a group; who is invited stands with the invitations."""
    closed = access.Openings(now=datetime.now(UTC))
    found = []
    for account in catalogue.accounts.all():
        caller = Caller(name=account.name, groups=frozenset(account.groups))
        reasons = access.reasons(caller, beamtime, catalogue.settings.groups, closed)
        if reasons:
            found.append(Member(account=account, because=tuple(reason.because for reason in reasons)))
    return found


def _access_page(
    catalogue: Catalogue, caller: Caller, beamtime: Beamtime, link: NewLink | None, mistake: str | None, status: int
) -> Response:
    html = catalogue.renderer.access_page(_view(catalogue, caller, beamtime), link, mistake)
    return HTMLResponse(html, status, headers={"Cache-Control": "no-store"})


def _staff_alone(catalogue: Catalogue, caller: Caller) -> None:
    if not catalogue.is_staff(caller):
        raise HTTPException(404)


def _note(request: Request, catalogue: Catalogue, caller: Caller, action: str, what: str) -> None:
    catalogue.audit.note(action, who=caller.name or "", what=what, address=address_of(request))


def _named(invitation: Invitation) -> str:
    return f"invitation {invitation.id} to beamtime {invitation.beamtime}"


def _whole(form: Fields, name: str) -> int:
    text = form.one(name).strip()
    if not (text.isascii() and text.isdecimal() and len(text) <= 6):
        raise CatalogError(f"{text[:40]!r} is no number of {name}", remedy="write a whole number")
    return int(text)
