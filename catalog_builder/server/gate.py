"""The gate every request passes: clean paths, signed in or public, sent from here, not too large.

Knows what every answer must carry and what is refused before any page is asked; does not know the pages.
"""

import logging
import re
from collections.abc import Collection, Iterable
from urllib.parse import quote, unquote

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from catalog_builder.errors import CatalogError
from catalog_builder.server import answers
from catalog_builder.server.catalogue import Catalogue
from catalog_builder.server.visitors import Cookie, Visitor, Vouched, came_from, local, split, visitor_of

logger = logging.getLogger(__name__)

LARGEST_BODY = 1 << 20
"""Bytes a request may carry."""
MOST_HEADERS = 100
"""Header lines a request may have; browsers send some 20."""
LARGEST_HEADERS = 40 << 10
"""Bytes in all of them; some more than nginx lets through (4 times 8 KiB)."""

PUBLIC = frozenset(
    {
        "/sign-in",
        "/sign-in/oidc",
        "/sign-in/oidc/callback",
        "/invited",
        "/robots.txt",
        "/sitemap.xml",
        "/api/health",
        "/openapi.json",
    }
)
PUBLIC_FOLDERS = ("/assets/",)
OPEN = frozenset({"/", "/search", "/api/search", "/api/suggest"})
"""Paths that show people who are not signed in the beamtimes open to everybody, where there are any."""

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_CLEAN = re.compile(r"(?:/[A-Za-z0-9._~=:@+,-]+)*/?")
_OF_BEAMTIME = re.compile(r"/beamtimes/([^/]+)(?:/|$)")
_LONGEST_PATH = 2000
_LONGEST_NUMBER = 20

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class _TooLarge(Exception):  # noqa: N818 - a signal to the gate, told to nobody
    """More came than a request may carry."""


class Gate:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, catalogue: Catalogue, cookie: Cookie, vouched: Vouched) -> None:
        self._app = app
        self._catalogue = catalogue
        self._cookie = cookie
        self._vouched = vouched

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self._answer(scope, receive, _Sender(send, secure=self._cookie.secure))

    async def _answer(self, scope: Scope, receive: Receive, send: "_Sender") -> None:
        path = str(scope["path"])
        try:
            visitor = await run_in_threadpool(self._visitor, scope["headers"])
            scope = {**scope, "visitor": visitor}
            refusal = await run_in_threadpool(self._refusal, scope, visitor)
            await (refusal or self._app)(scope, _limited(receive), send)
        except _TooLarge:
            await self._fail(scope, receive, send, 413)
        except CatalogError as exc:
            logger.warning("an answer was broken off: %s", exc)
            await self._fail(scope, receive, send, 500)
        except Exception:  # the edge of a request: named, logged, and answered without a traceback
            logger.exception("%s %s failed", scope["method"], path)
            await self._fail(scope, receive, send, 500)

    def _visitor(self, headers: list[tuple[bytes, bytes]]) -> Visitor | None:
        return self._vouched.visitor(headers) or visitor_of(self._catalogue, self._cookie.token(headers))

    async def _fail(self, scope: Scope, receive: Receive, send: "_Sender", status: int) -> None:
        """Answer with a failure, or break the connection where an answer has begun: it must not look whole."""
        if send.started:
            raise ConnectionAbortedError("the answer cannot be finished")
        await answers.failure(self._catalogue.renderer, str(scope["path"]), status)(scope, receive, send)

    def _refusal(self, scope: Scope, visitor: Visitor | None) -> Response | None:
        """Give the answer to a request that goes no further, or None."""
        request, path = Request(scope), str(scope["path"])
        if _is_overloaded(scope["headers"]):
            return answers.failure(self._catalogue.renderer, path, 431)
        clean = is_clean(scope.get("raw_path") or quote(path).encode(), path)
        if visitor is None and not (clean and (is_public(path) or self._may_be_open(path))):
            return self._sign_in_first(request, path if clean else "/")
        if not clean:
            return answers.failure(self._catalogue.renderer, path, 404)
        if scope["method"] not in _SAFE_METHODS and not is_from_here(request.headers):
            return answers.failure(self._catalogue.renderer, path, 403)
        if _claims_too_much(request.headers):
            return answers.failure(self._catalogue.renderer, path, 413)
        return None

    def _may_be_open(self, path: str) -> bool:
        """Tell whether there is something behind a path for people who are not signed in: what is open to everybody."""
        beamtime = _OF_BEAMTIME.match(path)
        if beamtime is not None:
            return self._catalogue.is_open(beamtime[1])
        return path in OPEN and self._catalogue.is_open()

    def _sign_in_first(self, request: Request, path: str) -> Response:
        if answers.is_api(request.scope["path"]):
            return answers.problem(401, "Please sign in")
        if request.method in _SAFE_METHODS:
            query = request.scope["query_string"].decode("latin-1")
            back = local(f"{quote(path)}?{query}" if query else quote(path))
        else:
            back = came_from(request, "/")
        return answers.redirect("/sign-in" if back == "/" else f"/sign-in?next={quote(back, safe='/')}")


