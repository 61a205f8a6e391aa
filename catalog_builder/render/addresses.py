"""The addresses of pages and of what lies beside them.

Knows how an address is put together from a record or a search; does not know templates.
"""

from collections.abc import Sequence
from urllib.parse import urlencode

from catalog_builder.facets import SearchRequest, parameters_of
from catalog_builder.names import page_address
from catalog_builder.records import CuratedScan


def beamtime_address(id: str) -> str:
    """Give the address of a beamtime's page."""
    return f"/beamtimes/{id}/"


def site_path(address: str, file: str = "index.html") -> str:
    """Give where below the site's folder the file of an address lies."""
    return f"{address.lstrip('/')}{file}"


def thumbnail(scan: CuratedScan) -> str | None:
    """Give the address of a scan's thumbnail, or None where the scan has no preview."""
    return f"{page_address(scan.facts.key)}thumb.png" if scan.facts.previews else None


def preview(scan: CuratedScan, name: str) -> str:
    """Give the address of one of a scan's previews."""
    return f"{page_address(scan.facts.key)}{name}.png"


def curve(scan: CuratedScan) -> str | None:
    """Give the address of a scan's thinned curve, or None where no channel was recorded."""
    return f"{page_address(scan.facts.key)}curve.json" if scan.facts.channels else None


def search_address(request: SearchRequest) -> str:
    """Give the address that asks this search again."""
    return address_with("/search", parameters_of(request))


def address_with(path: str, parameters: Sequence[tuple[str, str]]) -> str:
    """Give a path with its parameters, or the path alone where there are none."""
    return f"{path}?{urlencode(parameters)}" if parameters else path
