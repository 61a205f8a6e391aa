"""The search of a site: where its index lies and what its queries mean.

Knows which settings concern a search; does not know how one is answered.
"""

from zoneinfo import ZoneInfo

from catalog_builder.config import Settings
from catalog_builder.places import Places
from catalog_builder.search.generations import index_folder, manifest_path
from catalog_builder.search.query import Dialect
from catalog_builder.search.searcher import Searcher


def dialect_of(settings: Settings) -> Dialect:
    """Give what queries mean at this site: its days and its scientific metadata."""
    return Dialect(zone=ZoneInfo(settings.timezone), quantities=tuple(settings.quantities))


def searcher_of(settings: Settings) -> Searcher:
    """Give the search over the site's index, which need not exist yet."""
    return Searcher(Places(settings.catalogue).index, dialect_of(settings))


def is_built(settings: Settings) -> bool:
    """Tell whether the site has an index, of the format this program knows."""
    return manifest_path(index_folder(Places(settings.catalogue).index)).exists()
