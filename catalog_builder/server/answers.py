"""Answers: pages with an ETag, files, redirects, problems, and the one answer for what is not there.

Knows HTTP's ways of answering; does not know what is in an answer or who may have it.
"""

import errno
import hashlib
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from catalog_builder.errors import CatalogError
from catalog_builder.render import Renderer

PROTECTED = "private, no-cache"
"""Kept by the browser of the one who asked alone, and asked about each time."""
FOREVER = "public, max-age=31536000, immutable"
FOR_A_WHILE = "public, max-age=300"

MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
"""By suffix; a file of any other kind is not sent."""

_NOT_THERE = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.ELOOP, errno.ENXIO}
)
"""What the disk says of a name that is no file to be sent; anything else is a failure of the server."""
_READING = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""No link put there meanwhile is followed, and who would write into a fifo is not waited for."""

_TITLES = {
    404: ("There is no such page", "It does not exist, or it is not yours to see."),
    403: ("This was not sent from here", "Go back, load the page again and repeat what you did."),
    405: ("This cannot be done here", "The page is there to be read only."),
    413: ("This is too much at once", "Send less at a time."),
    431: ("This is too much at once", "Remove this site's cookies in your browser, then try again."),
    500: ("Something went wrong here", "It has been noted. Try again; if it stays so, tell the beamline's staff."),
}


@dataclass(frozen=True, slots=True)
class Handover:
    """Files that the web server in front sends for us: we decide, and name the file (``X-Accel-Redirect``)."""

    folders: Mapping[Path, str]
    """By folder, resolved, the address that nobody but us can ask the web server for; it ends with ``/``."""

    def address(self, path: Path) -> str | None:
        """Give how to name a file to the web server; None for one that it cannot send."""
        for folder, address in self.folders.items():
            if path.is_relative_to(folder):
                return address + quote(path.relative_to(folder).as_posix(), safe="/")
        return None


def tag(mark: str) -> str:
    """Give a version's ETag: weak, since a web server in front may compress what we send."""
    return f'W/"{mark}"'


def is_api(path: str) -> bool:
    """Tell whether a path is asked by programs, which want JSON where people want pages."""
    return path in ("/api", "/openapi.json") or path.startswith("/api/")


def page(request: Request, html: str, status: int = 200) -> Response:
    """Answer with a page of the one who asks, or 304 where they have it."""
    content = html.encode("utf-8", "replace")
    etag = tag(hashlib.sha256(content).hexdigest()[:32])
    headers = {"Cache-Control": PROTECTED, "ETag": etag}
    if status != HTTPStatus.OK:
        return HTMLResponse(content, status, headers={"Cache-Control": "no-store"})
    if has_it(request, etag):
        return Response(status_code=304, headers=headers)
    return HTMLResponse(content, headers=headers)


def file(request: Request, path: Path, cache: str = PROTECTED) -> Response | None:
    """Answer with a file's content, or 304; None where it is not there or of no kind that is sent.

    ``path`` is resolved: no link is followed any more. Behind a web server the answer names the file instead.
    """
    media_type = MEDIA_TYPES.get(path.suffix)
    if media_type is None:
        return None
    try:
        with os.fdopen(os.open(path, _READING), "rb") as stream:
            status = os.fstat(stream.fileno())
            if not stat.S_ISREG(status.st_mode):
                return None
            etag = tag(f"{status.st_mtime_ns:x}-{status.st_size:x}")
            headers = {"Cache-Control": cache, "ETag": etag}
            if has_it(request, etag):
                return Response(status_code=304, headers=headers)
            address = _handed_over(request, path)
            if address is not None:
                return Response(headers={**headers, "X-Accel-Redirect": address}, media_type=media_type)
            return Response(stream.read(), headers=headers, media_type=media_type)
    except OSError as exc:
        if exc.errno in _NOT_THERE:
            return None
        raise


def _handed_over(request: Request, path: Path) -> str | None:
    """Give how to name a file to the web server in front, where there is one.

    Two conditions we do not know and it does: what comes with them we send ourselves, so that answers stay the same.
    """
    handover: Handover | None = request.app.state.handover
    if handover is None or any(name in request.headers for name in ("if-match", "if-unmodified-since")):
        return None
    return handover.address(path)


def has_it(request: Request, etag: str) -> bool:
    """Tell whether the one who asks has this version (RFC 9110, If-None-Match: weak comparison)."""
    offered = ",".join(request.headers.getlist("if-none-match")).split(",")
    return any(one.strip().removeprefix("W/") in (etag.removeprefix("W/"), "*") for one in offered)


def redirect(address: str) -> Response:
    """Send somebody on to a page of this site."""
    return RedirectResponse(quote(address, safe="/%?&=:~+,;@!$'()*#[]"), status_code=303)


def failure(renderer: Renderer, path: str, status: int, headers: Mapping[str, str] | None = None) -> Response:
    """Answer that something cannot be had; the same bytes whatever the reason behind the status."""
    title, text = _TITLES.get(status, (HTTPStatus(status).phrase, "Go back and try again."))
    if is_api(path):
        return problem(status, title, headers=headers)
    return message(renderer, status, title, text, headers)


def message(
    renderer: Renderer, status: int, title: str, text: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Answer with a page that says one thing."""
    html = renderer.message_page(status, title, text)
    return HTMLResponse(html, status, headers={"Cache-Control": "no-store", **(headers or {})})


def problem(
    status: int,
    title: str,
    detail: str | None = None,
    headers: Mapping[str, str] | None = None,
    *,
    position: int | None = None,
) -> JSONResponse:
    """Answer with problem details (RFC 9457); ``position`` is where in a query a mistake is, counted from 0."""
    content: dict[str, object] = {"type": "about:blank", "title": title, "status": status}
    if detail:
        content["detail"] = detail
    if position is not None:
        content["position"] = position
    return JSONResponse(content, status, headers=headers, media_type="application/problem+json")


def told(exc: CatalogError) -> str:
    """Say a mistake to the one who made it, without where things lie on the server's disk."""
    where = "" if exc.where is None or exc.where.startswith("/") else f"{exc.where}: "
    return f"{where}{exc.what}" if exc.remedy is None else f"{where}{exc.what}; {exc.remedy}"
