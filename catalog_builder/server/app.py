"""The application put together: the routes behind the gate, and one way to say that something failed.

Knows which parts there are; does not know what they do.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from catalog_builder.config import Settings
from catalog_builder.errors import CatalogError
from catalog_builder.places import Places
from catalog_builder.search import QueryMistake
from catalog_builder.server import answers, api, cart, crawling, elsewhere, inviting, pages, signing, staff
from catalog_builder.server.answers import Handover
from catalog_builder.server.catalogue import Catalogue
from catalog_builder.server.elsewhere import provider_of, vouching_of
from catalog_builder.server.gate import Gate
from catalog_builder.server.signing import Counter
from catalog_builder.server.visitors import Vouched, cookie_of

ROUTERS = (
    api.router,
    inviting.api_router,
    signing.router,
    elsewhere.router,
    inviting.router,
    staff.router,
    cart.router,
    crawling.router,
    pages.router,
)
"""In the order they are asked: ``pages`` takes whatever lies below a beamtime, so it comes last."""


def create_app(settings: Settings) -> FastAPI:
    """Make the application of a site; raises CatalogError where its state cannot be opened."""
    provider, vouching = provider_of(settings), vouching_of(settings)
    catalogue = Catalogue(settings)
    cookie = cookie_of(settings.auth.secure_cookies)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        catalogue.close()

    app = FastAPI(
        title=settings.title,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        redirect_slashes=False,
        lifespan=lifespan,
    )
    app.state.catalogue = catalogue
    app.state.cookie = cookie
    app.state.counter = Counter()
    app.state.handover = _handover(catalogue.places) if settings.server.accel else None
    app.state.provider = provider
    app.state.travellers = Counter(at_once=elsewhere.AT_ONCE)
    app.add_middleware(Gate, catalogue=catalogue, cookie=cookie, vouched=Vouched(catalogue, vouching))
    for router in ROUTERS:
        app.include_router(router)

    def failed(request: Request, exc: Exception) -> Response:
        status, headers = (exc.status_code, exc.headers) if isinstance(exc, HTTPException) else (500, None)
        return answers.failure(catalogue.renderer, request.url.path, status, headers)

    def mistaken(request: Request, exc: Exception) -> Response:
        said = answers.told(exc) if isinstance(exc, CatalogError) else str(exc)
        if answers.is_api(request.url.path):
            position = exc.position if isinstance(exc, QueryMistake) else None
            return answers.problem(400, "This cannot be done", said, position=position)
        return answers.message(catalogue.renderer, 400, "This cannot be done", said)

    def misshapen(request: Request, exc: Exception) -> Response:
        errors = exc.errors() if isinstance(exc, RequestValidationError) else ()
        said = "; ".join(f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in errors)
        return answers.problem(422, "The request has another shape", said)

    app.add_exception_handler(HTTPException, failed)
    app.add_exception_handler(CatalogError, mistaken)
    app.add_exception_handler(RequestValidationError, misshapen)
    return app


def _handover(places: Places) -> Handover:
    """Name the folders to the web server in front as ``deploy/nginx.conf`` does."""
    return Handover({places.site.resolve(): "/.site/", places.previews.resolve(): "/.previews/"})