def is_public(path: str) -> bool:
    """Tell whether a path is there for everybody; what is not named here is not."""
    return path in PUBLIC or path.startswith(PUBLIC_FOLDERS)


def is_clean(raw: bytes, path: str) -> bool:
    """Tell whether a path, as it came and decoded once, can only mean one thing.

    Names in addresses are spelt with letters, digits and ``. _ - ~ =`` alone, so that nothing
    needs ``%``. Behind ``/go/`` people paste what they have: there anything printable goes but a backslash.
    """
    text = raw.partition(b"?")[0].decode("latin-1")
    if not path.startswith("/") or len(path) > _LONGEST_PATH or unquote(text) != path:
        return False
    if any(part and not part.strip(".") for part in path.split("/")):
        return False
    if path.startswith("/go/"):
        return path.isprintable() and "\\" not in path
    return _CLEAN.fullmatch(path) is not None and path.count("/") == text.count("/")


def is_from_here(headers: Headers) -> bool:
    """Tell whether a request that changes something was sent by a page of this site, or by no page."""
    sites, origins = headers.getlist("sec-fetch-site"), headers.getlist("origin")
    if sites:
        return _only(sites) in ("same-origin", "none")
    origin, host = _only(origins), _only(headers.getlist("host"))
    if not origin or not host:
        return False
    parts = split(origin)
    return parts is not None and parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()


def _only(values: list[str]) -> str | None:
    return values[0] if len(values) == 1 else None


def _is_overloaded(headers: Collection[tuple[bytes, bytes]]) -> bool:
    return len(headers) > MOST_HEADERS or sum(len(name) + len(value) for name, value in headers) > LARGEST_HEADERS


def _claims_too_much(headers: Headers) -> bool:
    claimed = headers.get("content-length", "0")
    return not claimed.isdecimal() or len(claimed) > _LONGEST_NUMBER or int(claimed) > LARGEST_BODY


def _limited(receive: Receive) -> Receive:
    """Stop reading where more comes than a request may carry, whatever it claimed."""
    taken = 0

    async def limited() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > LARGEST_BODY:
            raise _TooLarge
        return message

    return limited


class _Sender:
    """Sends an answer with what every answer must carry."""

    def __init__(self, send: Send, *, secure: bool) -> None:
        self._send = send
        self._secure = secure
        self.started = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            headers = MutableHeaders(scope=message)
            _put(headers, HEADERS.items())
            if self._secure:
                headers["Strict-Transport-Security"] = "max-age=31536000"
            headers.setdefault("Cache-Control", "no-store")
        await self._send(message)


def _put(headers: MutableHeaders, items: Iterable[tuple[str, str]]) -> None:
    for name, value in items:
        headers[name] = value
