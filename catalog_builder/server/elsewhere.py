"""Signing in elsewhere: the way to the provider, and the way back.

Knows addresses, the cookie of a login under way, and whose session begins; does not know tokens or claims.
"""

import logging
import re
from collections.abc import Callable
from typing import Annotated, cast

from fastapi import APIRouter, Depends, HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from catalog_builder.accounts import Account, Kind
from catalog_builder.auth import CALLBACK, Elsewhere, InFront, Provider, Vouching
from catalog_builder.auth.arrivals import NotAdmitted, Person, ProviderDown, account_of, put_into_groups
from catalog_builder.config import Settings
from catalog_builder.errors import CatalogError
from catalog_builder.logins import HOLDS_FOR, Login
from catalog_builder.server import answers
from catalog_builder.server.catalogue import Catalogue
from catalog_builder.server.signing import COME_BACK_SECONDS, Counter, address_of, page, ways_in
from catalog_builder.server.visitors import Cookie, TheCatalogue, TheCookie, Visitor, came_from, local

logger = logging.getLogger(__name__)

router = APIRouter(include_in_schema=False)

AT_ONCE = 8
"""People for whom the provider is asked at the same time."""
_MOST_COOKIES = 20
_SOURCE: Kind = "oidc"
_STATE = re.compile(r"[A-Za-z0-9_-]{43}")
_SHOWN_STATE = 12
"""Characters of a state that tell a browser's logins under way from each other, in the cookie's name."""


def provider_of(settings: Settings) -> Provider | None:
    """Give the provider people may sign in at, if there is one; raises CatalogError where it cannot be used."""
    return next((way.provider(settings) for way in ways_in(settings) if isinstance(way, Elsewhere)), None)


def vouching_of(settings: Settings) -> Vouching | None:
    """Give what reads a proxy's headers, if there is one; raises CatalogError where anybody could write them."""
    return next((way.vouching(settings) for way in ways_in(settings) if isinstance(way, InFront)), None)


def _provider(request: Request) -> Provider:
    provider = cast(Provider | None, request.app.state.provider)
    if provider is None:
        raise HTTPException(404)
    return provider


def _travellers(request: Request) -> Counter:
    return cast(Counter, request.app.state.travellers)


TheProvider = Annotated[Provider, Depends(_provider)]
TheTravellers = Annotated[Counter, Depends(_travellers)]


# The way there


@router.get("/sign-in/oidc")
async def leave(
    request: Request, provider: TheProvider, catalogue: TheCatalogue, cookie: TheCookie, travellers: TheTravellers
) -> Response:
    """Send somebody to the provider; with ``link=1``, to let their account here be known there from then on."""
    going_to = local(request.query_params.get("next", "/"))
    return await _served(travellers, catalogue, going_to, lambda: _sent(request, provider, catalogue, cookie))


def _sent(request: Request, provider: Provider, catalogue: Catalogue, cookie: Cookie) -> Response:
    going_to = local(request.query_params.get("next", "/"))
    visitor = cast(Visitor | None, request.scope["visitor"])
    links = None
    if request.query_params.get("link"):
        if visitor is None or visitor.session.account.kind != "local" or not _asked_here(request):
            text = "Sign in by name and password first, then follow the link on this site."
            return answers.message(catalogue.renderer, 403, "There is nothing to link", text)
        links = visitor.name
    elif visitor is not None and visitor.session.account.kind != "guest":
        return answers.redirect(going_to)
    login, state, browser = catalogue.logins.begin(
        provider.issuer, going_to=going_to, shared_computer=bool(request.query_params.get("shared")), links=links
    )
    try:
        address = provider.address(login, state)
    except CatalogError as exc:
        return _failed(catalogue, provider, going_to, exc)
    answer = RedirectResponse(address, status_code=303, headers={"Cache-Control": "no-store"})
    _forget_many(request, answer, cookie)
    _put(answer, cookie, state, browser)
    return answer


def _asked_here(request: Request) -> bool:
    """Tell whether a page of this site led here: another site must not link accounts in somebody's name."""
    site = request.headers.getlist("sec-fetch-site")
    return site == ["same-origin"] if site else came_from(request, "") != ""


# The way back


@router.get(CALLBACK)
async def arrive(
    request: Request, provider: TheProvider, catalogue: TheCatalogue, cookie: TheCookie, travellers: TheTravellers
) -> Response:
    """Begin a session for who comes back from the provider, and send them to where they wanted to go."""
    return await _served(travellers, catalogue, "/", lambda: _arrived(request, provider, catalogue, cookie))


def _arrived(request: Request, provider: Provider, catalogue: Catalogue, cookie: Cookie) -> Response:
    state = _one(request, "state") or ""
    browser = _token(request, cookie, state)
    login = catalogue.logins.finish(state, browser) if browser else None
    if login is None or login.provider != provider.issuer:
        return _again(request, catalogue, state, browser)
    error, code = _one(request, "error"), _one(request, "code")
    try:
        provider.refuse_other_issuer(_one(request, "iss"))
        if error is not None or code is None:
            return _broken_off(catalogue, provider, login, error)
        person = provider.person(login, code)
        if login.links is not None:
            return _linked(request, catalogue, provider, login, person)
        account = account_of(catalogue.accounts, person, _SOURCE)
    except CatalogError as exc:
        catalogue.audit.note("sign-in failed", what=f"{provider.issuer}: {exc.what}", address=address_of(request))
        return _failed(catalogue, provider, login.going_to, exc)
    return _signed_in(request, catalogue, cookie, login, account)


