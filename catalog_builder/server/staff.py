"""What people and staff see of accounts: one's own page, and the staff's page of accounts, invitations and the log.

Knows forms and who may use them; does not know how accounts or passwords are kept.
"""

import re
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from catalog_builder.access import Role
from catalog_builder.accounts import LOCAL_GROUPS, Account
from catalog_builder.auth.local import LOCAL
from catalog_builder.errors import CatalogError
from catalog_builder.render import AccountLine, AccountView, OwnBeamtime, StaffView
from catalog_builder.server import answers
from catalog_builder.server.catalogue import Catalogue
from catalog_builder.server.forms import Fields, Form
from catalog_builder.server.inviting import invitation_lines
from catalog_builder.server.signing import TheCounter, spoken
from catalog_builder.server.visitors import SignedIn, TheCatalogue, Visitor, address_of

router = APIRouter(include_in_schema=False)

MOST_LISTED = 200
"""Accounts, invitations or beamtimes a page lists; the rest is counted."""
LINES_A_PAGE = 100
"""Lines of the audit log."""

_READ = ["GET", "HEAD"]
_BETWEEN = re.compile(r"[\s,]+")


# One's own account


@router.api_route("/account", methods=_READ)
def account(request: Request, visitor: SignedIn, catalogue: TheCatalogue) -> Response:
    """Show somebody who they are to the catalogue, and what they may see and why."""
    return answers.page(request, catalogue.renderer.account_page(_own_view(catalogue, visitor)))


@router.post("/account/password")
async def change_password(
    request: Request, form: Form, visitor: SignedIn, catalogue: TheCatalogue, counter: TheCounter
) -> Response:
    """Give oneself a new password, for the old one; all other sessions end."""
    if counter.is_full:
        return answers.failure(catalogue.renderer, request.url.path, 503)
    return await counter.served(lambda: _password_changed(request, form, visitor, catalogue))


def _password_changed(request: Request, form: Fields, visitor: Visitor, catalogue: Catalogue) -> Response:
    address = address_of(request)
    if not _has_password(catalogue, visitor.name):
        raise HTTPException(404)
    wait = catalogue.accounts.begin_attempt(visitor.name, address)
    if wait is not None:
        said = f"There were too many attempts. Wait {spoken(wait)}, then try again."
        return _own_page(catalogue, visitor, said, None, 429)
    if not LOCAL.verify(catalogue.accounts.password_hash(visitor.name), form.one("current")):
        return _own_page(catalogue, visitor, "The password you have now is not right.", None, 400)
    catalogue.accounts.forgive_attempts(visitor.name, address)
    if form.one("new") != form.one("again"):
        return _own_page(catalogue, visitor, "The new password was not typed twice alike.", None, 400)
    try:
        hashed = LOCAL.hash(form.one("new"))
    except CatalogError as exc:
        return _own_page(catalogue, visitor, answers.told(exc), None, 400)
    catalogue.accounts.set_password_hash(visitor.name, hashed, keep=visitor.token)
    catalogue.audit.note("change password", who=visitor.name, what="their own", address=address)
    return _own_page(catalogue, visitor, None, "Your password is changed. You are signed out everywhere else.", 200)


def _own_page(catalogue: Catalogue, visitor: Visitor, mistake: str | None, done: str | None, status: int) -> Response:
    html = catalogue.renderer.account_page(_own_view(catalogue, visitor), mistake, done)
    return HTMLResponse(html, status, headers={"Cache-Control": "no-store"})


