"""What search engines are told: the pages of beamtimes that are open to everybody, and nothing of any other.

Knows ``robots.txt`` and the sitemap; does not know how pages look.
"""

from collections.abc import Iterator
from itertools import islice
from xml.sax.saxutils import escape

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from catalog_builder.access import NOBODY
from catalog_builder.names import page_address
from catalog_builder.render import beamtime_address
from catalog_builder.server.catalogue import Catalogue
from catalog_builder.server.visitors import TheCatalogue, site_address

router = APIRouter(include_in_schema=False)

MOST_ADDRESSES = 10_000
"""Addresses a sitemap names: a megabyte or so; the protocol allows 50,000."""
MOST_RULES = 2_000
"""Beamtimes ``robots.txt`` names: crawlers read half a megabyte of it."""

_READ = ["GET", "HEAD"]


@router.api_route("/robots.txt", methods=_READ)
def robots(request: Request, catalogue: TheCatalogue) -> Response:
    """Keep search engines from everything but what is open to everybody (RFC 9309: the longest rule counts)."""
    open_now = [beamtime_address(one.id) for one in catalogue.visible(NOBODY)[:MOST_RULES]]
    lines = ["User-agent: *", "Disallow: /"]
    if open_now:
        lines += ["Allow: /$", "Allow: /assets/", "Allow: /sitemap.xml", *(f"Allow: {one}" for one in open_now)]
        lines += [f"Sitemap: {site_address(request)}/sitemap.xml"]
    return _answer("\n".join(lines) + "\n", "text/plain; charset=utf-8")


@router.api_route("/sitemap.xml", methods=_READ)
def sitemap(request: Request, catalogue: TheCatalogue) -> Response:
    """List the pages of the beamtimes that are open to everybody (sitemaps.org, protocol 0.9)."""
    site = site_address(request)
    urls = "".join(
        f"<url><loc>{escape(site + address)}</loc></url>\n"
        for address in islice(_open_addresses(catalogue), MOST_ADDRESSES)
    )
    head = '<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n'
    return _answer(f"{head}{urls}</urlset>\n", "application/xml")


def _open_addresses(catalogue: Catalogue) -> Iterator[str]:
    """Give the addresses of open beamtimes, then of their datasets: a cut list has every beamtime first."""
    beamtimes = [beamtime.id for beamtime in catalogue.visible(NOBODY)]
    yield from map(beamtime_address, beamtimes)
    with catalogue.build_state() as state:
        for beamtime in beamtimes:
            yield from map(page_address, state.datasets(beamtime) if state else ())


def _answer(text: str, media_type: str) -> Response:
    return Response(text, media_type=media_type, headers={"Cache-Control": "no-cache"})
