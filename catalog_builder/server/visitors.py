"""Who asks: the session cookie, and where somebody goes after signing in.

Knows cookies and local addresses; does not know pages or what anybody may see.
"""

import logging
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, cast
from urllib.parse import SplitResult, urlsplit

from fastapi import Depends
from starlette.requests import Request
from starlette.responses import Response

from catalog_builder.access import NOBODY, Caller
from catalog_builder.accounts import Account, Session
from catalog_builder.auth import Vouching
from catalog_builder.auth.arrivals import NotAdmitted, Person, account_of, put_into_groups
from catalog_builder.server.catalogue import Catalogue

logger = logging.getLogger(__name__)

_MOST_SEEN = 10_000
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_LONGEST_NEXT = 2000
_YEAR = 365 * 24 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Somebody signed in."""

    session: Session
    token: str
    """Empty for who is named by a proxy with each request."""
    caller: Caller

    @property
    def name(self) -> str:
        return self.session.account.name


@dataclass(frozen=True, slots=True)
class Cookie:
    """The session's cookie.

    Over TLS its name begins with ``__Host-``, so that browsers take it from this host alone and send it over
    TLS alone. The server decides when a session ends: the cookie outlives it.
    """

    secure: bool

    @property
    def name(self) -> str:
        return "__Host-catalogue" if self.secure else "catalogue"

    def put(self, response: Response, token: str, *, shared_computer: bool) -> None:
        """Give somebody the cookie; on a shared computer it goes when the browser is closed."""
        response.set_cookie(
            self.name,
            token,
            max_age=None if shared_computer else _YEAR,
            path="/",
            secure=self.secure,
            httponly=True,
            samesite="lax",
        )

    def remove(self, response: Response) -> None:
        """Take the cookie back."""
        response.delete_cookie(self.name, path="/", secure=self.secure, httponly=True, samesite="lax")

    def token(self, headers: list[tuple[bytes, bytes]]) -> str | None:
        """Give the token somebody sends; None where there is none, or where two differ."""
        found = set()
        for name, value in headers:
            if name == b"cookie":
                pairs = (pair.strip().partition("=") for pair in value.decode("latin-1").split(";"))
                found |= {token for cookie, _, token in pairs if cookie == self.name}
        token = found.pop() if len(found) == 1 else ""
        return token if _TOKEN.fullmatch(token) else None


def cookie_of(secure_cookies: bool | None) -> Cookie:
    """Give the cookie a site's settings ask for: without a word, a plain one, which loopback alone may use."""
    return Cookie(secure=bool(secure_cookies))


def visitor_of(catalogue: Catalogue, token: str | None) -> Visitor | None:
    """Give who a token belongs to, with all that lets them in now."""
    session = catalogue.accounts.session(token) if token else None
    caller = None if session is None else catalogue.caller_of(session.account)
    if session is None or caller is None or token is None:
        return None
    return Visitor(session=session, token=token, caller=caller)


class Vouched:
    """Who a proxy in front names with each request: signed in without a cookie, for this request."""

    def __init__(self, catalogue: Catalogue, vouching: Vouching | None) -> None:
        self._catalogue = catalogue
        self._vouching = vouching
        self._seen: dict[tuple[str, str], Person] = {}
        """By account and subject: what is said with each request is written once."""

    def visitor(self, headers: list[tuple[bytes, bytes]]) -> Visitor | None:
        """Give who a proxy names; None where there is no proxy, or it names nobody."""
        person = None if self._vouching is None else self._vouching.person(headers)
        account = None if person is None else self._account(person)
        caller = None if account is None else self._catalogue.caller_of(account)
        if account is None or caller is None:
            return None
        now = datetime.now(UTC)
        session = Session(
            account=account,
            created=now,
            last_seen=now,
            expires=now + timedelta(days=self._catalogue.settings.auth.idle_days),
            shared_computer=False,
        )
        return Visitor(session=session, token="", caller=caller)

    def _account(self, person: Person) -> Account | None:
        accounts = self._catalogue.accounts
        account = accounts.known_as(person.issuer, person.subject)
        try:
            if account is None:
                account = account_of(accounts, person, "proxy")
                self._catalogue.audit.note("sign in", who=account.name, what="proxy: new here")
            elif self._seen.get((account.name, person.subject)) != person:
                account = put_into_groups(accounts, account, person, "proxy")
        except NotAdmitted as exc:
            logger.warning("%s named by the proxy is not let in: %s", person.subject, exc)
            return None
        if len(self._seen) > _MOST_SEEN:
            self._seen.clear()
        self._seen[account.name, person.subject] = person
        return account


def split(address: str) -> SplitResult | None:
    """Split an address somebody sent; None where it cannot be one (``http://[``)."""
    try:
        return urlsplit(address)
    except ValueError:
        return None


def local(address: str, otherwise: str = "/") -> str:
    """Give an address if it is a page of this site, else another: nobody is sent elsewhere after signing in."""
    plain = address.isprintable() and not re.search(r"[\s\\]", address)
    if not plain or len(address) > _LONGEST_NEXT or not address.startswith("/") or address.startswith("//"):
        return otherwise
    parts = split(address)
    if (
        parts is None
        or parts.scheme
        or parts.netloc
        or parts.path in ("/sign-in", "/sign-out")
        or parts.path.startswith("/sign-in/")
    ):
        return otherwise
    return address


def address_of(request: Request) -> str:
    """Give where a request came from, as throttle and audit log count and name it."""
    return request.client.host if request.client else ""


def site_address(request: Request) -> str:
    """Give the address of this site: the one that is set, else the one it was asked at."""
    public = _catalogue(request).settings.server.public_address
    scheme = "https" if _cookie(request).secure else "http"
    return public or f"{scheme}://{request.headers.get('host', '')}"


def came_from(request: Request, otherwise: str) -> str:
    """Give the page of this site a form was sent from, as the browser tells it."""
    referer = split(request.headers.get("referer", ""))
    if referer is None or not referer.netloc or referer.netloc != request.headers.get("host"):
        return otherwise
    return local(f"{referer.path}?{referer.query}" if referer.query else referer.path, otherwise)


def _visitor(request: Request) -> Visitor:
    return cast(Visitor, request.scope["visitor"])  # the gate lets nobody else through to what asks for one


def _catalogue(request: Request) -> Catalogue:
    return cast(Catalogue, request.app.state.catalogue)


def _cookie(request: Request) -> Cookie:
    return cast(Cookie, request.app.state.cookie)


def _caller(request: Request) -> Caller:
    visitor = cast(Visitor | None, request.scope["visitor"])
    return NOBODY if visitor is None else visitor.caller


SignedIn = Annotated[Visitor, Depends(_visitor)]
Asking = Annotated[Caller, Depends(_caller)]
"""Whoever asks, signed in or not: the gate lets people who are not signed in through to what may be open."""
TheCatalogue = Annotated[Catalogue, Depends(_catalogue)]
TheCookie = Annotated[Cookie, Depends(_cookie)]