def _again(request: Request, catalogue: Catalogue, state: str, browser: str | None) -> Response:
    """Answer who comes back too late, twice, or by a way that was begun in another browser."""
    going_to = (catalogue.logins.was_going_to(state, browser) if browser else None) or "/"
    if request.scope["visitor"] is not None:
        return answers.redirect(going_to)  # the button "back", or another tab was faster
    minutes = int(HOLDS_FOR.total_seconds()) // 60
    said = f"This sign-in is over: it took more than {minutes} minutes, or was begun in another browser. Sign in again."
    return page(catalogue, going_to, said, 400)


def _broken_off(catalogue: Catalogue, provider: Provider, login: Login, error: str | None) -> Response:
    logger.info("a sign-in at %s was broken off (%.100r)", provider.issuer, error)
    if error in ("temporarily_unavailable", "server_error"):
        raise ProviderDown("the provider says that it cannot now")
    return page(catalogue, login.going_to, f"You were not signed in with {provider.label}. Try again.", 400)


def _linked(request: Request, catalogue: Catalogue, provider: Provider, login: Login, person: Person) -> Response:
    """Let the account that asked for it be that of who came back, if it is still the one signed in here."""
    visitor = cast(Visitor | None, request.scope["visitor"])
    if visitor is None or visitor.name != login.links or visitor.session.account.kind != "local":
        raise NotAdmitted("the account to link is not signed in any more", remedy="sign in and link again")
    try:
        catalogue.accounts.remember_as(visitor.name, person.issuer, person.subject)
    except CatalogError as exc:
        raise NotAdmitted("this login belongs to another account", remedy="ask the staff") from exc
    put_into_groups(catalogue.accounts, visitor.session.account, person, _SOURCE)
    catalogue.audit.note("link login", who=visitor.name, what=provider.issuer, address=address_of(request))
    return answers.redirect(login.going_to)


def _signed_in(request: Request, catalogue: Catalogue, cookie: Cookie, login: Login, account: Account) -> Response:
    visitor = cast(Visitor | None, request.scope["visitor"])
    answer = answers.redirect(login.going_to)
    if visitor is not None and visitor.name == account.name:
        if visitor.session.shared_computer == login.shared_computer:
            return answer  # another tab was faster: its session goes on
        catalogue.accounts.close_session(visitor.token)
    elif visitor is not None and visitor.session.account.kind == "guest":
        catalogue.invitations.hand_over(visitor.name, account.name)
        catalogue.audit.note("hand over", who=account.name, what=visitor.name, address=address_of(request))
    elif visitor is not None:
        catalogue.accounts.close_session(visitor.token)
    token = catalogue.accounts.open_session(account.name, shared_computer=login.shared_computer)
    logger.info("%s signed in by %s from %s", account.name, login.provider, address_of(request))
    catalogue.audit.note("sign in", who=account.name, what=f"oidc: {login.provider}", address=address_of(request))
    cookie.put(answer, token, shared_computer=login.shared_computer)
    return answer


# What fails


async def _served(travellers: Counter, catalogue: Catalogue, going_to: str, work: Callable[[], Response]) -> Response:
    if travellers.is_full:
        said = "Very many people are signing in just now. Wait a few seconds, then try again."
        answer = page(catalogue, going_to, said, 503)
        answer.headers["Retry-After"] = str(COME_BACK_SECONDS)
        return answer
    return await travellers.served(work)


def _failed(catalogue: Catalogue, provider: Provider, going_to: str, exc: CatalogError) -> Response:
    """Say what went wrong in plain words; what exactly stands in the log."""
    logger.warning("a sign-in at %s failed: %s", provider.issuer, exc)
    if isinstance(exc, ProviderDown):
        said = f"You cannot sign in with {provider.label} just now: it does not answer. Try again in a few minutes."
        answer = page(catalogue, going_to, said, 503)
        answer.headers["Retry-After"] = str(COME_BACK_SECONDS)
        return answer
    if isinstance(exc, NotAdmitted):
        return page(catalogue, going_to, f"You were not signed in: {answers.told(exc)}.", 403)
    said = (
        f"What came back from {provider.label} cannot be trusted, so you were not signed in. Tell the beamline's staff."
    )
    return page(catalogue, going_to, said, 502)


def _one(request: Request, name: str) -> str | None:
    """Give a parameter of the address; None where it is missing or comes twice."""
    values = request.query_params.getlist(name)
    return values[0] if len(values) == 1 else None


# The cookie of a login under way: each has its own, so that five tabs at once do not take it from each other


def _name(cookie: Cookie, state: str) -> str:
    return f"{cookie.name}-login-{state[:_SHOWN_STATE]}"


def _token(request: Request, cookie: Cookie, state: str) -> str | None:
    return request.cookies.get(_name(cookie, state)) if _STATE.fullmatch(state) else None


def _put(answer: Response, cookie: Cookie, state: str, browser: str) -> None:
    answer.set_cookie(
        _name(cookie, state),
        browser,
        max_age=int(HOLDS_FOR.total_seconds()),
        path="/",
        secure=cookie.secure,
        httponly=True,
        samesite="lax",
    )


def _forget_many(request: Request, answer: Response, cookie: Cookie) -> None:
    """Take back the cookies of logins that somebody began and began again: they grow with each."""
    pattern = re.compile(rf"{re.escape(cookie.name)}-login-[A-Za-z0-9_-]{{{_SHOWN_STATE}}}")
    names = [name for name in request.cookies if pattern.fullmatch(name)]
    if len(names) >= _MOST_COOKIES:
        for name in names:
            answer.delete_cookie(name, path="/", secure=cookie.secure, httponly=True, samesite="lax")
