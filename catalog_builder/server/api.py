"""The API programs ask: search, cart, session, health.

Knows the shapes of questions and answers; does not know how they are found.
"""

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, StringConstraints
from starlette.requests import Request
from starlette.responses import Response

from catalog_builder.errors import CatalogError
from catalog_builder.facets import (
    FACETS,
    LONGEST_TEXT,
    MOST_PER_PAGE,
    MOST_SUGGESTIONS,
    request_from,
    suggest_request_from,
)
from catalog_builder.render import CartLine
from catalog_builder.render.found import suggestions_json
from catalog_builder.search.query import LONGEST_QUERY
from catalog_builder.server import searching
from catalog_builder.server.visitors import Asking, SignedIn, TheCatalogue

router = APIRouter(prefix="/api")

Key = Annotated[str, StringConstraints(max_length=300)]


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str | None = None
    position: int | None = None
    """Where in the query the mistake is, counted from 0."""


class Hit(BaseModel):
    """A dataset or scan found, with the fields its row shows."""

    model_config = ConfigDict(extra="allow")

    key: str


class FacetValue(BaseModel):
    """A value of a facet and the hits that have it."""

    value: str
    count: int


class Found(BaseModel):
    """A page of hits, and the counts over all of them."""

    total: int
    level: str
    hits: list[Hit]
    facets: dict[str, list[FacetValue]]
    unlisted: dict[str, int]
    """By facet, how many more values hits have than are listed."""
    without: dict[str, int]
    """Where nothing is found: by facet, or ``q``, the total without what it asks."""
    took_ms: float


class Suggested(BaseModel):
    """A value that is there, and the hits it would find."""

    facet: str
    """The facet it is a value of; ``dataset`` for a dataset's name, ``field`` for a field's."""
    value: str
    count: int
    query: str
    """What to write into the search box to ask for it."""


class Suggestions(BaseModel):
    """What could be meant, the likeliest first."""

    suggestions: list[Suggested]


class Cart(BaseModel):
    """What the caller chose to take home."""

    keys: list[str]
    lines: list[CartLine]
    files: int
    size: int


class Change(BaseModel):
    """Keys to put into the cart and to take out of it."""

    model_config = ConfigDict(extra="forbid")

    add: list[Key] = []
    remove: list[Key] = []


class Changed(Cart):
    """The cart after a change."""

    not_found: list[str]
    """Keys that could not be added: they are not there, or not the caller's to see."""


class SessionState(BaseModel):
    """Who is signed in."""

    name: str
    display: str
    groups: list[str]
    shared_computer: bool
    expires: str
    """When the session ends if nothing more happens, ISO 8601 in UTC."""
    cart: int
    """Lines in the cart."""


class Health(BaseModel):
    """That the server answers."""

    status: str


_REFUSED: dict[int | str, dict[str, Any]] = {
    code: {"model": Problem, "content": {"application/problem+json": {}}, "description": what}
    for code, what in {
        400: "The question cannot be understood",
        401: "Nobody is signed in",
        403: "Not sent from this site",
        413: "Too much at once",
        422: "The body has another shape",
    }.items()
}


def _parameter(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema}