def _own_view(catalogue: Catalogue, visitor: Visitor) -> AccountView:
    session, seen = visitor.session, catalogue.visible(visitor.caller)
    own = []
    for beamtime in seen[:MOST_LISTED]:
        reasons = catalogue.reasons(visitor.caller, beamtime.id)
        roles = frozenset().union(*(reason.roles for reason in reasons))
        because = tuple(reason.because for reason in reasons)
        own.append(OwnBeamtime(beamtime=beamtime, roles=tuple(r for r in Role if r in roles), because=because))
    return AccountView(
        account=session.account,
        groups=tuple(catalogue.accounts.groups_by_source(visitor.name)),
        beamtimes=tuple(own),
        more_beamtimes=len(seen) - len(own),
        invitations=tuple(catalogue.invitations.held_by(visitor.name)),
        sessions=catalogue.accounts.sessions(visitor.name),
        expires=session.expires,
        shared_computer=session.shared_computer,
        is_staff=catalogue.is_staff(visitor.caller),
        has_password=_has_password(catalogue, visitor.name),
    )


def _has_password(catalogue: Catalogue, name: str) -> bool:
    return "local" in catalogue.settings.auth.methods and catalogue.accounts.password_hash(name) is not None


# The staff's page


def _staff(visitor: SignedIn, catalogue: TheCatalogue) -> Visitor:
    """Give who asks where they are staff; for everybody else there is no such page."""
    if not catalogue.is_staff(visitor.caller):
        raise HTTPException(404)
    return visitor


Staff = Annotated[Visitor, Depends(_staff)]


@router.api_route("/staff", methods=_READ)
def staff_page(request: Request, _: Staff, catalogue: TheCatalogue) -> Response:
    """Show accounts, invitations and openings; ``find`` narrows the accounts."""
    find = request.query_params.get("find", "")[:100]
    return answers.page(request, catalogue.renderer.staff_page(_staff_view(catalogue, find)))


@router.api_route("/staff/log", methods=_READ)
def log(request: Request, _: Staff, catalogue: TheCatalogue) -> Response:
    """Show the audit log, newest first, so many lines a page."""
    text = request.query_params.get("before", "")
    before = int(text) if text.isascii() and text.isdecimal() and len(text) < 18 else None
    entries = catalogue.audit.last(LINES_A_PAGE + 1, before)
    older = entries[LINES_A_PAGE - 1].id if len(entries) > LINES_A_PAGE else None
    return answers.page(request, catalogue.renderer.log_page(entries[:LINES_A_PAGE], before, older))


@router.post("/staff/add")
def add(request: Request, staff: Staff, form: Form, catalogue: TheCatalogue) -> Response:
    """Add a local account, and show the password made for it this once."""
    password, groups = _new_password(), _groups(form)
    try:
        made = catalogue.accounts.add(
            form.one("name"),
            display_name=_printable(form, "display"),
            groups=groups,
            password_hash=LOCAL.hash(password),
        )
    except CatalogError as exc:
        return _answered(catalogue, None, answers.told(exc), 400)
    _note(request, catalogue, staff, "add account", f"{made.name} in {_listed(groups)}")
    return _answered(catalogue, (made.name, password), None, 200)


@router.post("/staff/password")
def new_password(request: Request, staff: Staff, form: Form, catalogue: TheCatalogue) -> Response:
    """Give an account a new password, shown this once; whoever is signed in with it is out."""
    chosen, password = _chosen(catalogue, form), _new_password()
    if chosen.kind != "local":
        return _answered(catalogue, None, f"{chosen.name} does not sign in by a password here.", 400)
    catalogue.accounts.set_password_hash(chosen.name, LOCAL.hash(password))
    _note(request, catalogue, staff, "new password", chosen.name)
    return _answered(catalogue, (chosen.name, password), None, 200)


@router.post("/staff/groups")
def set_groups(request: Request, staff: Staff, form: Form, catalogue: TheCatalogue) -> Response:
    """Put somebody into exactly these groups; those that other sources say stay."""
    chosen, groups = _chosen(catalogue, form), _groups(form)
    if chosen.kind == "guest" and groups:
        return _answered(catalogue, None, "A guest is in no group: nobody checked who they are.", 400)
    try:
        catalogue.accounts.set_groups(chosen.name, groups)
    except CatalogError as exc:
        return _answered(catalogue, None, answers.told(exc), 400)
    _note(request, catalogue, staff, "set groups", f"{chosen.name} in {_listed(groups)}")
    return _back(chosen.name)


