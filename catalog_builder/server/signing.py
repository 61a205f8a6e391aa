"""Signing in and out.

Knows the form, the queue, the throttle and the cookie; does not know how a way in proves who somebody is.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Annotated, cast

import anyio
import anyio.to_thread
from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from catalog_builder.accounts import Account
from catalog_builder.auth import METHODS, Elsewhere, InFront, Method
from catalog_builder.config import Settings
from catalog_builder.server import answers
from catalog_builder.server.catalogue import Catalogue
from catalog_builder.server.forms import Fields, Form
from catalog_builder.server.visitors import Cookie, SignedIn, TheCatalogue, TheCookie, local

logger = logging.getLogger(__name__)

router = APIRouter(include_in_schema=False)


AT_ONCE = 2
"""Sign-ins looked at at the same time: each keeps a core busy and takes 64 MiB for a while."""
WAITING = 20
"""Sign-ins that may wait for their turn; who comes after them is sent away."""
COME_BACK_SECONDS = 5


class Counter:
    """Where sign-ins queue, in nobody's way: the threads that answer everything else never wait for a password."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._at_once = at_once
        self._turns = anyio.CapacityLimiter(at_once)
        self._here = 0  # the event loop's thread alone counts

    @property
    def is_full(self) -> bool:
        """Tell whether as many wait as may."""
        return self._here >= self._at_once + WAITING

    async def served(self, work: Callable[[], Response]) -> Response:
        """Do the work in a thread when its turn comes."""
        self._here += 1
        try:
            return await anyio.to_thread.run_sync(work, limiter=self._turns)
        finally:
            self._here -= 1


def _counter(request: Request) -> Counter:
    return cast(Counter, request.app.state.counter)


TheCounter = Annotated[Counter, Depends(_counter)]


@router.api_route("/sign-in", methods=["GET", "HEAD"])
def sign_in_page(request: Request, catalogue: TheCatalogue, cookie: TheCookie) -> Response:
    """Show the page to sign in at; who is signed in goes on, who was signed in until now is told so."""
    going_to = local(request.query_params.get("next", "/"))
    if request.scope["visitor"] is not None:
        return answers.redirect(going_to)
    return page(catalogue, going_to, again=cookie.token(request.scope["headers"]) is not None)


@router.post("/sign-in")
async def sign_in(
    request: Request, form: Form, catalogue: TheCatalogue, cookie: TheCookie, counter: TheCounter
) -> Response:
    """Begin a session for who proves to be somebody, in their turn; 503 where too many wait for theirs."""
    if counter.is_full:
        said = "Very many people are signing in just now. Wait a few seconds, then try again."
        answer = page(catalogue, local(form.one("next")), said, 503, name=form.one("name"))
        answer.headers["Retry-After"] = str(COME_BACK_SECONDS)
        return answer
    return await counter.served(lambda: _signed_in(request, form, catalogue, cookie))


def _signed_in(request: Request, form: Fields, catalogue: Catalogue, cookie: Cookie) -> Response:
    """Begin a session for who proves to be somebody, and send them to where they wanted to go."""
    going_to, name = local(form.one("next")), form.one("name")
    address = address_of(request)
    wait = catalogue.accounts.begin_attempt(name, address)
    if wait is not None:
        said = f"There were too many attempts. Wait {spoken(wait)}, then try again."
        answer = page(catalogue, going_to, said, 429, name=name)
        answer.headers["Retry-After"] = str(int(wait.total_seconds()))
        return answer
    account = _identified(catalogue, {"name": name, "password": form.one("password")})
    if account is None:
        logger.info("a sign-in from %s failed", address)
        catalogue.audit.note("sign-in failed", address=address)  # without the name: people type passwords there
        return page(catalogue, going_to, "The name or the password is not right.", 401, name=name)
    catalogue.accounts.forgive_attempts(name, address)
    if request.scope["visitor"] is not None:
        catalogue.accounts.close_session(request.scope["visitor"].token)
    shared = bool(form.one("shared"))
    token = catalogue.accounts.open_session(account.name, shared_computer=shared)
    logger.info("%s signed in from %s", account.name, address)
    catalogue.audit.note("sign in", who=account.name, what=account.kind, address=address)
    answer = answers.redirect(going_to)
    cookie.put(answer, token, shared_computer=shared)
    return answer


@router.post("/sign-out")
def sign_out(request: Request, form: Form, visitor: SignedIn, catalogue: TheCatalogue, cookie: TheCookie) -> Response:
    """End this session, or all of somebody's; the cart stays."""
    everywhere = bool(form.one("everywhere"))
    if everywhere:
        catalogue.accounts.sign_out_everywhere(visitor.name)
    else:
        catalogue.accounts.close_session(visitor.token)
    what = "everywhere" if everywhere else ""
    catalogue.audit.note("sign out", who=visitor.name, what=what, address=address_of(request))
    if not visitor.token:
        text = "Another site signs you in here with every page. Sign out there, and close the browser."
        return answers.message(catalogue.renderer, 200, "You cannot sign out here", text)
    answer = answers.redirect("/sign-in")
    cookie.remove(answer)
    answer.headers["Clear-Site-Data"] = '"cache"'  # "back" on a shared computer must show nothing
    return answer


def _identified(catalogue: Catalogue, given: Mapping[str, str]) -> Account | None:
    for method in ways_in(catalogue.settings):
        account = method.identify(catalogue.accounts, given) if isinstance(method, Method) else None
        if account is not None:
            return account
    return None


def ways_in(settings: Settings) -> list[Method | Elsewhere | InFront]:
    """Give the ways to sign in that the settings name, in their order."""
    return [METHODS.get(name) for name in settings.auth.methods]


def address_of(request: Request) -> str:
    """Give the address somebody asks from; empty where it is not known."""
    return request.client.host if request.client else ""


def page(
    catalogue: Catalogue,
    going_to: str,
    mistake: str | None = None,
    status: int = 200,
    *,
    name: str = "",
    again: bool = False,
) -> Response:
    """Answer with the page to sign in at, and what went wrong before."""
    html = catalogue.renderer.sign_in_page(going_to, mistake, name, again=again, any_open=catalogue.is_open())
    return HTMLResponse(html, status, headers={"Cache-Control": "no-store"})


def spoken(wait: timedelta) -> str:
    """Say a time to wait as people do, rounded up: ``4 minutes``."""
    minutes = -(-int(wait.total_seconds()) // 60)
    return "a minute" if minutes == 1 else f"{minutes} minutes"
