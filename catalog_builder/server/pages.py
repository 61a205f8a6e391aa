"""The pages people read: beamtimes, search, status, help, and the files the build wrote.

Knows which file answers which address; does not know how pages are made.
"""

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from fastapi import APIRouter, HTTPException
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from catalog_builder.access import Role
from catalog_builder.errors import CatalogError
from catalog_builder.facets import SearchRequest, request_from
from catalog_builder.files import resolved_inside
from catalog_builder.names import is_key, scan_key, split_key
from catalog_builder.places import Places
from catalog_builder.render import clauses
from catalog_builder.render.addresses import search_address
from catalog_builder.resources import shipped
from catalog_builder.search import Cancelled
from catalog_builder.server import answers, searching
from catalog_builder.server.resolving import resolved
from catalog_builder.server.visitors import Asking, SignedIn, TheCatalogue
from catalog_builder.server.waiting import unless_gone

router = APIRouter(include_in_schema=False)

_READ = ["GET", "HEAD"]
_WRITTEN = frozenset({"index.html", "dataset.json", "scan.json"})
_DRAWN = re.compile(r"(?:preview|thumb|curve)(?:-[0-9]+)?\.(?:png|json)")


@router.api_route("/", methods=_READ)
def home(request: Request, caller: Asking, catalogue: TheCatalogue) -> Response:
    """Show the beamtimes the caller may see."""
    return answers.page(request, catalogue.renderer.home(catalogue.cards(caller)))


@router.api_route("/search", methods=_READ)
async def search(request: Request, caller: Asking, catalogue: TheCatalogue) -> Response:
    """Search what the caller may see; a mistake in the question is said on the page.

    With ``format`` the same search is answered for programs, as by ``/api/search``.
    """
    pairs = request.query_params.multi_items()
    format, asked = request.query_params.get("format"), SearchRequest(q=request.query_params.get("q", ""))
    renderer = catalogue.renderer
    try:
        asked = request_from(pair for pair in pairs if pair[0] not in (*clauses.FIELDS, "format"))
        if any(name in clauses.FIELDS for name, _ in pairs):
            return answers.redirect(_asked_in_words(asked, pairs))
        if format:
            named = searching.format_named(format)
            return await searching.found(request, catalogue, caller, asked, named)
        asked = replace(asked, counted=None)
        result = await unless_gone(request, lambda cancelled: catalogue.search(caller, asked, cancelled))
    except Cancelled:
        return searching.gone()
    except CatalogError as exc:
        html = await run_in_threadpool(renderer.search_page, asked, None, answers.told(exc))
        return answers.page(request, html, 400)
    return answers.page(request, await run_in_threadpool(renderer.search_page, asked, result, None))


def _asked_in_words(asked: SearchRequest, pairs: Iterable[tuple[str, str]]) -> str:
    """Give the address of the search whose text says the name and days that a form sent beside it."""
    sent = dict(pairs)
    words = clauses.asked(asked.q, *(sent.get(name, "") for name in clauses.FIELDS))
    return search_address(replace(asked, q=words))


@router.api_route("/status", methods=_READ)
def status(request: Request, visitor: SignedIn, catalogue: TheCatalogue) -> Response:
    """Show what the last build said of what the caller may see."""
    return answers.page(request, catalogue.renderer.status_page(catalogue.report(visitor.caller)))


@router.api_route("/help", methods=_READ)
def help_folder() -> Response:
    """Send to the first page of the help."""
    return answers.redirect("/help/")


@router.api_route("/help/{name:path}", methods=_READ)
def help_page(request: Request, name: str, catalogue: TheCatalogue) -> Response:
    """Show a page of the help."""
    html = catalogue.renderer.help_page(name.removesuffix("/") or "index")
    if html is None:
        raise HTTPException(404)
    return answers.page(request, html)


@router.api_route("/go/{anything:path}", methods=_READ)
def go(anything: str, visitor: SignedIn, catalogue: TheCatalogue) -> Response:
    """Send to the page of whatever somebody has in hand."""
    address = resolved(catalogue, visitor.caller, anything)
    if address is None:
        raise HTTPException(404)
    return answers.redirect(address)


@router.api_route("/assets/{name:path}", methods=_READ)
def asset(request: Request, name: str) -> Response:
    """Send a style sheet, script or picture; for ever where the address names its content by a hash."""
    folder = shipped("assets")
    path = _inside(folder, name)
    wanted = request.query_params.get("v", "")
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest() if path and len(wanted) >= 8 else ""
    except OSError:
        digest = ""
    is_named = digest != "" and digest.startswith(wanted)
    answer = answers.file(request, path, answers.FOREVER if is_named else answers.FOR_A_WHILE) if path else None
    if answer is None:
        raise HTTPException(404)
    return answer


@router.api_route("/beamtimes/{beamtime}", methods=_READ)
@router.api_route("/beamtimes/{beamtime}/{rest:path}", methods=_READ)
def written(
    request: Request, beamtime: str, caller: Asking, catalogue: TheCatalogue, rest: str | None = None
) -> Response:
    """Send what the build wrote for a beamtime, once access to the beamtime of the address is sure."""
    if not catalogue.may(caller, Role.READ, beamtime):
        raise HTTPException(404)
    answer = _written(request, catalogue.places, beamtime, rest)
    if answer is None:
        raise HTTPException(404)
    return answer


def _written(request: Request, places: Places, beamtime: str, rest: str | None) -> Response | None:
    """Answer with a page, a JSON document or a picture, or None; a page's folder without ``/`` is sent on to it."""
    folder = places.site / "beamtimes" / beamtime
    below = rest or ""
    head, _, name = below.rpartition("/")
    if rest is not None and (name == "" or name in _WRITTEN):
        path = _inside(folder, f"{head}/{name or 'index.html'}".lstrip("/"))
        return answers.file(request, path) if path else None
    if _DRAWN.fullmatch(name):
        path = _drawn(places, beamtime, head, name)
        return answers.file(request, path) if path else None
    page = _inside(folder, f"{below}/index.html".lstrip("/"))
    return answers.redirect(f"{request.url.path}/") if page and _is_file(page) else None


def _is_file(path: Path) -> bool:
    """Tell whether there is such a file; no, where the name is none that the disk can hold."""
    try:
        return path.is_file()
    except OSError:
        return False


def _drawn(places: Places, beamtime: str, head: str, name: str) -> Path | None:
    """Give where a picture of a scan lies; a dataset's is its main scan's."""
    kind, _, owner = head.partition("/")
    key: str | None = None
    if kind == "scans" and owner and "/" not in owner:
        key = scan_key(beamtime, owner)
    elif kind == "datasets" and owner and "/" not in owner:
        key = _main_scan(places, beamtime, owner)
    if key is None or not is_key(key):
        return None
    return _inside(places.previews / beamtime, f"{split_key(key)[2]}/{name}")


def _main_scan(places: Places, beamtime: str, slug: str) -> str | None:
    """Give the key of the scan that stands for a dataset, if it is of the same beamtime."""
    path = _inside(places.site / "beamtimes" / beamtime, f"datasets/{slug}/dataset.json")
    try:
        key = json.loads(path.read_bytes())["facts"]["main_scan"] if path else None
        return key if key and split_key(key)[1] == beamtime else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _inside(folder: Path, path: str) -> Path | None:
    try:
        return resolved_inside(folder, path)
    except CatalogError:
        return None