@router.post("/staff/sign-out")
def sign_out(request: Request, staff: Staff, form: Form, catalogue: TheCatalogue) -> Response:
    """End all sessions of somebody."""
    chosen = _chosen(catalogue, form)
    catalogue.accounts.sign_out_everywhere(chosen.name)
    _note(request, catalogue, staff, "sign out everywhere", chosen.name)
    return _back(chosen.name)


@router.post("/staff/remove")
def remove(request: Request, staff: Staff, form: Form, catalogue: TheCatalogue) -> Response:
    """Remove an account with its sessions and cart; nobody removes their own."""
    chosen = _chosen(catalogue, form)
    if chosen.name == staff.name:
        return _answered(catalogue, None, "You cannot remove your own account: ask another of the staff.", 400)
    catalogue.accounts.remove(chosen.name)
    _note(request, catalogue, staff, "remove account", chosen.name)
    return answers.redirect("/staff#accounts")


@router.post("/staff/revoke")
def revoke(request: Request, staff: Staff, form: Form, catalogue: TheCatalogue) -> Response:
    """End an invitation to any beamtime."""
    known = {str(one.id): one for one in catalogue.invitations.all()}
    if form.one("id") not in known:
        raise HTTPException(404)
    ended = catalogue.invitations.revoke(known[form.one("id")].id)
    _note(request, catalogue, staff, "revoke", f"invitation {ended.id} to beamtime {ended.beamtime}")
    return answers.redirect("/staff#invitations")


def _staff_view(catalogue: Catalogue, find: str) -> StaffView:
    wanted = find.strip().lower()
    found = [one for one in catalogue.accounts.all() if _is_wanted(one, wanted)]
    invitations = catalogue.invitations.all()
    return StaffView(
        find=find,
        accounts=tuple(_account_line(catalogue, one) for one in found[:MOST_LISTED]),
        more_accounts=max(0, len(found) - MOST_LISTED),
        invitations=invitation_lines(catalogue, invitations[:MOST_LISTED]),
        more_invitations=max(0, len(invitations) - MOST_LISTED),
        openings=tuple(catalogue.opening_days.all()),
        now=datetime.now(UTC),
    )


def _is_wanted(account: Account, wanted: str) -> bool:
    return any(wanted in text.lower() for text in (account.name, account.display_name, account.kind, *account.groups))


def _account_line(catalogue: Catalogue, account: Account) -> AccountLine:
    groups = catalogue.accounts.groups_by_source(account.name)
    return AccountLine(
        account=account,
        own_groups=tuple(group for group, source in groups if source == LOCAL_GROUPS),
        other_groups=tuple(f"{group} ({source})" for group, source in groups if source != LOCAL_GROUPS),
    )


def _answered(catalogue: Catalogue, password: tuple[str, str] | None, mistake: str | None, status: int) -> Response:
    html = catalogue.renderer.staff_page(_staff_view(catalogue, ""), password, mistake)
    return HTMLResponse(html, status, headers={"Cache-Control": "no-store"})


def _back(name: str) -> Response:
    return answers.redirect(f"/staff?find={name.replace('+', '%2B')}#accounts")


def _chosen(catalogue: Catalogue, form: Fields) -> Account:
    found = catalogue.accounts.find(form.one("name"))
    if found is None:
        raise HTTPException(404)
    return found


def _groups(form: Fields) -> list[str]:
    return [group for group in _BETWEEN.split(form.one("groups")) if group]


def _printable(form: Fields, name: str) -> str:
    return "".join(letter for letter in form.one(name) if letter.isprintable())[:100]


def _listed(groups: Iterable[str]) -> str:
    return ", ".join(groups) or "no group"


def _new_password() -> str:
    return secrets.token_urlsafe(12)


def _note(request: Request, catalogue: Catalogue, staff: Visitor, action: str, what: str) -> None:
    catalogue.audit.note(action, who=staff.name, what=what, address=address_of(request))