_WHAT_TO_FIND = [
    _parameter("q", {"type": "string", "maxLength": LONGEST_QUERY}),
    _parameter("level", {"type": "string", "enum": ["dataset", "scan"]}),
    *(_parameter(facet.name, {"type": "array", "items": {"type": "string"}}) for facet in FACETS),
]
_SEARCH_PARAMETERS = [
    *_WHAT_TO_FIND,
    _parameter("sort", {"type": "string", "default": "-date"}),
    _parameter("page", {"type": "integer", "minimum": 1}),
    _parameter("per_page", {"type": "integer", "minimum": 1, "maximum": MOST_PER_PAGE}),
    _parameter("facets", {"type": "string", "description": "names of facets to count, between commas, or none"}),
    _parameter("format", {"type": "string", "enum": list(searching.FORMATS)}),
]
_SUGGEST_PARAMETERS = [
    _parameter("text", {"type": "string", "maxLength": LONGEST_TEXT}),
    _parameter("facet", {"type": "string", "enum": [facet.name for facet in FACETS]}),
    _parameter("most", {"type": "integer", "minimum": 1, "maximum": MOST_SUGGESTIONS}),
    *_WHAT_TO_FIND,
]
_FOUND: dict[int | str, dict[str, Any]] = {
    200: {"model": Found, "content": {"text/csv": {}}, "description": "What is found; as CSV all of it"},
    304: {"description": "What the caller has is what is found"},
}
_SUGGESTED: dict[int | str, dict[str, Any]] = {
    200: {"model": Suggestions, "description": "What could be meant"},
    304: {"description": "What the caller has is what would be suggested"},
}


def _refused(*codes: int) -> dict[int | str, dict[str, Any]]:
    return {code: _REFUSED[code] for code in codes}


@router.get("/search", responses=_FOUND | _refused(400, 401), openapi_extra={"parameters": _SEARCH_PARAMETERS})
async def search(request: Request, caller: Asking, catalogue: TheCatalogue) -> Response:
    """Search datasets or scans; a repeated parameter means any of its values. CSV has all hits, whatever the page."""
    pairs = request.query_params.multi_items()
    named = {value for name, value in pairs if name == "format" and value}
    if len(named) > 1:
        raise CatalogError("the search parameter 'format' is given more than once", remedy="give it once")
    asked = request_from(pair for pair in pairs if pair[0] != "format")
    format = searching.format_named(named.pop()) if named else searching.format_accepted(request)
    return await searching.found(request, catalogue, caller, asked, format)


@router.get("/suggest", responses=_SUGGESTED | _refused(400, 401), openapi_extra={"parameters": _SUGGEST_PARAMETERS})
def suggest(request: Request, caller: Asking, catalogue: TheCatalogue) -> Response:
    """Suggest values and fields for what is being typed, within what is asked already."""
    asked = suggest_request_from(request.query_params.multi_items())
    return searching.document(request, suggestions_json(catalogue.suggest(caller, asked)))


@router.get("/cart", responses=_refused(401))
def cart(visitor: SignedIn, catalogue: TheCatalogue) -> Cart:
    """Give the caller's cart."""
    return Cart.model_validate(_cart(visitor, catalogue))


@router.post("/cart", responses=_refused(400, 401, 403, 413, 422))
def change_cart(change: Change, visitor: SignedIn, catalogue: TheCatalogue) -> Changed:
    """Add to the caller's cart and take out of it; what is not there, or not to be seen, is named."""
    known = catalogue.known_keys(visitor.caller, change.add)
    catalogue.carts.add(visitor.name, known)
    catalogue.carts.remove(visitor.name, change.remove)
    not_found = [key for key in dict.fromkeys(change.add) if key not in known]
    return Changed.model_validate({**_cart(visitor, catalogue), "not_found": not_found})


@router.get("/session", responses=_refused(401))
def session(visitor: SignedIn, catalogue: TheCatalogue) -> SessionState:
    """Tell who is signed in, and for how long."""
    account = visitor.session.account
    return SessionState(
        name=account.name,
        display=account.display_name,
        groups=list(account.groups),
        shared_computer=visitor.session.shared_computer,
        expires=visitor.session.expires.isoformat(),
        cart=len(catalogue.cart_lines(visitor.caller)),
    )


@router.get("/health")
def health() -> Health:
    """Tell that the server answers."""
    return Health(status="ok")


def _cart(visitor: SignedIn, catalogue: TheCatalogue) -> dict[str, Any]:
    lines = catalogue.cart_lines(visitor.caller)
    return {
        "keys": [line.key for line in lines],
        "lines": lines,
        "files": sum(line.files for line in lines),
        "size": sum(line.size for line in lines),
    }
